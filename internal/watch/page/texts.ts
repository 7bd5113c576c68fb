// The words of the page in the languages that it speaks.

const en = {
  loading: 'Loading…',
  player: 'Loading the player…',
  connecting: 'Connecting to the room…',
  waiting: 'Waiting for the stream…',
  starting: 'The stream is starting…',
  reconnecting: 'The connection was lost. Connecting again…',
  ended: 'The stream has ended.',
  simulated: 'There is no picture: a simulator answers, not ZEGO. Everything else on this page works.',
  over: 'zego-mcp has ended, and this page with it.',
  sound: 'Turn the sound on',
  mute: 'Turn the sound off',
  speech: 'Speech',
  speaking: 'Speaking',
  silent: 'Silent',
  unknown: 'Not known',
  queue: 'Waiting to be spoken',
  left: 'Time left',
  gestures: 'Gestures',
  stop: 'Stop the stream',
  ask: 'Stop the stream? It ends for everybody who watches, and what is being said is cut off.',
  yes: 'Stop it',
  no: 'Let it run',
  noPlayer: 'The player could not be loaded. ZEGO’s web SDK comes from a public CDN: check that this machine reaches the internet, and reload the page.',
  noBrowser: 'This browser cannot play live video (WebRTC).',
  noRoom: (why: string) => `ZEGO did not let this page into the room: ${why}. Check AppID, ServerSecret and clock with zego-mcp doctor, and reload the page.`,
  lostRoom: (why: string) => `The connection to the room has ended (${why}). Reload the page to connect again.`,
  noStream: (why: string) => `The stream cannot be played: ${why}. The page tries again; if that does not help, a firewall may block the video.`,
};

const zh: typeof en = {
  loading: '正在加载…',
  player: '正在加载播放器…',
  connecting: '正在连接房间…',
  waiting: '正在等待视频流…',
  starting: '视频流正在启动…',
  reconnecting: '连接已断开，正在重新连接…',
  ended: '视频流已结束。',
  simulated: '没有画面：当前由模拟器应答，而不是 ZEGO。页面上的其他功能均可使用。',
  over: 'zego-mcp 已退出，此页面也随之结束。',
  sound: '打开声音',
  mute: '关闭声音',
  speech: '播报',
  speaking: '正在说话',
  silent: '静默',
  unknown: '未知',
  queue: '等待播报',
  left: '剩余时间',
  gestures: '动作',
  stop: '停止视频流',
  ask: '要停止视频流吗？所有观看者的画面都会结束，正在说的话会被打断。',
  yes: '停止',
  no: '继续运行',
  noPlayer: '无法加载播放器。ZEGO 的 Web SDK 来自公共 CDN：请检查本机能否访问互联网，然后刷新页面。',
  noBrowser: '此浏览器无法播放实时视频（WebRTC）。',
  noRoom: (why) => `ZEGO 未允许此页面进入房间：${why}。请用 zego-mcp doctor 检查 AppID、ServerSecret 和时间，然后重新加载页面。`,
  lostRoom: (why) => `与房间的连接已结束（${why}）。请刷新页面重新连接。`,
  noStream: (why) => `无法播放视频流：${why}。页面会自动重试；如果仍然无效，可能是防火墙拦截了视频。`,
};

/** texts are the words in the language of the browser. */
export const texts = /^zh\b/i.test(navigator.language) ? zh : en;

/** language is the one that texts are in. */
export const language = texts === zh ? 'zh' : 'en';

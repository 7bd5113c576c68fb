// A server in place of ZEGO's, written from ZEGO's documentation alone. It shares no code
// with the rest of the project, so that a misreading on one side makes a check fail.
import { createHash, randomUUID } from 'node:crypto';
import http from 'node:http';
import { appId, secret } from './binary.mjs';

/** signature returns ZEGO's signature: MD5 over AppId, nonce, secret and timestamp. */
export function signature(appId, nonce, secret, timestamp) {
  return createHash('md5').update(`${appId}${nonce}${secret}${timestamp}`).digest('hex');
}

// Names and links that a careless encoder changes: quotes, markup, emoji, '&'.
const names = ['Sophia', '林晓雨', 'Zoë "Zo" O\'Neil', '<b>R&D</b>', 'Émile 🎬', 'back\\slash', 'two\nlines'];

export const humans = Array.from({ length: 23 }, (_, i) => ({
  DigitalHumanId: `00000000-0000-4000-8000-${String(i).padStart(12, '0')}`,
  Name: names[i] ?? `Human ${i}`,
  AvatarUrl: `https://assets.example.com/avatar/${i}.png?Expires=1&Signature=a%2Bb`,
  Actions: Array.from({ length: i % 3 }, (_, n) => ({
    Action: `80${n}_92147${i}`,
    PreviewUrl: `https://assets.example.com/preview/${i}/${n}.mp4?x=1&y=2`,
  })),
  IsPublic: i % 4 !== 0,
}));

/** page returns the Data of the answer to GetDigitalHumanList. */
export function page({ FetchMode = 1, Offset = 0, Limit = 20 }) {
  const matching = humans.filter((human) => FetchMode === 1 || human.IsPublic === (FetchMode === 2));
  return { Total: matching.length, DigitalHumans: matching.slice(Offset, Offset + Limit) };
}

const actions = {
  GetDigitalHumanList: (request) => ({ Code: 0, Message: 'success', Data: page(request) }),
  GetDigitalHumanInfo(request) {
    const human = humans.find(({ DigitalHumanId }) => DigitalHumanId === request.DigitalHumanId);
    if (!human) return { Code: 400000003, Message: 'digital human not exist' };
    return { Code: 0, Message: 'success', Data: human };
  },
  QueryDigitalHumanStreamTasks: () => ({ Code: 0, Message: 'success', Data: { TaskList: [] } }),
};

/**
 * startUpstream starts a server. `calls` are the requests that it got: action, body text
 * and RequestId. `violations` says what was wrong with them.
 */
export async function startUpstream() {
  const calls = [];
  const violations = [];
  const nonces = new Set();

  /** violation returns what is wrong with a request, or ''. */
  function violation(req, url) {
    const query = Object.fromEntries(url.searchParams);
    const names = Object.keys(query).sort().join();
    if (req.method !== 'POST') return `method ${req.method}`;
    if (url.pathname !== '/') return `path ${url.pathname}`;
    if (names !== 'Action,AppId,Signature,SignatureNonce,SignatureVersion,Timestamp') return `query ${names}`;
    if (query.AppId !== appId) return `AppId ${query.AppId}`;
    if (query.SignatureVersion !== '2.0') return `SignatureVersion ${query.SignatureVersion}`;
    if (!/^[0-9a-f]{16}$/.test(query.SignatureNonce)) return `nonce ${query.SignatureNonce}`;
    if (nonces.has(query.SignatureNonce)) return `nonce ${query.SignatureNonce} came twice`;
    nonces.add(query.SignatureNonce);
    if (!/^[1-9][0-9]*$/.test(query.Timestamp)) return `timestamp ${query.Timestamp}`;
    if (Math.abs(Date.now() / 1000 - Number(query.Timestamp)) > 600) return `timestamp ${query.Timestamp}`;
    if (query.Signature !== signature(appId, query.SignatureNonce, secret, query.Timestamp)) return 'signature';
    if (!/^application\/json\b/.test(req.headers['content-type'])) return `content type ${req.headers['content-type']}`;
    if (!Object.hasOwn(actions, query.Action)) return `action ${query.Action}`;
    return '';
  }

  const server = http.createServer(async (req, res) => {
    let body = '';
    for await (const chunk of req.setEncoding('utf8')) body += chunk;
    const url = new URL(req.url, 'http://upstream');
    const action = url.searchParams.get('Action');
    const RequestId = randomUUID();
    calls.push({ action, body, RequestId });
    let answer;
    try {
      const fault = violation(req, url);
      if (fault) throw new Error(fault);
      answer = actions[action](JSON.parse(body));
    } catch (err) {
      violations.push(`${action} ${body}: ${err.message}`);
      answer = { Code: 100000005, Message: err.message };
    }
    const { Code, Message, Data } = answer;
    res.setHeader('Content-Type', 'application/json; charset=utf-8');
    res.end(JSON.stringify({ Code, Message, RequestId, Data }));
  });
  await new Promise((resolve, reject) => server.on('error', reject).listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${server.address().port}`,
    calls,
    violations,
    stop() {
      server.close();
      server.closeAllConnections();
    },
  };
}

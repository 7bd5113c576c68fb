// The words of the page in the languages that it speaks.

const en = {
  title: 'Digital humans',
  search: 'Search by name or gesture',
  owners: 'Whose digital humans to show',
  all: 'All',
  public: 'Public',
  own: 'Own',
  gesturesOnly: 'With gestures',
  loading: 'Loading…',
  searching: 'Searching…',
  count: (shown: number, total: number) => (shown === total ? `${shown} digital humans` : `${shown} of ${total} digital humans`),
  none: 'No digital human matches.',
  empty: 'This project has no digital humans.',
  more: 'Show more',
  retry: 'Try again',
  cancelled: 'The call was cancelled.',
  noPicture: 'No picture',
  chosen: 'Chosen:',
  use: 'Use this one',
  used: (name: string) => `The chat was told to use ${name}.`,
  choose: (name: string) => `Choose ${name}`,
  preview: (gesture: string) => `Preview of the gesture ${gesture}`,
  noPreview: (why: string) => `No preview: ${why}`,
  openPreview: 'The preview is large: click to open it.',
  unreadable: 'The answer could not be read.',
};

const zh: typeof en = {
  title: '数字人',
  search: '按名称或动作搜索',
  owners: '显示哪些数字人',
  all: '全部',
  public: '公共',
  own: '专属',
  gesturesOnly: '有动作的',
  loading: '正在加载…',
  searching: '正在搜索…',
  count: (shown, total) => (shown === total ? `共 ${shown} 个数字人` : `显示 ${shown} 个，共 ${total} 个数字人`),
  none: '没有匹配的数字人。',
  empty: '此项目没有数字人。',
  more: '显示更多',
  retry: '重试',
  cancelled: '调用已取消。',
  noPicture: '无图片',
  chosen: '已选择：',
  use: '使用这个数字人',
  used: (name) => `已告知对话使用 ${name}。`,
  choose: (name) => `选择 ${name}`,
  preview: (gesture) => `动作 ${gesture} 的预览`,
  noPreview: (why) => `无法预览：${why}`,
  openPreview: '预览较大，点击打开。',
  unreadable: '无法读取结果。',
};

/** Texts are the words in one language. */
export type Texts = typeof en;

/** textsFor returns the words for a BCP 47 locale, and the language that they are in. */
export function textsFor(locale: string): { texts: Texts; language: string } {
  return /^zh\b/i.test(locale) ? { texts: zh, language: 'zh' } : { texts: en, language: 'en' };
}

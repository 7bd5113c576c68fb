// How the page looks follows the host: its theme, colours, fonts and margins.
import { record, text, type Params } from './host';

const fonts = document.createElement('style');

/** applyLook follows what a context, or a change of it, says about the look of the page. */
export function applyLook(context: Params): void {
  const root = document.documentElement;
  if (context['theme'] === 'light' || context['theme'] === 'dark') root.style.colorScheme = context['theme'];
  const styles = record(context['styles']);
  for (const [name, value] of Object.entries(record(styles['variables']))) {
    // A value with a URL would make the browser ask for it.
    if (/^--[a-z0-9-]+$/.test(name) && !/url\(|image-set\(/i.test(text(value))) root.style.setProperty(name, text(value) || null);
  }
  const css = text(record(styles['css'])['fonts']);
  if (css !== '') {
    fonts.textContent = css;
    document.head.append(fonts);
  }
  const insets = record(context['safeAreaInsets']);
  for (const side of ['top', 'right', 'bottom', 'left']) {
    const inset = insets[side];
    if (typeof inset === 'number') root.style.setProperty(`--inset-${side}`, `${inset}px`);
  }
}

/** reportHeight calls `changed` with the height of the page in pixels, now and at each change. */
export function reportHeight(changed: (height: number) => void): void {
  let last = -1;
  new ResizeObserver(() => {
    const height = Math.ceil(document.body.getBoundingClientRect().height);
    if (height !== last) changed(height);
    last = height;
  }).observe(document.body);
}

// One digital human in the grid.
import type { Human } from './humans';
import type { Preview } from './pictures';
import type { Words } from './words';

/** Actions is what a card asks the page to do. */
export interface Actions {
  choose(human: Human): void;
  use(human: Human): void;
  preview(human: Human, gesture: string): Promise<Preview>;
  openLink(url: string): void;
  canOpenLinks(): boolean;
  say(text: string): void;
}

const gesturesShown = 3; // The others show after a press of a button.
const hoverTime = 200; // Milliseconds until a pointer that rests on a gesture shows it.

const calm = matchMedia('(prefers-reduced-motion: reduce)');

/** Card shows a digital human: its face, name, owner and gestures. */
export class Card {
  readonly element = element('li', 'card');
  readonly face = button('face');
  private readonly picture = element('span', 'picture');
  private readonly name = element('bdi', 'name');
  private readonly badge = element('span', 'badge');
  private readonly gestures = element('ul', 'gestures');
  private readonly useButton = button('use');
  private expanded = false;
  private playing: HTMLElement | undefined; // The button of the gesture that is shown.

  constructor(readonly human: Human, private readonly actions: Actions, private words: Words) {
    this.element.dataset['id'] = human.id;
    this.name.dir = 'auto';
    this.gestures.role = 'list';
    this.picture.append(this.initial());
    this.face.append(this.picture, this.name, ' ', this.badge);
    this.face.addEventListener('click', () => actions.choose(human));
    this.useButton.addEventListener('click', () => actions.use(human));
    this.element.addEventListener('keydown', (event) => {
      if (event.key === 'Escape') this.stop();
    });
    this.element.append(this.face, this.useButton, this.gestures);
    this.setWords(words);
    this.setChosen(false);
  }

  /** label is the name as the page shows it, also if it has no character that is visible. */
  get label(): string {
    return /[\p{L}\p{N}\p{P}\p{S}]/u.test(this.human.name) ? this.human.name : `${this.words.unnamed} (${this.human.id})`;
  }

  setWords(words: Words): void {
    this.words = words;
    this.name.textContent = this.label;
    this.name.title = this.label;
    this.badge.textContent = this.human.isPublic ? words.isPublic : words.isOwn;
    this.badge.classList.toggle('own', !this.human.isPublic);
    this.useButton.textContent = words.use;
    this.useButton.ariaLabel = words.useNamed(this.label);
    this.gestures.ariaLabel = words.gesturesOf(this.label);
    this.showGestures();
  }

  setChosen(chosen: boolean): void {
    this.face.ariaPressed = String(chosen);
    this.useButton.hidden = !chosen;
  }

  /** setPicture shows a picture, or the first letter of the name if url is ''. */
  setPicture(url: string): void {
    const image = url === '' ? this.initial() : element('img', 'still');
    if (image instanceof HTMLImageElement) {
      image.alt = '';
      image.src = url;
    }
    this.picture.querySelector('.still')?.replaceWith(image);
  }

  private initial(): HTMLElement {
    const initial = element('span', 'still initial');
    initial.ariaHidden = 'true';
    initial.textContent = /[\p{L}\p{N}]/u.exec(this.human.name)?.[0]?.toLocaleUpperCase() ?? '?';
    return initial;
  }

  private showGestures(): void {
    this.stop();
    const { gestures } = this.human;
    this.gestures.hidden = gestures.length === 0;
    const hidden = this.expanded ? 0 : Math.max(0, gestures.length - gesturesShown);
    const buttons = gestures.slice(0, gestures.length - hidden).map((gesture) => this.gestureButton(gesture));
    if (hidden > 0) buttons.push(this.moreGestures(hidden));
    this.gestures.replaceChildren(
      ...buttons.map((content) => {
        const item = element('li', '');
        item.append(content);
        return item;
      }),
    );
  }

  private moreGestures(hidden: number): HTMLButtonElement {
    const more = button('gesture');
    more.textContent = this.words.moreGestures(hidden);
    more.ariaLabel = this.words.showGestures(hidden, this.label);
    more.addEventListener('click', () => {
      this.expanded = true;
      this.showGestures();
      this.gestures.querySelectorAll('button')[gesturesShown]?.focus();
    });
    return more;
  }

  private gestureButton(gesture: string): HTMLButtonElement {
    const chip = button('gesture');
    const name = element('bdi', '');
    name.textContent = gesture;
    chip.append(name);
    chip.title = this.words.preview(gesture);
    let timer = 0;
    const later = () => {
      // Who wants less motion sees a gesture only after a press of its button.
      if (!calm.matches) timer = window.setTimeout(() => void this.play(chip, gesture, false), hoverTime);
    };
    const stop = () => {
      clearTimeout(timer);
      if (this.playing === chip) this.stop();
    };
    chip.addEventListener('pointerenter', (event) => event.pointerType === 'mouse' && later());
    chip.addEventListener('pointerleave', (event) => event.pointerType === 'mouse' && document.activeElement !== chip && stop());
    chip.addEventListener('focus', () => chip.matches(':focus-visible') && later());
    chip.addEventListener('blur', stop);
    chip.addEventListener('click', () => {
      clearTimeout(timer);
      if (this.playing === chip && calm.matches) this.stop();
      else void this.play(chip, gesture, true);
    });
    return chip;
  }

  /** play shows a gesture over the picture. A preview that is too large opens if `pressed`. */
  private async play(chip: HTMLButtonElement, gesture: string, pressed: boolean): Promise<void> {
    const seenBefore = this.playing === chip;
    this.stop();
    this.playing = chip;
    chip.classList.add('playing');
    this.picture.classList.add('waiting');
    try {
      const preview = await this.actions.preview(this.human, gesture);
      if (this.playing !== chip) return;
      if (preview.url !== '') this.picture.append(moving(preview));
      else if (!this.actions.canOpenLinks() || preview.link === '') this.actions.say(this.words.previewFailed);
      else if (pressed && seenBefore) this.actions.openLink(preview.link);
      else this.actions.say(this.words.previewElsewhere);
    } catch {
      if (this.playing === chip) this.actions.say(this.words.previewFailed);
    } finally {
      if (this.playing === chip) this.picture.classList.remove('waiting');
    }
  }

  private stop(): void {
    this.playing?.classList.remove('playing');
    this.playing = undefined;
    this.picture.classList.remove('waiting');
    this.picture.querySelector('.moving')?.remove();
  }
}

/** moving returns an element that shows a preview. */
function moving(preview: Preview): HTMLElement {
  const shown = element(preview.isVideo ? 'video' : 'img', 'moving');
  if (shown instanceof HTMLVideoElement) {
    Object.assign(shown, { muted: true, loop: true, autoplay: true, playsInline: true, tabIndex: -1 });
  } else if (shown instanceof HTMLImageElement) {
    shown.alt = '';
  }
  shown.ariaHidden = 'true';
  (shown as HTMLVideoElement | HTMLImageElement).src = preview.url;
  return shown;
}

function element<K extends keyof HTMLElementTagNameMap>(tag: K, className: string): HTMLElementTagNameMap[K] {
  const created = document.createElement(tag);
  created.className = className;
  return created;
}

function button(className: string): HTMLButtonElement {
  const created = element('button', className);
  created.type = 'button';
  return created;
}

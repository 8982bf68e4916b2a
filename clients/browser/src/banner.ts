import { fill, textOf, type BannerText } from './banner-text.js';
import type { Question, Session } from './types.js';

export { texts, type BannerText } from './banner-text.js';

const STYLE = `
:host { position: fixed; inset: auto 0 0 0; z-index: var(--countersign-z-index, 2147483000); display: block; color-scheme: inherit;
  font: var(--countersign-font, 1rem/1.45 system-ui, sans-serif); pointer-events: none }
:host([hidden]) { display: block; visibility: hidden }
* { box-sizing: border-box }
.bar { pointer-events: auto; display: flex; flex-wrap: wrap; gap: .6rem 1rem; align-items: center; justify-content: space-between;
  max-width: var(--countersign-width, 60rem); margin: 0 auto; padding: .8rem 1rem calc(.8rem + env(safe-area-inset-bottom));
  color: var(--countersign-color, #1c1f24); background: var(--countersign-background, #fff7e0);
  border: 1px solid var(--countersign-border, #b98900); border-bottom: 0;
  border-radius: var(--countersign-radius, .75rem .75rem 0 0); box-shadow: 0 -.2rem 1.5rem rgb(0 0 0 / .2) }
.text { flex: 1 1 18rem; min-width: 0 }
p { margin: 0; overflow-wrap: anywhere }
p + p { font-size: .9em; opacity: .85 }
.acts { display: flex; flex-wrap: wrap; gap: .5rem }
a, button { font: inherit; display: inline-flex; align-items: center; min-height: 2.75rem; padding: .4rem .9rem; cursor: pointer;
  color: inherit; background: transparent; border: 1px solid currentcolor; border-radius: .5rem; text-decoration: none }
a, .first { color: var(--countersign-accent-color, #fff); background: var(--countersign-accent, #0b5d52);
  border-color: var(--countersign-accent, #0b5d52); font-weight: 600 }
:focus-visible { outline: 3px solid var(--countersign-focus, currentcolor); outline-offset: 2px }
@media (prefers-color-scheme: dark) {
  .bar { color: var(--countersign-color, #f1ede2); background: var(--countersign-background, #2c2612); border-color: var(--countersign-border, #a98a2b) }
  a, .first { color: var(--countersign-accent-color, #0c1a18); background: var(--countersign-accent, #5fd0bd); border-color: var(--countersign-accent, #5fd0bd) }
}
@media (prefers-reduced-motion: no-preference) { .bar { animation: rise .18s ease-out } @keyframes rise { from { transform: translateY(1rem); opacity: 0 } } }
@media (forced-colors: active) { .bar { border: 2px solid CanvasText } }
`;

const Base = (globalThis.HTMLElement ?? class {}) as typeof HTMLElement;

/**
 * `<countersign-banner>`: says at the lower edge what the session needs, and lets go on. Give it a session:
 *
 * ```ts
 * document.body.append(Object.assign(document.createElement('countersign-banner'), { session }));
 * ```
 *
 * It speaks the language of the nearest `lang` (English and German; others by `strings`), announces itself to screen
 * readers without taking the focus, and gives the focus back when it goes. Escape cancels what waits.
 */
export class CountersignBanner extends Base {
  /** Replaces single texts, or all of them for another language. */
  strings: Partial<BannerText> = {};
  #session: Session | undefined;
  #off: (() => void)[] = [];
  #questions: Question[] = [];
  #seconds = 0;
  #looped = false;
  #before: Element | null = null;
  #shown = '';
  #message: HTMLElement | undefined;
  #actions: HTMLElement | undefined;
  #bar: HTMLElement | undefined;

  get session(): Session | undefined {
    return this.#session;
  }
  set session(session: Session | undefined) {
    this.disconnectedCallback();
    this.#session = session;
    if (this.isConnected) this.connectedCallback();
  }

  connectedCallback(): void {
    if (!this.#bar) this.#build();
    const session = this.#session;
    if (!session || this.#off.length > 0) return;
    const update = (): void => this.#update();
    this.#off = [
      session.on('change', update),
      session.on('expiring', ({ seconds }) => {
        this.#seconds = seconds;
        update();
      }),
      session.on('renewed', () => {
        this.#seconds = 0;
        update();
      }),
      session.on('ask', (question) => {
        this.#questions.push(question);
        update();
      }),
    ];
    update();
  }

  disconnectedCallback(): void {
    for (const off of this.#off) off();
    this.#off = [];
  }

  #build(): void {
    const root = this.attachShadow({ mode: 'open', delegatesFocus: false });
    const style = new CSSStyleSheet();
    style.replaceSync(STYLE);
    root.adoptedStyleSheets = [style];
    this.#message = make('div', { className: 'text' });
    this.#message.setAttribute('role', 'alert');
    this.#actions = make('div', { className: 'acts' });
    this.#bar = make('div', { className: 'bar', hidden: true }, this.#message, this.#actions);
    this.#bar.setAttribute('role', 'region');
    this.#bar.addEventListener('focusin', (event) => {
      const from = (event as FocusEvent).relatedTarget as Element | null;
      if (from && !root.contains(from)) this.#before = from;
    });
    this.#bar.addEventListener('keydown', (event) => {
      if ((event as KeyboardEvent).key === 'Escape') this.#session?.cancel();
    });
    root.append(this.#bar);
    this.hidden = true;
  }

  #text(): BannerText {
    const nearest = this.closest<HTMLElement>('[lang]')?.lang || navigator.language;
    return { ...textOf(nearest), ...this.strings };
  }

  /** What is to be said now, and what can be done. Nothing: an empty list. */
  #content(session: Session, text: BannerText): { lines: string[]; actions: () => HTMLElement[] } {
    const { state, reason, waiting, offline } = session.snapshot();
    const question = this.#questions[0];
    if (state === 'signed-out') this.#questions = [];
    else if (question) {
      const request = `${question.method} ${new URL(question.url).pathname}`;
      return { lines: [fill(text.ask, { request })], actions: () => this.#askActions(question, text) };
    }
    if (state === 'login-required') {
      const lines = [this.#looped ? text.loop : reason === 'revoked' ? text.revoked : text.ended];
      if (waiting > 0) lines.push(fill(waiting === 1 ? text.waitingOne : text.waiting, { count: waiting }));
      return { lines, actions: () => this.#loginActions(session, text, true) };
    }
    if (state === 'active' && offline) return { lines: [text.offline], actions: () => [] };
    if (state === 'active' && this.#seconds > 0) {
      const minutes = Math.max(1, Math.round(this.#seconds / 60));
      return { lines: [fill(text.expiring, { minutes })], actions: () => this.#loginActions(session, text, false) };
    }
    return { lines: [], actions: () => [] };
  }

  #askActions(question: Question, text: BannerText): HTMLElement[] {
    const answer = (act: 'send' | 'discard') => (): void => {
      this.#questions = this.#questions.filter((other) => other !== question);
      question[act]();
      this.#update();
    };
    return [button(text.send, answer('send'), 'first'), button(text.discard, answer('discard'))];
  }

  #loginActions(session: Session, text: BannerText, ended: boolean): HTMLElement[] {
    // a plain link, so that no browser blocks it; a window only looks better
    const link = make('a', { href: session.loginUrl, target: '_blank', rel: 'noopener', textContent: text.logIn });
    link.addEventListener('click', (event) => {
      if (!event.ctrlKey && !event.metaKey && !event.shiftKey && session.login()) event.preventDefault();
    });
    if (!ended) return [link];
    const here = (): void =>
      void session.redirect().catch(() => {
        this.#looped = true;
        this.#update();
      });
    return [link, button(text.here, here), button(text.cancel, () => session.cancel())];
  }

  #update(): void {
    const session = this.#session;
    if (!session || !this.#bar || !this.#message || !this.#actions) return;
    const text = this.#text();
    const { lines, actions } = this.#content(session, text);
    const { state } = session.snapshot();
    if (state === 'active') this.#looped = false;
    const shown = JSON.stringify([state, lines]);
    if (shown === this.#shown) return;
    const sameActions = JSON.parse(this.#shown || '[]')[0] === state && this.#questions.length === 0 && lines.length > 0;
    this.#shown = shown;
    const hadFocus = this.shadowRoot?.activeElement;
    this.#message.replaceChildren(...lines.map((line) => make('p', { textContent: line })));
    if (!sameActions || this.#actions.childElementCount === 0) this.#actions.replaceChildren(...actions());
    this.#bar.setAttribute('aria-label', text.label);
    this.#bar.hidden = this.hidden = lines.length === 0;
    if (!hadFocus) return;
    if (this.hidden) (this.#before as HTMLElement | null)?.focus?.();
    else if (!this.shadowRoot?.activeElement) this.#actions.querySelector<HTMLElement>('a, button')?.focus();
  }
}

const make = <K extends keyof HTMLElementTagNameMap>(
  name: K,
  properties: Partial<HTMLElementTagNameMap[K]>,
  ...children: Node[]
): HTMLElementTagNameMap[K] => {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
};

const button = (text: string, act: () => void, className = ''): HTMLButtonElement => {
  const made = make('button', { type: 'button', textContent: text, className });
  made.addEventListener('click', act);
  return made;
};

if (globalThis.customElements && !customElements.get('countersign-banner')) {
  customElements.define('countersign-banner', CountersignBanner);
}

declare global {
  interface HTMLElementTagNameMap {
    'countersign-banner': CountersignBanner;
  }
}

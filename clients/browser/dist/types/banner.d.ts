import { type BannerText } from './banner-text.js';
import type { Session } from './types.js';
export { texts, type BannerText } from './banner-text.js';
declare const Base: typeof HTMLElement;
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
export declare class CountersignBanner extends Base {
    #private;
    /** Replaces single texts, or all of them for another language. */
    strings: Partial<BannerText>;
    get session(): Session | undefined;
    set session(session: Session | undefined);
    connectedCallback(): void;
    disconnectedCallback(): void;
}
declare global {
    interface HTMLElementTagNameMap {
        'countersign-banner': CountersignBanner;
    }
}

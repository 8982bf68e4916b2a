/** What the banner says. `{count}`, `{minutes}` and `{request}` are replaced. */
export interface BannerText {
    readonly label: string;
    readonly ended: string;
    readonly revoked: string;
    readonly waiting: string;
    readonly waitingOne: string;
    readonly logIn: string;
    readonly here: string;
    readonly cancel: string;
    readonly offline: string;
    readonly expiring: string;
    readonly loop: string;
    readonly ask: string;
    readonly send: string;
    readonly discard: string;
}
export declare const texts: Readonly<Record<string, BannerText>>;
/** The text of a language such as `de-AT`; English if there is none. */
export declare const textOf: (language: string) => BannerText;
export declare const fill: (text: string, values: Readonly<Record<string, string | number>>) => string;

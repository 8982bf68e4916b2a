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

export const texts: Readonly<Record<string, BannerText>> = {
  en: {
    label: 'Session',
    ended: 'Your session has ended. What you typed is still here.',
    revoked: 'This session was ended for good. If logging in brings you back here, log out there first.',
    waiting: '{count} requests wait for you to log in.',
    waitingOne: 'One request waits for you to log in.',
    logIn: 'Log in again',
    here: 'Log in on this page',
    cancel: 'Cancel',
    offline: 'No answer from the server. Trying again; you stay logged in.',
    expiring: 'Your session ends in {minutes} min. Log in again to go on without a break.',
    loop: 'The log-in led back here at once. The page stays, so that nothing is lost.',
    ask: 'Waited for the log-in: {request}. Send it now?',
    send: 'Send',
    discard: 'Discard',
  },
  de: {
    label: 'Sitzung',
    ended: 'Ihre Sitzung ist zu Ende. Was Sie geschrieben haben, ist noch da.',
    revoked: 'Diese Sitzung wurde endgültig beendet. Führt die Anmeldung wieder hierher, melden Sie sich dort erst ab.',
    waiting: '{count} Anfragen warten auf Ihre Anmeldung.',
    waitingOne: 'Eine Anfrage wartet auf Ihre Anmeldung.',
    logIn: 'Neu anmelden',
    here: 'Auf dieser Seite anmelden',
    cancel: 'Abbrechen',
    offline: 'Der Server antwortet nicht. Neuer Versuch folgt; Sie bleiben angemeldet.',
    expiring: 'Ihre Sitzung endet in {minutes} min. Melden Sie sich neu an, um ohne Pause weiterzuarbeiten.',
    loop: 'Die Anmeldung führte sofort hierher zurück. Die Seite bleibt stehen, damit nichts verloren geht.',
    ask: 'Wartete auf die Anmeldung: {request}. Jetzt senden?',
    send: 'Senden',
    discard: 'Verwerfen',
  },
};

/** The text of a language such as `de-AT`; English if there is none. */
export const textOf = (language: string): BannerText =>
  texts[language.slice(0, 2).toLowerCase()] ?? (texts['en'] as BannerText);

export const fill = (text: string, values: Readonly<Record<string, string | number>>): string =>
  text.replace(/\{(\w+)\}/g, (whole, name: string) => String(values[name] ?? whole));

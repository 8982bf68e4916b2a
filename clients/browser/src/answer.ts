import type { User } from './types.js';

/** What `/.countersign/session` and `/.countersign/renew` answer. Times are the server's, in Unix seconds. */
export interface Answer {
  readonly user: User;
  readonly sid: string;
  readonly now: number;
  readonly exp: number;
  readonly session_ends?: number;
  readonly draft_key?: string;
  readonly token?: string;
}

/** The answer, if it is one: a captive portal or an old server's log-in page also answers 200. */
export const understand = (body: unknown): Answer | null => {
  const answer = body as Partial<Answer> | null;
  return typeof answer?.user?.sub === 'string' && answer.now! > 0 && answer.exp! > 0 ? (answer as Answer) : null;
};

/** Whose data a page shows. Two answers with the same text are the same user in the same organisation. */
export const whose = (user: User): string => JSON.stringify([user.sub, user.organisation]);

/** Whether a request of that method changes nothing (RFC 9110 §9.2.1). */
export const isSafe = (method: string): boolean => /^(GET|HEAD|OPTIONS)$/.test(method);

/**
 * The gateway's code for why it turned a request away; null if it did not. A service cannot say it: the gateway removes
 * these headers from its answers.
 */
export const refused = (headers: Headers): string | null => headers.get('Countersign-Refused');

/** Whether the gateway says that nothing of the request reached a service. */
export const isUnforwarded = (headers: Headers): boolean => headers.get('Countersign-Forwarded') === '0';

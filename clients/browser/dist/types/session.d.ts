import { type Options, type Session } from './types.js';
/** One for a page: every tab of a browser shares the session, and they agree through a channel. */
export declare const createSession: (options?: Options) => Session;

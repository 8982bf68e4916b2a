/** Keeps a page's work across the end of a session. See README.md. */
export { createSession } from './session.js';
export { SessionError, type SessionErrorCode } from './error.js';
export { tokenSink } from './types.js';
export type { Draft, Events, LogOut, Options, Question, Replay, Session, Snapshot, State, User, } from './types.js';

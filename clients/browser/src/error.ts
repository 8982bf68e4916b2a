/** Why a request was not answered. */
export type SessionErrorCode =
  /** Somebody pressed Cancel. */
  | 'cancelled'
  /** Sent to the log-in twice within 30 seconds: the page stays. */
  | 'login_loop'
  /** The policy, or a person, decided against sending it. */
  | 'not_replayed'
  | 'signed_out'
  /** Another user or organisation is logged in than when the request was made. */
  | 'user_changed'
  /** Nobody logged in for `maxWait`. */
  | 'wait_timeout';

/** A request that never got an answer, because of the session. It did nothing. */
export class SessionError extends Error {
  declare readonly code: SessionErrorCode;
  constructor(code: SessionErrorCode) {
    super(code);
    this.name = 'SessionError';
    this.code = code;
  }
}

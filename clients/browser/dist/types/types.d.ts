/** Who is logged in, as the gateway understood the session. For showing, never for deciding. */
export interface User {
    readonly sub: string;
    readonly name?: string;
    readonly email?: string;
    readonly organisation?: string;
    readonly roles: readonly string[];
}
/** What a page can be in. */
export type State = 
/** The gateway has not answered yet. */
'unknown'
/** Nobody has been logged in since the page was loaded. */
 | 'anonymous' | 'active'
/** The session has ended; requests wait for a new log-in. */
 | 'login-required'
/** Somebody logged out, here or in another tab. */
 | 'signed-out';
/** A request that waited for a log-in, with `replay: 'ask'`. Unanswered it fails after `maxWait`. */
export interface Question {
    readonly method: string;
    readonly url: string;
    /** Sends it now. */
    send(): void;
    /** Rejects it with `not_replayed`. */
    discard(): void;
}
/** Everything a page shows of its session. A new object for each change, the same one in between. */
export interface Snapshot {
    readonly state: State;
    readonly user: User | null;
    /** The gateway's code for why a log-in is needed, such as `session_ended` or `revoked`. */
    readonly reason: string | null;
    /** How many requests wait for a log-in. */
    readonly waiting: number;
    /** The gateway, or the server behind it, did not answer the last question. */
    readonly offline: boolean;
}
/** What is told, and with what. */
export interface Events {
    /** After every change of the snapshot. */
    change: Snapshot;
    /** Another user, none, or other roles. */
    user: User | null;
    renewed: {
        readonly expiresIn: number;
    };
    /** The session ends within two minutes and cannot be renewed. Told once. */
    expiring: {
        readonly seconds: number;
    };
    /** Told once for each end of a session, however many requests wait. */
    'login-required': {
        readonly reason: string | null;
    };
    /** A request waits for a log-in. */
    paused: {
        readonly waiting: number;
    };
    /** Somebody logged in again: requests go on. Reopen an `EventSource` or `WebSocket` here. */
    resumed: {
        readonly waiting: number;
    };
    ask: Question;
    'signed-out': LogOut;
    /** Another user or organisation logged in: nothing was replayed, drafts are gone. */
    'user-changed': {
        readonly from: User | null;
        readonly to: User;
    };
    offline: {
        readonly retryIn: number;
    };
}
/** What came of a log-out. */
export interface LogOut {
    /** Whether the gateway knows of it. If not, a copied credential may still work. */
    readonly told: boolean;
    /** What became of the authorization server's own session. */
    readonly server: 'ended' | 'alive' | 'unknown';
    /** Where the authorization server's own session is ended, if the operator named it. */
    readonly logoutUrl?: string | undefined;
}
/** Whether an unsafe request that waited for a log-in may be sent. */
export type Replay = 
/** Yes, if the gateway says that nothing of it reached a service. The default. */
'unforwarded'
/** Only GET, HEAD and OPTIONS. */
 | 'safe'
/** A person decides: event `ask`. */
 | 'ask' | ((request: {
    readonly method: string;
    readonly url: string;
}) => boolean | Promise<boolean>);
/** Receives every bearer token, and null when there is none. See `@countersign/browser/unsafe-local-storage`. */
export declare const tokenSink: unique symbol;
export interface Options {
    /** Where the gateway's session endpoints are. Default `/.countersign`. */
    readonly base?: string;
    /** `cookie` (default): no token ever reaches the page. `bearer`: a short one is kept in memory. */
    readonly mode?: 'cookie' | 'bearer';
    /** Other origins of the gateway; they get the cookie. Exact, such as `https://api.shop.example`. */
    readonly origins?: readonly string[];
    /** How many seconds before the end to renew. Default 60; never more than a quarter of the token's life. */
    readonly ahead?: number;
    /** How many milliseconds a request waits for a log-in before it fails with `wait_timeout`. Default 600,000. */
    readonly maxWait?: number;
    readonly replay?: Replay;
    /**
     * What becomes of the page when its user logs out or is another one. `reload` (default), because it still shows what
     * was theirs; `keep` if the page clears itself on `signed-out` and `user-changed`.
     */
    readonly whenGone?: 'reload' | 'keep';
    readonly [tokenSink]?: (token: string | null) => void;
}
/** What a page wants back after a log-in by redirect. */
export interface Draft<T> {
    /** What to keep: anything JSON can hold. `undefined` keeps nothing. Leave passwords out. */
    save(): T | undefined;
    restore(value: T): void;
}
export interface Session {
    /** Asks the gateway who is logged in. Null if nobody is, or if it does not answer. */
    start(): Promise<User | null>;
    /**
     * As the platform's `fetch`. For the gateway's origin it renews before, waits for a log-in, and sends again what
     * provably did not arrive; every other origin is left alone.
     */
    readonly fetch: typeof globalThis.fetch;
    readonly user: User | null;
    /** Seconds until the next renewal is due at the latest, by the server's clock. */
    readonly expiresIn: number;
    /** Seconds until the session itself ends, by the server's clock. */
    readonly sessionEndsIn: number;
    /** Cosmetic: greys a button. The service decides. */
    looksLike(role: string): boolean;
    /** Registers what `redirect` keeps. Returns what takes it back. */
    draft<T>(name: string, draft: Draft<T>): () => void;
    /** For a link that opens the log-in in a new tab. */
    readonly loginUrl: string;
    /** Opens the log-in in a window; call it from a click. False if the browser blocked it. */
    login(): boolean;
    /** Leaves the page for the log-in; drafts are sealed and come back. The last resort. */
    redirect(): Promise<void>;
    /** Ends the session in all tabs. Goes on to the server's own log-out, if there is one, unless `stay`. */
    logout(options?: {
        readonly stay?: boolean;
    }): Promise<LogOut>;
    /** Rejects everything that waits with `cancelled`. */
    cancel(): void;
    on<K extends keyof Events>(name: K, listener: (event: Events[K]) => void): () => void;
    /** For stores of frameworks: tells of every change. */
    readonly subscribe: (listener: () => void) => () => void;
    readonly snapshot: () => Snapshot;
    /** Stops timers and listeners. */
    close(): void;
}

import type { Session } from './types.js';
/** What of an axios instance (1.12 or newer) is set. */
export interface AxiosLike {
    defaults: {
        adapter?: unknown;
        env?: {
            fetch?: unknown;
        };
    };
}
/**
 * Lets an axios instance send through the session: it renews, waits for a log-in and replays like `session.fetch`. An
 * axios `timeout` runs on while a request waits for a log-in; leave it off where waiting is wanted.
 */
export declare const useSession: <A extends AxiosLike>(axios: A, session: Session) => A;

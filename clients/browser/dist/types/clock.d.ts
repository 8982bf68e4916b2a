/** Seconds, of two clocks: one that people set, and one that may stand still while the machine sleeps. */
export interface Reading {
    readonly wall: number;
    readonly steady: number;
}
/** Seconds that never jump, but may stand still. */
export declare const steady: () => number;
export declare const read: () => Reading;
/** How far each clock is behind the server's, from an answer that was under way between the two readings. */
export declare const offsets: (serverNow: number, before: Reading, after: Reading) => Reading;
/** The server's time. The later of the two: a clock that was set back or slept must not hide an end. */
export declare const serverTime: (offset: Reading, now: Reading) => number;
export interface Schedule {
    /** When a timer renews. */
    readonly ahead: number;
    /** From when on a request waits for the renewal. */
    readonly onUse: number;
}
/**
 * When to renew what was given at `now` until `expires`. `jitter` (0 to 1) spreads tabs. What already lasts as long as
 * the session cannot be renewed: then the end itself is when to ask.
 */
export declare const schedule: (now: number, expires: number, sessionEnds: number, ahead: number, jitter: number) => Schedule;
/** Seconds to wait after failure number `failures` (from 1): doubles up to a minute, at least half of it at random. */
export declare const backOff: (failures: number, jitter: number) => number;
/** `Retry-After` in seconds, at most 10; 2 if there is none that can be read. */
export declare const retryAfter: (value: string | null) => number;

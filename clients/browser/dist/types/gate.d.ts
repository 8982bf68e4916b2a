import { type SessionErrorCode } from './error.js';
/** Closed while nobody is logged in. Everyone who waits has a bound, and leaves with an answer or a named error. */
export interface Gate {
    wait(signal: AbortSignal, milliseconds: number): Promise<void>;
    /** Opens it; with a code, everyone who waits is rejected with that. */
    settle(code?: SessionErrorCode): void;
}
export declare const createGate: () => Gate;
/**
 * Runs `work` while holding the lock of that name, or without it once `milliseconds` have passed: a tab that died or
 * hangs with the lock must not stop the others. Never steals.
 */
export declare const withLock: <T>(name: string, milliseconds: number, work: () => Promise<T>) => Promise<T>;

import { SessionError, type SessionErrorCode } from './error.js';

/** Closed while nobody is logged in. Everyone who waits has a bound, and leaves with an answer or a named error. */
export interface Gate {
  wait(signal: AbortSignal, milliseconds: number): Promise<void>;
  /** Opens it; with a code, everyone who waits is rejected with that. */
  settle(code?: SessionErrorCode): void;
}

export const createGate = (): Gate => {
  let settle!: Gate['settle'];
  const opened = new Promise<void>((resolve, reject) => {
    settle = (code) => (code ? reject(new SessionError(code)) : resolve());
  });
  opened.catch(() => {}); // nobody may be waiting
  return {
    wait: async (signal, milliseconds) => {
      signal.throwIfAborted();
      let timer: ReturnType<typeof setTimeout> | undefined;
      await Promise.race([
        opened,
        new Promise((_, reject) => {
          timer = setTimeout(reject, milliseconds, new SessionError('wait_timeout'));
          signal.addEventListener('abort', () => reject(signal.reason));
        }),
      ]).finally(() => clearTimeout(timer));
    },
    settle,
  };
};

/**
 * Runs `work` while holding the lock of that name, or without it once `milliseconds` have passed: a tab that died or
 * hangs with the lock must not stop the others. Never steals.
 */
export const withLock = async <T>(name: string, milliseconds: number, work: () => Promise<T>): Promise<T> => {
  let started: Promise<T> | undefined;
  const once = (): Promise<T> => (started ??= work());
  try {
    await navigator.locks?.request(name, { signal: AbortSignal.timeout(milliseconds) }, once);
  } catch {
    // it was too long; or it is the work's own error, which the same promise tells again
  }
  return once();
};

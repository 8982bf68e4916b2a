/** Seconds, of two clocks: one that people set, and one that may stand still while the machine sleeps. */
export interface Reading {
  readonly wall: number;
  readonly steady: number;
}

/** Seconds that never jump, but may stand still. */
export const steady = (): number => performance.now() / 1000;

export const read = (): Reading => ({ wall: Date.now() / 1000, steady: steady() });

/** How far each clock is behind the server's, from an answer that was under way between the two readings. */
export const offsets = (serverNow: number, before: Reading, after: Reading): Reading => ({
  wall: serverNow - (before.wall + after.wall) / 2,
  steady: serverNow - (before.steady + after.steady) / 2,
});

/** The server's time. The later of the two: a clock that was set back or slept must not hide an end. */
export const serverTime = (offset: Reading, now: Reading): number =>
  Math.max(now.wall + offset.wall, now.steady + offset.steady);

/** The most seconds before the end that a request waits for the renewal. */
const ON_USE = 5;

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
export const schedule = (
  now: number,
  expires: number,
  sessionEnds: number,
  ahead: number,
  jitter: number,
): Schedule => {
  if (expires >= sessionEnds) return { ahead: sessionEnds + 1, onUse: sessionEnds };
  const quarter = (expires - now) / 4;
  return { ahead: expires - Math.min(ahead, quarter) * (1 + jitter / 4), onUse: expires - Math.min(ON_USE, quarter) };
};

/** Seconds to wait after failure number `failures` (from 1): doubles up to a minute, at least half of it at random. */
export const backOff = (failures: number, jitter: number): number =>
  Math.min(60, 2 ** failures) * (0.5 + jitter / 2);

/** `Retry-After` in seconds, at most 10; 2 if there is none that can be read. */
export const retryAfter = (value: string | null): number => Math.min(10, +value! || 2);

import { tokenSink, type Options } from './types.js';

/**
 * Options that keep a copy of the bearer token in `localStorage`, for an old page that reads it there and cannot be
 * changed at once:
 *
 * ```ts
 * createSession({ mode: 'bearer', ...unsafeLocalStorage('token') });
 * ```
 *
 * Unsafe: every script of the origin can read the token, also one that got in by a mistake, and send it elsewhere; it
 * works there until it expires or its session is revoked. Says so in the console. Log-out removes it.
 */
export const unsafeLocalStorage = (name: string): Pick<Options, typeof tokenSink> => {
  console.warn(`countersign: every script of this origin can read the token in localStorage["${name}"]`);
  localStorage.removeItem(name);
  return {
    [tokenSink]: (token) => {
      if (token === null) localStorage.removeItem(name);
      else localStorage.setItem(name, token);
    },
  };
};

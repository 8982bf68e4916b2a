import type { Session, User } from './types.js';

/** The longest time before its end that a token is not used any more, in s. */
const MARGIN = 5;

interface Grant {
  readonly user: User;
  readonly token: string;
  readonly now: number;
  readonly exp: number;
}

/**
 * A `fetch` for services that the page calls without the gateway, in bearer mode: each origin gets a token for its own
 * audience and no other. Every other address goes to `session.fetch`. What a service refuses is the caller's to see:
 * it is no matter of the session, and nothing is sent twice.
 *
 * @param services origin to audience, such as `{ 'https://orders.shop.example': 'orders' }`
 * @param base where the gateway's session endpoints are; default `/.countersign`
 */
export const withServices = (
  session: Session,
  services: Readonly<Record<string, string>>,
  base = '/.countersign',
): typeof globalThis.fetch => {
  const realFetch = globalThis.fetch.bind(globalThis);
  let owner: User | null = null;
  let grants = new Map<string, { token: string; until: number }>();
  const forget = (): void => {
    grants = new Map();
  };
  session.on('user', forget);
  session.on('login-required', forget);

  const tokenFor = async (audience: string, signal: AbortSignal): Promise<string | null> => {
    const present = performance.now() / 1000;
    if (owner !== session.user) forget();
    const known = grants.get(audience);
    if (known && present < known.until) return known.token;
    const response = await session.fetch(`${base}/renew?audience=${encodeURIComponent(audience)}`, {
      method: 'POST',
      signal,
    });
    if (!response.ok) return null;
    const grant = (await response.json()) as Grant;
    owner = session.user;
    if (grant.user.sub !== owner?.sub || grant.user.organisation !== owner.organisation) return null;
    grants.set(audience, { token: grant.token, until: present + (grant.exp - grant.now) - MARGIN });
    return grant.token;
  };

  return async (input, init) => {
    const request = new Request(input, init);
    const { origin } = new URL(request.url);
    if (!Object.hasOwn(services, origin)) return session.fetch(request);
    const token = await tokenFor(services[origin] as string, request.signal);
    // no cookie goes to a service, and no token goes where a service redirects
    const sent = new Request(request, { credentials: 'omit', redirect: 'error' });
    if (token) sent.headers.set('Authorization', `Bearer ${token}`);
    return realFetch(sent);
  };
};

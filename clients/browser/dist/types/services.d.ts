import type { Session } from './types.js';
/**
 * A `fetch` for services that the page calls without the gateway, in bearer mode: each origin gets a token for its own
 * audience and no other. Every other address goes to `session.fetch`. What a service refuses is the caller's to see:
 * it is no matter of the session, and nothing is sent twice.
 *
 * @param services origin to audience, such as `{ 'https://orders.shop.example': 'orders' }`
 * @param base where the gateway's session endpoints are; default `/.countersign`
 */
export declare const withServices: (session: Session, services: Readonly<Record<string, string>>, base?: string) => typeof globalThis.fetch;

import type { Draft } from './types.js';
/** The key of one user in one organisation, from base64url; cannot be read out again. */
export declare const importKey: (text: string) => Promise<CryptoKey>;
/** A character for each byte: 12 of the nonce, then the sealed JSON. Null if there is nothing to keep, or too much. */
export declare const seal: (values: object, key: CryptoKey, now: number) => Promise<string | null>;
/** What was sealed, or nothing: too old, another user's, or not ours at all. */
export declare const open: (text: string, key: CryptoKey, now: number) => Promise<Record<string, unknown>>;
export interface Drafts {
    register(name: string, draft: Draft<unknown>): () => void;
    /** Takes the present user's key, and gives back what it opens; everything else is dropped. Each comes back once. */
    unlock(text: string | undefined, now: number): Promise<void>;
    /** Seals what all drafts say into this tab's storage. Without a key nothing is kept. */
    keep(now: number): Promise<void>;
    /** Nothing of the user is left, nor the key. */
    drop(): void;
}
export declare const createDrafts: () => Drafts;

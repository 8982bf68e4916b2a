import type { Draft } from './types.js';

/** Where the sealed drafts of this tab are. */
const PLACE = 'countersign:drafts';
/** Seconds a draft can be restored. */
const LIFE = 3600;
/** The most characters of all drafts. */
const LIMIT = 1e6;

const bytesOf = (text: string): Uint8Array<ArrayBuffer> => Uint8Array.from(text, (c) => c.charCodeAt(0));

/** The key of one user in one organisation, from base64url; cannot be read out again. */
export const importKey = async (text: string): Promise<CryptoKey> =>
  crypto.subtle.importKey('raw', bytesOf(atob(text.replace(/-/g, '+').replace(/_/g, '/'))), 'AES-GCM', false, [
    'encrypt',
    'decrypt',
  ]);

/** A character for each byte: 12 of the nonce, then the sealed JSON. Null if there is nothing to keep, or too much. */
export const seal = async (values: object, key: CryptoKey, now: number): Promise<string | null> => {
  const json = JSON.stringify({ now, values });
  if (json.length > LIMIT) return null;
  const iv = crypto.getRandomValues(new Uint8Array(12));
  const sealed = await crypto.subtle.encrypt({ name: 'AES-GCM', iv }, key, new TextEncoder().encode(json));
  let text = '';
  for (const byte of [...iv, ...new Uint8Array(sealed)]) text += String.fromCharCode(byte);
  return text;
};

/** What was sealed, or nothing: too old, another user's, or not ours at all. */
export const open = async (text: string, key: CryptoKey, now: number): Promise<Record<string, unknown>> => {
  try {
    const bytes = bytesOf(text);
    const iv = bytes.subarray(0, 12);
    const json = await crypto.subtle.decrypt({ name: 'AES-GCM', iv }, key, bytes.subarray(12));
    const kept = JSON.parse(new TextDecoder().decode(json));
    return now - kept.now < LIFE ? kept.values : {};
  } catch {
    return {};
  }
};

export interface Drafts {
  register(name: string, draft: Draft<unknown>): () => void;
  /** Takes the present user's key, and gives back what it opens; everything else is dropped. Each comes back once. */
  unlock(text: string | undefined, now: number): Promise<void>;
  /** Seals what all drafts say into this tab's storage. Without a key nothing is kept. */
  keep(now: number): Promise<void>;
  /** Nothing of the user is left, nor the key. */
  drop(): void;
}

export const createDrafts = (): Drafts => {
  const drafts = new Map<string, Draft<unknown>>();
  let kept = new Map<string, unknown>();
  let keyText: string | undefined;
  let key: Promise<CryptoKey> | undefined;
  const giveBack = (name: string): void => {
    if (!kept.has(name)) return;
    const value = kept.get(name);
    kept.delete(name);
    drafts.get(name)?.restore(value);
  };
  return {
    register: (name, draft) => {
      drafts.set(name, draft);
      giveBack(name);
      return () => drafts.delete(name);
    },
    unlock: async (text, now) => {
      if (!text || text === keyText || !crypto.subtle) return;
      keyText = text;
      key = importKey(text);
      const sealed = sessionStorage.getItem(PLACE);
      sessionStorage.removeItem(PLACE);
      kept = new Map(Object.entries(await open(sealed ?? '', await key, now)));
      for (const name of drafts.keys()) giveBack(name);
    },
    keep: async (now) => {
      const values: Record<string, unknown> = {};
      for (const [name, draft] of drafts) values[name] = draft.save();
      const sealed = key && (await seal(values, await key, now));
      if (sealed) sessionStorage.setItem(PLACE, sealed);
    },
    drop: () => {
      key = keyText = undefined;
      kept.clear();
      sessionStorage.removeItem(PLACE);
    },
  };
};

// What needs no browser.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { files, gzipped, LIMIT } from '../build.mjs';
import { load } from './world/bundle.mjs';

const source = await load(`
  export * from './src/clock.ts';
  export * from './src/answer.ts';
  export * from './src/gate.ts';
  export { seal, open, importKey } from './src/draft.ts';
  export { SessionError } from './src/error.ts';
  export { fill, textOf, texts } from './src/banner-text.ts';
  export { sessionHook } from './src/react.ts';
`);

test('the client is at most 4,096 bytes after gzip -9, and has no dependency', () => {
  const dist = files(new URL('../dist/', import.meta.url).pathname);
  for (const name of ['countersign.js', 'index.js']) {
    const size = gzipped(dist.get(name));
    assert.ok(size <= LIMIT, `${name}: ${size}`);
  }
  for (const [name, bytes] of dist) {
    if (name.endsWith('.js')) assert.doesNotMatch(String(bytes), /\bimport\s*[{"'(*]|\brequire\(|\beval\(|innerHTML/, name);
  }
  const { dependencies, exports } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url)));
  assert.equal(dependencies, undefined);
  for (const entry of Object.values(exports)) {
    for (const path of typeof entry === 'string' ? [entry] : Object.values(entry)) {
      assert.ok(dist.has(path.replace('./dist/', '')), path);
    }
  }
});

test('the server\'s time comes from the middle of the question', () => {
  const offset = source.offsets(1000, { wall: 50, steady: 1 }, { wall: 52, steady: 3 });
  assert.deepEqual(offset, { wall: 949, steady: 998 });
  assert.equal(source.serverTime(offset, { wall: 61, steady: 12 }), 1010);
});

test('neither a clock that was set back nor one that slept hides an end', () => {
  const offset = { wall: 0, steady: 0 };
  assert.equal(source.serverTime(offset, { wall: 100 - 7200, steady: 100 }), 100);
  assert.equal(source.serverTime(offset, { wall: 3700, steady: 100 }), 3700);
});

test('when to renew', () => {
  assert.deepEqual(source.schedule(0, 300, 3600, 60, 0), { ahead: 240, onUse: 295 });
  assert.deepEqual(source.schedule(0, 300, 3600, 60, 1), { ahead: 225, onUse: 295 });
  // a short token: a quarter of its life
  assert.deepEqual(source.schedule(0, 8, 3600, 60, 0), { ahead: 6, onUse: 6 });
  // what lasts as long as the session cannot be renewed
  assert.deepEqual(source.schedule(0, 300, 300, 60, 1), { ahead: 301, onUse: 300 });
  assert.equal(source.schedule(0, 300, Infinity, 60, 0).ahead, 240);
});

test('failures are asked again at growing, bounded, random times', () => {
  assert.deepEqual([1, 2, 3, 6, 60].map((failures) => source.backOff(failures, 1)), [2, 4, 8, 60, 60]);
  assert.equal(source.backOff(3, 0), 4);
  assert.deepEqual(['3', null, 'Wed, 21 Oct', '9999'].map(source.retryAfter), [3, 2, 2, 10]);
});

test('only an answer is an answer', () => {
  const answer = { user: { sub: 'a', roles: [] }, sid: 's', now: 1, exp: 2 };
  assert.equal(source.understand(answer), answer);
  for (const body of [null, 'text', {}, [], { user: null }, { ...answer, now: undefined }, { ...answer, exp: '2' , now: 'x' }, { ...answer, user: { sub: 7 } }]) {
    assert.equal(source.understand(body), null, JSON.stringify(body));
  }
});

test('who is the same user', () => {
  const whose = (sub, organisation) => source.whose({ sub, organisation, roles: [] });
  assert.equal(whose('a', 'x'), whose('a', 'x'));
  const others = [whose('a', 'y'), whose('b', 'x'), whose('a'), whose('a","x', undefined), whose('a', 'null')];
  assert.equal(new Set([whose('a', 'x'), ...others]).size, 6);
});

test('safe methods', () => {
  assert.deepEqual(['GET', 'HEAD', 'OPTIONS', 'POST', 'PUT', 'PATCH', 'DELETE', 'get', 'GETX'].filter(source.isSafe), ['GET', 'HEAD', 'OPTIONS']);
});

test('drafts: only the same key opens them, for an hour, unchanged', async () => {
  const key = (fill) => source.importKey(Buffer.alloc(32, fill).toString('base64url'));
  const ann = await key(0xfb);
  const sealed = await source.seal({ note: 'ö € 😀' }, ann, 1000);
  assert.ok(!sealed.includes('note'));
  assert.deepEqual(await source.open(sealed, ann, 1001), { note: 'ö € 😀' });
  assert.deepEqual(await source.open(sealed, ann, 4601), {});
  assert.deepEqual(await source.open(sealed, await key(1), 1001), {});
  for (const text of ['', 'x', sealed.slice(1), `${sealed}x`]) assert.deepEqual(await source.open(text, ann, 1001), {});
  assert.equal(await source.seal({ note: 'x'.repeat(1_000_001) }, ann, 0), null);
  assert.notEqual(await source.seal({ note: 'a' }, ann, 0), await source.seal({ note: 'a' }, ann, 0));
  await assert.rejects(crypto.subtle.exportKey('raw', ann));
});

test('a gate lets all through, or nobody, and nobody waits for ever', async () => {
  const { signal } = new AbortController();
  const opened = source.createGate();
  const waiting = [opened.wait(signal, 1000), opened.wait(signal, 1000)];
  opened.settle();
  await Promise.all(waiting);
  await opened.wait(signal, 1000); // and whoever comes late

  const closed = source.createGate();
  const rejected = closed.wait(signal, 1000);
  closed.settle('user_changed');
  await assert.rejects(rejected, { name: 'SessionError', code: 'user_changed' });
  await assert.rejects(source.createGate().wait(signal, 1), { code: 'wait_timeout' });
  const stop = new AbortController();
  const aborted = source.createGate().wait(stop.signal, 1000);
  stop.abort();
  await assert.rejects(aborted, { name: 'AbortError' });
  await assert.rejects(source.createGate().wait(AbortSignal.abort(), 1000), { name: 'AbortError' });
});

test('without locks, the work is done once all the same', async () => {
  let times = 0;
  const work = async () => (times += 1);
  assert.equal(await source.withLock('x', 10, work), 1);
  await assert.rejects(source.withLock('x', 10, async () => { throw new Error('its own'); }), { message: 'its own' });
  assert.equal(times, 1);
});

test('every language says everything, and what is filled in is not read again', () => {
  const keys = Object.keys(source.texts.en).sort();
  for (const [language, text] of Object.entries(source.texts)) {
    assert.deepEqual(Object.keys(text).sort(), keys, language);
    for (const key of keys) {
      const marks = (value) => (value.match(/\{\w+\}/g) ?? []).sort();
      assert.deepEqual(marks(text[key]), marks(source.texts.en[key]), `${language} ${key}`);
    }
  }
  assert.equal(source.textOf('de-AT'), source.texts.de);
  assert.equal(source.textOf('fr'), source.texts.en);
  assert.equal(source.fill('{count} {other}', { count: '{other}' }), '{other} {other}');
});

test('the React hook is the shape of useSyncExternalStore', () => {
  const snapshot = { state: 'active' };
  const session = { subscribe: () => () => {}, snapshot: () => snapshot };
  const useSession = source.sessionHook((subscribe, now, onServer) => {
    assert.equal(subscribe, session.subscribe);
    assert.equal(now(), onServer());
    return now();
  }, session);
  assert.equal(useSession(), snapshot);
});

import { isSafe, isUnforwarded, refused, understand, whose, type Answer } from './answer.js';
import { backOff, offsets, read, retryAfter, schedule, serverTime, steady, type Reading, type Schedule } from './clock.js';
import { createDrafts } from './draft.js';
import { SessionError, type SessionErrorCode } from './error.js';
import { createGate, withLock, type Gate } from './gate.js';
import { tokenSink, type Events, type LogOut, type Options, type Session, type Snapshot } from './types.js';

/** What came of a question to the gateway. */
type Outcome = 'live' | 'lost' | 'offline';
/** What tabs tell each other. Never a token or a key. */
type Message =
  | { t: 'login' }
  | { t: 'logout' }
  | { t: 'renewed'; owner: string; exp: number; ends: number };

const NAME = 'countersign';
/** The longest wait for a lock, in ms. */
const LOCK_WAIT = 3000;
/** The longest wait for an answer to a question, in ms. */
const ANSWER_WAIT = 10_000;
/** The longest time between two looks at the clock, in s. */
const TICK = 20;
/** How often a request is sent again because the gateway could not say yes or no. */
const RETRIES = 3;
/** The shortest time between two redirects to the log-in, in s. */
const LOOP = 30;

const realFetch = fetch.bind(globalThis);

/** One for a page: every tab of a browser shares the session, and they agree through a channel. */
export const createSession = (options: Options = {}): Session => {
  const { ahead = 60, maxWait = 600_000, origins = [], replay = 'unforwarded' } = options;
  const base = new URL(options.base ?? '/.countersign', location.href).href.replace(/\/$/, '');
  const gateways = [new URL(base).origin, ...origins];
  const bearer = options.mode === 'bearer';
  const channel = new BroadcastChannel(NAME);
  const drafts = createDrafts();
  const events = new EventTarget();
  const stop = new AbortController();

  let snapshot: Snapshot = { state: 'unknown', user: null, reason: null, waiting: 0, offline: false };
  let clock: Reading = { wall: 0, steady: -Infinity };
  let times: Schedule = { ahead: Infinity, onUse: Infinity };
  let expires = 0;
  let ends = Infinity;
  let owner: string | undefined;
  let token: string | undefined;
  let gate: Gate | undefined;
  let flight: Promise<Outcome> | undefined;
  let waking: Promise<Outcome> | undefined;
  let grants = 0;
  let failures = 0;
  let notBefore = 0;
  let lastAnswer = -Infinity;
  let warnedOf: number | undefined;
  let veiled = false;
  let unsafeWaiting = 0;
  let timer: ReturnType<typeof setTimeout> | undefined;

  const now = (): number => serverTime(clock, read());
  const is = (state: Snapshot['state']): boolean => snapshot.state === state;

  const emit = <K extends keyof Events>(name: K, detail: Events[K]): void =>
    void events.dispatchEvent(new CustomEvent(name, { detail }));
  const change = (part: Partial<Snapshot>): void => {
    snapshot = { ...snapshot, ...part };
    emit('change', snapshot);
  };
  const veil = (on: boolean): void => {
    veiled = on;
    document.documentElement.style.visibility = on ? 'hidden' : '';
  };
  const setToken = (next?: string): void => {
    if (next !== token) options[tokenSink]?.(next ?? null);
    token = next;
  };
  const goOffline = (retryIn: number): void => {
    change({ offline: true });
    emit('offline', { retryIn });
  };

  // --- what the gateway says -------------------------------------------------------------------------------------

  const ask = (path: string, method = 'POST'): Promise<Response> =>
    realFetch(base + path, {
      method,
      headers: { Countersign: '1' },
      credentials: 'include',
      cache: 'no-store',
      redirect: 'error',
      signal: AbortSignal.timeout(ANSWER_WAIT),
    });

  /** Asks who is logged in; one question at a time. `anew`: an answer to an earlier question will not do. */
  const question = async (renew: boolean, anew?: boolean): Promise<Outcome> => {
    if (anew) await flight;
    const seen = grants;
    // another tab's renewal may arrive while this one waits for the lock
    const renewal = async (): Promise<Outcome> => (grants > seen && !isDue() && !gate ? 'live' : put('/renew'));
    return (flight ??= (renew ? withLock(NAME, LOCK_WAIT, renewal) : put('/session', 'GET')).finally(() => {
      flight = undefined;
      arm();
    }));
  };

  const put = async (path: string, method?: string): Promise<Outcome> => {
    const before = read();
    try {
      const response = await ask(path, method);
      if (response.status === 401) return lost(refused(response.headers));
      const answer = response.ok && understand(await response.json());
      if (answer) return await accept(answer, before, !method);
      // it answers, and knows of no log-out
      if (refused(response.headers) && !is('signed-out')) veil(false);
    } catch {
      // no answer: nothing is known, so nothing is lost
    }
    const retryIn = backOff((failures += 1), Math.random());
    notBefore = steady() + retryIn;
    goOffline(retryIn);
    return 'offline';
  };

  /** A renewal keeps its lock until the other tabs have heard of it: none of them renews once more. */
  const accept = async (answer: Answer, before: Reading, renewed: boolean): Promise<Outcome> => {
    const after = read();
    const { user } = answer;
    const from = snapshot.user;
    const next = whose(user);
    const changed = owner && owner !== next;
    if (!owner || after.steady - before.steady < 5) clock = offsets(answer.now, before, after);
    lastAnswer = after.steady;
    notBefore = lastAnswer + 1;
    failures = 0;
    owner = next;
    if (bearer) setToken(answer.token);
    prolong(answer.exp, answer.session_ends ?? Infinity);
    if (changed) {
      drafts.drop();
      leaveGate('user_changed');
    }
    void drafts.unlock(answer.draft_key, now());
    change({ state: 'active', user, reason: null, offline: false });
    if (JSON.stringify(from) !== JSON.stringify(user)) emit('user', user);
    if (changed) {
      emit('user-changed', { from, to: user });
      gone();
    } else {
      veil(false);
      if (gate) emit('resumed', { waiting: snapshot.waiting });
      leaveGate();
    }
    if (renewed) {
      emit('renewed', { expiresIn: expires - now() });
      await new Promise<void>((resolve) => {
        const echo = new BroadcastChannel(NAME);
        echo.onmessage = () => resolve(echo.close());
        setTimeout(echo.onmessage, LOCK_WAIT);
        channel.postMessage({ t: 'renewed', owner: next, exp: expires, ends } satisfies Message);
      });
    }
    return 'live';
  };

  const prolong = (exp: number, end: number): void => {
    expires = exp;
    ends = end;
    times = schedule(now(), exp, end, ahead, Math.random());
  };

  const lost = (code: string | null): Outcome => {
    setToken();
    lastAnswer = steady();
    if (veiled) location.reload();
    else if (!owner) change({ state: 'anonymous', reason: code, offline: false });
    else demand(code);
    return 'lost';
  };

  /** Requests wait from here on. */
  const demand = (reason: string | null): void => {
    if (is('signed-out')) return;
    change({ state: 'login-required', reason, offline: false });
    if (gate) return;
    gate = createGate();
    emit('login-required', { reason });
  };

  const leaveGate = (code?: SessionErrorCode): void => {
    gate?.settle(code);
    gate = undefined;
  };

  /** The page still shows what was somebody's who is gone. */
  const gone = (goOn?: string): void => {
    guard(false);
    if (goOn) location.assign(goOn);
    else if (options.whenGone !== 'keep') {
      veil(true);
      location.reload();
    }
  };

  const signOut = (result: LogOut): void => {
    setToken();
    drafts.drop();
    leaveGate('signed_out');
    change({ state: 'signed-out', user: null, reason: null });
    emit('user', null);
    emit('signed-out', result);
  };

  // --- when to ask -----------------------------------------------------------------------------------------------

  const mayAsk = (): boolean => steady() >= notBefore;
  const isDue = (): boolean => is('active') && now() >= times.ahead;

  const arm = (): void => {
    clearTimeout(timer);
    if (stop.signal.aborted || is('signed-out')) return;
    timer = setTimeout(tick, 1000 * Math.min(TICK, Math.max(times.ahead - now(), notBefore - steady(), 0.1)));
  };
  const tick = (): void => {
    if (document.hidden) return; // an idle user's session may end
    const seconds = ends - now();
    if (is('active') && seconds <= 120 && warnedOf !== ends) {
      warnedOf = ends;
      emit('expiring', { seconds });
    }
    if (mayAsk() && (snapshot.offline || isDue())) void question(isDue());
    else arm();
  };
  /** A machine woke up, a tab was shown: what was known may be old. Requests wait for the answer. */
  const wake = (): void => {
    if (document.hidden || is('unknown') || (is('signed-out') && !veiled)) return;
    notBefore = 0;
    if (veiled || gate || steady() - lastAnswer > 5 || isDue()) waking = question(isDue());
    else arm();
  };

  // a controller is the one option that is needed: `signal`
  const listen = <E extends Event>(name: string, listener: (event: E) => void): void =>
    addEventListener(name, listener as EventListener, stop);
  listen('focus', wake);
  listen('online', wake);
  listen('visibilitychange', wake);
  // A page that comes back by the Back button may show what a log-out was to hide.
  listen<PageTransitionEvent>('pagehide', (event) => event.persisted && owner && veil(true));
  listen<PageTransitionEvent>('pageshow', (event) => event.persisted && wake());
  channel.onmessage = ({ data }: MessageEvent<Message>): void => {
    if (data.t === 'login') void question(false, true);
    else if (data.t === 'logout') {
      if (is('signed-out') || !owner) return;
      signOut({ told: true, server: 'unknown' });
      gone();
    } else if (data.owner !== owner || !is('active')) void question(false, true);
    else if (!bearer) {
      grants += 1;
      prolong(data.exp, data.ends);
      arm();
    }
  };
  /** Asks before the page is closed with a change that has not been sent. */
  const guard = (on: boolean): void => globalThis[on ? 'addEventListener' : 'removeEventListener']('beforeunload', keepOpen);
  const keepOpen = (event: Event): void => event.preventDefault();

  // --- requests --------------------------------------------------------------------------------------------------

  const pass = async (request: Request, unsafe: boolean): Promise<void> => {
    if (!gate) return;
    const count = (by: number): void => {
      if (unsafe) guard((unsafeWaiting += by) > 0);
      change({ waiting: snapshot.waiting + by });
    };
    count(1);
    emit('paused', { waiting: snapshot.waiting });
    try {
      await gate.wait(request.signal, maxWait);
      if (unsafe) await mayReplay(request);
    } finally {
      count(-1);
    }
  };

  const mayReplay = async ({ method, url, signal }: Request): Promise<void> => {
    const answer = createGate();
    const discard = (): void => answer.settle('not_replayed');
    if (replay === 'ask') emit('ask', { method, url, send: () => answer.settle(), discard });
    else if (replay === 'unforwarded' || (replay !== 'safe' && (await replay({ method, url })))) return;
    else discard();
    await answer.wait(signal, maxWait);
  };

  /** The request as it is sent now: the credential is the present one, never that of an earlier try. */
  const dress = (request: Request): Request => {
    const dressed = new Request(request.clone(), {
      ...(!request.url.startsWith(location.origin + '/') && { credentials: 'include' }),
      // a redirect must not carry a token elsewhere
      ...(token && { redirect: 'error' }),
    });
    dressed.headers.set('Countersign', '1');
    if (token) dressed.headers.set('Authorization', `Bearer ${token}`);
    return dressed;
  };

  const sessionFetch: typeof globalThis.fetch = async (input, init) => {
    const request = new Request(input, init);
    if (!gateways.includes(new URL(request.url).origin)) return realFetch(request);
    const { signal } = request;
    const unsafe = !isSafe(request.method);
    if (is('unknown')) await question(false);
    const asker = owner;
    let asked = false;
    for (let tries = 0; ; ) {
      await waking;
      if (is('active') && mayAsk() && now() >= times.onUse) await question(true);
      await pass(request, unsafe);
      signal.throwIfAborted();
      if (is('signed-out')) throw new SessionError('signed_out');
      if (asker && asker !== owner) throw new SessionError('user_changed');
      if (gate) continue;
      const response = await realFetch(dress(request));
      const { status, headers } = response;
      const code = refused(headers);
      const again = !unsafe || isUnforwarded(headers);
      if (!code) return response;
      if (status === 503 && again && tries++ < RETRIES) {
        const seconds = retryAfter(headers.get('Retry-After'));
        goOffline(seconds);
        await createGate().wait(signal, seconds * 1000).catch(() => signal.throwIfAborted());
        continue;
      }
      if ((status !== 401 && code !== 'ambiguous_credential') || asked) return response;
      asked = true;
      // while nobody is logged in there is nothing to ask
      const outcome = gate ? 'lost' : await question(true);
      if (outcome === 'lost') demand(code);
      if (outcome === 'offline' || !again) return response;
      if (outcome === 'live' && unsafe && asker === owner) await mayReplay(request);
    }
  };

  // --- log-in and log-out ----------------------------------------------------------------------------------------

  const loginUrl = (display = 'popup'): string =>
    `${base}/login?display=${display}&return=${encodeURIComponent(location.href.slice(location.origin.length))}`;

  const on: Session['on'] = (name, listener) => {
    const heard = (event: Event): void => listener((event as CustomEvent).detail);
    events.addEventListener(name, heard);
    return () => events.removeEventListener(name, heard);
  };

  return {
    start: async () => {
      await question(false);
      return snapshot.user;
    },
    fetch: sessionFetch,
    get user() {
      return snapshot.user;
    },
    get expiresIn() {
      return expires - now();
    },
    get sessionEndsIn() {
      return ends - now();
    },
    looksLike: (role) => !!snapshot.user?.roles.includes(role),
    draft: (name, draft) => drafts.register(name, draft as never),
    get loginUrl() {
      return loginUrl();
    },
    login: () => {
      const opened = open(loginUrl(), '_blank', 'popup,width=520,height=720');
      // the log-in page must not be able to send this one elsewhere
      if (opened) opened.opener = null;
      return !!opened;
    },
    redirect: async () => {
      const place = `${NAME}:redirected`;
      const present = Date.now() / 1000;
      if (Math.abs(present - +sessionStorage.getItem(place)!) < LOOP) throw new SessionError('login_loop');
      sessionStorage.setItem(place, `${present}`);
      await drafts.keep(now());
      gone(loginUrl('redirect'));
    },
    logout: async ({ stay } = {}) => {
      const response = await ask('/logout').catch(() => undefined);
      const body = response?.ok ? await response.json().catch(() => ({})) : {};
      const result: LogOut = {
        // without a session there is nothing to be told
        told: !!response?.ok || response?.status === 401,
        server: body.server_session ?? 'unknown',
        logoutUrl: body.logout_url,
      };
      signOut(result);
      channel.postMessage({ t: 'logout' } satisfies Message);
      if (!stay && result.told) gone(result.logoutUrl);
      return result;
    },
    cancel: () => leaveGate('cancelled'),
    on,
    subscribe: (listener) => on('change', listener),
    snapshot: () => snapshot,
    close: () => {
      stop.abort();
      clearTimeout(timer);
      guard(false);
      channel.close();
    },
  };
};

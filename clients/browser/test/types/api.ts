// Compiled, never run: what callers may write, and what they may not.
import { createSession, SessionError, type Events, type Session, type Snapshot, type User } from '../../src/index.js';
import { useSession, type AxiosLike } from '../../src/axios.js';
import { sessionHook, type UseSyncExternalStore } from '../../src/react.js';
import { unsafeLocalStorage } from '../../src/unsafe-local-storage.js';
import { withServices } from '../../src/services.js';
import '../../src/banner.js';

const session: Session = createSession({ ahead: 30, replay: ({ method }) => method === 'PUT' });
createSession();
createSession({ mode: 'bearer', ...unsafeLocalStorage('token') });
// @ts-expect-error the only modes are cookie and bearer
createSession({ mode: 'localStorage' });
// @ts-expect-error no option of that name; local storage has a name that says unsafe
createSession({ persist: 'localStorage' });
// @ts-expect-error policies are a closed list
createSession({ replay: 'always' });

const dropIn: typeof fetch = session.fetch;
void dropIn('/x', { method: 'POST' });
const direct: typeof fetch = withServices(session, { 'https://a.example': 'a' });
void direct(new Request('/x'));

const off: () => void = session.on('user-changed', ({ from, to }) => {
  const before: User | null = from;
  const after: string = to.sub;
  void [before, after];
});
off();
session.on('expiring', ({ seconds }) => seconds.toFixed());
// @ts-expect-error there is no such event
session.on('expired', () => {});
// @ts-expect-error it tells of a log-out, not of a number
session.on('signed-out', (event: number) => event);
const names: (keyof Events)[] = ['change', 'user', 'renewed'];
void names;

session.draft('note', { save: () => ({ text: 'a' }), restore: ({ text }) => text.length });
// @ts-expect-error what is restored is what was saved
session.draft('note', { save: () => 1, restore: (value: string) => value });
// @ts-expect-error cosmetic only: there is no has()
session.has('editor');
// @ts-expect-error the token is nobody's to read
session.token;
// @ts-expect-error a snapshot is not for writing
session.snapshot().waiting = 1;

const error: unknown = null;
if (error instanceof SessionError && error.code === 'user_changed') throw error;
// @ts-expect-error codes are a closed list
if (error instanceof SessionError && error.code === 'expired') throw error;

// React's own signature is generic; ours accepts it
declare function useSyncExternalStore<T>(
  subscribe: (onStoreChange: () => void) => () => void,
  getSnapshot: () => T,
  getServerSnapshot?: () => T,
): T;
const asOurs: UseSyncExternalStore = useSyncExternalStore;
const snapshot: Snapshot = sessionHook(asOurs, session)();
void snapshot;

declare const axios: AxiosLike & { get(url: string): Promise<unknown> };
void useSession(axios, session).get('/x');

const element = document.createElement('countersign-banner');
element.session = session;
element.strings = { logIn: 'Weiter' };
// @ts-expect-error no such text
element.strings = { login: 'Weiter' };

import type { Session, Snapshot } from './types.js';

/** React's own hook, by its shape: this package does not depend on React. */
export type UseSyncExternalStore = (
  subscribe: (onStoreChange: () => void) => () => void,
  getSnapshot: () => Snapshot,
  getServerSnapshot?: () => Snapshot,
) => Snapshot;

/**
 * Makes a hook that renders again when the session changes:
 *
 * ```ts
 * import { useSyncExternalStore } from 'react';
 * const useSession = sessionHook(useSyncExternalStore, session);
 * const { user, state, waiting } = useSession();
 * ```
 *
 * A component that uses it is not unmounted when a session ends, so nothing of its state is lost.
 */
export const sessionHook =
  (useSyncExternalStore: UseSyncExternalStore, session: Session): (() => Snapshot) =>
  () =>
    useSyncExternalStore(session.subscribe, session.snapshot, session.snapshot);

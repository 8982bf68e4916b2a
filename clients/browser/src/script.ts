/** For a script tag: `Countersign.createSession()`. The gateway serves this build as `/.countersign/client.js`. */
import { SessionError } from './error.js';
import { createSession } from './session.js';

Object.assign(globalThis, { Countersign: { createSession, SessionError } });

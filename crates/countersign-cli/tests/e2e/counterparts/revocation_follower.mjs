// Follows the revocation feed as docs/revocation.md says, and from nothing else.
//
// Arguments: the issuer, the address of internal_listen, of the key set, a client's id and its secret. The first line comes
// when it is current. Then it reads one JSON line for each question, {"token"}, and answers with {"refused", "blind"}.

import { createInterface } from 'node:readline';

import { createRemoteJWKSet, decodeJwt, jwtVerify } from 'jose';

const [issuer, feed, keySet, id, secret] = process.argv.slice(2);
const basic = Buffer.from([id, secret].map(encodeURIComponent).join(':')).toString('base64');
const headers = { authorization: `Basic ${basic}` };
const now = () => Math.floor(Date.now() / 1000);
let keys = createRemoteJWKSet(new URL(keySet));
let known, epoch, seq, heard = 0;
const left = new Set();

async function read(jws) {
  const { payload } = await jwtVerify(jws, keys, { issuer, audience: `${issuer}/revocations`, typ: 'secevent+jwt' });
  const [[event, body], ...more] = Object.entries(payload.events);
  if (more.length > 0) throw new Error('more than one event');
  return { ...body, event, iat: payload.iat, sub_id: payload.sub_id };
}

function name(kind, target) {
  if (target.format === 'jwt_id' && target.iss === issuer) return `token ${target.jti}`;
  if (target.format === 'opaque' && target.id === '*') return 'all *';
  if (target.format === 'complex' && target.session) return `${kind} ${target.session.id}`;
  if (target.format === 'complex' && target.user?.iss === issuer) return `subject ${target.user.sub}`;
  if (target.format === 'complex' && target.tenant) return `organisation ${target.tenant.id}`;
  throw new Error('a target that is not understood');
}

async function begin() {
  const found = new Map();
  let place;
  for (let page = 0, last = false; !last; page++) {
    const answer = await fetch(`${feed}/revocations/snapshot?page=${page}`, { headers });
    const said = await read(await answer.text());
    if (said.event !== 'urn:countersign:event:snapshot' || said.page !== page || said.iat < now() - 60) throw new Error('page');
    if (page > 0 && `${place.epoch}.${place.seq}` !== `${said.epoch}.${said.seq}`) throw new Error('another snapshot');
    if (left.has(said.epoch) || (said.epoch === epoch && said.seq < seq)) throw new Error('older than what is known');
    for (const [kind, id, at, expires] of said.entries) found.set(`${kind} ${id}`, { at, expires });
    place = said;
    last = said.last;
  }
  if (epoch !== undefined && epoch !== place.epoch) left.add(epoch);
  ({ epoch, seq } = place);
  known = found;
}

async function take(jws) {
  const said = await read(jws);
  const isHeartbeat = said.event === 'urn:countersign:event:heartbeat';
  if (said.epoch !== epoch || said.seq !== (isHeartbeat ? seq : seq + 1)) throw new Error('a gap');
  const kind = said.event.includes('token-claims-change') ? 'issued_to' : 'session';
  switch (said.event) {
    case 'urn:countersign:event:heartbeat':
      if (said.iat >= now() - 60) heard = Date.now();
      break;
    case 'urn:countersign:event:keys-changed':
      keys = createRemoteJWKSet(new URL(keySet));
      break;
    case 'urn:countersign:event:lifted':
    case 'urn:countersign:event:token-claims-change-lifted':
      known.delete(name(kind, said.sub_id));
      break;
    case 'https://schemas.openid.net/secevent/caep/event-type/session-revoked':
    case 'https://schemas.openid.net/secevent/caep/event-type/token-claims-change':
      known.set(name(kind, said.sub_id), { at: said.event_timestamp, expires: said.expires });
      break;
    default:
      throw new Error('an event that is not known');
  }
  seq = said.seq;
}

async function follow() {
  const answer = await fetch(`${feed}/revocations/stream`, { headers: { ...headers, 'last-event-id': `${epoch}.${seq}` } });
  let text = '';
  for await (const piece of answer.body.pipeThrough(new TextDecoderStream())) {
    const blocks = (text + piece).split('\n\n');
    text = blocks.pop();
    for (const block of blocks) {
      const fields = Object.fromEntries(block.split('\n').map((line) => line.split(/: ?(.*)/s)));
      if (fields.event === 'reset') throw new Error('reset');
      await take(fields.data);
    }
  }
}

function isRefused({ jti, sid, sub, organisation, iat, derived_from = [] }) {
  for (const [name, { expires }] of known) if (expires <= now()) known.delete(name);
  const since = ['all *', `issued_to ${sid}`, `subject ${sub}`, `organisation ${organisation}`];
  return (
    [jti, ...derived_from].some((name) => known.has(`token ${name}`)) ||
    known.has(`session ${sid}`) ||
    since.some((name) => known.has(name) && iat <= known.get(name).at)
  );
}

async function live() {
  for (let goesOn = false; ; goesOn = true) {
    try {
      await begin();
      if (!goesOn) console.log(JSON.stringify({ listening: 'stdin' }));
      await follow();
    } catch (error) {
      console.error(error.message);
    }
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

live();
for await (const line of createInterface({ input: process.stdin })) {
  const refused = isRefused(decodeJwt(JSON.parse(line).token));
  console.log(JSON.stringify({ refused, blind: Date.now() - heard > 3000 }));
}
process.exit();

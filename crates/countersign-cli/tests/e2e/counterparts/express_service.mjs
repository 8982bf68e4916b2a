// A service in Express with express-oauth2-jwt-bearer, as its team would write it: notes of organisations.
//
//     express_service.mjs KEY_SET [--faulty]      the issuer's key set; with its faults
//
// Prints one JSON line, {"listening", "openapi"}, when it is ready, and ends with its standard input.
//
// With `--faulty` three things are as they so often are:
//     - the report reads the token without verifying it (a colleague copied it from the browser's code),
//     - the list takes the organisation from the query, if it is there,
//     - a note is removed by its number alone.

import express from 'express';
import { auth, claimCheck } from 'express-oauth2-jwt-bearer';
import { decodeJwt } from 'jose';

const [keySet, ...flags] = process.argv.slice(2);
const faulty = flags.includes('--faulty');

let made = 100;
const notes = new Map();
const make = (organisation, { title, text = '' }) => {
  const note = { id: String(made += 1), organisation, title, text };
  notes.set(note.id, note);
  return note;
};
make('acme', { title: 'Delivery' });
make('globex', { title: 'Holidays' });

const problem = (response, status, detail) =>
  response.status(status).type('application/problem+json').send(JSON.stringify({ status, detail }));

const verify = auth({
  issuer: 'https://countersign-audit.invalid',
  jwksUri: keySet,
  audience: 'express-notes',
  tokenSigningAlg: 'ES256',
  strict: true, // RFC 9068: `typ`, and `sub`, `iat`, `jti`, `client_id`
  dpop: { enabled: false },
});

// What the library does not look at: RFC 6750 §5.3 advises against tokens in addresses.
function onlyInHeader(request, response, next) {
  if (request.query.access_token !== undefined) request.url = request.url.replaceAll('access_token=', 'ignored=');
  next();
}

// Nor at these: a proof of possession that nobody asks for, tokens that live for years or come from the future, names
// that are empty, and what roles and organisation are in this service.
const isName = (value) => typeof value === 'string' && value.trim() === value && value !== '' && value !== '*';
const sound = claimCheck(({ cnf, exp, iat, sub, jti, client_id, organisation, roles = [] }) => (
  cnf === undefined
  && iat <= Date.now() / 1000 + 5 && exp - iat <= 24 * 60 * 60
  && [sub, jti, client_id].every((value) => value !== '')
  && (organisation === undefined || isName(organisation))
  && Array.isArray(roles) && roles.every((role) => typeof role === 'string')
));

function withOrganisation(request, response, next) {
  const { organisation, roles = [] } = request.auth.payload;
  if (organisation === undefined) return problem(response, 403, 'no organisation');
  request.caller = { organisation, roles };
  next();
}

const withRole = (...needed) => (request, response, next) => {
  if (needed.some((role) => request.caller.roles.includes(role))) return next();
  problem(response, 403, 'the role is missing');
};

function draftOf(request) {
  const { title, text } = request.body ?? {};
  return typeof title === 'string' && title !== '' ? { title, text: String(text ?? '') } : undefined;
}

const owned = (request) => {
  const note = notes.get(request.params.note);
  return note?.organisation === request.caller.organisation ? note : undefined;
};

const app = express();
app.disable('x-powered-by').disable('etag');
app.use((request, response, next) => {
  response.set('Cache-Control', 'no-store');
  next();
});
app.get('/health', (request, response) => response.json({ status: 'well' }));

if (faulty) {
  app.get('/report', (request, response, next) => {
    try {
      const token = (request.get('authorization') ?? '').replace(/^Bearer /i, '');
      request.auth = { payload: decodeJwt(token) };
    } catch {
      return response.set('WWW-Authenticate', 'Bearer').status(401).end();
    }
    withOrganisation(request, response, () => withRole('admin')(request, response, () => report(request, response)));
  });
}

app.use(onlyInHeader, verify, sound, withOrganisation, express.json({ limit: '64kb' }));

app.get('/notes', (request, response) => {
  const organisation = (faulty && request.query.organisation) || request.caller.organisation;
  response.json([...notes.values()].filter((note) => note.organisation === organisation));
});

app.post('/notes', withRole('editor', 'admin'), (request, response) => {
  const draft = draftOf(request);
  if (draft === undefined) return problem(response, 422, 'a note has a title');
  if (notes.size > 10_000) return problem(response, 409, 'there are too many');
  response.status(201).json(make(request.caller.organisation, draft));
});

app.get('/notes/:note', (request, response) => {
  const note = owned(request);
  if (note === undefined) return problem(response, 404, 'there is none');
  response.json(note);
});

app.put('/notes/:note', withRole('editor', 'admin'), (request, response) => {
  const note = owned(request);
  if (note === undefined) return problem(response, 404, 'there is none');
  const draft = draftOf(request);
  if (draft === undefined) return problem(response, 422, 'a note has a title');
  response.json(Object.assign(note, draft));
});

app.delete('/notes/:note', withRole('editor', 'admin'), (request, response) => {
  const note = faulty ? notes.get(request.params.note) : owned(request);
  if (note === undefined) return problem(response, 404, 'there is none');
  notes.delete(note.id);
  response.status(204).end();
});

function report(request, response) {
  const own = [...notes.values()].filter((note) => note.organisation === request.caller.organisation);
  response.json({ notes: own.map((note) => note.title) });
}
app.get('/report', withRole('admin'), report);

app.use((request, response) => problem(response, 404, 'there is none'));
app.use((error, request, response, next) => {
  if (response.headersSent) return next(error);
  response.set(error.headers ?? {});
  problem(response, error.status ?? 500, error.status ? 'refused' : 'the service failed');
});

const roles = (...names) => names.map((name) => ({ bearer: [name] }));
const answers = (ok, ...others) => Object.fromEntries(
  [ok, '401', ...others].map((status) => [status, { description: status }]));
const body = { required: true, content: { 'application/json': { schema: { $ref: '#/components/schemas/Draft' } } } };
const editors = { security: roles('editor', 'admin') };
const openapi = {
  openapi: '3.1.0',
  info: { title: 'Notes', version: '1' },
  security: [{ bearer: [] }],
  paths: {
    '/health': { get: { security: [], responses: { 200: { description: 'It is well' } } } },
    '/notes': {
      get: { responses: answers('200') },
      post: { ...editors, requestBody: body, responses: answers('201', '403', '422') },
    },
    '/notes/{note}': {
      parameters: [{ name: 'note', in: 'path', required: true, schema: { type: 'string' } }],
      get: { responses: answers('200', '404') },
      put: { ...editors, requestBody: body, responses: answers('200', '403', '404', '422') },
      delete: { ...editors, responses: answers('204', '403', '404') },
    },
    '/report': { get: { security: roles('admin'), responses: answers('200', '403') } },
  },
  components: {
    securitySchemes: { bearer: { type: 'http', scheme: 'bearer', bearerFormat: 'JWT' } },
    schemas: {
      Draft: {
        type: 'object', required: ['title'],
        properties: { title: { type: 'string' }, text: { type: 'string' } },
      },
    },
  },
};

const server = app.listen(0, '127.0.0.1', () => {
  console.log(JSON.stringify({ listening: `http://127.0.0.1:${server.address().port}`, openapi }));
});
process.stdin.on('end', () => process.exit(0)).resume();

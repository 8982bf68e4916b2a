// A service behind a guard in Node.js, without any package: it knows its callers from headers alone.
//
//     guarded_service.mjs      prints one JSON line, {"listening"}, when it is ready, and ends with its standard input
//
//     GET /orders/       the orders of the caller's organisation
//     GET /orders/ID     one of them; 404 for one of another organisation, as for one that is not there
//     any other          {"caller", "headers", "trailers", "body", "served"}: all that it was told

import http from 'node:http';

const ORDERS = [
  { id: '1', organisation: 'acme', item: 'paper' },
  { id: '2', organisation: 'globex', item: 'ink' },
  { id: '3', organisation: 'acme', item: 'pens' },
];

// Absent is undefined: the guard sets a header or removes it.
const decoded = (value) => (value === undefined ? undefined : decodeURIComponent(value));

const callerOf = ({ headers }) => ({
  id: decoded(headers['x-user-id']),
  organisation: decoded(headers['x-organisation']),
  roles: (headers['x-roles'] ?? '').split(',').filter(Boolean).map(decoded),
  scope: (headers['x-scope'] ?? '').split(' ').filter(Boolean).map(decoded),
});

let served = 0;
const server = http.createServer(async (request, response) => {
  served += 1;
  let body = '';
  for await (const piece of request) body += piece;
  const answer = (status, value) => {
    response.writeHead(status, { 'content-type': 'application/json' });
    response.end(JSON.stringify(value));
  };
  const caller = callerOf(request);
  const [path] = request.url.split('?');
  if (!path.startsWith('/orders/')) {
    return answer(200, { caller, headers: request.rawHeaders, trailers: request.rawTrailers, body, served });
  }
  if (caller.id === undefined) return answer(500, { detail: 'no guard stands before this service' });
  const own = ORDERS.filter((order) => order.organisation === caller.organisation);
  const id = path.slice('/orders/'.length);
  if (id === '') return answer(200, { orders: own });
  const order = own.find((order) => order.id === id);
  return order ? answer(200, order) : answer(404, { detail: 'no such order' });
});

server.listen(0, '127.0.0.1', () => {
  console.log(JSON.stringify({ listening: `http://127.0.0.1:${server.address().port}` }));
});
process.stdin.on('end', () => process.exit()).resume();

#!/usr/bin/env bash
# openapi-fetch gives neither data nor an error for a failure without a body.
#
# Software: npm openapi-fetch 0.17.0; control: the same statuses with a problem as the body.
# Expected: its documentation: error is there for each 4xx and 5xx, and the examples tell success from failure by it. A failure
#   need not have a body (RFC 9110, section 15.6: a server SHOULD send an explanation), and many a proxy sends none.
# Seen: both are undefined for 401, 429 and 503 with an empty body, just as for a 204. A program that asks "if (error)" goes on as
#   after a success, as does one that ends a loop over pages when there is no data.
# Output (2026-11-30), status of the answer and what if (error) does:
#   with a problem: 204 goes on, 401 stops, 429 stops, 503 stops
#   without a body: 204 goes on, 401 goes on, 429 goes on, 503 goes on
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
npm init -y >npm.log
npm install --no-audit --no-fund openapi-fetch@0.17.0 >>npm.log 2>&1

cat >try.mjs <<'JS'
import assert from 'node:assert';
import http from 'node:http';
import { once } from 'node:events';
import createClient from 'openapi-fetch';

const server = http.createServer((request, response) => {
  const [, kind, status] = request.url.split('/');
  const body = kind === 'problem' && status !== '204' ? JSON.stringify({ status: Number(status) }) : '';
  response.writeHead(Number(status), { 'Content-Type': 'application/problem+json', ...(status === '204' ? {} : { 'Content-Length': body.length }) });
  response.end(body);
}).listen(0, '127.0.0.1');
await once(server, 'listening');
const client = createClient({ baseUrl: `http://127.0.0.1:${server.address().port}` });

for (const [kind, label, expected] of [
  ['problem', 'with a problem', '204 goes on, 401 stops, 429 stops, 503 stops'],
  ['empty', 'without a body', '204 goes on, 401 goes on, 429 goes on, 503 goes on']]) {
  const seen = [];
  for (const status of [204, 401, 429, 503]) {
    const { error, response } = await client.GET(`/${kind}/${status}`);
    seen.push(`${response.status} ${error ? 'stops' : 'goes on'}`);
  }
  console.log(`${label}: ${seen.join(', ')}`);
  assert.strictEqual(seen.join(', '), expected, `changed: ${label}`);
}
process.exit(0);
JS
node try.mjs

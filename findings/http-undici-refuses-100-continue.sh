#!/usr/bin/env bash
# undici, and with it Node's fetch, fails at a 100 Continue that it has not asked for.
#
# Software: npm undici 7.30.2; control: undici with 103 in its place, and Node's own http client with both.
# Expected: RFC 9110, section 15.2: a client must be able to parse one or more 1xx answers before the final one, even if
#   it does not expect one, and may ignore those.
# Seen: 103 is skipped, 100 is the error "bad response", and the final answer is lost.
# Output (2026-11-30), 103 then 200 / 100 then 200:
#   http: 200 / 200
#   undici: 200 / bad response
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
npm init -y >npm.log
npm install --no-audit --no-fund undici@7.30.2 >>npm.log 2>&1

cat >try.mjs <<'JS'
import assert from 'node:assert';
import http from 'node:http';
import net from 'node:net';
import { once } from 'node:events';
import { request } from 'undici';

const final = 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nready';
const interim = { '/103': 'HTTP/1.1 103 Early Hints\r\n\r\n', '/100': 'HTTP/1.1 100 Continue\r\n\r\n' };
const server = net.createServer((socket) => {
  socket.once('data', (data) => socket.end(interim[String(data).split(' ')[1]] + final));
}).listen(0, '127.0.0.1');
await once(server, 'listening');
const url = (path) => `http://127.0.0.1:${server.address().port}${path}`;

const clients = {
  http: async (path) => (await once(http.get(url(path)), 'response'))[0].statusCode,
  undici: async (path) => (await request(url(path))).statusCode,
};
const seen = {};
for (const [name, ask] of Object.entries(clients)) {
  seen[name] = [];
  for (const path of ['/103', '/100']) seen[name].push(await ask(path).catch((error) => error.message));
  console.log(`${name}: ${seen[name].join(' / ')}`);
}
assert.deepStrictEqual(seen.http, [200, 200], 'the control has changed');
assert.deepStrictEqual(seen.undici, [200, 'bad response'], 'the behaviour has changed');
process.exit(0);
JS
node --no-warnings try.mjs

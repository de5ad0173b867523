#!/usr/bin/env bash
# No way to write an IPv6 address in NO_PROXY works in requests, httpx and undici at the same time.
#
# Software: PyPI requests 2.34.2, httpx 0.28.1; npm undici 7.30.2 (EnvHttpProxyAgent); control: npm axios 1.21.1.
# Expected: RFC 3986, section 3.2.2, brackets an IPv6 address in a URL; RFC 4291 writes it without. The variable has no
#   standard, but a client that takes IPv4 addresses should know one of the two, and not fail at the other.
# Seen: requests knows the bare form, undici the bracketed one, and httpx raises InvalidURL for the bracketed one before
#   any request is sent, to whatever host.
# Output (2026-11-30), NO_PROXY=::1 / NO_PROXY=[::1], asking http://[::1]:PORT/:
#   axios: direct / direct
#   undici: proxy / direct
#   requests: direct / proxy
#   httpx: direct / InvalidURL
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
npm init -y >npm.log
npm install --no-audit --no-fund undici@7.30.2 axios@1.21.1 >>npm.log 2>&1
python3 -m venv venv
venv/bin/pip --quiet install requests==2.34.2 httpx==0.28.1

cat >try.mjs <<'JS'
import assert from 'node:assert';
import http from 'node:http';
import { once } from 'node:events';
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

async function serve(word, address) {
  const server = http.createServer((request, response) => response.end(word));
  // A proxy may be asked for a tunnel: what comes through it is answered in the same way.
  server.on('connect', (request, socket) => {
    socket.write('HTTP/1.1 200 OK\r\n\r\n');
    server.emit('connection', socket);
  });
  await once(server.listen(0, address), 'listening');
  return server.address().port;
}
const [proxy, target] = [await serve('proxy', '127.0.0.1'), await serve('direct', '::1')];
const url = `http://[::1]:${target}/`;
const python = (library) => ['venv/bin/python', ['-c',
  `import ${library}\ntry: print(${library}.get("${url}").text)\nexcept Exception as error: print(type(error).__name__)`]];
const node = (code) => ['node', ['--no-warnings', '-e', code]];
const clients = {
  axios: [node(`require('axios').get('${url}').then(({ data }) => console.log(data))`), 'direct', 'direct'],
  undici: [node(`const { request, EnvHttpProxyAgent: Agent } = require('undici');
    request('${url}', { dispatcher: new Agent() }).then(({ body }) => body.text()).then(console.log)`), 'proxy', 'direct'],
  requests: [python('requests'), 'direct', 'proxy'],
  httpx: [python('httpx'), 'direct', 'InvalidURL'],
};
for (const [name, [[command, words], ...expected]] of Object.entries(clients)) {
  const seen = [];
  for (const entry of ['::1', '[::1]']) {
    const env = { PATH: process.env.PATH, http_proxy: `http://127.0.0.1:${proxy}`, no_proxy: entry };
    seen.push((await promisify(execFile)(command, words, { env })).stdout.trim());
  }
  console.log(`${name}: ${seen.join(' / ')}`);
  assert.deepStrictEqual(seen, expected, `changed: ${name}`);
}
process.exit(0);
JS
node try.mjs

#!/usr/bin/env bash
# retry-axios gives up when Retry-After says that it may ask again at once.
#
# Software: npm retry-axios 4.0.3 with axios 1.21.1; control: the same client without Retry-After and with "1".
# Expected: RFC 9110, section 10.2.3: Retry-After is a number of seconds or a date from which on the client may ask;
#   0 and a date that has just passed mean now.
# Seen: with 0, or with a date in the past (a client whose clock is a little fast sees that often), the first 503 is
#   final; without the field the same client tries again and succeeds.
# Output (2026-11-30):
#   no Retry-After: status 200 after 2 questions
#   Retry-After: 1: status 200 after 2 questions
#   Retry-After: 0: failed with 503 after 1 question
#   Retry-After: (two seconds ago): failed with 503 after 1 question
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
npm init -y >npm.log
npm install --no-audit --no-fund retry-axios@4.0.3 axios@1.21.1 >>npm.log 2>&1

cat >try.mjs <<'JS'
import assert from 'node:assert';
import http from 'node:http';
import { once } from 'node:events';
import axios from 'axios';
import * as retry from 'retry-axios';

let asked, after;
const server = http.createServer((request, response) => {
  if (++asked > 1) return response.end('x');
  response.writeHead(503, after === undefined ? {} : { 'Retry-After': after }).end();
}).listen(0, '127.0.0.1');
await once(server, 'listening');
const url = `http://127.0.0.1:${server.address().port}/`;

async function ask(name, value) {
  [asked, after] = [0, value];
  const client = axios.create({ raxConfig: { retry: 2, retryDelay: 100 } });
  retry.attach(client);
  const result = await client.get(url).then(({ status }) => `status ${status}`, (error) => `failed with ${error.response?.status}`);
  console.log(`${name}: ${result} after ${asked} question${asked === 1 ? '' : 's'}`);
  return result;
}
assert.strictEqual(await ask('no Retry-After'), 'status 200', 'the control has changed');
assert.strictEqual(await ask('Retry-After: 1', '1'), 'status 200', 'the control has changed');
assert.strictEqual(await ask('Retry-After: 0', '0'), 'failed with 503', 'the behaviour has changed');
const past = new Date(Date.now() - 2000).toUTCString();
assert.strictEqual(await ask('Retry-After: (two seconds ago)', past), 'failed with 503', 'the behaviour has changed');
process.exit(0);
JS
node --no-warnings try.mjs

#!/usr/bin/env bash
# needle parses JSON and two media types made of it, but not a problem, and in capitals not even as text.
#
# Software: npm needle 3.5.0; control: npm superagent 10.4.2 on all of them, and needle on application/json and application/hal+json.
# Expected: RFC 6838, section 4.2.8: what ends with +json can be read as JSON, and RFC 9110, section 8.3.1: media types are the same in
#   capitals. needle's documentation: JSON is parsed by the Content-Type.
# Seen: the body of an application/problem+json is a string, so body.title is undefined while it is there for other answers; with
#   Application/JSON or Application/Problem+JSON the body is a Buffer.
# Output (2026-11-30), kind of the body from superagent / needle:
#   application/json: object / object
#   application/hal+json: object / object
#   application/problem+json: object / string
#   Application/JSON: object / buffer
#   Application/Problem+JSON: object / buffer
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
npm init -y >npm.log
npm install --no-audit --no-fund needle@3.5.0 superagent@10.4.2 >>npm.log 2>&1

cat >try.mjs <<'JS'
import assert from 'node:assert';
import http from 'node:http';
import { once } from 'node:events';
import needle from 'needle';
import superagent from 'superagent';

let type;
const server = http.createServer((request, response) => {
  response.writeHead(404, { 'Content-Type': type }).end('{"title": "No such SDDC", "status": 404}');
}).listen(0, '127.0.0.1');
await once(server, 'listening');
const address = `http://127.0.0.1:${server.address().port}/`;
const kind = (body) => (Buffer.isBuffer(body) ? 'buffer' : typeof body);

for (const [name, expected] of [
  ['application/json', 'object'],
  ['application/hal+json', 'object'],
  ['application/problem+json', 'string'],
  ['Application/JSON', 'buffer'],
  ['Application/Problem+JSON', 'buffer']]) {
  type = name;
  const control = await superagent.get(address).ok(() => true);
  assert.strictEqual(control.body.title, 'No such SDDC', 'the control has changed');
  const seen = kind((await needle('get', address)).body);
  console.log(`${name}: ${kind(control.body)} / ${seen}`);
  assert.strictEqual(seen, expected, `changed: ${name}`);
}
process.exit(0);
JS
node try.mjs

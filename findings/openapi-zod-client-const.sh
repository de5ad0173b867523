#!/usr/bin/env bash
# openapi-zod-client writes a discriminated union that throws when it is loaded if the tag is a const.
#
# Software: npm openapi-zod-client 1.18.3, zod 3.25.76; control: the same document with a one-value enum.
# Expected: OpenAPI 3.1.0, "Schema Object", takes all keywords of JSON Schema 2020-12, and const is the plain way to
#   give the value of a discriminator's property.
# Seen: const is ignored, the tag is z.unknown(), and z.discriminatedUnion refuses that while the module is loaded: no
#   schema of the file can be used.
# Output (2026-11-30):
#   enum: type: z.literal("circle"), parses
#   const: type: z.unknown(), throws
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
npm init -y >npm.log
npm install --no-audit --no-fund openapi-zod-client@1.18.3 zod@3.25.76 >>npm.log 2>&1

cat >try.cjs <<'JS'
const assert = require('node:assert');
const { execFileSync } = require('node:child_process');
const { readFileSync, writeFileSync } = require('node:fs');
const { z } = require('zod');

function run(name, tag) {
  const shape = (value) => ({ type: 'object', required: ['type'], properties: { type: tag(value) } });
  const one = { $ref: '#/components/schemas/Circle' };
  const other = { $ref: '#/components/schemas/Square' };
  const content = { 'application/json': { schema: { oneOf: [one, other], discriminator: { propertyName: 'type' } } } };
  writeFileSync(`${name}.json`, JSON.stringify({
    openapi: '3.1.0', info: { title: 't', version: '1' },
    paths: { '/shape': { get: { operationId: 'shape', responses: { 200: { description: 'one', content } } } } },
    components: { schemas: { Circle: shape('circle'), Square: shape('square') } } }));
  execFileSync('node_modules/.bin/openapi-zod-client', [`${name}.json`, '-o', `${name}.ts`, '--export-schemas'], { stdio: 'ignore' });
  const code = readFileSync(`${name}.ts`, 'utf8');
  const schemas = code.match(/const Circle[^]*?(?=\n(?:export|const \w+ = makeApi))/)[0];
  const union = code.match(/z\.discriminatedUnion\([^)]*\)/)[0];
  let result;
  try {
    result = new Function('z', `${schemas}\nreturn ${union}`)(z).parse({ type: 'circle' }) && 'parses';
  } catch {
    result = 'throws';
  }
  console.log(`${name}: ${schemas.match(/type: [^ ]*\)/)[0]}, ${result}`);
  return result;
}
assert.strictEqual(run('enum', (value) => ({ type: 'string', enum: [value] })), 'parses', 'the control has changed');
assert.strictEqual(run('const', (value) => ({ const: value })), 'throws', 'the behaviour has changed');
JS
node try.cjs

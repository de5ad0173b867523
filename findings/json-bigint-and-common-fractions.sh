#!/usr/bin/env bash
# json-bigint takes a fraction with many digits for a big integer, and fails or makes an object of it.
#
# Software: npm json-bigint 1.0.0; control: JSON.parse, and json-bigint with 742.4.
# Expected: the package promises JSON.parse with support for big integers; RFC 8259, section 6: a number with a fraction
#   is no integer. 0.30000000000000004 is what every language writes for 0.1 + 0.2.
# Seen: only the length of the text counts. With useNativeBigInt the whole document is an error; without it that one value
#   is an object, so typeof is not "number" and total + price joins texts.
# Output (2026-11-30), {"price":742.4} and {"price":0.30000000000000004}:
#   JSON: number, number
#   json-bigint: number, object (1 + price = 10.30000000000000004)
#   json-bigint, useNativeBigInt: number, SyntaxError
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
npm init -y >npm.log
npm install --no-audit --no-fund json-bigint@1.0.0 >>npm.log 2>&1

cat >try.cjs <<'JS'
const assert = require('node:assert');
const bigint = require('json-bigint');

const documents = ['{"price":742.4}', '{"price":0.30000000000000004}'];
function kinds(name, parse) {
  const seen = documents.map((text) => {
    try {
      const { price } = parse(text);
      return typeof price === 'number' ? 'number' : `${typeof price} (1 + price = ${1 + price})`;
    } catch (error) {
      return error.name ?? 'an error';
    }
  });
  console.log(`${name}: ${seen.join(', ')}`);
  return seen;
}
assert.deepStrictEqual(kinds('JSON', JSON.parse), ['number', 'number'], 'the control has changed');
assert.deepStrictEqual(kinds('json-bigint', (text) => bigint.parse(text)), ['number', 'object (1 + price = 10.30000000000000004)']);
const [short, long] = kinds('json-bigint, useNativeBigInt', (text) => bigint({ useNativeBigInt: true }).parse(text));
assert(short === 'number' && /error/i.test(long), 'the behaviour has changed');
JS
node try.cjs

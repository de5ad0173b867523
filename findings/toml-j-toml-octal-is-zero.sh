#!/usr/bin/env bash
# A TOML parser gives 0 for every octal and binary number once it is told to do without BigInt.
#
# Software: npm @ltd/j-toml 1.38.0 (bigint: false); control: the same with its default bigint: true and with hexadecimal numbers,
#   and npm smol-toml 1.9.1.
# Expected: TOML 1.0, "Integer": 0o755 is 493 and 0b11 is 3. The package describes the option as choosing number over bigint.
# Seen: mode = 0o640 is 0, without an error: a file or socket that nobody but root can use, or a mask of flags that is empty.
# Output (2026-11-30), 0o755 0b11 0xff 493:
#   smol-toml: 493 3 255 493
#   j-toml: 493 3 255 493
#   j-toml with bigint: false: 0 0 255 493
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
npm init -y >npm.log
npm install --no-audit --no-fund @ltd/j-toml@1.38.0 smol-toml@1.9.1 >>npm.log 2>&1

cat >try.mjs <<'JS'
import assert from 'node:assert';
import TOML from '@ltd/j-toml';
import { parse } from 'smol-toml';

const text = 'n = [0o755, 0b11, 0xff, 493]';
for (const [name, read, expected] of [
  ['smol-toml', parse, '493 3 255 493'],
  ['j-toml', (document) => TOML.parse(document), '493 3 255 493'],
  ['j-toml with bigint: false', (document) => TOML.parse(document, { bigint: false }), '0 0 255 493']]) {
  const seen = read(text).n.map(String).join(' ');
  console.log(`${name}: ${seen}`);
  assert.strictEqual(seen, expected, `changed: ${name}`);
}
JS
node try.mjs

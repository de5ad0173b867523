#!/usr/bin/env bash
# @iarna/toml refuses times written with a small t or z.
#
# Software: npm @iarna/toml 3.0.0; control: the same times in capitals, and npm smol-toml 1.9.1 and tomllib of Python 3.11 with all.
# Expected: TOML 1.0, its ABNF: the delimiter and the Z are strings of RFC 5234, which are the same in small letters; so says
#   RFC 3339, section 5.6.
# Seen: both raise, so one such value keeps a program from reading a file that others read.
# Output (2026-11-30), 1979-05-27T07:32:00Z / with t / with z:
#   tomllib: read / read / read
#   smol-toml: read / read / read
#   @iarna/toml: read / TomlError / TomlError
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
npm init -y >npm.log
npm install --no-audit --no-fund @iarna/toml@3.0.0 smol-toml@1.9.1 >>npm.log 2>&1

python3 - <<'PY'
import tomllib

for text in ("1979-05-27T07:32:00Z", "1979-05-27t07:32:00Z", "1979-05-27T07:32:00z"):
    assert tomllib.loads(f"d = {text}")["d"].isoformat() == "1979-05-27T07:32:00+00:00", "the control has changed"
print("tomllib: read / read / read")
PY
cat >try.mjs <<'JS'
import assert from 'node:assert';
import iarna from '@iarna/toml';
import { parse } from 'smol-toml';

for (const [name, read, expected] of [
  ['smol-toml', parse, 'read / read / read'],
  ['@iarna/toml', iarna.parse, 'read / TomlError / TomlError']]) {
  const seen = ['1979-05-27T07:32:00Z', '1979-05-27t07:32:00Z', '1979-05-27T07:32:00z'].map((text) => {
    try {
      return read(`d = ${text}`).d.getTime() === Date.UTC(1979, 4, 27, 7, 32) ? 'read' : 'wrong';
    } catch (error) {
      return error.name;
    }
  }).join(' / ');
  console.log(`${name}: ${seen}`);
  assert.strictEqual(seen, expected, `changed: ${name}`);
}
JS
node try.mjs

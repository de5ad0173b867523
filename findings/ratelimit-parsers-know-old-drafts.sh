#!/usr/bin/env bash
# Two RateLimit parsers read nothing out of the RateLimit field as the current draft writes it.
#
# Software: npm ratelimit-header-parser 0.1.0, PyPI ratelimit-headers 0.1.0; control: the older fields
#   RateLimit-Limit, RateLimit-Remaining and RateLimit-Reset.
# Expected: both promise the RateLimit fields of the IETF draft; draft-ietf-httpapi-ratelimit-headers-10 has
#   RateLimit: "default";r=50;t=30 with RateLimit-Policy: "default";q=100;w=60.
# Seen: no error and no "not found", but an object whose members are all NaN or None: every comparison with
#   NaN is false, so "remaining < 1" never holds back a client.
# Output (2026-11-30), remaining requests by the old and by the current fields:
#   ratelimit-header-parser: 50, NaN
#   ratelimit-headers: 50, None
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
npm init -y >npm.log
npm install --no-audit --no-fund ratelimit-header-parser@0.1.0 >>npm.log 2>&1
python3 -m venv venv
venv/bin/pip --quiet install ratelimit-headers==0.1.0

cat >try.mjs <<'JS'
import assert from 'node:assert';
import { parseRateLimit } from 'ratelimit-header-parser';

const old = parseRateLimit({ 'ratelimit-limit': '100', 'ratelimit-remaining': '50', 'ratelimit-reset': '30' });
const current = parseRateLimit({ ratelimit: '"default";r=50;t=30', 'ratelimit-policy': '"default";q=100;w=60' });
console.log(`ratelimit-header-parser: ${old.remaining}, ${current?.remaining}`);
assert.strictEqual(old.remaining, 50, 'the control has changed');
assert(Number.isNaN(current?.remaining) && Number.isNaN(current.limit), 'the behaviour has changed');
JS
node try.mjs

venv/bin/python - <<'PY'
from ratelimit_headers import parse

old = parse(response_headers={"RateLimit-Limit": "100", "RateLimit-Remaining": "50", "RateLimit-Reset": "30"})
current = parse(response_headers={"RateLimit": '"default";r=50;t=30', "RateLimit-Policy": '"default";q=100;w=60'})
print(f"ratelimit-headers: {old.remaining}, {current.remaining}")
assert old.remaining == 50, "the control has changed"
assert current.source == "ietf" and current.remaining is None and current.limit is None, "the behaviour has changed"
PY

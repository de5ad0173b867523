#!/usr/bin/env bash
# Three time parsers round a long fraction up, into the next second if need be; most cut it off.
#
# Software: PyPI arrow 1.4.0, msgspec 0.23.0, npm date-fns 4.4.0; control: Python's datetime, pydantic 2.14.4, JavaScript's
#   Date.
# Expected: RFC 3339, section 5.6, allows any number of digits; that a time read from a document is never later than the
#   one written there, and that two parsers of the same language agree.
# Seen: 12:00:00.9999999Z becomes 12:00:01. A "changed after" question with that time misses the change itself, and
#   pydantic and msgspec models of one document are not equal.
# Output (2026-11-30), second and fraction read from 2026-11-30T12:00:00.9999999Z:
#   datetime 0.999999, pydantic 0.999999, arrow 1.000000, msgspec 1.000000
#   Date 0.999, date-fns 1.000
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
npm init -y >npm.log
npm install --no-audit --no-fund date-fns@4.4.0 >>npm.log 2>&1
python3 -m venv venv
venv/bin/pip --quiet install arrow==1.4.0 msgspec==0.23.0 pydantic==2.14.4

venv/bin/python - <<'PY'
import datetime
import arrow
import msgspec
import pydantic

TEXT = "2026-11-30T12:00:00.9999999Z"
seen = {
    "datetime": datetime.datetime.fromisoformat(TEXT),
    "pydantic": pydantic.TypeAdapter(datetime.datetime).validate_python(TEXT),
    "arrow": arrow.get(TEXT).datetime,
    "msgspec": msgspec.convert(TEXT, datetime.datetime),
}
print(", ".join(f"{name} {time.second}.{time.microsecond:06}" for name, time in seen.items()))
assert seen["datetime"] == seen["pydantic"] and seen["datetime"].second == 0, "the control has changed"
assert seen["arrow"].second == seen["msgspec"].second == 1, "the behaviour has changed"
PY
cat >try.mjs <<'JS'
import assert from 'node:assert';
import { parseISO } from 'date-fns';

const text = '2026-11-30T12:00:00.9999999Z';
const [right, wrong] = [new Date(text), parseISO(text)].map((time) => time.toISOString().slice(18, 23));
console.log(`Date ${right}, date-fns ${wrong}`);
assert.strictEqual(right, '0.999', 'the control has changed');
assert.strictEqual(wrong, '1.000', 'the behaviour has changed');
JS
node try.mjs

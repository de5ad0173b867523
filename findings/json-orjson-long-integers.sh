#!/usr/bin/env bash
# orjson reads an integer of more than 64 bits as a float and loses its last digits.
#
# Software: PyPI orjson 3.13.0; control: Python's json and msgspec 0.23.0.
# Expected: RFC 8259, section 6, sets no limit; Python's integers have none either, and orjson calls itself
#   correct and prefers errors to guesses elsewhere (it refuses NaN and 1e400).
# Seen: 18446744073709551616 comes back as 1.8446744073709552e+19, without an error; written again it is another number
#   of another type.
# Output (2026-11-30), read and written again:
#   18446744073709551615: json 18446744073709551615, msgspec 18446744073709551615, orjson 18446744073709551615
#   12345678901234567890123: json 12345678901234567890123, msgspec 12345678901234567890123, orjson 1.2345678901234568e+22
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" --quiet install orjson==3.13.0 msgspec==0.23.0

"$work/venv/bin/python" - <<'PY'
import json
import msgspec
import orjson


def again(text):
    seen = json.dumps(json.loads(text)), str(msgspec.json.decode(text)), orjson.dumps(orjson.loads(text)).decode()
    print(f"{text}: json {seen[0]}, msgspec {seen[1]}, orjson {seen[2]}")
    return seen


fits, long = "18446744073709551615", "12345678901234567890123"
assert again(fits) == (fits, fits, fits), "the control has changed"
assert again(long) == (long, long, "1.2345678901234568e+22"), "the behaviour has changed"
PY

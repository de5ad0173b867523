#!/usr/bin/env bash
# The old Python package toml keeps the blank before a dot as a part of the key.
#
# Software: PyPI toml 0.10.2; control: the same package with the header of a table, and tomllib of Python 3.11 with both.
# Expected: TOML 0.5 and 1.0, "Keys": white space around the dots of a dotted key is ignored.
# Seen: "log . level" sets "level" in a table called "log " with a blank at its end, so the setting is never found.
# Output (2026-11-30):
#   [ log . level ]: tomllib {'log': {'level': {'x': 1}}}, toml {'log': {'level': {'x': 1}}}
#   log . level = "debug": tomllib {'log': {'level': 'debug'}}, toml {'log ': {'level': 'debug'}}
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" --quiet install toml==0.10.2

"$work/venv/bin/python" - <<'PY'
import toml
import tomllib

for text, expected in {
    "[ log . level ]\nx = 1\n": {"log": {"level": {"x": 1}}},
    'log . level = "debug"\n': {"log ": {"level": "debug"}},
}.items():
    right = tomllib.loads(text)
    seen = toml.loads(text)
    print(f"{text.splitlines()[0]}: tomllib {right}, toml {seen}")
    assert list(right) == ["log"], "the control has changed"
    assert seen == expected, "changed"
PY

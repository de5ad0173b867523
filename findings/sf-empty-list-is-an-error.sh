#!/usr/bin/env bash
# http_sfv raises an error for an empty field where the RFC has an empty list.
#
# Software: PyPI http_sfv 0.9.9; control: http-sf 1.5.0, its successor, and http_sfv with one member.
# Expected: RFC 9651, sections 4.2.1 and 4.2.2: for an empty input the algorithms for lists and dictionaries return an
#   empty list or dictionary; only an item must not be empty. A proxy that drops the members it does not know may
#   leave "Cache-Status:" behind.
# Seen: ValueError, so a program that reads Cache-Status or RateLimit of every answer fails at that one.
# Output (2026-11-30):
#   http-sf: list fine, dictionary fine
#   http_sfv: list ValueError, dictionary ValueError
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" --quiet install http_sfv==0.9.9 http-sf==1.5.0

"$work/venv/bin/python" - <<'PY'
import http_sf
import http_sfv


def attempt(parse, value):
    try:
        parse(value)
        return "fine"
    except ValueError:
        return "ValueError"


def run(name, as_list, as_dictionary):
    assert attempt(as_list, b"hit") == attempt(as_dictionary, b"hit") == "fine", "the control has changed"
    seen = attempt(as_list, b""), attempt(as_dictionary, b"")
    print(f"{name}: list {seen[0]}, dictionary {seen[1]}")
    return seen


control = run(
    "http-sf",
    lambda value: http_sf.parse(value, tltype="list"),
    lambda value: http_sf.parse(value, tltype="dictionary"),
)
assert control == ("fine", "fine"), "the control has changed"
old = run("http_sfv", lambda value: http_sfv.List().parse(value), lambda value: http_sfv.Dictionary().parse(value))
assert old == ("ValueError", "ValueError"), "the behaviour has changed"
PY

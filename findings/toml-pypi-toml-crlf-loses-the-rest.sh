#!/usr/bin/env bash
# With CRLF line ends the old Python package toml drops a multi-line string and everything behind it, without an error.
#
# Software: PyPI toml 0.10.2 (toml.loads); control: the same document with LF, and tomllib of Python 3.11 with both.
# Expected: TOML 0.5 (which the package names) and 1.0: a new line is LF or CRLF.
# Seen: the setting is missing and so are all after it, also whole tables, so a program goes on with its defaults. A file read
#   by toml.load is not affected, as Python turns its line ends; text from a Kubernetes ConfigMap, an archive or HTTP is.
# Output (2026-11-30), keys:
#   tomllib LF a b c d, tomllib CRLF a b c d
#   toml LF a b c d, toml CRLF a
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" --quiet install toml==0.10.2

"$work/venv/bin/python" - <<'PY'
import toml
import tomllib

text = 'a = 1\nb = """first\nsecond"""\nc = 3\n[d]\ne = 4\n'
seen = {}
for parser in (tomllib, toml):
    for name, document in {"LF": text, "CRLF": text.replace("\n", "\r\n")}.items():
        seen[parser.__name__, name] = " ".join(parser.loads(document))
for parser in ("tomllib", "toml"):
    print(f"{parser} LF {seen[parser, 'LF']}, {parser} CRLF {seen[parser, 'CRLF']}")
assert seen.pop(("toml", "CRLF")) == "a", "the behaviour has changed"
assert set(seen.values()) == {"a b c d"}, "the control has changed"
PY

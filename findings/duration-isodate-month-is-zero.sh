#!/usr/bin/env bash
# isodate says that a month lasts no seconds at all.
#
# Software: PyPI isodate 0.7.2; control: pendulum 3.3.0 and, in isodate, the same length in days.
# Expected: ISO 8601, section 5.5.2 of the 2019 edition, P1M is one calendar month; the package documents that months
#   and years cannot be a timedelta, so total_seconds() of one should raise, or count about 30 days.
# Seen: parse_duration("P1M").total_seconds() is 0.0 without an error, and "P1Y2M3D" is three days: a retention or a
#   time-out that is configured as a month is over at once.
# Output (2026-11-30), seconds:
#   P30D: isodate 2592000.0, pendulum 2592000.0
#   P1M: isodate 0.0, pendulum 2592000.0
#   P1Y2M3D: isodate 259200.0, pendulum 36979200.0
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" --quiet install isodate==0.7.2 pendulum==3.3.0

"$work/venv/bin/python" - <<'PY'
import isodate
import pendulum

seen = {}
for text in ("P30D", "P1M", "P1Y2M3D"):
    seen[text] = isodate.parse_duration(text).total_seconds(), pendulum.parse(text).total_seconds()
    print(f"{text}: isodate {seen[text][0]}, pendulum {seen[text][1]}")
assert seen["P30D"] == (2592000, 2592000), "the control has changed"
assert seen["P1M"] == (0, 2592000), "the behaviour has changed"
assert seen["P1Y2M3D"][0] == 3 * 86400, "the behaviour has changed"
PY

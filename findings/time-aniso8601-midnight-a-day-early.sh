#!/usr/bin/env bash
# aniso8601 reads the midnight at the end of a day as the one at its beginning.
#
# Software: PyPI aniso8601 10.0.1; control: python-dateutil 4.0.0 on the same text.
# Expected: ISO 8601:2004, section 4.2.3, and again ISO 8601-1:2019/Amd 1:2022: 24:00:00 is the end of the calendar day
#   and the same instant as 00:00:00 of the next one.
# Seen: the date stays, so an interval that ends at 24:00 ends 24 hours too early, or before it begins.
# Output (2026-11-30), from 2026-02-28T24:00:00Z:
#   dateutil: 2026-03-01T00:00:00+00:00
#   aniso8601: 2026-02-28T00:00:00+00:00
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" --quiet install aniso8601==10.0.1 python-dateutil==4.0.0

"$work/venv/bin/python" - <<'PY'
import aniso8601
from dateutil.parser import isoparse

TEXT = "2026-02-28T24:00:00Z"
right, wrong = isoparse(TEXT).isoformat(), aniso8601.parse_datetime(TEXT).isoformat()
print("dateutil:", right)
print("aniso8601:", wrong)
assert right == "2026-03-01T00:00:00+00:00", "the control has changed"
assert wrong == "2026-02-28T00:00:00+00:00", "the behaviour has changed"
PY

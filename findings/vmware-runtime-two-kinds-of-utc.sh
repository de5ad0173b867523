#!/usr/bin/env bash
# VMware's Python runtime makes times of two kinds out of two spellings of UTC, and they cannot be compared.
#
# Software: PyPI vmware-vapi-runtime 9.1.1.0; control: Python's datetime.fromisoformat on the same texts.
# Expected: RFC 3339, section 4.1 and 5.6: "Z" and "+00:00" are the same offset; both texts are the same instant.
# Seen: "Z" gives a datetime without a time zone, "+00:00" one with it. Sorting a list in which a proxy or a newer service
#   writes the offset the other way raises TypeError, and timestamp() of the first is read as local time.
# Output (2026-11-30), 2026-11-30T12:00:00.000Z and 2026-11-30T12:00:00.000+00:00:
#   datetime: UTC, UTC, equal
#   vmware-vapi-runtime: None, UTC, TypeError: can't compare offset-naive and offset-aware datetimes
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" --quiet install vmware-vapi-runtime==9.1.1.0

"$work/venv/bin/python" - <<'PY'
import datetime
from vmware.vapi.bindings.datetime_helper import DateTimeConverter


def compare(name, parse):
    first, second = parse("2026-11-30T12:00:00.000Z"), parse("2026-11-30T12:00:00.000+00:00")
    try:
        result = "other" if first < second or first > second else "equal"
    except TypeError as error:
        result = f"TypeError: {error}"
    print(f"{name}: {first.tzinfo}, {second.tzinfo}, {result}")
    return result


assert compare("datetime", datetime.datetime.fromisoformat) == "equal", "the control has changed"
seen = compare("vmware-vapi-runtime", DateTimeConverter.convert_to_datetime)
assert seen.startswith("TypeError: can't compare"), "the behaviour has changed"
PY

#!/usr/bin/env bash
# Models of datamodel-code-generator refuse objects whose names match two patterns, or none although any is allowed.
#
# Software: PyPI datamodel-code-generator 0.89.0 with pydantic 2.14.4; control: PyPI jsonschema 4.26.0, and the models on names of
#   the first pattern.
# Expected: JSON Schema 2020-12, section 10.3.2.2: each pattern is for the names that match it, and without additionalProperties
#   other names may have any value. OpenAPI 3.1 takes it over.
# Seen: two patterns become "a dict by the one or a dict by the other", and one pattern is asked of every name: labels that the
#   document describes raise a ValidationError.
# Output (2026-11-30), jsonschema / model:
#   two {'x-a': 's'}: valid / valid
#   two {'x-a': 's', 'y-b': 1}: valid / ValidationError
#   one {'x-a': 's', 'other': 1}: valid / ValidationError
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip --quiet install datamodel-code-generator==0.89.0 pydantic==2.14.4 jsonschema==4.26.0

cat >api.json <<'JSON'
{"openapi": "3.1.0", "info": {"title": "t", "version": "1"}, "paths": {}, "components": {"schemas": {"Sddc": {"type": "object", "properties": {
  "one": {"type": "object", "patternProperties": {"^x-": {"type": "string"}}},
  "two": {"type": "object", "patternProperties": {"^x-": {"type": "string"}, "^y-": {"type": "integer"}}}}}}}}
JSON
venv/bin/datamodel-codegen --input api.json --input-file-type openapi --output-model-type pydantic_v2.BaseModel --output model.py >log 2>&1
venv/bin/python - <<'PY'
import json
import jsonschema
import pydantic
from model import Sddc

schema = json.load(open("api.json"))["components"]["schemas"]["Sddc"]
for name, labels, expected in [
    ("two", {"x-a": "s"}, "valid"),
    ("two", {"x-a": "s", "y-b": 1}, "ValidationError"),
    ("one", {"x-a": "s", "other": 1}, "ValidationError"),
]:
    jsonschema.Draft202012Validator(schema).validate({name: labels})
    try:
        Sddc.model_validate({name: labels})
        seen = "valid"
    except pydantic.ValidationError as error:
        seen = type(error).__name__
    print(f"{name} {labels}: valid / {seen}")
    assert seen == expected, f"changed: {name} {labels}"
PY

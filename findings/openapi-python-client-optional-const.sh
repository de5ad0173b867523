#!/usr/bin/env bash
# openapi-python-client writes Python that cannot be compiled for an optional property with const: true.
#
# Software: PyPI openapi-python-client 0.29.1; control: the same property when it is required.
# Expected: JSON Schema 2020-12 validation, section 6.1.3: const may have any value, and OpenAPI 3.1 takes it over; the
#   package supports OpenAPI 3.1.
# Seen: "if preview != Trueand not isinstance(...)": a space is missing before "and". The whole package of models cannot
#   be imported, for one property. With a number it is "1and", which Python still reads, with a warning.
# Output (2026-11-30):
#   required: compiles
#   optional: SyntaxError in "if preview != Trueand not isinstance(preview, Unset):"
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip --quiet install openapi-python-client==0.29.1

generate() {
  cat >"$1.json" <<JSON
{"openapi": "3.1.0", "info": {"title": "t", "version": "1"}, "paths": {"/sddcs": {"get": {"responses": {"200": {
  "description": "one", "content": {"application/json": {"schema": {"\$ref": "#/components/schemas/Sddc"}}}}}}}},
  "components": {"schemas": {"Sddc": {"type": "object", "required": $2, "properties": {"preview": {"const": true}}}}}}
JSON
  venv/bin/openapi-python-client generate --path "$1.json" --output-path "$1" --meta none >"$1.log" 2>&1 || true
}
generate required '["preview"]'
generate optional '[]'

venv/bin/python -m py_compile required/models/sddc.py || { echo "the control has changed"; exit 1; }
echo "required: compiles"
line=$(grep -m 1 'preview != True' optional/models/sddc.py | sed 's/^ *//')
if venv/bin/python -m py_compile optional/models/sddc.py 2>error.log; then
  echo "the behaviour has changed"
  exit 1
fi
grep -q SyntaxError error.log
echo "optional: SyntaxError in \"$line\""

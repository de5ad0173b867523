#!/usr/bin/env bash
# openapi-python-client refuses a whole 3.1 document for one schema that is "true".
#
# Software: PyPI openapi-python-client 0.29.1; control: openapi-spec-validator 0.9.0 on the same document, and the same
#   document with {} instead of true.
# Expected: OpenAPI 3.1.0, "Schema Object", and JSON Schema 2020-12 core, section 4.3: a schema is an object or a
#   boolean; true means the same as {}. The package supports OpenAPI 3.1.
# Seen: "Failed to parse OpenAPI document", and nothing is generated.
# Output (2026-11-30):
#   openapi-spec-validator, true: OK
#   openapi-python-client, {}: exit 0
#   openapi-python-client, true: exit 1, Input should be a valid dictionary or instance of Schema
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip --quiet install openapi-python-client==0.29.1 openapi-spec-validator==0.9.0

document() {
  cat <<JSON
{"openapi": "3.1.0", "info": {"title": "t", "version": "1"}, "paths": {"/tags": {"get": {"responses": {"200": {
  "description": "tags", "content": {"application/json": {"schema": {"\$ref": "#/components/schemas/Tag"}}}}}}}},
  "components": {"schemas": {"Tag": {"type": "object", "properties": {"value": $1}}}}}
JSON
}
generate() {
  document "$1" >"$2.json"
  code=0
  venv/bin/openapi-python-client generate --path "$2.json" --output-path "$2" --meta none >"$2.log" 2>&1 || code=$?
}
document true >valid.json
echo "openapi-spec-validator, true: $(venv/bin/openapi-spec-validator valid.json | sed 's/.*: //')"
generate '{}' control
# The formatter it calls at the end is not installed here; what counts are the files.
[ -f control/models/tag.py ] || { echo "the control has changed"; exit 1; }
echo "openapi-python-client, {}: exit $code"
generate true changed
message=$(grep -o -m 1 'Input should be a valid dictionary or instance of Schema' changed.log)
echo "openapi-python-client, true: exit $code, $message"
[ "$code" -ne 0 ] && [ ! -e changed/models ] || { echo "the behaviour has changed"; exit 1; }

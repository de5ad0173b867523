#!/usr/bin/env bash
# openapi-core calls every application/problem+json answer invalid, because it does not read it as JSON.
#
# Software: PyPI openapi-core 0.23.1; control: the same answer with application/json in the document and the header.
# Expected: RFC 6839, section 3.1: a media type ending in +json is processed as JSON; RFC 9457, section 3, defines
#   application/problem+json as a JSON object.
# Seen: the body reaches the schema as bytes and "is not of type 'object'". A contract test that checks error answers
#   fails for each of them; a deserializer must be registered for this media type by hand.
# Output (2026-11-30):
#   application/json: valid
#   application/problem+json: InvalidData: b'{"status": 404}' is not of type 'object'
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" --quiet install openapi-core==0.23.1

"$work/venv/bin/python" - <<'PY'
from openapi_core import OpenAPI
from openapi_core.testing import MockRequest, MockResponse
from openapi_core.validation.response.exceptions import InvalidData


def check(media_type):
    problem = {"type": "object", "properties": {"status": {"type": "integer"}}}
    answer = {"description": "none", "content": {media_type: {"schema": problem}}}
    document = OpenAPI.from_dict({
        "openapi": "3.1.0",
        "info": {"title": "t", "version": "1"},
        "paths": {"/sddcs": {"get": {"responses": {"404": answer}}}},
    })
    response = MockResponse(b'{"status": 404}', status_code=404, content_type=media_type)
    try:
        document.validate_response(MockRequest("http://localhost", "get", "/sddcs"), response)
        return "valid"
    except InvalidData as error:
        return f"InvalidData: {error.__cause__.schema_errors[0].message}"


seen = {media_type: check(media_type) for media_type in ("application/json", "application/problem+json")}
for media_type, result in seen.items():
    print(f"{media_type}: {result}")
assert seen["application/json"] == "valid", "the control has changed"
assert seen["application/problem+json"].endswith("is not of type 'object'"), "the behaviour has changed"
PY

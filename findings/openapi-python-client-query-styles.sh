#!/usr/bin/env bash
# openapi-python-client sends arrays and objects in the query without regard to style and explode.
#
# Software: PyPI openapi-python-client 0.29.1 with httpx 0.28.1; control: the array with explode: true.
# Expected: OpenAPI 3.1.0, "Style Values": form with explode: false is state=READY,FAILED, with explode: true it is
#   state=READY&state=FAILED; deepObject is filter[name]=alpha.
# Seen: an array is always repeated, and the members of an object become parameters of their own. A server that takes
#   one of repeated parameters sees half of the filter; one that refuses unknown names answers 400.
# Output (2026-11-30):
#   form, explode true: repeated=READY&repeated=FAILED
#   form, explode false: joined=READY&joined=FAILED
#   deepObject: name=alpha
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip --quiet install openapi-python-client==0.29.1 httpx==0.28.1

cat >api.json <<'JSON'
{"openapi": "3.1.0", "info": {"title": "t", "version": "1"}, "paths": {"/sddcs": {"get": {
  "operationId": "listSddcs", "responses": {"204": {"description": "none"}}, "parameters": [
    {"name": "repeated", "in": "query", "style": "form", "explode": true, "schema": {"type": "array", "items": {"type": "string"}}},
    {"name": "joined", "in": "query", "style": "form", "explode": false, "schema": {"type": "array", "items": {"type": "string"}}},
    {"name": "filter", "in": "query", "style": "deepObject", "explode": true,
      "schema": {"type": "object", "properties": {"name": {"type": "string"}}}}]}}}}
JSON
# It ends with an error where its formatter is not installed; the files are complete by then.
venv/bin/openapi-python-client generate --path api.json --output-path generated --meta none >generate.log 2>&1 || true

venv/bin/python - <<'PY'
import sys
import httpx

sys.path.insert(0, ".")
from generated import Client
from generated.api.default import list_sddcs
from generated.models import ListSddcsFilter


def query(**parameters):
    seen = []

    def answer(request):
        seen.append(request.url.query.decode())
        return httpx.Response(204)

    client = Client(base_url="http://127.0.0.1")
    client.set_httpx_client(httpx.Client(base_url="http://127.0.0.1", transport=httpx.MockTransport(answer)))
    list_sddcs.sync_detailed(client=client, **parameters)
    return seen[0]


repeated, joined = query(repeated=["READY", "FAILED"]), query(joined=["READY", "FAILED"])
deep = query(filter_=ListSddcsFilter.from_dict({"name": "alpha"}))
print("form, explode true:", repeated)
print("form, explode false:", joined)
print("deepObject:", deep)
assert repeated == "repeated=READY&repeated=FAILED", "the control has changed"
assert joined == "joined=READY&joined=FAILED" and deep == "name=alpha", "the behaviour has changed"
PY

#!/usr/bin/env bash
# Makes typed clients of the published document, checks them as strictly as their languages can, and
# runs them against `demo`.
#
#   run.sh [typescript] [python] [examples] [more] [document]    without a word: all but the last two
#
# GATEWAY  the program to start in demo mode (default: the debug build)
set -euo pipefail
cd "$(dirname "$0")"

readonly TARGET=${CARGO_TARGET_DIR:-$PWD/../../target}
readonly GATEWAY=${GATEWAY:-$TARGET/debug/sddc-gateway}
readonly PYTHON=$TARGET/tools/clients/bin
readonly MORE=$TARGET/tools/more-clients/bin
readonly FUZZ=$TARGET/tools/schemathesis/bin
export KEY=a-key-for-clients PYTHONDONTWRITEBYTECODE=1

typescript() {
  npx openapi-typescript ../../openapi/openapi.json -o generated/api.ts
  npx tsc --project tsconfig.json
  node generated/client.js
}

python() {
  PATH=$PYTHON:$PATH openapi-python-client generate --path ../../openapi/openapi.json \
    --meta none --output-path generated/sddc_gateway_client --overwrite
  MYPYPATH=generated "$PYTHON/mypy" --cache-dir generated/mypy client.py generated/sddc_gateway_client
  PYTHONPATH=generated "$PYTHON/python" client.py
}

# The example that consumers copy. It starts a demo of its own.
examples() {
  "$PYTHON/mypy" --cache-dir generated/mypy ../../examples/python
  SDDC_GATEWAY=$GATEWAY "$PYTHON/python" -m pytest -q -p no:cacheprovider ../../examples/python
}

# The generators of `make test-all`.
more() (
  cd more
  rm -rf generated
  mkdir -p generated/js
  npx openapi-ts -f hey.config.mjs
  npx orval --config orval.config.mjs
  npx kubb generate --config kubb.config.mjs
  npx tsc --project tsconfig.json
  # Modules of the older kind: those that are made import each other without an ending.
  echo '{"type": "commonjs"}' > generated/js/package.json
  node generated/js/clients.js
  "$MORE/datamodel-codegen" --input ../../../openapi/openapi.json --input-file-type openapi \
    --output generated/models.py --output-model-type pydantic_v2.BaseModel --openapi-scopes schemas parameters \
    --use-annotated --formatters builtin
  "$MORE/mypy" --strict --cache-dir generated/mypy models.py
  "$MORE/python" models.py
)

# Requests that the document allows, and many that it does not, thousands of them: whatever is answered has
# to be as the document says. What is left out is a request that the document allows and that is refused
# all the same, for it cannot say all: that a day is in the calendar, and that a cursor is of this query.
# Event streams do not end.
document() {
  "$FUZZ/schemathesis" run ../../openapi/openapi.json --url "$BASE_URL" --header "X-API-Key: $KEY" \
    --exclude-path /sddcs/events --exclude-checks positive_data_acceptance --max-examples 50 --no-color
}

rm -rf generated
mkdir generated
coproc DEMO {
  exec "$GATEWAY" demo --still --sddcs 6 --key "ci:$KEY" \
    --listen 127.0.0.1:0 --ops-listen 127.0.0.1:0 --control-listen 127.0.0.1:0 2> generated/demo.log
}
demo=$DEMO_PID
trap 'kill "$demo" 2> /dev/null || true' EXIT
while read -r name url <&"${DEMO[0]}"; do
  [[ $name == SDDCs ]] && break
done
export BASE_URL=${url%/sddcs}

(($# > 0)) || set -- typescript python examples
for client; do
  echo "== $client"
  "$client"
done

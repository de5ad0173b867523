#!/usr/bin/env bash
# Two TypeScript generators leave null out of an enum that has it.
#
# Software: npm swagger-typescript-api 13.13.0, npm @hey-api/openapi-ts 0.95.0; control: npm openapi-typescript 7.13.0.
# Expected: JSON Schema 2020-12 validation, section 6.1.2: an instance is valid if it equals one of the elements, and null
#   may be one; section 6.1.1 has a type that is an array.
# Seen: swagger-typescript-api drops null in both forms, @hey-api/openapi-ts where there is no type beside the enum. The
#   compiler then accepts mode.length on an answer that has null there.
# Output (2026-11-30), {enum: [a, b, null]} / the same with {type: [string, null]}:
#   openapi-typescript: "a" | "b" | null / "a" | "b" | null
#   @hey-api/openapi-ts: 'a' | 'b' / 'a' | 'b' | null
#   swagger-typescript-api: "a" | "b" / "a" | "b"
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
npm init -y >npm.log
npm install --no-audit --no-fund swagger-typescript-api@13.13.0 @hey-api/openapi-ts@0.95.0 openapi-typescript@7.13.0 \
  typescript@5.9.3 >>npm.log 2>&1

cat >api.json <<'JSON'
{"openapi": "3.1.0", "info": {"title": "t", "version": "1"}, "paths": {"/sddcs": {"get": {"operationId": "sddcs",
  "responses": {"200": {"description": "one", "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Sddc"}}}}}}}},
  "components": {"schemas": {"Sddc": {"type": "object", "required": ["plain", "typed"], "properties": {
    "plain": {"enum": ["a", "b", null]}, "typed": {"type": ["string", "null"], "enum": ["a", "b", null]}}}}}}
JSON
npx openapi-typescript api.json -o control.ts >control.log 2>&1
npx openapi-ts -i api.json -o hey >hey.log 2>&1
npx swagger-typescript-api generate -p api.json -o swagger -n api.ts >swagger.log 2>&1

types() { # file: the types of both properties
  grep -oE '^ +(plain|typed): [^;]*' "$1" | sed -E 's/^ +(plain|typed): //' | paste -sd / | sed 's|/| / |'
}
check() { # name, file, expected types
  seen=$(types "$2")
  echo "$1: $seen"
  [ "$seen" = "$3" ] || { echo "changed: $1"; exit 1; }
}
check openapi-typescript control.ts '"a" | "b" | null / "a" | "b" | null'
check @hey-api/openapi-ts hey/types.gen.ts "'a' | 'b' / 'a' | 'b' | null"
check swagger-typescript-api swagger/api.ts '"a" | "b" / "a" | "b"'

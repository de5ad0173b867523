#!/usr/bin/env bash
# PyJWKClient says that a set has no signing keys when its only key has no kid.
#
# Software: PyPI PyJWT 2.15.1 with cryptography 50.0.2; control: npm jose 6.2.18, and PyJWKClient with a kid.
# Expected: RFC 7517, section 4.5, and RFC 7515, section 4.1.4: kid is optional in a key and in a token; with one key in
#   the set there is nothing to choose.
# Seen: keys without kid are thrown away before anything is chosen, and the error speaks of missing signing keys.
# Output (2026-11-30), one key without kid, token without kid:
#   jose: found
#   PyJWKClient: The JWKS endpoint did not contain any signing keys
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
npm init -y >npm.log
npm install --no-audit --no-fund jose@6.2.18 >>npm.log 2>&1
python3 -m venv venv
venv/bin/pip --quiet install PyJWT==2.15.1 joserfc==1.8.0 cryptography==50.0.2

cat >try.py <<'PY'
import json
import subprocess
import jwt
from joserfc import jwt as joserfc_jwt
from joserfc.jwk import ECKey

key = ECKey.generate_key("P-256")
with_kid = {"keys": [{**key.as_dict(private=False), "kid": "ec"}]}
without = {"keys": [{name: value for name, value in with_kid["keys"][0].items() if name != "kid"}]}


def look(keys, header):
    client = jwt.PyJWKClient("https://example.org/jwks")
    client.fetch_data = lambda: keys
    try:
        client.get_signing_key_from_jwt(joserfc_jwt.encode(header, {"sub": "alice"}, key))
        return "found"
    except jwt.PyJWKClientError as error:
        return str(error)


script = """import { createLocalJWKSet } from 'jose';
await createLocalJWKSet(JSON.parse(process.argv[1]))({ alg: 'ES256' });
console.log('jose: found');"""
subprocess.run(["node", "--input-type=module", "-e", script, json.dumps(without)], check=True)
assert look(with_kid, {"alg": "ES256", "kid": "ec"}) == "found", "the control has changed"
seen = look(without, {"alg": "ES256"})
print("PyJWKClient:", seen)
assert seen == "The JWKS endpoint did not contain any signing keys", "the behaviour has changed"
PY
venv/bin/python try.py

#!/usr/bin/env bash
# Two JWT libraries reject a whole key set for one key that they do not know.
#
# Software: PyPI Authlib 1.9.10 (kty "AKP"), joserfc 1.8.0 (an OKP curve of its own); control: PyJWT 2.15.1 and npm
#   jose 6.2.18 with both sets.
# Expected: RFC 7517, section 5: implementations should ignore JWKs within a set that use kty values they do not
#   understand or that have values out of the supported ranges. "AKP" is registered for ML-DSA keys.
# Seen: KeyError while the set is imported. On the day an issuer adds a post-quantum key beside its old ones, no token
#   of it can be verified any more.
# Output (2026-11-30), sets with a P-256 key and one key more (kty AKP / OKP curve X9):
#   jose: 1 key usable / 1 key usable
#   PyJWT: 1 key usable / 1 key usable
#   Authlib: KeyError 'AKP' / 1 key usable
#   joserfc: 1 key usable / KeyError 'X9'
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
npm init -y >npm.log
npm install --no-audit --no-fund jose@6.2.18 >>npm.log 2>&1
python3 -m venv venv
venv/bin/pip --quiet install Authlib==1.9.10 joserfc==1.8.0 PyJWT==2.15.1 cryptography==50.0.2

cat >try.py <<'PY'
import json
import subprocess
import jwt
from joserfc.jwk import ECKey, KeySet
from authlib.jose import JsonWebKey

key = ECKey.generate_key("P-256", {"kid": "ec", "alg": "ES256"}).as_dict(private=False)
sets = [
    {"keys": [{"kty": "AKP", "alg": "ML-DSA-44", "pub": "AAAA", "kid": "new"}, key]},
    {"keys": [{"kty": "OKP", "crv": "X9", "x": "AAAA", "kid": "new"}, key]},
]


def jose(keys):
    script = """import { createLocalJWKSet } from 'jose';
const key = await createLocalJWKSet(JSON.parse(process.argv[1]))({ alg: 'ES256', kid: 'ec' });
if (key.type !== 'public') process.exit(1);"""
    subprocess.run(["node", "--input-type=module", "-e", script, json.dumps(keys)], check=True)


def attempt(load, keys):
    try:
        load(keys)
        return "1 key usable"
    except KeyError as error:
        return f"KeyError {error}"


expected = {
    "jose": (jose, ["1 key usable", "1 key usable"]),
    "PyJWT": (lambda keys: jwt.PyJWKSet.from_dict(keys)["ec"], ["1 key usable", "1 key usable"]),
    "Authlib": (lambda keys: JsonWebKey.import_key_set(keys).find_by_kid("ec"), ["KeyError 'AKP'", "1 key usable"]),
    "joserfc": (lambda keys: KeySet.import_key_set(keys).get_by_kid("ec"), ["1 key usable", "KeyError 'X9'"]),
}
for name, (load, results) in expected.items():
    seen = [attempt(load, keys) for keys in sets]
    print(f"{name}: {' / '.join(seen)}")
    assert seen == results, f"changed: {name}"
PY
PYTHONWARNINGS=ignore venv/bin/python try.py

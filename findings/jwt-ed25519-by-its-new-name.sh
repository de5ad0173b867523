#!/usr/bin/env bash
# Two JWT libraries that know EdDSA do not know it by its fully-specified name Ed25519.
#
# Software: PyPI PyJWT 2.15.1, Authlib 1.9.10; control: PyPI joserfc 1.8.0.
# Expected: RFC 9864, section 2.2, registers the algorithm name "Ed25519" for what "EdDSA" with an Ed25519 key was, and
#   section 4.1.2 deprecates "EdDSA". The signature is the same, only the name in the header differs.
# Seen: joserfc takes both names; PyJWT and Authlib take only the deprecated one.
# Output (2026-11-30), EdDSA / Ed25519:
#   joserfc: alice / alice
#   PyJWT: alice / InvalidAlgorithmError
#   Authlib: alice / UnsupportedAlgorithmError
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip --quiet install PyJWT==2.15.1 Authlib==1.9.10 joserfc==1.8.0 cryptography==50.0.2

cat >try.py <<'PY'
import jwt
from joserfc import jwt as joserfc_jwt
from joserfc.jwk import OKPKey
from authlib.jose import JsonWebToken, OKPKey as AuthlibKey

names = ["EdDSA", "Ed25519"]
key = OKPKey.generate_key("Ed25519")
public = key.as_pem(private=False).decode()
tokens = [joserfc_jwt.encode({"alg": name}, {"sub": "alice"}, key, algorithms=names) for name in names]

verify = {
    "joserfc": lambda token: joserfc_jwt.decode(token, key, algorithms=names).claims["sub"],
    "PyJWT": lambda token: jwt.decode(token, public, algorithms=names)["sub"],
    "Authlib": lambda token: JsonWebToken(names).decode(token, AuthlibKey.import_key(public))["sub"],
}
expected = {
    "joserfc": ["alice", "alice"],
    "PyJWT": ["alice", "InvalidAlgorithmError"],
    "Authlib": ["alice", "UnsupportedAlgorithmError"],
}
for name, check in verify.items():
    seen = []
    for token in tokens:
        try:
            seen.append(check(token))
        except Exception as error:
            seen.append(type(error).__name__)
    print(f"{name}: {' / '.join(seen)}")
    assert seen == expected[name], f"changed: {name}"
PY
PYTHONWARNINGS=ignore venv/bin/python try.py

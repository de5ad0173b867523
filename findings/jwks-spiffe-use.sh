#!/usr/bin/env bash
# Six JWT libraries do not accept the keys of a SPIFFE bundle.
#
# Software: PyPI PyJWT 2.15.1 (PyJWKClient), joserfc 1.8.0, Authlib 1.9.10, jwcrypto 1.6.1; npm jose 6.2.18, jwks-rsa
#   4.1.0; control: each of them with the same key without its use.
# Expected: RFC 7517, section 4.2: besides sig and enc other values of use may be used. The SPIFFE trust domain and
#   bundle specification requires use to be "jwt-svid" for keys of JWT-SVIDs, in what is a JWK set otherwise.
# Seen: all leave the key out or raise, so a bundle endpoint cannot be given to them as the address of a JWK set; the
#   use must be removed first.
# Output (2026-11-30):
#   PyJWKClient: PyJWKClientError, joserfc: KeyParameterError, Authlib: InvalidUseError, jwcrypto: JWTMissingKey,
#   jose: JWKSNoMatchingKey, jwks-rsa: JwksError
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
npm init -y >npm.log
npm install --no-audit --no-fund jose@6.2.18 jwks-rsa@4.1.0 >>npm.log 2>&1
python3 -m venv venv
venv/bin/pip --quiet install PyJWT==2.15.1 joserfc==1.8.0 Authlib==1.9.10 jwcrypto==1.6.1 cryptography==50.0.2

cat >try.py <<'PY'
import json
import jwt
import jwcrypto.jwk
import jwcrypto.jwt
from joserfc import jwt as joserfc_jwt
from joserfc.jwk import ECKey, KeySet
from authlib.jose import JsonWebKey, JsonWebToken

ec = ECKey.generate_key("P-256", {"kid": "ec"})
token = joserfc_jwt.encode({"alg": "ES256", "kid": "ec"}, {"sub": "spiffe://example.org/a", "aud": "x"}, ec)
plain = {"keys": [ec.as_dict(private=False)]}
bundle = {"keys": [{**plain["keys"][0], "use": "jwt-svid"}]}
json.dump([bundle, plain], open("sets.json", "w"))


def client(keys):
    source = jwt.PyJWKClient("https://example.org/bundle")
    source.fetch_data = lambda: keys
    return source.get_signing_key_from_jwt(token)


for name, verify in {
    "PyJWKClient": client,
    "joserfc": lambda keys: joserfc_jwt.decode(token, KeySet.import_key_set(keys), algorithms=["ES256"]),
    "Authlib": lambda keys: JsonWebToken(["ES256"]).decode(token, JsonWebKey.import_key_set(keys)),
    "jwcrypto": lambda keys: jwcrypto.jwt.JWT(jwt=token, key=jwcrypto.jwk.JWKSet.from_json(json.dumps(keys)), algs=["ES256"]),
}.items():
    try:
        verify(bundle)
        seen = "found"
    except Exception as error:
        seen = type(error).__name__
    verify(plain)
    print(f"{name}: {seen}")
    assert seen != "found", f"changed: {name}"
PY
PYTHONWARNINGS=ignore venv/bin/python try.py
cat >try.mjs <<'JS'
import assert from 'node:assert';
import { readFileSync } from 'node:fs';
import { createLocalJWKSet } from 'jose';
import jwksRsa from 'jwks-rsa';

const [bundle, plain] = JSON.parse(readFileSync('sets.json'));
for (const [name, find] of [
  ['jose', (keys) => createLocalJWKSet(keys)({ alg: 'ES256', kid: 'ec' })],
  ['jwks-rsa', (keys) => jwksRsa({ jwksUri: 'https://example.org/', fetcher: async () => keys }).getSigningKey('ec')]]) {
  const seen = await find(bundle).then(() => 'found', (error) => error.name);
  await find(plain);
  console.log(`${name}: ${seen}`);
  assert.notStrictEqual(seen, 'found', `changed: ${name}`);
}
JS
node try.mjs

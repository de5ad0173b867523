#!/usr/bin/env bash
# Three OAuth clients put client id and secret into the Basic header without encoding them first.
#
# Software: PyPI requests-oauthlib 2.0.0 with oauthlib 4.0.1, Authlib 1.9.10 with requests 2.34.2, npm client-oauth2
#   4.3.3; control: npm oauth4webapi 3.8.8.
# Expected: RFC 6749, section 2.3.1: the client identifier is encoded with application/x-www-form-urlencoded and used as
#   the user name, the secret with the same algorithm as the password.
# Seen: the bare text. A server that decodes as the RFC says turns "+" into a space and "%41" into "A", and an id with
#   a colon is cut in two; the answer is invalid_client, for some secrets and not for others.
# Output (2026-11-30), user and password for the id app:1 and the secret a+b%41:
#   oauth4webapi: app%3A1:a%2Bb%2541
#   client-oauth2: app:1:a+b%41
#   requests-oauthlib: app:1:a+b%41
#   Authlib: app:1:a+b%41
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
npm init -y >npm.log
npm install --no-audit --no-fund oauth4webapi@3.8.8 client-oauth2@4.3.3 >>npm.log 2>&1
python3 -m venv venv
venv/bin/pip --quiet install requests-oauthlib==2.0.0 oauthlib==4.0.1 Authlib==1.9.10 requests==2.34.2

cat >try.py <<'PY'
import sys
from authlib.integrations.requests_client import OAuth2Session as Authlib
from oauthlib.oauth2 import BackendApplicationClient
from requests_oauthlib import OAuth2Session

url, client_id, secret = sys.argv[1:]
OAuth2Session(client=BackendApplicationClient(client_id=client_id)).fetch_token(
    f"{url}/requests-oauthlib", client_id=client_id, client_secret=secret)
Authlib(client_id, secret).fetch_token(f"{url}/Authlib", grant_type="client_credentials")
PY
cat >try.mjs <<'JS'
import assert from 'node:assert';
import http from 'node:http';
import { once } from 'node:events';
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import ClientOAuth2 from 'client-oauth2';
import * as oauth from 'oauth4webapi';

const [id, secret] = ['app:1', 'a+b%41'];
const seen = {};
const server = http.createServer((request, response) => {
  request.resume();
  seen[request.url.slice(1)] = Buffer.from(request.headers.authorization.slice('Basic '.length), 'base64').toString();
  response.writeHead(200, { 'Content-Type': 'application/json' });
  response.end(JSON.stringify({ access_token: 't', token_type: 'bearer', expires_in: 60 }));
}).listen(0, '127.0.0.1');
await once(server, 'listening');
const url = `http://127.0.0.1:${server.address().port}`;

await oauth.clientCredentialsGrantRequest(
  { issuer: url, token_endpoint: `${url}/oauth4webapi` }, { client_id: id }, oauth.ClientSecretBasic(secret), {},
  { [oauth.allowInsecureRequests]: true });
await new ClientOAuth2({ clientId: id, clientSecret: secret, accessTokenUri: `${url}/client-oauth2` }).credentials.getToken();
// Both Python packages ask for https unless they are told that this is a test.
const env = { ...process.env, OAUTHLIB_INSECURE_TRANSPORT: '1', AUTHLIB_INSECURE_TRANSPORT: '1' };
await promisify(execFile)('venv/bin/python', ['try.py', url, id, secret], { env });

for (const [name, credentials] of Object.entries(seen)) console.log(`${name}: ${credentials}`);
assert.strictEqual(seen.oauth4webapi, 'app%3A1:a%2Bb%2541', 'the control has changed');
for (const name of ['client-oauth2', 'requests-oauthlib', 'Authlib']) {
  assert.strictEqual(seen[name], 'app:1:a+b%41', `the behaviour has changed: ${name}`);
}
process.exit(0);
JS
node --no-warnings try.mjs

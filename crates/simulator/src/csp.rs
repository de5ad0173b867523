//! VMware Cloud Services: tokens for the OAuth app, and the little else that an app may read.
//!
//! Refusals have CSP's shape. As seen on the real one, credentials in the body only are refused as
//! if there were none, and an unusable API token is echoed in the error: clients must not log it.

use http::{HeaderMap, HeaderValue, StatusCode, header, request::Parts};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::{
    Simulator,
    reply::{self, Reply},
    route::Route,
    tokens::{API_TOKEN, ISSUER, KEY_ID, Minted},
};

/// A public key of the right form that has no private half.
const MODULUS: &str = "wJ0gq3Q2b8mXc7ZrTn5sVd1uYh4kLpEoAaBbCcDdEeFfGgHhIiJjKkLlMmNnOoPp";

impl Simulator {
    pub(super) fn answer_csp(&self, route: Route<'_>, request: &Parts, body: &[u8]) -> Reply {
        match route {
            Route::Token | Route::Authorize => self.mint_for_app(request, body),
            Route::ApiToken => self.mint_for_user(request, body),
            Route::Keys => reply::json(StatusCode::OK, &json!({ "keys": [key()] })),
            Route::PublicKey => public_key(request.uri.query()),
            Route::OpenidConfiguration => {
                let keys = "/csp/gateway/am/api/auth/token-public-key?format=jwks";
                reply::json(StatusCode::OK, &json!({ "issuer": ISSUER, "jwks_uri": keys }))
            }
            Route::CspOrg(org) => self.csp_org(&request.headers, org),
            // Service accounts are refused by access policy, whatever their roles.
            _ => match self.grant_of(&request.headers) {
                Some(_) => self.refusal(StatusCode::FORBIDDEN, "250.403", "Access is denied"),
                None => self.unauthorized_csp(),
            },
        }
    }

    /// `grant_type=client_credentials`.
    fn mint_for_app(&self, request: &Parts, body: &[u8]) -> Reply {
        let bad_request = |message| self.refusal(StatusCode::BAD_REQUEST, "250.400", message);
        let Some(basic) = scheme(&request.headers, "basic") else {
            let message = "Missing mandatory request header: authorization";
            return self.refusal(StatusCode::UNAUTHORIZED, "250.100", message);
        };
        if !self.accounts().knows(basic) {
            return self.wrong_secret();
        }
        if !is_form(&request.headers) {
            return bad_request("Content-Type must be application/x-www-form-urlencoded");
        }
        let form = TokenForm(body);
        match form.value("grant_type").as_deref() {
            Some("client_credentials") => {}
            Some(_) => return bad_request("unsupported_grant_type"),
            None => return bad_request("Missing mandatory parameter: grant_type"),
        }
        let org = form.value("orgId").filter(|org| !org.is_empty());
        if org.as_ref().is_some_and(|org| self.store().org(org).is_none()) {
            let message = "The client is not a member of the organization";
            return self.refusal(StatusCode::FORBIDDEN, "250.108", message);
        }
        let asked = form.value("accessTokenValiditySeconds").and_then(|text| text.parse().ok());
        token_reply(&self.mint(org.as_deref(), asked), None)
    }

    /// A user's API token, by its new or its old name, in the form or in the query.
    fn mint_for_user(&self, request: &Parts, body: &[u8]) -> Reply {
        let query = TokenForm(request.uri.query().unwrap_or_default().as_bytes());
        let sources = [TokenForm(body), query];
        let find = |name: &str| sources.iter().find_map(|source| source.value(name));
        match find("api_token").or_else(|| find("refresh_token")) {
            Some(token) if token == API_TOKEN => token_reply(&self.mint(None, None), Some(&token)),
            Some(token) => {
                let message = format!("invalid_grant: Invalid refresh token: {token}");
                self.refusal(StatusCode::BAD_REQUEST, "340.306", &message)
            }
            None => {
                let message = "Missing mandatory parameter: api_token";
                self.refusal(StatusCode::BAD_REQUEST, "250.400", message)
            }
        }
    }

    fn mint(&self, org: Option<&str>, asked: Option<u64>) -> Minted {
        let home = self.store().home().to_owned();
        let minted = self.accounts().mint(self.now(), org, &home, asked);
        self.counters().count_mint();
        minted
    }

    fn csp_org(&self, headers: &HeaderMap, org: &str) -> Reply {
        let Some(grant) = self.grant_of(headers) else { return self.unauthorized_csp() };
        if !grant.sees(org) {
            return self.refusal(StatusCode::FORBIDDEN, "250.403", "Access is denied");
        }
        let store = self.store();
        let Some(found) = store.org(org) else {
            return self.refusal(StatusCode::NOT_FOUND, "250.404", "Organization not found");
        };
        let document: Value =
            serde_json::from_slice(&found.document).expect("the store holds JSON only");
        let body = json!({
            "displayName": document["display_name"], "name": document["name"],
            "refLink": format!("/csp/gateway/am/api/orgs/{org}"), "parentRefLink": null, "metadata": null,
            "status": "ACTIVE", "type": "BUSINESS", "isMfaRequired": false,
            "enforceUserApiTokenMfa": false, "trustedOrgs": [], "locale": "en_US", "language": "en",
            "auditLogsInstanceId": null, "maxAllowedAuthExemptedUserCount": 10,
        });
        reply::json(StatusCode::OK, &body)
    }

    fn wrong_secret(&self) -> Reply {
        let status = self.accounts().wrong_secret_status;
        if status == StatusCode::UNAUTHORIZED {
            let mut reply = self.refusal(status, "250.101", "Invalid client credentials");
            reply.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Basic"));
            return reply;
        }
        self.refusal(status, "340.311", "invalid_client: Invalid client credentials")
    }

    fn unauthorized_csp(&self) -> Reply {
        self.refusal(StatusCode::UNAUTHORIZED, "250.102", "Invalid or expired access token")
    }

    fn refusal(&self, status: StatusCode, code: &str, message: &str) -> Reply {
        if status == StatusCode::UNAUTHORIZED {
            self.counters().count_unauthorized();
        }
        reply::json(status, &error(status, code, message, self.now()))
    }
}

/// CSP's error document.
fn error(status: StatusCode, code: &str, message: &str, now: Timestamp) -> Value {
    let module: u32 = code.split('.').next().and_then(|module| module.parse().ok()).unwrap_or(0);
    let trace = now.as_nanosecond();
    json!({
        "statusCode": status.as_u16(), "traceId": format!("{trace:032x}"), "cspErrorCode": code,
        "message": message, "moduleCode": module, "requestId": format!("{trace:016x}"), "metadata": null,
    })
}

/// The error document for a status that a fault made up.
pub(super) fn error_for(status: StatusCode, now: Timestamp) -> Value {
    let (code, message) = match status.as_u16() {
        400 => ("340.311", "invalid_client: Invalid client credentials"),
        401 => ("250.101", "Invalid client credentials"),
        403 => ("250.108", "The client is not a member of the organization"),
        404 => ("250.404", "Not found"),
        429 => ("250.429", "Too many requests"),
        _ => ("250.500", "An unexpected error occurred"),
    };
    error(status, code, message, now)
}

fn token_reply(minted: &Minted, refresh_token: Option<&str>) -> Reply {
    let body = json!({
        "id_token": null, "token_type": "bearer", "expires_in": minted.expires_in,
        "scope": minted.scope, "access_token": minted.token, "refresh_token": refresh_token,
    });
    reply::json(StatusCode::OK, &body)
}

fn key() -> Value {
    json!({ "kty": "RSA", "alg": "RS256", "use": "sig", "kid": KEY_ID, "e": "AQAB", "n": MODULUS })
}

fn public_key(query: Option<&str>) -> Reply {
    match TokenForm(query.unwrap_or_default().as_bytes()).value("format").as_deref() {
        Some("jwks") => {
            let body = json!({ "alg": "RS256", "issuer": ISSUER, "keys": [key()], "value": null });
            reply::json(StatusCode::OK, &body)
        }
        None => {
            let value =
                format!("-----BEGIN PUBLIC KEY-----\n{MODULUS}\n-----END PUBLIC KEY-----\n");
            let body = json!({ "alg": "RS256", "issuer": ISSUER, "keys": null, "value": value });
            reply::json(StatusCode::OK, &body)
        }
        Some(_) => reply::json(
            StatusCode::BAD_REQUEST,
            &error(StatusCode::BAD_REQUEST, "250.400", "Unsupported format", Timestamp::UNIX_EPOCH),
        ),
    }
}

/// A form or a query, read from its start for each name: none has more than a few.
struct TokenForm<'a>(&'a [u8]);

impl TokenForm<'_> {
    fn value(&self, name: &str) -> Option<String> {
        let mut pairs = url::form_urlencoded::parse(self.0);
        pairs.find(|(found, _)| found == name).map(|(_, value)| value.into_owned())
    }
}

fn is_form(headers: &HeaderMap) -> bool {
    let value = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let essence = value.and_then(|value| value.split(';').next()).unwrap_or_default();
    essence.trim().eq_ignore_ascii_case("application/x-www-form-urlencoded")
}

/// What follows a scheme in `Authorization`.
pub(super) fn scheme<'a>(headers: &'a HeaderMap, scheme: &str) -> Option<&'a str> {
    let (found, rest) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    found.eq_ignore_ascii_case(scheme).then(|| rest.trim())
}

//! VMware's own API through the gateway: what tools get that know nothing of it (contract section 7).

mod edge;
mod faults;
mod paths;
mod policy;
mod reads;
mod redaction;
mod tokens;
mod tools;

use base64::{Engine, prelude::BASE64_STANDARD};
use sddc_gateway::access::Scope;
use serde_json::Value;

use crate::harness::{Cloud, Setup, TestGateway};

pub const API_TOKENS: &str = "/csp/gateway/am/api/auth/api-tokens/authorize";
pub const TOKEN: &str = "/csp/gateway/am/api/auth/token";
pub const FORM: &str = "Content-Type: application/x-www-form-urlencoded\r\n";

/// A gateway that offers VMware's own API, and the key of a caller who may use it.
pub struct Tools {
    pub gateway: TestGateway,
    pub key: String,
}

/// An answer as it came.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub head: String,
    pub body: String,
}

impl Tools {
    pub async fn start(cloud: &Cloud) -> Self {
        Self::of(Setup::on_demand(cloud)).await
    }

    /// With one more caller, who may use it.
    pub async fn of(setup: Setup) -> Self {
        let (setup, key) = setup.with_caller("tool", &[Scope::VmcRead]);
        let gateway = setup.with(|config| config.drop_in.enabled = true).start().await;
        Self { gateway, key: key.reveal().to_owned() }
    }

    /// Sends a request as it is, `fields` with their line ends.
    pub async fn ask(&self, method: &str, target: &str, fields: &str, body: &str) -> Reply {
        let length = match (method, body) {
            ("GET" | "HEAD", "") => String::new(),
            _ => format!("Content-Length: {}\r\n", body.len()),
        };
        let request = format!(
            "{method} {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{length}{fields}\r\n{body}"
        );
        Reply::of(&self.gateway.raw(&request).await)
    }

    pub async fn post(&self, target: &str, fields: &str, body: &str) -> Reply {
        self.ask("POST", target, fields, body).await
    }

    pub async fn get(&self, target: &str, fields: &str) -> Reply {
        self.ask("GET", target, fields, "").await
    }

    /// A token for a key.
    pub async fn token_for(&self, key: &str) -> String {
        let reply = self.post(API_TOKENS, FORM, &format!("refresh_token={key}")).await;
        reply.json()["access_token"].as_str().unwrap_or_else(|| panic!("{reply:?}")).to_owned()
    }

    /// A token for the caller's key.
    pub async fn token(&self) -> String {
        self.token_for(&self.key).await
    }
}

impl Reply {
    pub fn of(raw: &str) -> Self {
        let (head, body) = raw.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no head: {raw}"));
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        let reply = Self { status, head: head.to_owned(), body: body.to_owned() };
        assert!(reply.field("x-request-id").is_some(), "{reply:?}");
        assert_eq!(reply.field("x-content-type-options"), Some("nosniff"));
        assert!(!raw.contains("CANARY"), "{raw}");
        reply
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("not JSON: {self:?}"))
    }

    pub fn field(&self, name: &str) -> Option<&str> {
        self.head.lines().skip(1).find_map(|line| {
            let (found, value) = line.split_once(": ")?;
            found.eq_ignore_ascii_case(name).then_some(value)
        })
    }

    /// Status, code and sentence of an error of CSP's.
    pub fn csp(&self) -> (u16, String, String) {
        let body = self.json();
        assert_eq!(body["statusCode"], self.status, "{self:?}");
        assert_eq!(body["requestId"].as_str(), self.field("x-request-id"));
        assert_eq!(self.field("content-type"), Some("application/json"));
        assert_eq!(self.field("cache-control"), Some("no-store"));
        let text = |name: &str| body[name].as_str().unwrap_or_else(|| panic!("{body}")).to_owned();
        (self.status, text("cspErrorCode"), text("message"))
    }

    /// Status, code and sentence of an error of VMC's.
    pub fn vmc(&self) -> (u16, String, String) {
        let body = self.json();
        assert_eq!(body["status"], self.status, "{self:?}");
        assert!(body["retryable"].is_boolean() && body["path"].is_string(), "{body}");
        assert_eq!(self.field("content-type"), Some("application/json"));
        assert_eq!(self.field("cache-control"), Some("no-store"));
        let code = body["error_code"].as_str().unwrap().to_owned();
        (self.status, code, body["error_messages"][0].as_str().unwrap().to_owned())
    }
}

/// `Authorization: Basic`.
pub fn basic(user: &str, password: &str) -> String {
    let pair = BASE64_STANDARD.encode(format!("{user}:{password}"));
    format!("Authorization: Basic {pair}\r\n")
}

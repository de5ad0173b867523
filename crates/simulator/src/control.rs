//! The control endpoints below `/__`: `Simulator`'s methods for programs in other processes.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, StatusCode, header, request::Parts};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Map, Value, json};

use super::{
    BasicEncoding, Fault, Simulator, origin,
    reply::{self, Reply},
    store::DocumentKind,
};

/// What can be asked for here.
const MANUAL: &str = include_str!("manual.txt");
const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");

const NO_FAULT: &str = "no fault of this id";
const NO_ORG: &str = "no organization of this id";
const NO_SDDC: &str = "no SDDC of this id";
const NO_TASK: &str = "no task of this id";

/// `PATCH /__csp`: what is absent stays.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct CspChange {
    token_ttl: Option<u64>,
    wrong_secret_status: Option<u16>,
    basic_encoding: Option<BasicEncoding>,
    rotate_secret: Option<SecretRotation>,
    revoke_tokens: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct SecretRotation {
    new: String,
    #[serde(default)]
    keep_old: bool,
}

impl Simulator {
    /// Answers a control request, whose path starts with `/__`.
    pub(super) fn control(&self, request: &Parts, body: &Bytes) -> Reply {
        if origin::is_foreign_page(&request.headers) {
            let why = "a web page of another origin may not use the controls";
            return fault(StatusCode::FORBIDDEN, why);
        }
        let (method, path) = (&request.method, request.uri.path());
        let path = path.strip_prefix("/__").unwrap_or_default();
        let (name, id) = path.split_once('/').map_or((path, None), |(name, id)| (name, Some(id)));
        let answer = match (name, id, method.as_str()) {
            ("", None | Some(""), "GET") => Ok(reply::reply(StatusCode::OK, TEXT, MANUAL)),
            ("faults", None, "GET") => Ok(reply::json(StatusCode::OK, &json!(self.faults()))),
            ("faults", None, "POST") => self.add_fault(body),
            ("faults", None, "DELETE") => {
                self.clear_faults();
                Ok(reply::empty(StatusCode::NO_CONTENT))
            }
            ("faults", Some(id), "DELETE") => Ok(done(self.clear_fault(id), NO_FAULT)),
            ("stats", None, "GET") => Ok(reply::json(StatusCode::OK, &json!(self.stats()))),
            ("step", None, "POST") => {
                self.step();
                Ok(reply::empty(StatusCode::NO_CONTENT))
            }
            ("csp", None, "PATCH") => self.change_csp(body),
            ("orgs", None, "POST") => {
                self.document(DocumentKind::Org, body).map(|org| created(&self.create_org(org)))
            }
            ("orgs", Some(id), "DELETE") => Ok(done(self.delete_org(id), NO_ORG)),
            ("sddcs", None, "POST") => {
                self.document(DocumentKind::Sddc, body).map(|sddc| created(&self.create_sddc(sddc)))
            }
            ("sddcs", Some(id), "PATCH") => self
                .document(DocumentKind::Sddc, body)
                .map(|patch| done(self.patch_sddc(id, patch), NO_SDDC)),
            ("sddcs", Some(id), "DELETE") => Ok(done(self.delete_sddc(id), NO_SDDC)),
            ("tasks", id, "POST") => self.add_task(id, body),
            ("tasks", Some(id), "PATCH") => self
                .document(DocumentKind::Task, body)
                .map(|patch| done(self.patch_task(id, patch), NO_TASK)),
            _ => Ok(refuse_method(name, id.is_some())),
        };
        answer.unwrap_or_else(|message| fault(StatusCode::BAD_REQUEST, &message))
    }

    fn add_fault(&self, body: &[u8]) -> Result<Reply, String> {
        let fault: Fault = parse(body)?;
        fault.validate().map_err(|invalid| invalid.to_string())?;
        Ok(created(&self.script(fault)))
    }

    fn add_task(&self, id: Option<&str>, body: &[u8]) -> Result<Reply, String> {
        let mut task = self.document(DocumentKind::Task, body)?;
        if let Some(id) = id {
            task["id"] = id.into();
        }
        let org = task["org_id"].as_str().map(str::to_owned);
        let org = org.ok_or("org_id: the organization of the task is missing")?;
        let id = self.create_task(&org, task);
        Ok(id.map_or_else(|| done(false, NO_ORG), |id| created(&id)))
    }

    /// Reads a document, or what is to differ in one. A field that no document of its kind has is a
    /// slip: VMware's documents have every field, some of them null.
    fn document(&self, kind: DocumentKind, body: &[u8]) -> Result<Value, String> {
        let document: Map<String, Value> = parse(body)?;
        let known = self.store().sample(kind);
        match document.keys().find(|name| known.get(name.as_str()).is_none()) {
            None => Ok(document.into()),
            Some(unknown) => {
                let names = known.as_object().into_iter().flat_map(Map::keys);
                let names: Vec<_> = names.map(|name| format!("`{name}`")).collect();
                Err(format!("unknown field `{unknown}`, expected one of {}", names.join(", ")))
            }
        }
    }

    fn change_csp(&self, body: &[u8]) -> Result<Reply, String> {
        let change: CspChange = parse(body)?;
        let status = change.wrong_secret_status.map(StatusCode::from_u16).transpose();
        let status = status.map_err(|_| "wrong_secret_status: must be an HTTP status")?;
        if let Some(status) = status {
            self.set_wrong_secret_status(status);
        }
        if let Some(seconds) = change.token_ttl {
            self.set_token_ttl(Duration::from_secs(seconds));
        }
        if let Some(encoding) = change.basic_encoding {
            self.set_basic_encoding(encoding);
        }
        if let Some(rotation) = change.rotate_secret {
            self.rotate_secret(&rotation.new, rotation.keep_old);
        }
        if change.revoke_tokens {
            self.revoke_tokens();
        }
        Ok(reply::empty(StatusCode::NO_CONTENT))
    }
}

/// Reads a JSON body; the error names the field that is wrong.
fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, String> {
    let mut reader = serde_json::Deserializer::from_slice(body);
    let value = serde_path_to_error::deserialize(&mut reader).map_err(|error| error.to_string())?;
    reader.end().map_err(|error| error.to_string())?;
    Ok(value)
}

fn created(id: &str) -> Reply {
    reply::json(StatusCode::CREATED, &json!({ "id": id }))
}

fn done(found: bool, or_else: &str) -> Reply {
    if found { reply::empty(StatusCode::NO_CONTENT) } else { fault(StatusCode::NOT_FOUND, or_else) }
}

fn fault(status: StatusCode, message: &str) -> Reply {
    reply::json(status, &json!({ "error": message }))
}

fn refuse_method(name: &str, has_id: bool) -> Reply {
    let allow = match (name, has_id) {
        ("faults", false) => "GET, POST, DELETE",
        ("" | "stats", false) => "GET",
        ("step" | "orgs" | "sddcs" | "tasks", false) => "POST",
        ("csp", false) => "PATCH",
        ("tasks", true) => "POST, PATCH",
        ("faults" | "orgs", true) => "DELETE",
        ("sddcs", true) => "PATCH, DELETE",
        _ => return fault(StatusCode::NOT_FOUND, "no such control endpoint"),
    };
    let mut reply = fault(StatusCode::METHOD_NOT_ALLOWED, "method not allowed");
    reply.headers_mut().insert(header::ALLOW, HeaderValue::from_static(allow));
    reply
}

//! The control endpoints below `/__`: `Simulator`'s methods for programs in other processes.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Method, StatusCode, header};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Map, Value, json};

use super::{
    BasicEncoding, Fault, Simulator,
    reply::{self, Reply},
};

/// `PATCH /__csp`: what is absent stays.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct CspChange {
    token_ttl: Option<u64>,
    wrong_secret_status: Option<u16>,
    basic_encoding: Option<BasicEncoding>,
    rotate_secret: Option<Rotation>,
    revoke_tokens: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Rotation {
    new: String,
    #[serde(default)]
    keep_old: bool,
}

impl Simulator {
    /// Answers a control request; `path` starts with `/__`.
    pub(super) fn control(&self, method: &Method, path: &str, body: &Bytes) -> Reply {
        let sddc = path.strip_prefix("/__sddcs/").filter(|id| !id.is_empty());
        let answer = match (path, sddc, method.as_str()) {
            ("/__faults", _, "POST") => self.add_fault(body),
            ("/__faults", _, "DELETE") => {
                self.clear_faults();
                Ok(reply::empty(StatusCode::NO_CONTENT))
            }
            ("/__stats", _, "GET") => Ok(reply::json(StatusCode::OK, &json!(self.stats()))),
            ("/__step", _, "POST") => {
                self.step();
                Ok(reply::empty(StatusCode::NO_CONTENT))
            }
            ("/__csp", _, "PATCH") => self.change_csp(body),
            ("/__sddcs", _, "POST") => parse::<Map<String, Value>>(body).map(|patch| {
                let id = self.create_sddc(patch.into());
                reply::json(StatusCode::CREATED, &json!({ "id": id }))
            }),
            (_, Some(id), "PATCH") => parse(body).map(|patch| done(self.patch_sddc(id, patch))),
            (_, Some(id), "DELETE") => Ok(done(self.delete_sddc(id))),
            _ => Ok(refuse_method(path, sddc.is_some())),
        };
        answer.unwrap_or_else(|message| fault(StatusCode::BAD_REQUEST, &message))
    }

    fn add_fault(&self, body: &[u8]) -> Result<Reply, String> {
        let fault: Fault = parse(body)?;
        fault.validate().map_err(|invalid| invalid.to_string())?;
        self.script(fault);
        Ok(reply::empty(StatusCode::NO_CONTENT))
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

fn done(found: bool) -> Reply {
    if found {
        reply::empty(StatusCode::NO_CONTENT)
    } else {
        fault(StatusCode::NOT_FOUND, "no SDDC of this id")
    }
}

fn fault(status: StatusCode, message: &str) -> Reply {
    reply::json(status, &json!({ "error": message }))
}

fn refuse_method(path: &str, is_sddc: bool) -> Reply {
    let allow = match path {
        "/__faults" => "POST, DELETE",
        "/__stats" => "GET",
        "/__step" | "/__sddcs" => "POST",
        "/__csp" => "PATCH",
        _ if is_sddc => "PATCH, DELETE",
        _ => return fault(StatusCode::NOT_FOUND, "no such control endpoint"),
    };
    let mut reply = fault(StatusCode::METHOD_NOT_ALLOWED, "method not allowed");
    reply.headers_mut().insert(header::ALLOW, HeaderValue::from_static(allow));
    reply
}

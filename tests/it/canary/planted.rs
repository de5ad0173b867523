//! The markers: made, put into upstream's answers, and taken out of ours where they may be.

use std::collections::{BTreeMap, HashMap};

use http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use hyper::ext::ReasonPhrase;
use serde_json::{Map, Value, json};

use super::listed::{
    Form::{Real, Text, Url},
    IDS, PARTS, form_of, lists, takes_over,
};

/// A marker's origin.
#[derive(Debug, Clone)]
pub struct Marker {
    /// Where it stood, with `[]` for any element.
    pub path: String,
    /// The field of our documents that may show it; `None`: nothing may.
    pub field: Option<&'static str>,
    /// The ids of the objects around it.
    pub owners: Vec<String>,
    /// How often it was sent.
    pub sent: usize,
    /// How often it was seen where it may be.
    pub shown: usize,
}

/// The markers made so far.
#[derive(Debug)]
pub struct Planted {
    pub secret_prefix: String,
    pub shown_prefix: String,
    pub markers: Vec<Marker>,
    /// By what tells equal ones: upstream says the same when asked again.
    pub known: HashMap<String, usize>,
    /// What the gateway sent, as it may be secret.
    pub heard: BTreeMap<String, String>,
    /// Tokens that were sent, the last one at the end: an earlier one may still be good.
    pub tokens: Vec<String>,
    /// Other secrets that a task's error texts quote.
    pub quoted: Vec<String>,
    /// Documents of these ids have something else wherever something is listed.
    pub odd: Vec<String>,
    /// Lists hold documents only: beside an element without an id nothing is ever removed.
    pub documents_only: bool,
}

impl Planted {
    fn marker(&mut self, path: &str, owners: &[String], field: Option<&'static str>) -> String {
        let key = format!("{path} {owners:?}");
        let next = self.markers.len();
        let index = *self.known.entry(key).or_insert(next);
        if index == next {
            let (path, owners) = (path.to_owned(), owners.to_vec());
            self.markers.push(Marker { path, field, owners, sent: 0, shown: 0 });
        }
        self.markers[index].sent += 1;
        let prefix = if field.is_some() { &self.shown_prefix } else { &self.secret_prefix };
        format!("{prefix}{index:06}z")
    }

    pub fn secret(&mut self, path: &str, owners: &[String]) -> String {
        self.marker(path, owners, None)
    }

    /// The markers in a text, by their number.
    pub fn found_in<'a>(&'a self, text: &'a str) -> impl Iterator<Item = usize> + 'a {
        [&self.secret_prefix, &self.shown_prefix].into_iter().flat_map(|prefix| {
            let after = text.match_indices(&**prefix).map(|(at, found)| at + found.len());
            after.filter_map(|at| text.get(at..at + 6)?.parse().ok())
        })
    }

    /// Plants the head of an answer: the reason, and headers that mean something and that do not.
    pub fn head<B>(&mut self, answer: &mut Response<B>) {
        let mut secret = |name: &str| self.secret(&format!("header {name}"), &[]);
        let reason = secret("reason phrase");
        let headers = [
            ("set-cookie", format!("session={}; Path=/", secret("set-cookie"))),
            ("www-authenticate", format!("Bearer realm=\"{}\"", secret("www-authenticate"))),
            ("server", secret("server")),
            ("via", format!("1.1 {}", secret("via"))),
            ("x-request-id", secret("x-request-id")),
            ("x-csp-token", secret("x-csp-token")),
            ("etag", format!("\"{}\"", secret("etag"))),
            ("link", format!("<https://{}.example/>; rel=\"next\"", secret("link"))),
            ("warning", format!("199 - \"{}\"", secret("warning"))),
            ("traceparent", secret("traceparent")),
        ];
        let location = format!("https://{}.example/?token={}", secret("location"), secret("query"));
        let retry_after = secret("retry-after");
        for (name, value) in headers {
            answer.headers_mut().insert(name, HeaderValue::from_str(&value).unwrap());
        }
        if answer.status().is_redirection() {
            let location = HeaderValue::from_str(&location).unwrap();
            answer.headers_mut().insert(header::LOCATION, location);
        }
        let retry_after = HeaderValue::from_str(&retry_after).unwrap();
        answer.headers_mut().entry(header::RETRY_AFTER).or_insert(retry_after);
        answer.headers_mut().remove(header::CONTENT_LENGTH);
        answer.headers_mut().remove(header::TRANSFER_ENCODING);
        let reason = ReasonPhrase::try_from(reason.into_bytes()).unwrap();
        answer.extensions_mut().insert(reason);
    }

    /// Plants the body of an answer.
    pub fn body(
        &mut self,
        path: &str,
        status: StatusCode,
        headers: &HeaderMap,
        body: &[u8],
    ) -> Vec<u8> {
        let service = if path.starts_with("/csp/") { "CSP" } else { "VMC" };
        let kind = match path.rsplit('/').next().unwrap_or_default() {
            _ if status != StatusCode::OK => format!("{service}'s {}", status.as_u16()),
            "token" => "token".to_owned(),
            "sddcs" => "sddc".to_owned(),
            "tasks" => "task".to_owned(),
            _ => "org".to_owned(),
        };
        match serde_json::from_slice::<Value>(body) {
            Ok(mut document) => {
                match &mut document {
                    Value::Array(items) => self.list(items, &kind),
                    document => self.plant(document, &kind, &[], false),
                }
                document.to_string().into_bytes()
            }
            Err(_) if headers.contains_key("content-encoding") => body.to_vec(),
            Err(_) => {
                // Pages, broken JSON, half a body: the secret comes first, so that it is read.
                let secret = self.secret(&format!("{kind}, no JSON"), &[]);
                [secret.as_bytes(), b" ", body, b" ", secret.as_bytes()].concat()
            }
        }
    }

    /// A list of documents, and elements among them that are none.
    fn list(&mut self, items: &mut Vec<Value>, kind: &str) {
        for item in items.iter_mut() {
            self.plant(item, kind, &[], false);
        }
        if self.documents_only {
            return;
        }
        let mut secret = |name: &str| self.secret(&format!("{kind}[] {name}"), &[]);
        items.extend([
            json!(secret("text")),
            json!([secret("list")]),
            json!({ "name": secret("name without an id"), secret("key"): secret("value") }),
            json!({ "id": format!("{} /", secret("id that is none")), "name": secret("its name") }),
            json!({ "id": { "id": secret("object for an id") }, "name": secret("its name too") }),
        ]);
    }

    fn plant(&mut self, value: &mut Value, path: &str, owners: &[String], odd: bool) {
        let path = PARTS.iter().find(|(part, _)| *part == path).map_or(path, |(_, kind)| kind);
        match value {
            Value::Object(members) => self.object(members, path, owners, odd),
            Value::Array(items) => {
                let each = format!("{path}[]");
                let is_listed = lists(&each);
                for item in items.iter_mut() {
                    self.plant(item, &each, owners, odd);
                }
                let text = json!(self.secret(&format!("{each} more"), owners));
                // Where a text is listed another one would be shown.
                let more = if is_listed { json!({ "more": text, "name": text }) } else { text };
                items.push(more);
            }
            Value::String(text) if text.contains(&self.secret_prefix) => {}
            leaf => *leaf = self.leaf(leaf, path, owners, odd),
        }
    }

    fn object(
        &mut self,
        members: &mut Map<String, Value>,
        path: &str,
        owners: &[String],
        odd: bool,
    ) {
        let ids = IDS.iter().filter_map(|key| members.get(*key)?.as_str());
        let ids: Vec<String> =
            ids.filter(|_| !path.contains("vsan_witness")).map(str::to_owned).collect();
        let odd = odd || ids.iter().any(|id| self.odd.contains(id));
        let mut owners = owners.to_vec();
        owners.extend(ids);
        // What changes is another text.
        let version = members.get("version").filter(|_| !path.contains('.')).map(Value::to_string);
        owners.extend(version);
        for (key, value) in members.iter_mut() {
            let path = format!("{path}.{key}");
            if odd && takes_over(&path) {
                *value = self.other(&path, &owners);
            } else {
                self.plant(value, &path, &owners, odd);
            }
        }
        let mut secret = |name: &str| self.secret(&format!("{path}.{name}"), &owners);
        let unknown = [
            (secret("unknown key"), json!(secret("unknown"))),
            ("Name".to_owned(), json!(secret("Name"))),
            ("name ".to_owned(), json!(secret("name with a space"))),
            ("password".to_owned(), json!(secret("password"))),
            (
                "__proto__".to_owned(),
                json!({ "id": secret("id"), secret("key"): [secret("deep")] }),
            ),
        ];
        members.extend(unknown.into_iter().filter(|(key, _)| !lists(&format!("{path}.{key}"))));
    }

    fn leaf(&mut self, real: &Value, path: &str, owners: &[String], odd: bool) -> Value {
        let form = form_of(path);
        match form {
            None => json!(self.secret(path, owners)),
            Some(_) if odd && takes_over(path) => self.other(path, owners),
            Some(_) if real.is_null() => Value::Null,
            Some(Real) => real.clone(),
            Some(Text(field)) => {
                let mut text = self.marker(path, owners, Some(field));
                if field == "error" {
                    let tokens = [self.tokens.first(), self.tokens.last()];
                    let quoted = self.quoted.iter().chain(tokens.into_iter().flatten());
                    text = quoted.fold(text, |text, secret| format!("{text}, with {secret} too"));
                }
                json!(text)
            }
            Some(Url(field)) => {
                let host = self.marker(path, owners, Some(field));
                json!(format!("https://{host}.example/"))
            }
        }
    }

    /// What does not belong in a listed field: it cannot be shown.
    fn other(&mut self, path: &str, owners: &[String]) -> Value {
        let form = form_of(path);
        let (odd, even) = (
            self.secret(&format!("{path}, of another kind"), owners),
            self.secret(&format!("{path}, and another"), owners),
        );
        match form {
            Some(Url(_)) => json!(format!("https://user:{odd}@vcenter.example/{even}")),
            Some(Text(_)) if path.len().is_multiple_of(2) => json!([odd, even]),
            Some(Text(_)) => json!({ "name": odd, even: "id" }),
            _ => json!(format!("{odd} 2025-03-18T02:17:04Z 1")),
        }
    }

    pub fn blank(&mut self, value: &mut Value, key: &str, ids: &[String], count: &mut usize) {
        match value {
            Value::Object(members) => {
                let named = ["id", "__meta_vmc_sddc_id"].iter().find_map(|key| members.get(*key));
                let id = named.and_then(Value::as_str).map(str::to_owned);
                // A target's labels tell whose it is.
                let labels = members.get("labels").and_then(|it| it["__meta_vmc_sddc_id"].as_str());
                let id = id.or_else(|| labels.map(str::to_owned));
                let ids: Vec<String> = id.into_iter().chain(ids.iter().cloned()).collect();
                // What is allowed for a parameter is what its field shows.
                let parameter = members.get("parameter").and_then(Value::as_str).map(str::to_owned);
                for (key, value) in members {
                    let field = parameter.as_deref().filter(|_| *key == "allowed");
                    self.blank(value, field.unwrap_or(key), &ids, count);
                }
            }
            Value::Array(items) => items.iter_mut().for_each(|it| self.blank(it, key, ids, count)),
            Value::String(text) => {
                let key = key.strip_prefix("__meta_vmc_sddc_").unwrap_or(key);
                let found: Vec<usize> = self.found_in(text).collect();
                for index in found {
                    if self.markers.get(index).is_some_and(|marker| may_show(marker, key, ids)) {
                        *text = text.replacen(&format!("{}{index:06}z", self.shown_prefix), "", 1);
                        *count += 1;
                        self.markers[index].shown += 1;
                    }
                }
            }
            _ => {}
        }
    }
}

/// Whether a marker may stand in this field of an object of these ids, the nearest first. An object
/// that was asked for without its id does not tell.
fn may_show(marker: &Marker, key: &str, ids: &[String]) -> bool {
    let field = match key {
        "targets" => marker.field.filter(|field| field.ends_with("_url")),
        _ => marker.field.filter(|field| *field == key),
    };
    field.is_some() && ids.first().is_none_or(|id| marker.owners.contains(id))
}

//! The docs in the browser, and the pages on problems. No key needed, nothing loaded from elsewhere.

use std::sync::{Arc, LazyLock};

use axum::{
    extract::{Path, State},
    response::{Redirect, Response},
};
use bytes::Bytes;
use http::{
    HeaderValue,
    header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, VARY},
};

use super::{
    answer::{Answers, Asked, Encoded},
    openapi,
};
use crate::problem::{Code, Problem};

/// The pages' own policy: everything from here, nothing inline but styles.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; \
     img-src 'self' data:; connect-src 'self'; frame-ancestors 'none'; base-uri 'none'",
);
const HTML: HeaderValue = HeaderValue::from_static("text/html; charset=utf-8");
const SCRIPT: HeaderValue = HeaderValue::from_static("text/javascript; charset=utf-8");
const STYLE: HeaderValue = HeaderValue::from_static("text/css; charset=utf-8");
const VARY_ON: HeaderValue = HeaderValue::from_static("Accept-Encoding");
/// Another version may run behind the same address tomorrow.
const FOR_A_WHILE: HeaderValue = HeaderValue::from_static("public, max-age=300");

/// A part of the docs. It never changes while the process runs.
type Part = LazyLock<Arc<Encoded>>;

/// Swagger UI's own start page takes a foreign document from `?url=`; this one has ours alone.
static PAGE: Part = LazyLock::new(|| fixed(include_str!("docs/index.html")));
static START: Part = LazyLock::new(|| fixed(include_str!("docs/start.js")));
static GUIDE: Part = LazyLock::new(|| fixed(include_str!("docs/guide.html")));
static SHEET: Part = LazyLock::new(|| fixed(include_str!("docs/problem.css")));
static JSON: Part = LazyLock::new(|| fixed(openapi::json(&openapi::document())));
static YAML: Part = LazyLock::new(|| fixed(openapi::yaml(&openapi::document())));
// The build takes these out of Swagger UI's archive.
static UI_SHEET: Part =
    LazyLock::new(|| fixed(include_str!(concat!(env!("OUT_DIR"), "/swagger-ui.css"))));
static UI: Part =
    LazyLock::new(|| fixed(include_str!(concat!(env!("OUT_DIR"), "/swagger-ui-bundle.js"))));
static PROBLEMS: LazyLock<Vec<(Code, Arc<Encoded>)>> =
    LazyLock::new(|| Code::ALL.map(|code| (code, fixed(explanation(code)))).into());

fn fixed(part: impl Into<Bytes>) -> Arc<Encoded> {
    Arc::new(Encoded::fixed(part))
}

/// `/` leads to the docs.
pub(super) async fn index() -> Redirect {
    Redirect::temporary("/docs")
}

/// The docs.
pub(super) async fn page(State(answers): State<Answers>, asked: Asked) -> Response {
    send(&answers, &asked, HTML, &PAGE)
}

/// What the docs are made of.
pub(super) async fn asset(
    State(answers): State<Answers>,
    Path(name): Path<String>,
    asked: Asked,
) -> Result<Response, Problem> {
    let (kind, part) = match name.as_str() {
        "guide" => (HTML, &GUIDE),
        "start.js" => (SCRIPT, &START),
        "problem.css" => (STYLE, &SHEET),
        "swagger-ui.css" => (STYLE, &UI_SHEET),
        "swagger-ui-bundle.js" => (SCRIPT, &UI),
        _ => return Err(Problem::new(Code::NotFound, "the docs have no such part")),
    };
    Ok(send(&answers, &asked, kind, part))
}

/// The OpenAPI document as JSON.
pub(super) async fn json(State(answers): State<Answers>, asked: Asked) -> Response {
    send(&answers, &asked, HeaderValue::from_static("application/json"), &JSON)
}

/// The OpenAPI document as YAML (RFC 9512).
pub(super) async fn yaml(State(answers): State<Answers>, asked: Asked) -> Response {
    send(&answers, &asked, HeaderValue::from_static("application/yaml"), &YAML)
}

/// What a problem's `type` leads to: cause and remedy.
pub(super) async fn problem(
    State(answers): State<Answers>,
    Path(code): Path<String>,
    asked: Asked,
) -> Result<Response, Problem> {
    let page = PROBLEMS.iter().find(|(known, _)| known.as_str() == code);
    let (_, page) = page.ok_or_else(|| Problem::new(Code::NotFound, "there is no such problem"))?;
    Ok(send(&answers, &asked, HTML, page))
}

fn explanation(code: Code) -> String {
    let entry = code.entry();
    let retry = if entry.retryable { "may succeed later" } else { "will fail again" };
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>{title}</title>\n\
         <link rel=\"icon\" href=\"data:,\">\n<link rel=\"stylesheet\" href=\"/docs/problem.css\">\n<h1>{title}</h1>\n\
         <p><code>{code}</code>, status {status}; the same request {retry}.</p>\n\
         <h2>Cause</h2>\n<p>{cause}</p>\n<h2>Remedy</h2>\n<p>{remedy}</p>\n\
         <p><a href=\"/docs\">The API</a>, <a href=\"/docs/guide\">the guide</a></p>\n</html>\n",
        title = escape(entry.title),
        code = entry.code,
        status = entry.status.as_u16(),
        cause = escape(entry.cause),
        remedy = escape(entry.remedy),
    )
}

/// Text in HTML; `code` in backquotes becomes an element.
fn escape(text: &str) -> String {
    let text = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    let mut parts = text.split('`');
    let mut html = parts.next().unwrap_or_default().to_owned();
    let mut open = false;
    for part in parts {
        html.push_str(if open { "</code>" } else { "<code>" });
        html.push_str(part);
        open = !open;
    }
    html
}

fn send(answers: &Answers, asked: &Asked, kind: HeaderValue, part: &Arc<Encoded>) -> Response {
    let mut response = answers.send(part, asked, kind);
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, FOR_A_WHILE);
    headers.insert(CONTENT_SECURITY_POLICY, POLICY);
    headers.insert(VARY, VARY_ON);
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_escaped_and_backquotes_become_code() {
        assert_eq!(escape("a <b> & `c`."), "a &lt;b&gt; &amp; <code>c</code>.");
    }
}

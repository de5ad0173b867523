//! The docs in the browser, and the pages on problems. No key needed, nothing loaded from elsewhere.

use std::sync::{Arc, LazyLock};

use axum::{
    extract::Path,
    response::{IntoResponse, Redirect, Response},
};
use http::{
    HeaderValue, StatusCode,
    header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE},
};
use utoipa_swagger_ui::Config;

use super::openapi;
use crate::problem::{Code, Problem};

/// The pages' own policy: everything from here, nothing inline but styles.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; \
     img-src 'self' data:; connect-src 'self'; frame-ancestors 'none'; base-uri 'none'",
);
const HTML: HeaderValue = HeaderValue::from_static("text/html; charset=utf-8");
const SCRIPT: HeaderValue = HeaderValue::from_static("text/javascript; charset=utf-8");
const STYLE: HeaderValue = HeaderValue::from_static("text/css; charset=utf-8");
/// Another version may run behind the same address tomorrow.
const FOR_A_WHILE: HeaderValue = HeaderValue::from_static("public, max-age=300");

/// Swagger UI's own start page takes a foreign document from `?url=`; this one has ours alone.
const PAGE: &str = include_str!("docs/index.html");
const START: &str = include_str!("docs/start.js");
const SHEET: &str = include_str!("docs/problem.css");

static JSON: LazyLock<String> = LazyLock::new(|| openapi::json(&openapi::document()));
static YAML: LazyLock<String> = LazyLock::new(|| openapi::yaml(&openapi::document()));

/// `/` leads to the docs.
pub(super) async fn index() -> Redirect {
    Redirect::temporary("/docs")
}

/// The docs.
pub(super) async fn page() -> Response {
    file(HTML, PAGE)
}

/// What the docs are made of.
pub(super) async fn asset(Path(name): Path<String>) -> Result<Response, Problem> {
    match name.as_str() {
        "start.js" => Ok(file(SCRIPT, START)),
        "problem.css" => Ok(file(STYLE, SHEET)),
        "swagger-ui.css" => vendored(&name, STYLE),
        "swagger-ui-bundle.js" => vendored(&name, SCRIPT),
        _ => Err(Problem::new(Code::NotFound, "the docs have no such part")),
    }
}

fn vendored(name: &str, kind: HeaderValue) -> Result<Response, Problem> {
    match utoipa_swagger_ui::serve(name, Arc::new(Config::from("/openapi.json"))) {
        Ok(Some(part)) => Ok(file(kind, part.bytes.into_owned())),
        Ok(None) | Err(_) => Err(Problem::new(Code::Internal, "a part of the docs is missing")),
    }
}

/// The OpenAPI document as JSON.
pub(super) async fn json() -> Response {
    file(HeaderValue::from_static("application/json"), JSON.as_str())
}

/// The OpenAPI document as YAML (RFC 9512).
pub(super) async fn yaml() -> Response {
    file(HeaderValue::from_static("application/yaml"), YAML.as_str())
}

/// What a problem's `type` leads to: cause and remedy.
pub(super) async fn problem(Path(code): Path<String>) -> Result<Response, Problem> {
    let code = Code::ALL.into_iter().find(|known| known.as_str() == code);
    let code = code.ok_or_else(|| Problem::new(Code::NotFound, "there is no such problem"))?;
    let entry = code.entry();
    let retry = if entry.retryable { "may succeed later" } else { "will fail again" };
    let html = format!(
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n<title>{title}</title>\n\
         <link rel=\"stylesheet\" href=\"/docs/problem.css\">\n<h1>{title}</h1>\n\
         <p><code>{code}</code>, status {status}; the same request {retry}.</p>\n\
         <h2>Cause</h2>\n<p>{cause}</p>\n<h2>Remedy</h2>\n<p>{remedy}</p>\n\
         <p><a href=\"/docs\">The API</a></p>\n</html>\n",
        title = escape(entry.title),
        code = entry.code,
        status = entry.status.as_u16(),
        cause = escape(entry.cause),
        remedy = escape(entry.remedy),
    );
    Ok(file(HTML, html))
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

fn file(kind: HeaderValue, body: impl IntoResponse) -> Response {
    let headers =
        [(CONTENT_TYPE, kind), (CACHE_CONTROL, FOR_A_WHILE), (CONTENT_SECURITY_POLICY, POLICY)];
    (StatusCode::OK, headers, body).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_escaped_and_backquotes_become_code() {
        assert_eq!(escape("a <b> & `c`."), "a &lt;b&gt; &amp; <code>c</code>.");
    }
}

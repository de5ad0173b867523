//! The docs in the browser, and the pages on problems. No key needed, nothing loaded from elsewhere.

use std::sync::{Arc, OnceLock};

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
    answer::{AnswerCache, ConditionalHeaders, EncodedAnswer},
    openapi,
    slip::path_meant,
};
use crate::{
    problem::{Code, Problem},
    public_path::PublicPath,
};

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

/// The docs and the pages on problems, with their links as callers reach them. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Docs(Arc<DocParts>);

/// What never changes while the process runs; each is made at the first demand.
#[derive(Debug)]
struct DocParts {
    base: PublicPath,
    made: [OnceLock<Arc<EncodedAnswer>>; DocPart::COUNT],
    problems: OnceLock<Vec<(Code, Arc<EncodedAnswer>)>>,
}

/// A part of the docs.
#[derive(Debug, Clone, Copy)]
enum DocPart {
    Page,
    Start,
    Guide,
    Sheet,
    Json,
    Yaml,
    UiSheet,
    Ui,
}

impl DocPart {
    const COUNT: usize = Self::Ui as usize + 1;

    fn kind(self) -> HeaderValue {
        match self {
            Self::Page | Self::Guide => HTML,
            Self::Start | Self::Ui => SCRIPT,
            Self::Sheet | Self::UiSheet => STYLE,
            Self::Json => HeaderValue::from_static("application/json"),
            // RFC 9512.
            Self::Yaml => HeaderValue::from_static("application/yaml"),
        }
    }

    fn bytes(self, base: &PublicPath) -> Bytes {
        let fixed = |text: &'static str| Bytes::from_static(text.as_bytes());
        let linked = |text: &str| Bytes::from(base.join_all(text, LINKS));
        match self {
            // Swagger UI's own start page takes a foreign document from `?url=`; this one has ours alone.
            Self::Page => linked(include_str!("docs/index.html")),
            Self::Start => linked(include_str!("docs/start.js")),
            Self::Guide => linked(include_str!("docs/guide.html")),
            Self::Sheet => fixed(include_str!("docs/problem.css")),
            Self::Json => openapi::document_at(base, openapi::JSON),
            Self::Yaml => openapi::document_at(base, openapi::YAML),
            // The build takes these out of Swagger UI's archive.
            Self::UiSheet => fixed(include_str!(concat!(env!("OUT_DIR"), "/swagger-ui.css"))),
            Self::Ui => fixed(include_str!(concat!(env!("OUT_DIR"), "/swagger-ui-bundle.js"))),
        }
    }
}

/// What stands before the links of the pages and of their script.
const LINKS: &[&str] = &["href=\"", "src=\"", "url: \""];

impl Docs {
    /// The docs of a gateway that callers reach below `base`.
    #[must_use]
    pub fn new(base: PublicPath) -> Self {
        Self(Arc::new(DocParts { base, made: Default::default(), problems: OnceLock::new() }))
    }

    fn part(&self, part: DocPart) -> &Arc<EncodedAnswer> {
        self.0.made[part as usize]
            .get_or_init(|| Arc::new(EncodedAnswer::fixed(part.bytes(&self.0.base))))
    }

    fn problem(&self, code: &str) -> Option<&Arc<EncodedAnswer>> {
        let page = |code: Code| {
            let page = self.0.base.join_all(&explanation(code), LINKS);
            (code, Arc::new(EncodedAnswer::fixed(page)))
        };
        let pages = self.0.problems.get_or_init(|| Code::ALL.map(page).into());
        pages.iter().find(|(known, _)| known.as_str() == code).map(|(_, page)| page)
    }
}

/// `/` leads to the docs.
pub(super) async fn index(State(docs): State<Docs>) -> Redirect {
    Redirect::temporary(&docs.0.base.join("/docs"))
}

/// The docs.
pub(super) async fn page(
    State(answers): State<AnswerCache>,
    State(docs): State<Docs>,
    conditions: ConditionalHeaders,
) -> Response {
    send_part(&answers, &docs, &conditions, DocPart::Page)
}

/// What the docs are made of.
pub(super) async fn asset(
    State(answers): State<AnswerCache>,
    State(docs): State<Docs>,
    Path(name): Path<String>,
    conditions: ConditionalHeaders,
) -> Result<Response, Problem> {
    let part = match name.as_str() {
        "guide" => DocPart::Guide,
        "start.js" => DocPart::Start,
        "problem.css" => DocPart::Sheet,
        "swagger-ui.css" => DocPart::UiSheet,
        "swagger-ui-bundle.js" => DocPart::Ui,
        _ => {
            let problem = Problem::new(Code::NotFound, "the docs have no such page");
            return Err(problem.with_did_you_mean(path_meant(&format!("/docs/{name}"))));
        }
    };
    Ok(send_part(&answers, &docs, &conditions, part))
}

/// The OpenAPI document as JSON.
pub(super) async fn json(
    State(answers): State<AnswerCache>,
    State(docs): State<Docs>,
    conditions: ConditionalHeaders,
) -> Response {
    send_part(&answers, &docs, &conditions, DocPart::Json)
}

/// The OpenAPI document as YAML.
pub(super) async fn yaml(
    State(answers): State<AnswerCache>,
    State(docs): State<Docs>,
    conditions: ConditionalHeaders,
) -> Response {
    send_part(&answers, &docs, &conditions, DocPart::Yaml)
}

/// What a problem's `type` leads to: cause and remedy.
pub(super) async fn problem(
    State(answers): State<AnswerCache>,
    State(docs): State<Docs>,
    Path(code): Path<String>,
    conditions: ConditionalHeaders,
) -> Result<Response, Problem> {
    let page = docs.problem(&code);
    let page = page.ok_or_else(|| {
        Problem::new(Code::NotFound, "there is no such problem code")
            .with_did_you_mean(path_meant(&format!("/problems/{code}")))
    })?;
    Ok(send(&answers, &conditions, HTML, page))
}

fn send_part(
    answers: &AnswerCache,
    docs: &Docs,
    conditions: &ConditionalHeaders,
    part: DocPart,
) -> Response {
    send(answers, conditions, part.kind(), docs.part(part))
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

fn send(
    answers: &AnswerCache,
    conditions: &ConditionalHeaders,
    kind: HeaderValue,
    part: &Arc<EncodedAnswer>,
) -> Response {
    let mut response = answers.send(part, conditions, kind);
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

//! The docs in the browser, and the pages on problems. No key needed, nothing loaded from elsewhere.

use std::sync::{Arc, OnceLock};

use axum::{
    body::Body,
    extract::{FromRequestParts, Path, State},
    response::Response,
};
use bytes::Bytes;
use http::{
    HeaderValue, Uri,
    header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, VARY},
};
use jiff::Timestamp;

use super::{
    ApiState,
    answer::{ConditionalHeaders, EncodedAnswer},
    openapi,
    slip::path_meant,
};
use crate::{
    contact::Contact,
    problem::{Code, Problem},
    public_path::PublicPath,
};

/// The pages' own policy: everything from here, nothing inline.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
     base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
);
pub(super) const HTML: &str = "text/html; charset=utf-8";
pub(super) const SCRIPT: &str = "text/javascript; charset=utf-8";
pub(super) const STYLE: &str = "text/css; charset=utf-8";
const TEXT: &str = "text/plain; charset=utf-8";
const ICON: &str = "image/svg+xml";
/// Whom to tell of a vulnerability of the gateway itself.
const PROJECT: &str = concat!(env!("CARGO_PKG_REPOSITORY"), "/security");
const DAY_S: i64 = 24 * 60 * 60;
/// How long what `security.txt` says may be relied upon: less than a year, as RFC 9116 advises.
const VALID_DAYS: i64 = 180;
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
    contact: Option<Contact>,
    made: [OnceLock<Arc<EncodedAnswer>>; PARTS.len()],
    problems: OnceLock<Vec<(Code, Arc<EncodedAnswer>)>>,
}

/// What a part of the docs is made of.
enum DocContent {
    Fixed(&'static str),
    /// With links to other pages, and maybe with whom to ask.
    Linked(&'static str),
    Document(&'static str),
    Problems,
}

/// The parts of the docs, by their paths.
const PARTS: [(&str, &str, DocContent); 14] = {
    use DocContent::{Document, Fixed, Linked, Problems};
    [
        // Swagger UI's own start page takes a foreign document from `?url=`; this one has ours alone.
        ("/docs", HTML, Linked(include_str!("docs/index.html"))),
        ("/problems", HTML, Problems),
        // The build puts the recipes in.
        ("/docs/guide", HTML, Linked(include_str!(concat!(env!("OUT_DIR"), "/guide.html")))),
        ("/docs/drop-in", HTML, Linked(include_str!("docs/drop-in.html"))),
        ("/openapi.json", "application/json", Document(openapi::JSON)),
        // RFC 9512.
        ("/openapi.yaml", "application/yaml", Document(openapi::YAML)),
        ("/docs/start.js", SCRIPT, Linked(include_str!("docs/start.js"))),
        ("/docs/guide.js", SCRIPT, Fixed(include_str!("docs/guide.js"))),
        // The build takes these out of Swagger UI's archive.
        ("/docs/swagger-ui-bundle.js", SCRIPT, Fixed(SWAGGER_SCRIPT)),
        ("/docs/swagger-ui.css", STYLE, Fixed(SWAGGER_SHEET)),
        ("/docs/docs.css", STYLE, Fixed(include_str!("docs/docs.css"))),
        ("/docs/text.css", STYLE, Fixed(include_str!("docs/text.css"))),
        ("/docs/base.css", STYLE, Fixed(include_str!("docs/base.css"))),
        ("/docs/icon.svg", ICON, Fixed(include_str!("docs/icon.svg"))),
    ]
};
const SWAGGER_SCRIPT: &str = include_str!(concat!(env!("OUT_DIR"), "/swagger-ui-bundle.js"));
const SWAGGER_SHEET: &str = include_str!(concat!(env!("OUT_DIR"), "/swagger-ui.css"));

/// Where a page says whom to ask for a key.
const CONTACT: &str = "<!-- contact -->";

/// What stands before the links of the pages and of their script.
pub(super) const LINKS: &[&str] = &["href=\"", "src=\"", "url: \""];

impl Docs {
    /// The docs of a gateway that callers reach below `base`, and whom they ask about it.
    pub fn new(base: PublicPath, contact: Option<Contact>) -> Self {
        let (made, problems) = (Default::default(), OnceLock::new());
        Self(Arc::new(DocParts { base, contact, made, problems }))
    }

    /// What is at a path, and its media type.
    fn part(&self, path: &str) -> Option<(&'static str, &Arc<EncodedAnswer>)> {
        let at = PARTS.iter().position(|(known, ..)| *known == path)?;
        let (_, kind, content) = &PARTS[at];
        let part =
            self.0.made[at].get_or_init(|| Arc::new(EncodedAnswer::fixed(self.make(content))));
        Some((kind, part))
    }

    fn make(&self, content: &DocContent) -> Bytes {
        let (base, contact) = (&self.0.base, self.0.contact.as_ref());
        let linked = |text: &str| {
            let text = text.replace(CONTACT, &contact.map(whom_to_ask).unwrap_or_default());
            Bytes::from(base.join_all(&text, LINKS))
        };
        match content {
            DocContent::Fixed(text) => Bytes::from_static(text.as_bytes()),
            DocContent::Linked(text) => linked(text),
            DocContent::Document(text) => openapi::document_at(base, contact, text),
            DocContent::Problems => linked(&index_of_problems()),
        }
    }

    fn problem(&self, code: &str) -> Option<&Arc<EncodedAnswer>> {
        let page = |code: Code| {
            let asks = self.0.contact.as_ref().filter(|_| code == Code::Unauthenticated);
            let page =
                explanation(code).replace(CONTACT, &asks.map(whom_to_ask).unwrap_or_default());
            let page = self.0.base.join_all(&page, LINKS);
            (code, Arc::new(EncodedAnswer::fixed(page)))
        };
        let pages = self.0.problems.get_or_init(|| Code::ALL.map(page).into());
        pages.iter().find(|(known, _)| known.as_str() == code).map(|(_, page)| page)
    }
}

/// A request for a page or a file of a page: these need no caller.
#[derive(FromRequestParts)]
#[from_request(state(Arc<ApiState>))]
pub(super) struct PageRequest {
    #[from_request(via(State))]
    pub(super) state: Arc<ApiState>,
    conditions: ConditionalHeaders,
}

impl PageRequest {
    pub(super) fn send(&self, kind: &'static str, part: &Arc<EncodedAnswer>) -> Response {
        let kind = HeaderValue::from_static(kind);
        let mut response = self.state.answers.send(part, &self.conditions, kind).map(Body::from);
        let headers = response.headers_mut();
        headers.insert(CACHE_CONTROL, FOR_A_WHILE);
        headers.insert(CONTENT_SECURITY_POLICY, POLICY);
        headers.insert(VARY, VARY_ON);
        response
    }
}

/// A part of the docs: a page, what it is made of, or the document.
pub(super) async fn part(
    request: PageRequest,
    uri: Uri,
    asset: Option<Path<String>>,
) -> Result<Response, Problem> {
    let path = asset.map_or_else(|| uri.path().to_owned(), |Path(name)| format!("/docs/{name}"));
    let (kind, part) = request.state.docs.part(&path).ok_or_else(|| {
        Problem::new(Code::NotFound, "the docs have no such page")
            .with_did_you_mean(path_meant(&path))
    })?;
    Ok(request.send(kind, part))
}

/// Whom to tell of a vulnerability (RFC 9116).
pub(super) async fn security(request: PageRequest) -> Response {
    let state = &request.state;
    let text = security_text(state.docs.0.contact.as_ref(), state.clock.wall());
    request.send(TEXT, &Arc::new(EncodedAnswer::fixed(text)))
}

/// What a problem's `type` leads to: cause and remedy.
pub(super) async fn problem(
    request: PageRequest,
    Path(code): Path<String>,
) -> Result<Response, Problem> {
    let page = request.state.docs.problem(&code).ok_or_else(|| {
        Problem::new(Code::NotFound, "there is no such problem code")
            .with_did_you_mean(path_meant(&format!("/problems/{code}")))
    })?;
    Ok(request.send(HTML, page))
}

fn explanation(code: Code) -> String {
    let entry = code.entry();
    let retry = if entry.retryable { "may succeed later" } else { "will fail again" };
    let title = escape(entry.title);
    let main = format!(
        include_str!("docs/problem.html"),
        title = title,
        retry = retry,
        code = code.as_str(),
        status = entry.status.as_u16(),
        cause = escape(entry.cause),
        remedy = escape(entry.remedy),
    );
    format!(include_str!("docs/text.html"), title = title, main = main)
}

fn index_of_problems() -> String {
    let rows = Code::ALL.iter().map(|code| {
        let entry = code.entry();
        let (code, status) = (code.as_str(), entry.status.as_u16());
        let title = escape(entry.title);
        format!("        <tr><td><a href=\"/problems/{code}\"><code>{code}</code></a></td><td>{status}</td><td>{title}</td></tr>\n")
    });
    let main = format!(include_str!("docs/problems.html"), rows = rows.collect::<String>());
    format!(include_str!("docs/text.html"), title = "Problems", main = main)
}

/// Whom to ask for a key, as a paragraph.
fn whom_to_ask(contact: &Contact) -> String {
    let text = attribute(contact.as_str());
    match contact.link() {
        Some(url) => {
            format!("<p>Ask for a key: <a href=\"{}\">{text}</a></p>", attribute(url.as_str()))
        }
        None => format!("<p>Ask for a key: {text}</p>"),
    }
}

/// Plain text in HTML.
fn plain(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// Plain text in HTML, also in an attribute.
fn attribute(text: &str) -> String {
    plain(text).replace('"', "&quot;").replace('\'', "&#39;")
}

/// RFC 9116. Where the operator names no address, the project's own is named.
fn security_text(contact: Option<&Contact>, now: Timestamp) -> String {
    let contact = contact.and_then(Contact::link);
    let contact = contact.map_or_else(|| PROJECT.to_owned(), |url| url.to_string());
    // The same for a whole day, so that its tag is too.
    let day = now.as_second().div_euclid(DAY_S) * DAY_S;
    let expires = Timestamp::from_second(day + VALID_DAYS * DAY_S).unwrap_or(Timestamp::MAX);
    format!("Contact: {contact}\nExpires: {expires}\nPreferred-Languages: en\n")
}

/// Text in HTML; `code` in backquotes becomes an element.
fn escape(text: &str) -> String {
    let text = plain(text);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_escaped_and_backquotes_become_code() {
        assert_eq!(escape("a <b> & `c`."), "a &lt;b&gt; &amp; <code>c</code>.");
    }

    #[test]
    fn whom_to_ask_is_a_link_where_it_leads_somewhere_and_text_always() {
        let told = |text: &str| whom_to_ask(&text.parse().unwrap());
        assert_eq!(
            told("cloud@example.org"),
            "<p>Ask for a key: <a href=\"mailto:cloud@example.org\">cloud@example.org</a></p>"
        );
        assert_eq!(told("<b>\"us\""), "<p>Ask for a key: &lt;b&gt;&quot;us&quot;</p>");
    }

    #[test]
    fn security_txt_names_the_operator_or_the_project_and_when_it_ends() {
        let now = "2026-11-22T10:00:00Z".parse().unwrap();
        let told = |contact: Option<&str>| {
            security_text(contact.map(|text| text.parse().unwrap()).as_ref(), now)
        };
        let rest = "\nExpires: 2027-05-21T00:00:00Z\nPreferred-Languages: en\n";
        assert_eq!(told(Some("a@example.org")), format!("Contact: mailto:a@example.org{rest}"));
        for none in [None, Some("the cloud team")] {
            assert_eq!(told(none), format!("Contact: {PROJECT}{rest}"));
        }
        assert!(PROJECT.starts_with("https://"));
    }
}

//! The page for people at `/`: the SDDCs as a table, live. It and its files hold no data and need no
//! key: its scripts ask the facade as any other caller does.

use std::sync::{Arc, OnceLock};

use axum::{
    extract::Path,
    response::{IntoResponse, Redirect, Response},
};
use http::{HeaderValue, header::CACHE_CONTROL};

use super::{
    answer::EncodedAnswer,
    docs::{HTML, LINKS, PageRequest, SCRIPT, STYLE},
};
use crate::{
    problem::{Code, Problem},
    public_path::PublicPath,
};

/// The files belong together: none may be older than another.
const ASKED_EACH_TIME: HeaderValue = HeaderValue::from_static("no-cache");

/// The page, its files, and whether they are served. Cheap to clone.
#[derive(Debug, Clone)]
pub struct HomePage(Arc<HomeParts>);

/// What never changes while the process runs; each is made at the first demand.
#[derive(Debug)]
struct HomeParts {
    base: PublicPath,
    is_on: bool,
    page: OnceLock<Arc<EncodedAnswer>>,
    files: [OnceLock<Arc<EncodedAnswer>>; FILES.len()],
}

/// The page's files below `/home/`, by their name.
const FILES: [(&str, &str); 9] = [
    ("home.css", include_str!("home/home.css")),
    ("app.js", include_str!("home/app.js")),
    ("chart.js", include_str!("home/chart.js")),
    ("client.js", include_str!("home/client.js")),
    ("details.js", include_str!("home/details.js")),
    ("freshness.js", include_str!("home/freshness.js")),
    ("stream.js", include_str!("home/stream.js")),
    ("table.js", include_str!("home/table.js")),
    ("words.js", include_str!("home/words.js")),
];

impl HomePage {
    /// The page of a gateway that callers reach below `base`; if it is not on, `/` leads to the docs.
    pub fn new(base: PublicPath, is_on: bool) -> Self {
        let (page, files) = (OnceLock::new(), Default::default());
        Self(Arc::new(HomeParts { base, is_on, page, files }))
    }

    fn page(&self) -> &Arc<EncodedAnswer> {
        self.0.page.get_or_init(|| {
            let page = self.0.base.join_all(include_str!("home/index.html"), LINKS);
            Arc::new(EncodedAnswer::fixed(page))
        })
    }

    fn file(&self, name: &str) -> Option<&Arc<EncodedAnswer>> {
        let at = FILES.iter().position(|(known, _)| *known == name).filter(|_| self.0.is_on)?;
        Some(self.0.files[at].get_or_init(|| Arc::new(EncodedAnswer::fixed(FILES[at].1))))
    }
}

/// The page, or the way to the docs.
pub(super) async fn index(request: PageRequest) -> Response {
    let home = &request.state.home;
    if !home.0.is_on {
        return Redirect::temporary(&home.0.base.join("/docs")).into_response();
    }
    send_fresh(&request, HTML, home.page())
}

/// What the page is made of.
pub(super) async fn asset(
    request: PageRequest,
    Path(name): Path<String>,
) -> Result<Response, Problem> {
    let file = request.state.home.file(&name);
    let file = file.ok_or_else(|| Problem::new(Code::NotFound, "the page has no such file"))?;
    Ok(send_fresh(&request, if name == "home.css" { STYLE } else { SCRIPT }, file))
}

fn send_fresh(request: &PageRequest, kind: &'static str, part: &Arc<EncodedAnswer>) -> Response {
    let mut response = request.send(kind, part);
    response.headers_mut().insert(CACHE_CONTROL, ASKED_EACH_TIME);
    response
}

//! The page for people at `/`, as a browser asks for it. What it does is tested in `tests/browser`.

use http::{Method, StatusCode};

use crate::harness::{Answer, Cloud, Setup, TestGateway, cloud};

/// All from the gateway, nothing inline.
pub(crate) const PAGE_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
    img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

async fn with_page(cloud: &Cloud, is_on: bool) -> TestGateway {
    Setup::on_demand(cloud).with(|config| config.api.page = is_on).start().await
}

/// What the text refers to below this folder.
fn files(text: &str, before: &str) -> Vec<String> {
    let after = text.split(before).skip(1);
    after.map(|rest| rest.split(['"', '\'']).next().unwrap().to_owned()).collect()
}

fn assert_page_file(answer: &Answer, kind: &str, path: &str) {
    assert_eq!((answer.status, answer.header("content-type")), (StatusCode::OK, kind), "{path}");
    assert_eq!(answer.header("content-security-policy"), PAGE_POLICY, "{path}");
    assert_eq!(answer.header("x-content-type-options"), "nosniff", "{path}");
    assert_eq!(answer.header("vary"), "Accept-Encoding", "{path}");
    assert!(!answer.headers.contains_key("set-cookie"), "{path}");
    // Files of two versions do not fit together: a browser asks for each again.
    assert_eq!(answer.header("cache-control"), "no-cache", "{path}");
}

#[tokio::test]
async fn the_page_and_its_files_need_no_key_and_are_validated_by_their_tags() {
    let cloud = cloud().await;
    let gateway = with_page(&cloud, true).await;
    let bare = async |path: &str| gateway.send_bare(Method::GET, path, &[]).await;
    let page = bare("/").await;
    assert_page_file(&page, "text/html; charset=utf-8", "/");
    let mut paths = vec!["/".to_owned()];
    for name in files(&page.text(), "\"/home/") {
        paths.push(format!("/home/{name}"));
    }
    let script = bare("/home/app.js").await.text();
    paths.extend(files(&script, "from './").iter().map(|name| format!("/home/{name}")));
    assert!(paths.len() > 5, "{paths:?}");
    for path in &paths {
        let answer = bare(path).await;
        let kind = match path.rsplit_once('.') {
            Some((_, "js")) => "text/javascript; charset=utf-8",
            Some((_, "css")) => "text/css; charset=utf-8",
            _ => "text/html; charset=utf-8",
        };
        assert_page_file(&answer, kind, path);
        let tag = answer.header("etag").to_owned();
        let again = gateway.send_bare(Method::GET, path, &[("if-none-match", &tag)]).await;
        assert_eq!((again.status, again.header("etag")), (StatusCode::NOT_MODIFIED, &*tag));
        let head = gateway.send_bare(Method::HEAD, path, &[]).await;
        assert_page_file(&head, kind, path);
        assert_eq!((head.header("etag"), &*head.text()), (&*tag, ""));
        let post = gateway.send_bare(Method::POST, path, &[]).await;
        assert_eq!((post.status.as_u16(), post.header("allow")), (405, "GET,HEAD"), "{path}");
    }
    assert_eq!(bare("/home/other.js").await.code(), "not-found");
}

#[tokio::test]
async fn the_page_holds_no_data_and_nothing_inline() {
    let cloud = cloud().await;
    let gateway = with_page(&cloud, true).await;
    let page = gateway.send_bare(Method::GET, "/", &[]).await.text();
    let list = gateway.get("/sddcs").await.json();
    for sddc in list["items"].as_array().unwrap() {
        assert!(!page.contains(sddc["id"].as_str().unwrap()));
    }
    for inline in ["<style", "style=", " onclick", "javascript:", "://", "<script>"] {
        assert!(!page.contains(inline), "{inline}");
    }
    // Nor is there a form that could send a key anywhere, or a browser that keeps it.
    assert!(page.contains("autocomplete=\"off\"") && !page.contains("action="));
}

#[tokio::test]
async fn without_the_page_the_root_leads_to_the_docs() {
    let cloud = cloud().await;
    let gateway = with_page(&cloud, false).await;
    let root = gateway.send_bare(Method::GET, "/", &[]).await;
    assert_eq!((root.status.as_u16(), root.header("location")), (307, "/docs"));
    assert_eq!(gateway.send_bare(Method::GET, "/home/app.js", &[]).await.code(), "not-found");
    let docs = gateway.send_bare(Method::GET, "/docs", &[]).await;
    assert_eq!(docs.status, StatusCode::OK);
}

//! Whom to ask: `api.contact`, and what is told without a key (contract section 4).

use http::Method;
use serde_json::json;

use crate::harness::{Setup, TestGateway, cloud};

async fn gateway(contact: Option<&str>) -> TestGateway {
    let cloud = cloud().await;
    let contact = contact.map(|text| text.parse().unwrap());
    Setup::on_demand(&cloud).with(|config| config.api.contact = contact).start().await
}

#[tokio::test]
async fn whom_to_ask_is_told_where_it_is_looked_for() {
    let gateway = gateway(Some("cloud@example.org")).await;
    let bare = async |path| gateway.send_bare(Method::GET, path, &[]).await;
    let refused = bare("/sddcs").await.json();
    assert_eq!(
        (&refused["code"], &refused["contact"]),
        (&json!("unauthenticated"), &json!("cloud@example.org"))
    );
    let link = "<a href=\"mailto:cloud@example.org\">cloud@example.org</a>";
    for path in ["/docs", "/docs/guide", "/docs/drop-in", "/problems/unauthenticated"] {
        assert!(bare(path).await.text().contains(link), "{path}");
    }
    assert!(!bare("/problems/forbidden").await.text().contains("example.org"));
    let contact = json!({"name": "cloud@example.org", "email": "cloud@example.org"});
    assert_eq!(bare("/openapi.json").await.json()["info"]["contact"], contact);
    assert!(bare("/openapi.yaml").await.text().contains(&format!("\n  contact: {contact}\n")));
    let security = bare("/.well-known/security.txt").await;
    assert_eq!(security.header("content-type"), "text/plain; charset=utf-8");
    assert_eq!(
        security.text(),
        "Contact: mailto:cloud@example.org\nExpires: 2027-05-21T00:00:00Z\nPreferred-Languages: en\n"
    );
    // Other failures are none of a key.
    assert_eq!(gateway.get("/sddcs/0").await.json().get("contact"), None);
}

#[tokio::test]
async fn where_nobody_is_named_nobody_is_told() {
    let gateway = gateway(None).await;
    let bare = async |path| gateway.send_bare(Method::GET, path, &[]).await;
    assert_eq!(bare("/sddcs").await.json().get("contact"), None);
    for path in ["/docs", "/docs/guide", "/docs/drop-in", "/problems/unauthenticated"] {
        assert!(!bare(path).await.text().contains("Ask for a key"), "{path}");
    }
    assert_eq!(bare("/openapi.json").await.json()["info"].get("contact"), None);
    let security = bare("/.well-known/security.txt").await.text();
    assert!(security.starts_with("Contact: https://"), "{security}");
}

#[tokio::test]
async fn the_index_of_problems_links_to_the_page_of_each() {
    let gateway = gateway(None).await;
    let bare = async |path: &str| gateway.send_bare(Method::GET, path, &[]).await;
    let index = bare("/problems").await;
    assert_eq!(index.header("content-type"), "text/html; charset=utf-8");
    let text = index.text();
    let links: Vec<_> = text.match_indices("href=\"/problems/").collect();
    assert_eq!(links.len(), sddc_gateway::problem::Code::ALL.len());
    for (at, _) in links {
        let path = text[at..].split('"').nth(1).unwrap();
        assert_eq!(bare(path).await.status, 200, "{path}");
    }
}

#[tokio::test]
async fn a_page_of_another_site_may_link_to_the_problems_and_read_none_of_them() {
    let cloud = cloud().await;
    let gateway = Setup::on_demand(&cloud).open().start().await;
    let visit = [
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-mode", "navigate"),
        ("sec-fetch-dest", "document"),
    ];
    for path in ["/problems", "/problems/not-found", "/docs", "/docs/guide"] {
        let answer = gateway.send_bare(Method::GET, path, &visit).await;
        assert_eq!(answer.status, 200, "{path}");
        let fetched = gateway.send_bare(Method::GET, path, &visit[..1]).await;
        assert_eq!(fetched.told(), (403, "forbidden".to_owned()), "{path}");
    }
    for path in ["/sddcs", "/whoami", "/openapi.json", "/.well-known/security.txt"] {
        let answer = gateway.send_bare(Method::GET, path, &visit).await;
        assert_eq!(answer.told(), (403, "forbidden".to_owned()), "{path}");
    }
}

//! Below a prefix that a proxy strips (`api.public_path`).

use http::{Method, StatusCode};

use crate::harness::{Cloud, Setup, TestGateway, cloud};

async fn below(cloud: &Cloud, prefix: &str) -> TestGateway {
    below_with_page(cloud, prefix, true).await
}

async fn below_with_page(cloud: &Cloud, prefix: &str, is_on: bool) -> TestGateway {
    let path = prefix.parse().unwrap();
    let setup = Setup::on_demand(cloud).with(|config| {
        config.api.public_path = path;
        config.api.page = is_on;
    });
    setup.start().await
}

#[tokio::test]
async fn redirects_pages_documents_and_problems_lead_below_the_prefix() {
    let cloud = cloud().await;
    let gateway = below(&cloud, "/a/inventory").await;
    let bare = async |path: &str| gateway.send_bare(Method::GET, path, &[]).await;
    let without_page = below_with_page(&cloud, "/a/inventory", false).await;
    let index = without_page.send_bare(Method::GET, "/", &[]).await;
    assert_eq!((index.status.as_u16(), index.header("location")), (307, "/a/inventory/docs"));
    for (path, link) in [
        ("/", "\"/a/inventory/home/app.js\""),
        ("/docs", "\"/a/inventory/docs/start.js\""),
        ("/docs/start.js", "url: \"/a/inventory/openapi.json\""),
        ("/docs/guide", "href=\"/a/inventory/problems/incomplete\""),
        ("/problems/incomplete", "href=\"/a/inventory/docs/guide\""),
        ("/openapi.yaml", "url: /a/inventory/"),
    ] {
        let page = bare(path).await;
        assert_eq!(page.status, StatusCode::OK, "{path}");
        assert!(page.text().contains(link), "{path}");
        for elsewhere in ["href=\"/", "src=\"/", "url: \"/", "](/"] {
            let text = page.text();
            let mut links =
                text.match_indices(elsewhere).map(|(at, _)| &text[at + elsewhere.len() - 1..]);
            assert!(links.all(|link| link.starts_with("/a/inventory/")), "{path}: {elsewhere}");
        }
    }
    let document = bare("/openapi.json").await.json();
    assert_eq!(document["servers"][0]["url"], "/a/inventory/");
    for (path, code) in [("/sddcs", "unauthenticated"), ("/a/inventory/sddcs", "not-found")] {
        let problem = bare(path).await;
        assert_eq!(problem.code(), code, "{path}: the gateway answers at / only");
        assert_eq!(problem.json()["type"], format!("/a/inventory/problems/{code}"));
    }
}

#[tokio::test]
async fn the_next_page_is_a_query_alone_with_and_without_a_prefix() {
    let cloud = cloud().await;
    for prefix in ["/", "/inventory"] {
        let gateway = below(&cloud, prefix).await;
        let org = gateway.get("/orgs").await.json()["items"][0]["id"].as_str().unwrap().to_owned();
        for path in ["/sddcs", "/hosts", &format!("/orgs/{org}/sddcs")] {
            let page = gateway.get(&format!("{path}?limit=1&sort=-name")).await;
            let cursor = page.json()["next_cursor"].as_str().unwrap().to_owned();
            let link = format!("<?limit=1&sort=-name&cursor={cursor}>; rel=\"next\"");
            assert_eq!(page.header("link"), link, "{prefix} {path}");
        }
    }
}

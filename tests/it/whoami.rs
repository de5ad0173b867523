//! `GET /whoami`: who the caller is to the gateway (contract section 4).

use http::Method;
use sddc_gateway::access::Scope;
use serde_json::json;

use crate::harness::{Setup, cloud};

#[tokio::test]
async fn a_caller_is_told_its_name_scopes_and_limits() {
    let cloud = cloud().await;
    let gateway = Setup::on_demand(&cloud)
        .with_tester(|caller| {
            caller.view.sddc_names = Some(vec!["prod-*".parse().unwrap()]);
            caller.view.sddc_ids = Some(["s-1".parse().unwrap()].into());
            caller.rate = Some("600/m".parse().unwrap());
            caller.not_after = Some("2027-01-31T01:00:00+01:00".parse().unwrap());
        })
        .start()
        .await;
    let answer = gateway.get("/whoami").await;
    assert_eq!(
        answer.json(),
        json!({
            "name": "tester",
            "scopes": ["sddc:read"],
            "orgs": null,
            "sddc_ids": ["s-1"],
            "sddc_names": ["prod-*"],
            "rate": {"requests": 600, "window_s": 60, "burst": 600},
            "not_after": "2027-01-31T00:00:00Z",
        })
    );
    assert_eq!(answer.header("cache-control"), "no-store");
    assert_eq!(answer.header("content-type"), "application/json");
    assert_eq!((answer.header("etag"), answer.header("age")), ("", ""));
    assert_eq!(cloud.sddc_reads(), 0, "VMware Cloud is not asked");
}

#[tokio::test]
async fn no_scope_is_needed_and_no_limit_is_null() {
    let cloud = cloud().await;
    let (setup, key) = Setup::on_demand(&cloud).with_caller("tool", &[Scope::VmcRead]);
    let (setup, none) = setup.with_caller("nothing", &[]);
    let gateway = setup.start().await;
    for (key, name, scopes) in [(key, "tool", json!(["vmc:read"])), (none, "nothing", json!([]))] {
        let header = [("x-api-key", key.reveal())];
        let answer = gateway.send_bare(Method::GET, "/whoami", &header).await;
        assert_eq!(
            answer.json(),
            json!({
                "name": name,
                "scopes": scopes,
                "orgs": null,
                "sddc_ids": null,
                "sddc_names": null,
                "rate": null,
                "not_after": null,
            })
        );
        assert_eq!(gateway.send_bare(Method::GET, "/sddcs", &header).await.code(), "forbidden");
    }
}

#[tokio::test]
async fn where_access_is_open_everyone_is_anonymous() {
    let cloud = cloud().await;
    let gateway = Setup::on_demand(&cloud).open().start().await;
    let answer = gateway.get("/whoami").await.json();
    assert_eq!((&answer["name"], &answer["scopes"]), (&json!("anonymous"), &json!(["sddc:read"])));
    let wrong = [("x-api-key", "sgw_wrong")];
    let answer = gateway.send_bare(Method::GET, "/whoami", &wrong).await;
    assert_eq!(answer.told(), (401, "unauthenticated".to_owned()));
}

#[tokio::test]
async fn it_is_refused_as_every_path_that_asks_for_a_caller() {
    let cloud = cloud().await;
    let setup =
        Setup::on_demand(&cloud).with_tester(|caller| caller.rate = Some("3/h".parse().unwrap()));
    let gateway = setup.start().await;
    let answer = gateway.send_bare(Method::GET, "/whoami", &[]).await;
    assert_eq!(answer.told(), (401, "unauthenticated".to_owned()));
    assert!(answer.header("www-authenticate").starts_with("Bearer"));
    let answer = gateway.get("/whoami?verbose=1").await;
    assert_eq!(answer.told(), (400, "invalid-parameter".to_owned()));
    assert_eq!(answer.json()["errors"][0]["parameter"], "verbose");
    let answer = gateway.send(Method::POST, "/whoami", &[]).await;
    assert_eq!(answer.told(), (405, "method-not-allowed".to_owned()));
    let answer = gateway.send(Method::HEAD, "/whoami", &[]).await;
    assert_eq!((answer.status.as_u16(), answer.body.len()), (200, 0));
    assert_eq!(answer.header("ratelimit-policy"), "\"caller\";q=3;w=3600");
    assert_eq!(gateway.get("/whoami").await.status, 200);
    assert_eq!(gateway.get("/whoami").await.told(), (429, "rate-limited".to_owned()));
}

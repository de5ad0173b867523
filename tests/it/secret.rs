//! A new client secret is proven before it is used (contract section 3).

use std::{path::PathBuf, time::Duration};

use sddc_gateway::simulator::{Fault, Target};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::harness::{Captured, Cloud, Setup, TestGateway, cloud, cloud_of, cloud_with_ttl};

const TOKEN: &str = "*/auth/token";

/// The secret's file, and a gateway that has minted with it.
struct Scene {
    gateway: TestGateway,
    folder: TempDir,
}

impl Scene {
    async fn start(cloud: &Cloud, change: impl FnOnce(Setup) -> Setup) -> Self {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("secret");
        std::fs::write(&path, "demo-secret\n").unwrap();
        let setup = Setup::on_demand(cloud).with_secret_file(&path);
        let gateway = change(setup).start().await;
        let scene = Self { gateway, folder };
        scene.gateway.until("a first mint", async |_| cloud.mints() > 0).await;
        scene.until_reload(None).await;
        scene
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("secret")
    }

    fn rewrite(&self, secret: impl AsRef<[u8]>) {
        std::fs::write(self.path(), secret).unwrap();
        self.gateway.advance(5);
    }

    /// Waits for what is said of the newest version.
    async fn until_reload(&self, last_error: Option<&str>) {
        let expected = json!({"ok": last_error.is_none(), "last_error": last_error});
        self.gateway
            .until(&expected.to_string(), async |gateway| {
                let ready: Value = gateway.ops("/readyz").await.json();
                ready["reload"]["csp.client_secret_file"] == expected
            })
            .await;
        let ok = self.gateway.metric("sddc_gateway_config_reload_ok", "client_secret_file").await;
        assert_eq!(ok > 0.5, last_error.is_none());
    }
}

#[tokio::test]
async fn a_new_secret_that_is_refused_costs_one_mint_and_the_old_one_stays() {
    let cloud = cloud().await;
    let scene = Scene::start(&cloud, |setup| setup).await;
    scene.rewrite("a typing error\n");
    scene.until_reload(Some("refused by csp")).await;
    assert_eq!((cloud.mints(), cloud.mint_attempts()), (1, 2));
    // An alert looks at it (deploy/runbook.md).
    let refused =
        scene.gateway.metric("sddc_gateway_token_mints_total", "outcome=\"refused\"").await;
    assert!((refused - 1.0).abs() < 0.5, "{refused}");
    let token = scene.gateway.state().await["token"].clone();
    assert_eq!((&token["state"], &token["consecutive_failures"]), (&json!("valid"), &json!(0)));
    assert_eq!(scene.gateway.get("/sddcs").await.status, 200);
    let events = Captured::events();
    assert!(
        events.contains("the new version of the file cannot be used; the old one stays in use")
    );
    assert!(!events.contains("a typing error"));

    // Tried again each minute: CSP knows it by now.
    cloud.simulator.rotate_secret("a typing error", false);
    scene.gateway.advance(60);
    scene.until_reload(None).await;
    assert_eq!((cloud.mints(), cloud.mint_attempts()), (2, 3));
    assert_eq!(scene.gateway.get("/sddcs").await.status, 200);
}

#[tokio::test]
async fn a_refused_new_secret_is_tried_at_once_when_the_old_one_is_refused() {
    let cloud = cloud_with_ttl(30).await;
    let scene = Scene::start(&cloud, |setup| setup).await;
    scene.rewrite("new-secret");
    scene.until_reload(Some("refused by csp")).await;
    cloud.simulator.rotate_secret("new-secret", false);
    // Half of the old token's life is over: it is renewed, which the old secret cannot. Far less than
    // the minute after which the new one would be tried anyway.
    scene.gateway.advance(15);
    scene.until_reload(None).await;
    assert_eq!((cloud.mints(), cloud.mint_attempts()), (2, 4));
}

#[tokio::test]
async fn a_new_secret_without_an_answer_is_tried_with_backoff() {
    let cloud = cloud().await;
    let scene = Scene::start(&cloud, |setup| setup).await;
    cloud.simulator.rotate_secret("new-secret", true);
    cloud.simulator.script(Fault::on(Target::Csp, TOKEN).status(503).times(2));
    scene.rewrite("new-secret");
    scene.until_reload(Some("no answer from csp")).await;
    assert_eq!(scene.gateway.state().await["token"]["state"], "valid");
    // The clock goes on until it is: a pause begins only after its failure is told.
    let tried = async |gateway: &TestGateway| {
        gateway.advance(1);
        cloud.mints() == 2
    };
    scene.gateway.until("a third try", tried).await;
    scene.until_reload(None).await;
    assert_eq!((cloud.mints(), cloud.mint_attempts()), (2, 4));
}

#[tokio::test]
async fn the_first_org_proves_a_secret_for_all() {
    let cloud = cloud_of(2).await;
    let scene = Scene::start(&cloud, |setup| setup.with_configured_orgs(&cloud)).await;
    scene.gateway.until("a token each", async |_| cloud.mints() == 2).await;
    cloud.simulator.rotate_secret("new-secret", false);
    scene.rewrite("new-secret");
    scene.gateway.until("the proof", async |_| cloud.mints() == 3).await;
    scene.until_reload(None).await;
    assert_eq!((cloud.mints(), cloud.mint_attempts()), (3, 3), "one mint");
    scene.gateway.advance(1600);
    scene.gateway.until("both are renewed", async |_| cloud.mints() == 5).await;
    assert_eq!(cloud.mint_attempts(), 5, "with the new secret");
}

#[tokio::test]
async fn what_is_no_secret_is_refused_with_its_reason_and_not_tried() {
    let cloud = cloud().await;
    let scene = Scene::start(&cloud, |setup| setup).await;
    for (content, reason) in [
        (&b"\xef\xbb\xbfdemo-secret"[..], "byte order mark"),
        (b"demo-secret\0", "nul character"),
        (b"demo\nsecret\n", "control character"),
        (b"demo\xff", "not utf-8"),
        (b"\n", "empty"),
    ] {
        scene.rewrite(content);
        scene.until_reload(Some(reason)).await;
    }
    scene.rewrite("demo-secret\r\n\r\n");
    scene.until_reload(None).await;
    assert_eq!(cloud.mint_attempts(), 1, "line ends are no other secret");
}

#[tokio::test]
async fn a_file_that_would_block_stops_no_other() {
    use rustix::fs::{CWD, FileType, Mode, mknodat};
    let (cloud, folder) = (cloud().await, TempDir::new().unwrap());
    let fifo = folder.path().join("ca.pem");
    let scene = Scene::start(&cloud, |setup| setup).await;
    // Nobody will ever write to it.
    mknodat(CWD, &fifo, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
    let secret = scene.path();
    std::fs::rename(&fifo, &secret).unwrap();
    scene.gateway.advance(5);
    scene.until_reload(Some("not a regular file")).await;
    std::fs::remove_file(&secret).unwrap();
    scene.rewrite("a typing error");
    scene.until_reload(Some("refused by csp")).await;
    let ended = tokio::time::timeout(Duration::from_secs(10), scene.gateway.stop());
    ended.await.expect("nothing hangs at the end");
}

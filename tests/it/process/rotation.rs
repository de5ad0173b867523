//! Secrets, callers and certificates that are swapped while many ask: nobody notices.

use std::{
    fs::{self, OpenOptions},
    io::Write,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
};

use rustix::process::Signal;
use rustls::pki_types::{CertificateDer, pem::PemObject};
use serde_json::json;
use tempfile::TempDir;
use tokio::runtime::Runtime;

use super::{
    crowd::{Crowd, Door},
    run::{Cloud, SECRET, Served, gateway, new_key, until},
};
use crate::tls_listener::{authority::Files, client::Dialer};

const CALLERS: usize = 200;
/// Life of a token that is renewed, and ends, while a test looks on.
const SHORT_S: u64 = 4;

/// How the file gets its next secret.
#[derive(Debug, Clone, Copy)]
enum Swap {
    /// A link that the file's path goes through is made to lead elsewhere, as in Kubernetes.
    Symlink,
    Rename,
    /// A half is there for a while.
    InPlace,
}

/// In this order: a rename replaces the link.
const SWAPS: [Swap; 3] = [Swap::Symlink, Swap::Rename, Swap::InPlace];

/// A volume with one secret: `secret` leads to `..data/secret`, `..data` to one version's folder.
struct Volume(TempDir);

impl Volume {
    fn new() -> Self {
        let volume = Self(TempDir::new().unwrap());
        volume.point_at("..first", SECRET);
        symlink("..data/secret", volume.secret()).unwrap();
        volume
    }

    fn secret(&self) -> PathBuf {
        self.0.path().join("secret")
    }

    fn point_at(&self, version: &str, secret: &str) {
        fs::create_dir(self.0.path().join(version)).unwrap();
        fs::write(self.0.path().join(version).join("secret"), secret).unwrap();
        let new = self.0.path().join("..data_tmp");
        symlink(version, &new).unwrap();
        fs::rename(new, self.0.path().join("..data")).unwrap();
    }

    /// Puts a secret there; `half` waits until half of it was looked at.
    fn swap(&self, swap: Swap, secret: &str, half: impl FnOnce()) {
        match swap {
            Swap::Symlink => self.point_at("..second", secret),
            Swap::Rename => rename_over(&self.secret(), secret),
            Swap::InPlace => {
                let (begin, end) = secret.split_at(secret.len() / 2);
                fs::write(self.secret(), begin).unwrap();
                half();
                let mut file = OpenOptions::new().append(true).open(self.secret()).unwrap();
                file.write_all(end.as_bytes()).unwrap();
            }
        }
    }
}

fn rename_over(path: &Path, content: &str) {
    let new = path.with_extension("new");
    fs::write(&new, content).unwrap();
    fs::rename(new, path).unwrap();
}

/// A gateway that reads each second, and those who ask it; some of them for something newer.
fn under_load(cloud: &Cloud, volume: &Volume) -> (Served, Crowd) {
    let served = gateway(&[])
        .of(cloud)
        .with("SDDC_GATEWAY_CSP__CLIENT_SECRET_FILE", volume.secret())
        .with("SDDC_GATEWAY_INVENTORY__POLL", "1s")
        .with("SDDC_GATEWAY_INVENTORY__FRESH", "1s")
        .serve();
    until("it is ready", || served.ready().status == 200);
    let crowd = Crowd::at(&Door::Plain(served.api), CALLERS, |caller| {
        let more = if caller % 10 == 0 { "Cache-Control: no-cache\r\n" } else { "" };
        format!("GET /sddcs HTTP/1.1\r\nHost: localhost\r\n{more}")
    });
    crowd.goes_on();
    (served, crowd)
}

/// Tokens that were issued, and those that were refused.
fn mints(cloud: &Cloud) -> (u64, u64) {
    let stats = cloud.stats();
    let number = |name: &str| stats[name].as_u64().unwrap();
    (number("mints"), number("mint_attempts") - number("mints"))
}

fn reads(cloud: &Cloud) -> u64 {
    cloud.stats()["sddc_list_reads"].as_u64().unwrap()
}

/// The next token is there, of the new secret where the old one is dead, and reads go on.
fn recovers(cloud: &Cloud, crowd: &Crowd, minted: u64) {
    until("a token", || mints(cloud).0 > minted);
    let before = reads(cloud);
    until("a read", || reads(cloud) > before);
    crowd.goes_on();
}

#[test]
fn a_secret_that_dies_before_its_file_is_swapped_fails_no_caller() {
    let cloud = Cloud::start(&["--token-ttl", &SHORT_S.to_string()]);
    let volume = Volume::new();
    let (served, crowd) = under_load(&cloud, &volume);
    for (swap, revoke) in SWAPS.into_iter().zip([false, true, false]) {
        if revoke {
            // A token that is refused before it was ever accepted is another matter.
            let minted = mints(&cloud).0;
            cloud.control("PATCH", "/__csp", &json!({"token_ttl": 1800}));
            recovers(&cloud, &crowd, minted);
            recovers(&cloud, &crowd, minted);
        }
        let secret = format!("{swap:?}-is-the-new-secret");
        let (minted, refused) = mints(&cloud);
        let stale = crowd.tally().stale;
        let rotation = json!({
            "rotate_secret": {"new": secret}, "revoke_tokens": revoke, "token_ttl": SHORT_S,
        });
        cloud.control("PATCH", "/__csp", &rotation);
        until("the old one's refusal", || mints(&cloud).1 > refused);
        if revoke {
            crowd.until("a snapshot without a token", |tally| tally.stale > stale);
        }
        volume.swap(swap, &secret, || {
            served.signal(Signal::HUP);
            until("a half's refusal", || mints(&cloud).1 > refused + 1);
        });
        served.signal(Signal::HUP);
        recovers(&cloud, &crowd, minted);
    }
    let (_, refused) = mints(&cloud);
    assert!(refused <= 5, "{refused} were refused");
    crowd.leaves_content();
}

#[test]
fn a_secret_that_dies_after_its_file_was_swapped_fails_no_caller() {
    let cloud = Cloud::start(&[]);
    let volume = Volume::new();
    let (served, crowd) = under_load(&cloud, &volume);
    for swap in SWAPS {
        let secret = format!("{swap:?}-is-the-new-secret");
        let (minted, refused) = mints(&cloud);
        let mut tried = 0;
        let mut looked_at = || {
            served.signal(Signal::HUP);
            tried += 1;
            until("a refusal of what is not known yet", || mints(&cloud).1 >= refused + tried);
        };
        volume.swap(swap, &secret, &mut looked_at);
        looked_at();
        // The old secret's refusal has the new one tried.
        let rotation = json!({"rotate_secret": {"new": secret}, "revoke_tokens": true});
        cloud.control("PATCH", "/__csp", &rotation);
        recovers(&cloud, &crowd, minted);
    }
    crowd.leaves_content();
}

#[test]
fn callers_and_a_certificate_swapped_under_load_fail_nobody_who_stays() {
    const CALLERS: usize = 50;
    let (cloud, files) = (Cloud::start(&[]), Files::new());
    let [stays, goes, comes] = ["stays", "goes", "comes"].map(new_key);
    let list = |keys: [&super::run::Printed; 2]| {
        keys.map(|key| key.stanza.replace("[[access.callers]]", "[[callers]]")).join("\n")
    };
    let callers = files.write("callers.toml", &list([&stays, &goes]));
    let served = gateway(&["serve"])
        .of(&cloud)
        .with_secret(SECRET)
        .with("SDDC_GATEWAY_API__TLS_CERT", files.path("tls.crt"))
        .with("SDDC_GATEWAY_API__TLS_KEY", files.path("tls.key"))
        .with("SDDC_GATEWAY_ACCESS__CALLERS_FILE", &callers)
        .serve();
    until("it is ready", || served.ready().status == 200);
    let head = |key: &str| {
        format!("GET /sddcs HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {key}\r\n")
    };
    let dialer = Dialer::trusting(&files.authority).offering(&["http/1.1"]);
    let door = Door::Tls(served.api, dialer.clone().into());
    let crowd = Crowd::at(&door, CALLERS, |_| head(&stays.key));
    crowd.until("all", |tally| tally.connections == CALLERS as u64);
    let runtime = Runtime::new().unwrap();
    let shown = || {
        let stream = runtime.block_on(dialer.dial(served.api)).unwrap();
        stream.get_ref().1.peer_certificates().unwrap()[0].clone()
    };
    let lets_in = |key: &str| {
        let head = head(key);
        let answer = runtime.block_on(dialer.ask_with(served.api, &head)).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200") || answer.starts_with("HTTP/1.1 401"));
        answer.starts_with("HTTP/1.1 200")
    };
    assert!(lets_in(&goes.key) && !lets_in(&comes.key));

    let new = files.authority.server();
    rename_over(&files.path("tls.crt"), &new.cert);
    rename_over(&files.path("tls.key"), &new.key);
    rename_over(&callers, &list([&stays, &comes]));
    // By itself: nobody sends a signal.
    until("the new callers", || !lets_in(&goes.key));
    assert!(lets_in(&comes.key));
    let new = CertificateDer::from_pem_slice(new.cert.as_bytes()).unwrap();
    until("the new certificate", || shown() == new);
    crowd.goes_on();
    let tally = crowd.leaves_content();
    assert_eq!(tally.connections, CALLERS as u64, "old connections go on");
}

//! nginx in front of gateways, with the configuration that users are given.

use std::{
    fs,
    net::{SocketAddr, TcpStream},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use tempfile::TempDir;

use super::run::{Process, Setup, file, until};
use crate::tls_listener::authority::Pair;

/// All that it writes goes below `-p`. One process: none is left behind when it is killed.
const AROUND: &str = "
daemon off;
master_process off;
pid nginx.pid;
error_log error.log info;
events { worker_connections 1024; }
http {
    access_log off;
    client_body_temp_path body;
    proxy_temp_path proxy;
    fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi;
    scgi_temp_path scgi;
    include sddc-gateway.conf;
}
";

/// The program: `NGINX`, else what `make test-setup` has brought, else the system's.
fn program() -> PathBuf {
    let brought = Path::new(env!("CARGO_TARGET_TMPDIR")).join("../tools/nginx/usr/sbin/nginx");
    let named = std::env::var_os("NGINX").map(PathBuf::from);
    named.unwrap_or_else(|| if brought.exists() { brought } else { "nginx".into() })
}

/// A running nginx; killed when dropped.
pub struct Nginx {
    _process: Process,
    folder: TempDir,
}

impl Nginx {
    /// Starts one with `deploy/nginx.example.conf`.
    pub fn start(address: SocketAddr, identity: &Pair, gateways: [SocketAddr; 2]) -> Self {
        let folder = TempDir::new().unwrap();
        let example = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/nginx.example.conf");
        let mut config = fs::read_to_string(example).unwrap();
        let [one, other] = gateways.map(|gateway| gateway.to_string());
        for (there, here) in [
            ("gateway-1:8080", one),
            ("gateway-2:8080", other),
            ("listen 443 ssl", format!("listen {address} ssl")),
            ("/etc/nginx/sddc-gateway.crt", "tls.crt".to_owned()),
            ("/etc/nginx/sddc-gateway.key", "tls.key".to_owned()),
        ] {
            assert!(config.contains(there), "the example has no {there}");
            config = config.replace(there, &here);
        }
        file(&folder, "sddc-gateway.conf", &config);
        file(&folder, "tls.crt", &identity.cert);
        file(&folder, "tls.key", &identity.key);
        let around = file(&folder, "nginx.conf", AROUND);
        let mut command = Command::new(program());
        command.arg("-p").arg(folder.path()).arg("-c").arg(around);
        // Until it has read its configuration it would log where its build says.
        command.args(["-e", "error.log"]);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let nginx = Self { _process: Setup::new(command).start(), folder };
        until("nginx listens", || TcpStream::connect(address).is_ok());
        nginx
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = fs::read_to_string(self.folder.path().join("error.log"));
            eprintln!("nginx: {}", log.unwrap_or_default());
        }
    }
}

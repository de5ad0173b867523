//! The real binary: nobody reads its memory, and whatever it says on its way out holds no secret.

use std::{
    fs,
    io::Write,
    os::unix::{
        fs::PermissionsExt,
        process::{CommandExt, ExitStatusExt},
    },
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use rustix::process::{Pid, Signal, geteuid, kill_process};
use serde_json::json;
use tempfile::TempDir;

use super::search::{Searcher, Secret};
use crate::process::{Cloud, Setup, file, gateway, new_key, until};

const SECRET: &str = "zs-CANARY-client-secret+/%";

/// Who else there is on a machine: the superuser may read everything, so no test can be one.
const NOBODY: u32 = 65534;

/// A process; killed when dropped.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The binary where another user may run it.
struct Program {
    _folder: TempDir,
    path: PathBuf,
}

impl Program {
    fn new() -> Self {
        let (folder, built) = (TempDir::new().unwrap(), env!("CARGO_BIN_EXE_sddc-gateway"));
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let path = folder.path().join("sddc-gateway");
        if fs::hard_link(built, &path).is_err() {
            fs::copy(built, &path).unwrap();
        }
        Self { _folder: folder, path }
    }

    /// A command of it, of an ordinary user.
    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = ordinary(&self.path);
        command.args(arguments).env_clear().env("SDDC_GATEWAY_CSP__CLIENT_SECRET", SECRET);
        command
    }
}

/// A command that runs as an ordinary user, always the same one.
fn ordinary(program: impl AsRef<std::ffi::OsStr>) -> Command {
    let mut command = Command::new(program);
    command.current_dir("/").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    if geteuid().is_root() {
        command.uid(NOBODY).gid(NOBODY);
    }
    command
}

/// Whether another process of the same user may open a file of this one.
fn is_open(process: &Running, name: &str) -> bool {
    let open = format!(": < /proc/{}/{name}", process.0.id());
    ordinary("sh").args(["-c", &open]).status().unwrap().success()
}

fn is_alive(process: &mut Running) -> bool {
    process.0.try_wait().unwrap().is_none()
}

#[test]
fn another_process_of_the_same_user_reads_neither_memory_nor_environment() {
    let (cloud, program) = (Cloud::start(&[]), Program::new());
    // `check` waits for its token, `key` for somebody who reads what it prints.
    cloud.control("POST", "/__faults", &json!({ "target": "csp", "kind": "hang" }));
    let (_reader, mut full) = std::io::pipe().unwrap();
    full.write_all(&vec![b' '; 65536]).unwrap();
    let any = "127.0.0.1:0";
    let of_cloud = |arguments: &[&str]| {
        let mut command = program.command(arguments);
        command
            .env("SDDC_GATEWAY_CSP__URL", cloud.url())
            .env("SDDC_GATEWAY_VMC__URL", cloud.url())
            .env("SDDC_GATEWAY_VMC__TIMEOUT", "60s")
            .env("SDDC_GATEWAY_CSP__CLIENT_ID", "demo-app")
            .env("SDDC_GATEWAY_API__LISTEN", any)
            .env("SDDC_GATEWAY_OPS__LISTEN", any);
        command
    };
    let mut key = program.command(&["key", "somebody"]);
    key.stdout(full);
    for (name, mut command) in [
        ("serve", of_cloud(&["serve"])),
        ("check", of_cloud(&["check"])),
        (
            "demo",
            program.command(&[
                "demo",
                "--listen",
                any,
                "--ops-listen",
                any,
                "--control-listen",
                any,
            ]),
        ),
        ("simulator", program.command(&["simulator", "--listen", any, "--client-secret", SECRET])),
        ("key", key),
    ] {
        let mut process = Running(command.spawn().unwrap());
        for kept in ["environ", "mem", "maps", "auxv"] {
            // From its first moments on; what is closed stays so.
            until(&format!("{name} keeps its {kept}"), || !is_open(&process, kept));
        }
        assert!(is_alive(&mut process), "{name} ended before it was tried");
        assert!(!is_open(&process, "environ"), "{name}");
    }
}

/// The test above can fail: what is not hardened can be read.
#[test]
fn another_process_of_the_same_user_reads_the_environment_of_any_other_program() {
    let mut command = ordinary("sleep");
    command.arg("1000").env("SECRET", SECRET);
    let mut process = Running(command.spawn().unwrap());
    until("it can be read", || is_open(&process, "environ"));
    let path = format!("/proc/{}/environ", process.0.id());
    let mut reader = ordinary("cat");
    let output = reader.arg(&path).stdout(Stdio::piped()).output().unwrap();
    assert!(is_alive(&mut process));
    let hits = Searcher::new(&[Secret::new("it", SECRET)]).search("environ", &output.stdout);
    assert!(!hits.is_empty(), "{output:?}");
}

/// Starts a command in a folder of its own, with the highest limit of core files that there may be,
/// and ends it by a signal that leaves one. Tells whether it did.
fn leaves_core(
    mut command: Command,
    folder: &Path,
    signal: Signal,
    begun: impl Fn(u32) -> bool,
) -> bool {
    let line = "ulimit -c $(ulimit -H -c); exec \"$0\" \"$@\"";
    let mut shell = Command::new("sh");
    shell.args(["-c", line]).arg(command.get_program()).args(command.get_args());
    let variables = command.get_envs().filter_map(|(name, value)| Some((name, value?)));
    shell.env_clear().env("PATH", std::env::var_os("PATH").unwrap()).envs(variables);
    command = shell;
    command.current_dir(folder).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut process = Running(command.spawn().unwrap());
    let id = process.0.id();
    until("it has begun", || begun(id));
    let pid = Pid::from_raw(id.try_into().unwrap()).unwrap();
    // The first SIGSEGV only ends the watch for overflows of the stack.
    until("it ends", || {
        kill_process(pid, signal).unwrap();
        !is_alive(&mut process)
    });
    let status = process.0.wait().unwrap();
    assert_eq!(status.signal(), Some(signal.as_raw()), "{status:?}");
    status.core_dumped() || fs::read_dir(folder).unwrap().count() > 0
}

fn core_limit(id: u32) -> Option<Vec<String>> {
    let limits = fs::read_to_string(format!("/proc/{id}/limits")).ok()?;
    let line = limits.lines().find(|line| line.starts_with("Max core file size"))?;
    Some(line.split_whitespace().skip(4).take(2).map(str::to_owned).collect())
}

#[test]
fn no_signal_leaves_a_core_file() {
    for signal in [Signal::ABORT, Signal::SEGV, Signal::QUIT] {
        let (folder, any) = (TempDir::new().unwrap(), "127.0.0.1:0");
        let mut command = Command::new(env!("CARGO_BIN_EXE_sddc-gateway"));
        command.args(["simulator", "--listen", any, "--client-secret", SECRET]);
        // Its own limit, which the shell before it does not have.
        let hardened = |id| core_limit(id).is_some_and(|limit| limit == ["0", "0"]);
        assert!(!leaves_core(command, folder.path(), signal, hardened), "{signal:?}");
    }
}

/// The test above can fail, where the machine writes core files at all.
#[test]
fn a_signal_leaves_a_core_file_of_any_other_program() {
    let folder = TempDir::new().unwrap();
    let mut command = Command::new("sleep");
    command.arg("1000");
    let begun = |id| fs::read_to_string(format!("/proc/{id}/comm")).is_ok_and(|it| it == "sleep\n");
    let pattern = fs::read_to_string("/proc/sys/kernel/core_pattern").unwrap();
    let left = leaves_core(command, folder.path(), Signal::ABORT, begun);
    assert!(left || pattern.trim() != "core", "{pattern}");
}

/// What the program was told where, and its arguments.
type Case = (&'static str, Vec<&'static str>, Vec<(&'static str, String)>, Option<String>);

/// Each way in which it is set up wrongly while a secret is at hand.
fn wrong_settings(key: &str) -> Vec<Case> {
    let serve = || vec!["serve"];
    let variable = |name: &'static str, value: &str| vec![(name, value.to_owned())];
    let toml = |text: String| Some(text);
    vec![
        (
            "secret as id",
            serve(),
            variable("SDDC_GATEWAY_CSP__CLIENT_ID", &format!("app:{SECRET}")),
            None,
        ),
        (
            "secret in an unknown key",
            serve(),
            variable("SDDC_GATEWAY_CSP__CLIENT_SECRETT", SECRET),
            None,
        ),
        (
            "secret in a URL",
            serve(),
            variable("SDDC_GATEWAY_CSP__URL", &format!("https://app:{SECRET}@csp.example")),
            None,
        ),
        (
            "secret in VMC's URL",
            serve(),
            variable("SDDC_GATEWAY_VMC__URL", &format!("http://app:{SECRET}@csp.example/")),
            None,
        ),
        (
            "secret in no URL",
            serve(),
            variable("SDDC_GATEWAY_VMC__URL", &format!("app:{SECRET}@vmc")),
            None,
        ),
        (
            "key for a digest",
            serve(),
            variable("SDDC_GATEWAY_ACCESS__KEYS", &format!("billing:{key}")),
            None,
        ),
        ("key alone", serve(), variable("SDDC_GATEWAY_ACCESS__KEYS", key), None),
        (
            "secret of a list",
            serve(),
            vec![],
            toml(format!("[csp]\nclient_secret = [\"{SECRET}\"]\n")),
        ),
        (
            "secret in a table",
            serve(),
            vec![],
            toml(format!("[csp.client_secret]\nvalue = \"{SECRET}\"\n")),
        ),
        (
            "secret without its end",
            serve(),
            vec![],
            toml(format!("[csp]\nclient_secret = \"{SECRET}\n")),
        ),
        (
            "secret without quotes",
            serve(),
            vec![],
            toml(format!("[csp]\nclient_secret = {SECRET}\n")),
        ),
        (
            "secret twice",
            serve(),
            vec![],
            toml(format!("[csp]\nclient_secret = \"{SECRET}\"\nclient_secret = \"{SECRET}\"\n")),
        ),
        ("secret and no section", serve(), vec![], toml(format!("client_secret = \"{SECRET}\"\n"))),
        (
            "key in a stanza",
            serve(),
            vec![],
            toml(format!(
                "[[access.callers]]\nname = \"a\"\nkey_sha256 = [\"{key}\"]\nscopes = [\"sddc:read\"]\n"
            )),
        ),
        (
            "key as a text",
            serve(),
            vec![],
            toml(format!(
                "[[access.callers]]\nname = \"a\"\nkey_sha256 = \"{key}\"\nkey = \"{key}\"\n"
            )),
        ),
        (
            "key as a scope",
            serve(),
            vec![],
            toml(format!("[[access.callers]]\nname = \"a\"\nscopes = [\"{key}\"]\n")),
        ),
        ("a folder for a file", vec!["serve", "--config", "/"], vec![], None),
        ("no file", vec!["check", "--config", "/nowhere"], vec![], None),
        ("an argument", vec!["serve", "--client-secret=zs-CANARY-client-secret+/%"], vec![], None),
        ("a number", vec!["simulator", "--client-secret", SECRET, "--sddcs", "many"], vec![], None),
    ]
}

#[test]
fn a_wrong_setting_is_told_without_the_secret_in_it() {
    let (folder, key) = (TempDir::new().unwrap(), new_key("billing").key);
    let secrets = [Secret::new("secret", SECRET), Secret::new("key", &*key)];
    let searcher = Searcher::new(&secrets);
    let mut hits = Vec::new();
    for (name, arguments, variables, text) in wrong_settings(&key) {
        let mut setup = gateway(&arguments).with("SDDC_GATEWAY_CSP__CLIENT_ID", "demo-app");
        if text.is_none() {
            setup = setup.with_secret(SECRET);
        }
        for (name, value) in variables {
            setup = setup.with(name, value);
        }
        if let Some(text) = text {
            setup = setup.with("SDDC_GATEWAY_CONFIG", file(&folder, "gateway.toml", &text));
        }
        let ended = setup.run();
        assert!(!matches!(ended.code, None | Some(0)), "{name}: {ended:?}");
        assert!(!ended.stderr.is_empty(), "{name}: {ended:?}");
        hits.extend(
            searcher.search(name, format!("{}\n{}", ended.stdout, ended.stderr).as_bytes()),
        );
    }
    assert!(hits.is_empty(), "{hits:#?}");
}

#[test]
fn what_fails_while_it_runs_is_told_without_a_secret() {
    let cloud = Cloud::start(&["--client-secret", SECRET]);
    let password = SECRET.replace('%', "%25").replace('/', "%2F");
    let proxy = format!("http://user:{password}@127.0.0.1:1");
    let check = |secret: &str| gateway(&["check"]).of(&cloud).with_secret(secret);
    let traced = |setup: Setup| setup.with("SDDC_GATEWAY_TELEMETRY__LOG", "trace");
    let wrong = format!("{SECRET}-wrong");
    let unreachable = |setup: Setup| setup.with("SDDC_GATEWAY_CSP__URL", "https://127.0.0.1:1");
    let proxied = |setup: Setup| {
        setup.with("SDDC_GATEWAY_CSP__URL", "https://csp.invalid").with("HTTPS_PROXY", &proxy)
    };
    let mut said = Vec::new();
    for (name, setup) in [
        ("check with a wrong secret", check(&wrong)),
        ("check of nobody", unreachable(check(SECRET))),
        ("check through a proxy", proxied(check(SECRET))),
        ("check and no VMC", check(SECRET).with("SDDC_GATEWAY_VMC__URL", "http://127.0.0.1:1")),
    ] {
        let ended = traced(setup).run();
        assert_eq!(ended.code, Some(1), "{name}: {ended:?}");
        said.push((name, ended));
    }
    for (name, setup) in [
        ("serve with a wrong secret", gateway(&["serve"]).of(&cloud).with_secret(&wrong)),
        ("serve and nobody there", unreachable(gateway(&[]).of(&cloud).with_secret(SECRET))),
        ("serve through a proxy", proxied(gateway(&[]).of(&cloud).with_secret(SECRET))),
    ] {
        let served = traced(setup).serve();
        assert!(matches!(served.get("/sddcs").status, 502..=504), "{name}");
        said.push((name, served.interrupt()));
    }
    let searcher = Searcher::new(&[Secret::new("secret", SECRET)]);
    let search = |(name, ended): &(&str, crate::process::Ended)| {
        searcher.search(name, format!("{}\n{}", ended.stdout, ended.stderr).as_bytes())
    };
    let hits: Vec<_> = said.iter().flat_map(search).collect();
    assert!(hits.is_empty(), "{hits:#?}");
}

//! `config show`, `config schema`: what they tell, and what they do not.

use serde_json::Value;

use super::*;

fn lines(scene: &Scene) -> Vec<String> {
    let text = Config::show(&scene.source).unwrap_or_else(|faults| panic!("{faults}"));
    text.parse::<toml::Table>().unwrap_or_else(|error| panic!("{error}\n{text}"));
    let directory = format!("{}/", scene.directory.path().display());
    text.replace(&directory, "").lines().map(str::to_owned).collect()
}

#[test]
fn each_setting_is_shown_with_where_it_comes_from() {
    let scene = Scene::minimal()
        .file("[api]\nmax_in_flight = 7\nhosts = [\"a\", \"b\"]\n[inventory]\npoll = \"1m\"\n")
        .with("INVENTORY__POLL", "2m")
        .with("VMC__ORGS", "one, two");
    let shown = lines(&scene);
    for line in [
        "[api]",
        "max_in_flight = 7  # gateway.toml:2",
        "hosts = [\"a\", \"b\"]  # gateway.toml:3",
        "listen = \"127.0.0.1:8080\"  # default",
        "# tls_cert is not set",
        "poll = \"2m\"  # SDDC_GATEWAY_INVENTORY__POLL",
        "orgs = [\"one\", \"two\"]  # SDDC_GATEWAY_VMC__ORGS",
        "open = false  # default",
    ] {
        assert!(shown.iter().any(|shown| shown == line), "{line}: {shown:#?}");
    }
    let told = |key: &Key| {
        let (_, name) = key.parts();
        let set = format!("{name} = ");
        shown.iter().any(|line| line.starts_with(&set) || *line == format!("# {name} is not set"))
    };
    assert!(KEYS.iter().all(|key| told(key)));
}

#[test]
fn no_secret_is_shown() {
    let key = digest("k");
    let scene = Scene::new()
        .file(format!(
            "[csp]\nclient_secret = \"{CANARY}\"\n[[access.callers]]\nname = \"billing\"\n\
             key_sha256 = [\"{key}\"]\nrate = \"9/m\"\n"
        ))
        .with("CSP__CLIENT_ID", CANARY)
        .with("ACCESS__KEYS", &format!("audit:{}", digest("a")));
    let mut scene = scene;
    let variable = |name: &str, value: String| (name.into(), value.into());
    scene.source.environment.extend([
        variable("https_proxy", format!("http://user:{CANARY}@proxy:3128")),
        variable("NO_PROXY", "localhost,.internal".into()),
        variable("HTTP_PROXY", format!("http://a:{CANARY}@proxy:1")),
    ]);
    let shown = lines(&scene).join("\n");
    assert!(!shown.contains(CANARY) && !shown.contains(&key.to_string()), "{shown}");
    for line in [
        "client_secret = \"***\"  # gateway.toml:2",
        "client_id = \"***\"  # SDDC_GATEWAY_CSP__CLIENT_ID",
        "keys = [\"***\"]  # SDDC_GATEWAY_ACCESS__KEYS",
        "# https_proxy = http://***@proxy:3128",
        "# NO_PROXY = localhost,.internal",
    ] {
        assert!(shown.lines().any(|shown| shown == line), "{line}: {shown}");
    }
    assert!(shown.contains("name = \"billing\"") && shown.contains("rate = \"9/m\""), "{shown}");
}

#[test]
fn only_what_may_be_a_password_is_hidden_before_an_at_sign() {
    let scene = Scene::minimal().with("API__CONTACT", "cloud@example.org").file(format!(
        "[api]\nlisten = \"0.0.0.0:1\"\n[access.oidc]\nissuer = \"https://{CANARY}@login.example.com\"\n\
         audience = \"api://x@y\"\nclient_ids = [\"other://a:{CANARY}@y\", \"a@b\"]\n\
         jwks_url = \"https://login.example.com/a@b\"\n[[access.callers]]\nname = \"ci\"\n\
         oidc = {{ email = \"ci@example.org\" }}\n"
    ));
    let shown = lines(&scene).join("\n");
    assert!(!shown.contains(CANARY), "{shown}");
    for part in [
        "contact = \"cloud@example.org\"  # ",
        "issuer = \"https://***@login.example.com\"  # ",
        "audience = \"api://x@y\"  # ",
        "client_ids = [\"other://***@y\", \"a@b\"]  # ",
        "jwks_url = \"https://login.example.com/a@b\"  # ",
        "email = \"ci@example.org\"",
    ] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    assert!(!shown.contains("environment"), "no proxy is set: {shown}");
}

#[test]
fn what_is_not_in_force_is_not_shown() {
    let scene = Scene::minimal().with("VMC__TIMEOUT", "soon");
    let faults = Config::show(&scene.source).unwrap_err();
    assert!(faults.to_string().starts_with("vmc.timeout: "));
}

#[test]
fn the_schema_has_every_key_and_no_other() {
    let schema: Value = serde_json::from_str(&schema()).unwrap();
    let mut found = Vec::new();
    let mut open = vec![(String::new(), &schema)];
    while let Some((name, object)) = open.pop() {
        assert_eq!(object["additionalProperties"], false, "{name}");
        for (leaf, property) in object["properties"].as_object().unwrap() {
            let name = if name.is_empty() { leaf.clone() } else { format!("{name}.{leaf}") };
            assert!(property["description"].as_str().is_some_and(|it| !it.is_empty()), "{name}");
            if property["type"] == "object" {
                open.push((name, property));
            } else {
                found.push(name);
            }
        }
    }
    found.sort();
    let mut expected: Vec<_> = KEYS.iter().map(|key| key.name).collect();
    expected.sort_unstable();
    assert_eq!(found, expected);
    let vmc = &schema["properties"]["vmc"]["properties"];
    assert_eq!(vmc["retries"]["default"], 2);
    assert_eq!((&vmc["retries"]["minimum"], &vmc["retries"]["maximum"]), (&0.into(), &10.into()));
    let log = &schema["properties"]["telemetry"]["properties"]["log"]["enum"];
    assert_eq!(log[3], "info");
    let caller = &schema["properties"]["access"]["properties"]["callers"]["items"];
    assert!(caller["properties"]["tls_san"].is_object());
}

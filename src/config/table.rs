//! The table of keys: the one place that knows which settings there are.
//!
//! Loader, unknown-key check, fault texts and example file are read from it, so a key cannot be
//! accepted without being documented, nor documented without being read (a test sets each key to
//! nonsense and waits for the complaint).

use super::keys::{
    Key, Preset,
    Shape::{self, Count, Credential, Credentials, Duration, Flag, List, Path, Size, Tables, Text},
};

/// The sections, in the order of the example file.
pub(super) const SECTIONS: &[(&str, &str)] = &[
    ("api", "The callers' listener."),
    ("ops", "Probes and metrics, on a listener of their own."),
    ("csp", "VMware Cloud Services: where the access token comes from."),
    ("vmc", "VMware Cloud on AWS: where the SDDCs come from."),
    ("inventory", "How fresh answers are."),
    (
        "access",
        "Who may call. With nothing set here the gateway starts only on a loopback api.listen, where \
         everyone is let in.",
    ),
    (
        "access.oidc",
        "The issuer whose tokens (JWTs) callers may show. issuer, one of audience and client_ids or \
         both, and one of jwks_url and jwks_file are set together, or none of them.",
    ),
    ("telemetry", "The log and the audit."),
];

/// Every key there is, section by section.
pub const KEYS: &[Key] = &[
    preset("api.listen", Text, "127.0.0.1:8080", "IP address and port; IPv6 in brackets."),
    preset(
        "api.hosts",
        List,
        "",
        "Host names that callers may use in their Host header, without port. If set, any other is \
         refused (421). Empty: any name; only loopback names where a loopback listener asks for no \
         key.",
    ),
    Key {
        name: "api.tls_cert",
        shape: Path,
        preset: Preset::Unset("\"/etc/sddc-gateway/tls/tls.crt\""),
        doc: "PEM file with the listener's certificate and those between it and its CA: turns TLS \
              1.2 and 1.3 on, with HTTP/2 and HTTP/1.1. Re-read while running, as all files of TLS; \
              connections stay, and a broken or expired new version keeps the old one.",
    },
    Key {
        name: "api.tls_key",
        shape: Path,
        preset: Preset::Unset("\"/etc/sddc-gateway/tls/tls.key\""),
        doc: "PEM file with its private key, not encrypted. Set together with tls_cert.",
    },
    Key {
        name: "api.tls_client_ca",
        shape: Path,
        preset: Preset::Unset("\"/etc/sddc-gateway/tls/client-ca.pem\""),
        doc: "PEM file with the CAs whose certificates callers may show. Not set: none is asked for.",
    },
    Key {
        name: "api.tls_client_crl",
        shape: Path,
        preset: Preset::Unset("\"/etc/sddc-gateway/tls/client.crl\""),
        doc: "PEM file with the CRLs of these CAs, one for each, and of every CA between, or one CRL in DER. What no list \
              speaks of is refused, and after a list's nextUpdate everything that it speaks of. Acts \
              on open connections too.",
    },
    preset(
        "api.tls_client_auth",
        Text,
        "optional",
        "optional: a caller without certificate shows another credential. required: no handshake \
         without one. A certificate that is not good fails the handshake in either case.",
    ),
    preset(
        "api.max_in_flight",
        Count,
        "1024",
        "Requests worked on at once, 1 to 1000000. Above it the answer is 503 at once; probes are \
         never refused.",
    ),
    preset(
        "api.max_connections",
        Count,
        "10000",
        "Open connections, 1 to 1000000. At it the one that has been idle longest (no request in \
         flight, also before its first head is whole) is closed for a new one; accepting pauses only \
         while none is idle.",
    ),
    Key {
        name: "api.max_connections_per_client",
        shape: Count,
        preset: Preset::Unset("200"),
        doc: "Open connections of one client address, 1 to 1000000. Above it the client's own longest \
              idle one is closed for the new one, or else the new one. The address is the peer's, \
              never X-Forwarded-For: behind a proxy or a load balancer leave it unset. Not set: any \
              number.",
    },
    preset(
        "api.max_watchers",
        Count,
        "6000",
        "Long polls and event streams at once, 1 to 1000000; one caller holds at most three quarters of \
         them. Above that the answer is 503 at once. Each holds a connection of api.max_connections.",
    ),
    preset(
        "api.header_timeout",
        Duration,
        "10s",
        "From accept, or a later request's first byte, to a whole request head. At most 1h.",
    ),
    preset(
        "api.idle_timeout",
        Duration,
        "75s",
        "Between the requests of one connection. At most 1h.",
    ),
    preset(
        "api.write_timeout",
        Duration,
        "30s",
        "How long sending may go without progress. At most 1h.",
    ),
    preset(
        "api.request_timeout",
        Duration,
        "30s",
        "From a request's head to the head of its answer. At most 1h.",
    ),
    preset(
        "api.drain_delay",
        Duration,
        "3s",
        "After SIGTERM: how long requests are still accepted while /readyz already says no. 0s to \
         1h.",
    ),
    preset(
        "api.drain",
        Duration,
        "20s",
        "After that: how long what is in flight may take. 0s to 1h.",
    ),
    preset(
        "api.trusted_proxies",
        List,
        "",
        "Networks of the proxies in front, such as 10.0.0.0/8 or 192.0.2.7. Only where the connection \
         comes from one of them, the right-most X-Forwarded-For entry that is none of theirs is the \
         client's address. Other forwarding headers are ignored.",
    ),
    preset(
        "api.public_path",
        Text,
        "/",
        "Prefix that a proxy in front strips, such as /inventory/: redirects, pages and the types of \
         problems begin with it. The gateway itself answers at / only.",
    ),
    preset("ops.listen", Text, "127.0.0.1:9090", "/livez, /readyz and /metrics, nothing else."),
    preset(
        "csp.url",
        Text,
        "https://console.cloud.vmware.com",
        "Scheme and host. Plain http only to a loopback host, or one of vmc.plain_http.",
    ),
    preset(
        "csp.token_path",
        Text,
        "/csp/gateway/am/api/auth/token",
        "Path of the token endpoint below csp.url.",
    ),
    Key {
        name: "csp.client_id",
        shape: Credential,
        preset: Preset::Required("\"the-id-of-your-oauth-app\""),
        doc: "Id of the OAuth app.",
    },
    Key {
        name: "csp.client_secret",
        shape: Credential,
        preset: Preset::Unset("\"…\""),
        doc: "Secret of the OAuth app. Exactly one of client_secret and client_secret_file is set; \
              prefer the file.",
    },
    Key {
        name: "csp.client_secret_file",
        shape: Path,
        preset: Preset::Required("\"/run/secrets/csp-client-secret\""),
        doc: "File with the secret; line ends at its end are cut. Re-read while running: a new secret is used \
              once CSP has taken it, and until then the old one stays.",
    },
    preset(
        "csp.basic_encoding",
        Text,
        "raw",
        "How id and secret are sent: raw = as they are (RFC 7617), form = form-encoded first (RFC \
         6749 section 2.3.1).",
    ),
    preset(
        "vmc.url",
        Text,
        "https://vmc.vmware.com",
        "Scheme and host. Plain http only to a loopback host, or one of vmc.plain_http.",
    ),
    preset(
        "vmc.orgs",
        List,
        "",
        "Ids of the orgs to serve, at most 1000, each with a token of its own. Empty: one token of \
         the app's own org, and the orgs that it can see.",
    ),
    preset("vmc.connect_timeout", Duration, "3s", "One connection, TLS included. At most 1h."),
    preset("vmc.timeout", Duration, "8s", "One try of a read, to its last byte. At most 1h."),
    preset(
        "vmc.max_in_flight",
        Count,
        "16",
        "Calls under way at once that callers wait for: 1 to 1000. The poller has as many of its own; \
         mints are not counted.",
    ),
    preset(
        "vmc.retries",
        Count,
        "2",
        "Extra tries of a failed read, at most 10, within a budget of 20 % more load than without.",
    ),
    preset("vmc.max_body", Size, "128MiB", "Largest upstream answer, decoded: 1KiB to 4GiB."),
    Key {
        name: "vmc.ca_file",
        shape: Path,
        preset: Preset::Unset("\"/etc/ssl/corporate-ca.pem\""),
        doc: "PEM file with CAs trusted beside the public ones, for CSP and VMC. Re-read while running. They are reached \
              through the proxy of HTTPS_PROXY, http(s)://[user:password@]host[:port] or host:port, \
              unless NO_PROXY has them: name, .name, *.name, address, network, each with :port or \
              without, or *.",
    },
    preset(
        "vmc.plain_http",
        List,
        "",
        "Exact host names to which csp.url and vmc.url may be plain http, for a simulator on a private \
         network: the client secret and the tokens go there in clear text. Never through a proxy. \
         VMware's own names are refused.",
    ),
    preset(
        "inventory.poll",
        Duration,
        "30s",
        "How often the SDDCs are read in the background; 0s = only on demand.",
    ),
    preset(
        "inventory.fresh",
        Duration,
        "60s",
        "How old an answer may be without asking upstream again.",
    ),
    preset(
        "inventory.stale",
        Duration,
        "24h",
        "How old it may get while upstream fails; older = 503. Not below fresh.",
    ),
    preset(
        "inventory.stale_denied",
        Duration,
        "1h",
        "The same while VMware refuses (401, 403) instead of failing. Above stale it means stale.",
    ),
    Key {
        name: "inventory.snapshot_file",
        shape: Path,
        preset: Preset::Unset("\"/var/lib/sddc-gateway/snapshot\""),
        doc: "File that keeps the last good snapshot, in a directory that is there and writable: a \
              restart during an outage still answers. Only what callers are shown, and no secret; \
              mode 0600.",
    },
    preset(
        "access.open",
        Flag,
        "false",
        "true: whoever reaches the listener may read. Not together with callers. Written as false it \
         lets nobody in without a caller, on loopback too.",
    ),
    Key {
        name: "access.keys",
        shape: Credentials,
        preset: Preset::Unset("[\"billing:64-hexadecimal-digits\"]"),
        doc: "Callers in short, name:sha256 of the key each, scope sddc:read. The same name twice is \
              one caller with two keys. `sddc-gateway key NAME` makes a key and prints this.",
    },
    Key {
        name: "access.callers",
        shape: Tables,
        preset: Preset::Unset(
            "name = \"billing\"\nkey_sha256 = [\"64-hexadecimal-digits\"]\nscopes = [\"sddc:read\"]\n\
             orgs = [\"0a1b2c3d-4e5f-4a6b-8c7d-9e0f1a2b3c4d\"]\nsddc_names = [\"prod-*\"]\n\
             rate = \"600/m\"\nburst = 50\nnot_after = 2027-01-31T00:00:00Z",
        ),
        doc: "Callers, one table each. key_sha256 holds one digest, or more while keys are rotated; \
              oidc = { repository = \"o/r\", environment = \"prod\" } stands for tokens that have all of \
              these claims (see [access.oidc]): a text, in which * is any text, a number, a flag, a list \
              of these (any of them), or a table of claims within; a claim that is a list holds the \
              value; scope and scp are lists of words; a token that fits several callers is refused; \
              tls_san = \
              \"uri:spiffe://…\" or \"dns:…\" is a name of its certificate (see api.tls_client_ca); \
              scopes is [\"sddc:read\"] when left out. orgs, sddc_ids and sddc_names (patterns: * is \
              any characters, ? is one) limit what the caller sees; what is left out limits nothing, \
              and all that are set hold together. rate is so many per s, m or h, and burst how many at \
              once (the rate's number when left out); without it a caller asks as often as it likes. \
              From not_after on no credential of the caller is \
              good.",
    },
    Key {
        name: "access.callers_file",
        shape: Path,
        preset: Preset::Unset("\"/etc/sddc-gateway/callers.toml\""),
        doc: "File of more callers, as [[callers]] tables with the same fields. Re-read while running: \
              a change acts within 5 s, a broken, empty or missing new version keeps the old one, and callers = [] \
              lets nobody in. A file that is missing or empty at start lets nobody in.",
    },
    Key {
        name: "access.oidc.issuer",
        shape: Text,
        preset: Preset::Unset("\"https://login.example.com\""),
        doc: "What a token's iss must be, character by character.",
    },
    Key {
        name: "access.oidc.audience",
        shape: Text,
        preset: Preset::Unset("\"sddc-gateway\""),
        doc: "What a token's aud must be or hold. Not set: aud is not looked at, and client_ids is set.",
    },
    preset(
        "access.oidc.client_ids",
        List,
        "",
        "The clients whose tokens are good: a token's client_id, else azp, else appid, else cid must be \
         one of them. Empty: any, and audience is set. With both, both must hold.",
    ),
    Key {
        name: "access.oidc.jwks_url",
        shape: Text,
        preset: Preset::Unset("\"https://login.example.com/.well-known/jwks.json\""),
        doc: "Where the issuer publishes its keys (a JWK set), read every 5 minutes and when those \
              that are known do not verify a token, then at most once in 10 s. Plain http only from a loopback host. While it cannot \
              be read the keys that are known stay.",
    },
    Key {
        name: "access.oidc.jwks_file",
        shape: Path,
        preset: Preset::Unset("\"/etc/sddc-gateway/jwks.json\""),
        doc: "File with such a JWK set instead. Re-read while running.",
    },
    Key {
        name: "access.oidc.ca_file",
        shape: Path,
        preset: Preset::Unset("\"/etc/ssl/corporate-ca.pem\""),
        doc: "PEM file with CAs trusted beside the public ones, for jwks_url. Re-read while running.",
    },
    preset(
        "telemetry.log",
        Text,
        "info",
        "off, error, warn, info, debug or trace. Libraries never log below info.",
    ),
    Key {
        name: "telemetry.format",
        shape: Text,
        preset: Preset::Unset("\"json\""),
        doc: "text or json. Not set: text on a terminal, else json.",
    },
    Key {
        name: "telemetry.audit",
        shape: Path,
        preset: Preset::Unset("\"stdout\""),
        doc: "stdout, or a file (made with mode 0600, appended to, opened anew when it was renamed) in \
              a directory that is there: one JSON record per decision. None is dropped: a request \
              whose record cannot be written is answered 503.",
    },
];

const fn preset(name: &'static str, shape: Shape, default: &'static str, doc: &'static str) -> Key {
    Key { name, shape, preset: Preset::Default(default), doc }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_default_is_the_contracts() {
        let expected = [
            ("api.listen", "127.0.0.1:8080"),
            ("api.hosts", ""),
            ("api.tls_client_auth", "optional"),
            ("api.max_in_flight", "1024"),
            ("api.max_connections", "10000"),
            ("api.max_watchers", "6000"),
            ("api.header_timeout", "10s"),
            ("api.idle_timeout", "75s"),
            ("api.write_timeout", "30s"),
            ("api.request_timeout", "30s"),
            ("api.drain_delay", "3s"),
            ("api.drain", "20s"),
            ("api.trusted_proxies", ""),
            ("api.public_path", "/"),
            ("ops.listen", "127.0.0.1:9090"),
            ("csp.url", "https://console.cloud.vmware.com"),
            ("csp.token_path", "/csp/gateway/am/api/auth/token"),
            ("csp.basic_encoding", "raw"),
            ("vmc.url", "https://vmc.vmware.com"),
            ("vmc.orgs", ""),
            ("vmc.connect_timeout", "3s"),
            ("vmc.timeout", "8s"),
            ("vmc.max_in_flight", "16"),
            ("vmc.retries", "2"),
            ("vmc.max_body", "128MiB"),
            ("vmc.plain_http", ""),
            ("inventory.poll", "30s"),
            ("inventory.fresh", "60s"),
            ("inventory.stale", "24h"),
            ("inventory.stale_denied", "1h"),
            ("access.open", "false"),
            ("access.oidc.client_ids", ""),
            ("telemetry.log", "info"),
        ];
        let defaults: Vec<_> =
            KEYS.iter().filter_map(|key| Some((key.name, key.default()?))).collect();
        assert_eq!(defaults, expected);
        let without: Vec<_> =
            KEYS.iter().filter(|key| key.default().is_none()).map(|key| key.name).collect();
        assert_eq!(
            without,
            [
                "api.tls_cert",
                "api.tls_key",
                "api.tls_client_ca",
                "api.tls_client_crl",
                "api.max_connections_per_client",
                "csp.client_id",
                "csp.client_secret",
                "csp.client_secret_file",
                "vmc.ca_file",
                "inventory.snapshot_file",
                "access.keys",
                "access.callers",
                "access.callers_file",
                "access.oidc.issuer",
                "access.oidc.audience",
                "access.oidc.jwks_url",
                "access.oidc.jwks_file",
                "access.oidc.ca_file",
                "telemetry.format",
                "telemetry.audit",
            ],
        );
    }

    #[test]
    fn names_are_unique_and_stand_in_a_section() {
        for (at, key) in KEYS.iter().enumerate() {
            let (section, _) = key.parts();
            assert!(SECTIONS.iter().any(|(name, _)| *name == section), "{}", key.name);
            assert!(KEYS[at + 1..].iter().all(|other| other.name != key.name), "{}", key.name);
        }
    }
}

//! The table of keys: the one place that knows which settings there are.
//!
//! Each key is declared once: what it means (the comment), its name, its type, how it is written and
//! parsed, and what holds without it. The loader, the unknown-key check, the texts of faults, the
//! example file, the JSON schema and `config show` come from it, so a key cannot be accepted without
//! being documented, nor documented without being read (a test sets each key to nonsense and waits
//! for the complaint).

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use ipnet::IpNet;
use tracing::level_filters::LevelFilter;
use url::Url;

use super::{
    callers,
    keys::{
        self, Key,
        Preset::{Default, Required, Unset},
        Setting, address, count, credential, credentials, duration, flag, list, path, size, tables,
        text,
    },
    value,
};
use crate::{
    access::{CallerName, KeyDigest},
    csp::{BasicEncoding, ClientId, ClientSecret},
    ids::OrgId,
    public_path::PublicPath,
    telemetry::{AuditTarget, Format},
};

const MAX_COUNT: usize = 1_000_000;
/// In milliseconds, as every duration here. A timeout is at least one: zero would end everything
/// before it began.
const HOUR: u64 = 60 * 60 * 1000;
/// Longer than any snapshot or process is of use; keeps sums of durations far from overflow.
const YEAR: u64 = 365 * 24 * HOUR;

const LEVELS: [(&str, LevelFilter); 6] = [
    ("off", LevelFilter::OFF),
    ("error", LevelFilter::ERROR),
    ("warn", LevelFilter::WARN),
    ("info", LevelFilter::INFO),
    ("debug", LevelFilter::DEBUG),
    ("trace", LevelFilter::TRACE),
];
const FORMATS: [(&str, Format); 2] = [("text", Format::Text), ("json", Format::Json)];
const ENCODINGS: [(&str, BasicEncoding); 2] =
    [("raw", BasicEncoding::Raw), ("form", BasicEncoding::Form)];
/// Whether a certificate is required.
const CLIENT_AUTH_MODES: [(&str, bool); 2] = [("optional", false), ("required", true)];

/// The first of each pair.
const fn words<T, const N: usize>(table: &[(&'static str, T); N]) -> [&'static str; N] {
    let (mut words, mut at) = ([""; N], 0);
    while at < N {
        words[at] = table[at].0;
        at += 1;
    }
    words
}

/// One of the words of a table.
macro_rules! one_of {
    ($table:ident) => {
        keys::one_of(&const { words(&$table) }, |text| value::choice(&$table)(text))
    };
}

/// Makes a module of [`Setting`]s per section, [`SECTIONS`] and [`KEYS`].
macro_rules! settings {
    ($(
        $(#[doc = $about:literal])+
        $section:ident = $title:literal {$(
            $(#[doc = $meaning:literal])+
            $key:ident: $type:ty = $kind:expr, $preset:expr;
        )*}
    )*) => {
        $(
            #[expect(non_upper_case_globals, reason = "they are named as in the file")]
            pub(super) mod $section {
                use super::*;

                $(pub(in crate::config) static $key: Setting<$type> = Setting::new(
                    concat!($title, ".", stringify!($key)),
                    &$kind,
                    $preset,
                    concat!($($meaning),+),
                );)*
            }
        )*

        /// The sections, in the order of the example file.
        pub(super) static SECTIONS: &[(&str, &str)] = &[$(($title, concat!($($about),+))),*];

        /// Every key there is, section by section.
        pub(super) static KEYS: &[&Key] = &[$($($section::$key.key()),*),*];
    };
}

settings! {
    /// The callers' listener.
    api = "api" {
        /// IP address and port; IPv6 in brackets.
        listen: SocketAddr = address(), Default("127.0.0.1:8080");
        /// Host names that callers may use in their Host header, without port. If set, any other is
        /// refused (421). Empty: any name; only loopback names where a loopback listener asks for
        /// no key.
        hosts: String = list(value::host), Default("");
        /// PEM file with the listener's certificate and those between it and its CA: turns TLS 1.2
        /// and 1.3 on, with HTTP/2 and HTTP/1.1. Re-read while running, as all files of TLS;
        /// connections stay, and a broken or expired new version keeps the old one.
        tls_cert: PathBuf = path(value::path), Unset("\"/etc/sddc-gateway/tls/tls.crt\"");
        /// PEM file with its private key, not encrypted. Set together with tls_cert.
        tls_key: PathBuf = path(value::path), Unset("\"/etc/sddc-gateway/tls/tls.key\"");
        /// PEM file with the CAs whose certificates callers may show. Not set: none is asked for.
        tls_client_ca: PathBuf =
            path(value::path), Unset("\"/etc/sddc-gateway/tls/client-ca.pem\"");
        /// PEM file with the CRLs of these CAs, one for each, and of every CA between, or one CRL
        /// in DER. What no list speaks of is refused, and after a list's nextUpdate everything that
        /// it speaks of. Acts on open connections too.
        tls_client_crl: PathBuf = path(value::path), Unset("\"/etc/sddc-gateway/tls/client.crl\"");
        /// optional: a caller without certificate shows another credential. required: no handshake
        /// without one. A certificate that is not good fails the handshake in either case.
        tls_client_auth: bool = one_of!(CLIENT_AUTH_MODES), Default("optional");
        /// Requests worked on at once. Above it the answer is 503 at once; probes are never
        /// refused.
        max_in_flight: usize = count::<1, MAX_COUNT>(), Default("1024");
        /// Open connections. At it the one that has been idle longest (no request in flight, also
        /// before its first head is whole) is closed for a new one; accepting pauses only while
        /// none is idle.
        max_connections: usize = count::<1, MAX_COUNT>(), Default("10000");
        /// Open connections of one client address. Above it the client's own longest idle one is
        /// closed for the new one, or else the new one. The address is the peer's, never
        /// X-Forwarded-For: behind a proxy or a load balancer leave it unset. Not set: any number.
        max_connections_per_client: usize = count::<1, MAX_COUNT>(), Unset("200");
        /// Long polls and event streams at once; one caller holds at most three quarters of them.
        /// Above that the answer is 503 at once. Each holds a connection of api.max_connections.
        max_watchers: usize = count::<1, MAX_COUNT>(), Default("6000");
        /// From accept, or a later request's first byte, to a whole request head.
        header_timeout: Duration = duration::<1, HOUR>(), Default("10s");
        /// Between the requests of one connection.
        idle_timeout: Duration = duration::<1, HOUR>(), Default("75s");
        /// How long sending may go without progress.
        write_timeout: Duration = duration::<1, HOUR>(), Default("30s");
        /// From a request's head to the head of its answer.
        request_timeout: Duration = duration::<1, HOUR>(), Default("30s");
        /// After SIGTERM: how long requests are still accepted while /readyz already says no.
        drain_delay: Duration = duration::<0, HOUR>(), Default("3s");
        /// After that: how long what is in flight may take.
        drain: Duration = duration::<0, HOUR>(), Default("20s");
        /// Networks of the proxies in front, such as 10.0.0.0/8 or 192.0.2.7. Only where the
        /// connection comes from one of them, the right-most X-Forwarded-For entry that is none of
        /// theirs is the client's address. Other forwarding headers are ignored.
        trusted_proxies: IpNet = list(value::network), Default("");
        /// Prefix that a proxy in front strips, such as /inventory/: redirects, pages and the types
        /// of problems begin with it. The gateway itself answers at / only.
        public_path: PublicPath = text(value::parsed), Default("/");
    }
    /// Probes and metrics, on a listener of their own.
    ops = "ops" {
        /// /livez, /readyz and /metrics, nothing else.
        listen: SocketAddr = address(), Default("127.0.0.1:9090");
    }
    /// VMware Cloud Services: where the access token comes from.
    csp = "csp" {
        /// Scheme and host. Plain http only to a loopback host, or one of vmc.plain_http.
        url: Url =
            text(|text| value::upstream(&[])(text)), Default("https://console.cloud.vmware.com");
        /// Path of the token endpoint below csp.url.
        token_path: String = text(value::url_path), Default("/csp/gateway/am/api/auth/token");
        /// Id of the OAuth app.
        client_id: ClientId = credential(value::parsed), Required("\"the-id-of-your-oauth-app\"");
        /// Secret of the OAuth app. Exactly one of client_secret and client_secret_file is set;
        /// prefer the file.
        client_secret: ClientSecret = credential(value::client_secret), Unset("\"…\"");
        /// File with the secret; line ends at its end are cut. Re-read while running: a new secret
        /// is used once CSP has taken it, and until then the old one stays.
        client_secret_file: PathBuf =
            path(value::path), Required("\"/run/secrets/csp-client-secret\"");
        /// How id and secret are sent: raw = as they are (RFC 7617), form = form-encoded first (RFC
        /// 6749 section 2.3.1).
        basic_encoding: BasicEncoding = one_of!(ENCODINGS), Default("raw");
    }
    /// VMware Cloud on AWS: where the SDDCs come from.
    vmc = "vmc" {
        /// Scheme and host. Plain http only to a loopback host, or one of vmc.plain_http.
        url: Url = text(|text| value::upstream(&[])(text)), Default("https://vmc.vmware.com");
        /// Ids of the orgs to serve, at most 1000, each with a token of its own. Empty: one token
        /// of the app's own org, and the orgs that it can see.
        orgs: OrgId = list(value::parsed), Default("");
        /// One connection, TLS included.
        connect_timeout: Duration = duration::<1, HOUR>(), Default("3s");
        /// One try of a read, to its last byte.
        timeout: Duration = duration::<1, HOUR>(), Default("8s");
        /// Calls under way at once that callers wait for. The poller has as many of its own; mints
        /// are not counted.
        max_in_flight: usize = count::<1, 1000>(), Default("16");
        /// Extra tries of a failed read, within a budget of 20 % more load than without.
        retries: usize = count::<0, 10>(), Default("2");
        /// Largest upstream answer, decoded.
        max_body: u64 = size::<{ 1 << 10 }, { 4 << 30 }>(), Default("128MiB");
        /// PEM file with CAs trusted beside the public ones, for CSP and VMC. Re-read while
        /// running. They are reached through the proxy of HTTPS_PROXY,
        /// http(s)://[user:password@]host[:port] or host:port, unless NO_PROXY has them: name,
        /// .name, *.name, address, network, each with :port or without, or *.
        ca_file: PathBuf = path(value::path), Unset("\"/etc/ssl/corporate-ca.pem\"");
        /// Exact host names to which csp.url and vmc.url may be plain http, for a simulator on a
        /// private network: the client secret and the tokens go there in clear text. Never through
        /// a proxy. VMware's own names are refused.
        plain_http: String = list(value::plain_host), Default("");
    }
    /// How fresh answers are.
    inventory = "inventory" {
        /// How often the SDDCs are read in the background; 0s = only on demand.
        poll: Duration = duration::<0, YEAR>(), Default("30s");
        /// How old an answer may be without asking upstream again.
        fresh: Duration = duration::<0, YEAR>(), Default("60s");
        /// How old it may get while upstream fails; older = 503. Not below fresh.
        stale: Duration = duration::<0, YEAR>(), Default("24h");
        /// The same while VMware refuses (401, 403) instead of failing. Above stale it means stale.
        stale_denied: Duration = duration::<0, YEAR>(), Default("1h");
        /// File that keeps the last good snapshot, in a directory that is there and writable: a
        /// restart during an outage still answers. Only what callers are shown, and no secret; mode
        /// 0600.
        snapshot_file: PathBuf =
            path(value::file_to_write), Unset("\"/var/lib/sddc-gateway/snapshot\"");
    }
    /// Who may call. With nothing set here the gateway starts only on a loopback api.listen, where
    /// everyone is let in.
    access = "access" {
        /// true: whoever reaches the listener may read. Not together with callers. Written as false
        /// it lets nobody in without a caller, on loopback too.
        open: bool = flag(), Default("false");
        /// Callers in short, name:sha256 of the key each, scope sddc:read. The same name twice is
        /// one caller with two keys. `sddc-gateway key NAME` makes a key and prints this.
        keys: (CallerName, KeyDigest) =
            credentials(callers::parse_short), Unset("[\"billing:64-hexadecimal-digits\"]");
        /// Callers, one table each. key_sha256 holds one digest, or more while keys are rotated;
        /// oidc = { repository = "o/r", environment = "prod" } stands for tokens that have all of
        /// these claims (see [access.oidc]): a text, in which * is any text, a number, a flag, a
        /// list of these (any of them), or a table of claims within; a claim that is a list holds
        /// the value; scope and scp are lists of words; a token that fits several callers is
        /// refused; tls_san = "uri:spiffe://…" or "dns:…" is a name of its certificate (see
        /// api.tls_client_ca); scopes is ["sddc:read"] when left out. orgs, sddc_ids and sddc_names
        /// (patterns: * is any characters, ? is one) limit what the caller sees; what is left out
        /// limits nothing, and all that are set hold together. rate is so many per s, m or h, and
        /// burst how many at once (the rate's number when left out); without it a caller asks as
        /// often as it likes. From not_after on no credential of the caller is good.
        callers: () = tables(), Unset(
            "name = \"billing\"\nkey_sha256 = [\"64-hexadecimal-digits\"]\nscopes = [\"sddc:read\"]\n\
             orgs = [\"0a1b2c3d-4e5f-4a6b-8c7d-9e0f1a2b3c4d\"]\nsddc_names = [\"prod-*\"]\n\
             rate = \"600/m\"\nburst = 50\nnot_after = 2027-01-31T00:00:00Z",
        );
        /// File of more callers, as [[callers]] tables with the same fields. Re-read while running:
        /// a change acts within 5 s, a broken, empty or missing new version keeps the old one, and
        /// callers = [] lets nobody in. A file that is missing or empty at start lets nobody in.
        callers_file: PathBuf = path(value::path), Unset("\"/etc/sddc-gateway/callers.toml\"");
    }
    /// The issuer whose tokens (JWTs) callers may show. issuer, one of audience and client_ids or
    /// both, and one of jwks_url and jwks_file are set together, or none of them.
    oidc = "access.oidc" {
        /// What a token's iss must be, character by character.
        issuer: String = text(value::issuer), Unset("\"https://login.example.com\"");
        /// What a token's aud must be or hold. Not set: aud is not looked at, and client_ids is
        /// set.
        audience: String = text(value::text), Unset("\"sddc-gateway\"");
        /// The clients whose tokens are good: a token's client_id, else azp, else appid, else cid
        /// must be one of them. Empty: any, and audience is set. With both, both must hold.
        client_ids: String = list(value::text), Default("");
        /// Where the issuer publishes its keys (a JWK set), read every 5 minutes and when those
        /// that are known do not verify a token, then at most once in 10 s. Plain http only from a
        /// loopback host. While it cannot be read the keys that are known stay.
        jwks_url: Url =
            text(value::document_url), Unset("\"https://login.example.com/.well-known/jwks.json\"");
        /// File with such a JWK set instead. Re-read while running.
        jwks_file: PathBuf = path(value::path), Unset("\"/etc/sddc-gateway/jwks.json\"");
        /// PEM file with CAs trusted beside the public ones, for jwks_url. Re-read while running.
        ca_file: PathBuf = path(value::path), Unset("\"/etc/ssl/corporate-ca.pem\"");
    }
    /// The log and the audit.
    telemetry = "telemetry" {
        /// off, error, warn, info, debug or trace. Libraries never log below info.
        log: LevelFilter = one_of!(LEVELS), Default("info");
        /// text or json. Not set: text on a terminal, else json.
        format: Format = one_of!(FORMATS), Unset("\"json\"");
        /// stdout, or a file (made with mode 0600, appended to, opened again when it was renamed) in
        /// a directory that is there: one JSON record per decision. None is dropped: a request
        /// whose record cannot be written is answered 503.
        audit: AuditTarget = path(value::audit_target), Unset("\"stdout\"");
    }
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

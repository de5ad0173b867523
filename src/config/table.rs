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
    keys::{
        self, Key,
        PresetValue::{Default, Required, Unset},
        Setting, address, count, credential, credentials, duration, flag, list, path, secret_path,
        size, tables, text,
    },
    value,
};
use crate::{
    access::{CallerName, KeyDigest},
    contact::Contact,
    csp::{BasicEncoding, ClientId, ClientSecret},
    drop_in::redaction::UnknownFields,
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
const UNKNOWN_FIELDS: [(&str, UnknownFields); 2] =
    [("null", UnknownFields::Null), ("keep", UnknownFields::Keep)];
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
    /// The listener for callers.
    api = "api" {
        /// IP address and port; an IPv6 address in brackets.
        listen: SocketAddr = address(), Default("127.0.0.1:8080");
        /// Host names that callers may use in their Host header, without port. If set, any other
        /// name is refused (421). Empty: any name is accepted; on a loopback listener that
        /// requires no key, only loopback names are.
        hosts: String = list(value::host), Default("");
        /// PEM file with the listener's certificate, followed by the intermediate certificates.
        /// Turns on TLS 1.2 and 1.3, with HTTP/2 and HTTP/1.1. Re-read while running, as all TLS
        /// files are: connections stay open, and if a new version is broken or expired, the old
        /// one stays in use.
        tls_cert: PathBuf = path(value::path), Unset("\"/etc/sddc-gateway/tls/tls.crt\"");
        /// PEM file with the certificate's private key, not encrypted. Set together with tls_cert.
        tls_key: PathBuf = secret_path(), Unset("\"/etc/sddc-gateway/tls/tls.key\"");
        /// PEM file with the CAs whose client certificates callers may use. Not set: no client
        /// certificate is requested.
        tls_client_ca: PathBuf =
            path(value::path), Unset("\"/etc/sddc-gateway/tls/client-ca.pem\"");
        /// PEM file with a CRL of each of these CAs and of every intermediate CA, or one CRL in
        /// DER. A certificate whose CA has no CRL here is refused; so is, after a CRL's
        /// nextUpdate, every certificate of its CA. Takes effect on open connections too.
        tls_client_crl: PathBuf = path(value::path), Unset("\"/etc/sddc-gateway/tls/client.crl\"");
        /// optional: a caller without certificate sends another credential. required: the
        /// handshake fails without a certificate. An invalid certificate fails the handshake in
        /// either case.
        tls_client_auth: bool = one_of!(CLIENT_AUTH_MODES), Default("optional");
        /// Requests in flight at once. Above this limit the answer is 503 at once; probes are
        /// never refused.
        max_in_flight: usize = count::<1, MAX_COUNT>(), Default("1024");
        /// Open connections. At this limit the connection that has been idle longest is closed
        /// for a new one (idle: no request in flight, or the first request's head is not complete
        /// yet). Accepting pauses only while no connection is idle.
        max_connections: usize = count::<1, MAX_COUNT>(), Default("10000");
        /// Open connections of one client address. Above this limit the client's own longest idle
        /// connection is closed for the new one; if none is idle, the new one is closed. The
        /// address is the peer's, never that of X-Forwarded-For: leave this unset behind a proxy
        /// or a load balancer. Not set: no limit.
        max_connections_per_client: usize = count::<1, MAX_COUNT>(), Unset("200");
        /// Long polls and event streams at once; one caller may hold at most three quarters of
        /// them. Above this limit the answer is 503 at once. Each of them also counts as a
        /// connection in api.max_connections.
        max_watchers: usize = count::<1, MAX_COUNT>(), Default("6000");
        /// Time from accepting a connection, or from the first byte of a later request, to a
        /// complete request head.
        header_timeout: Duration = duration::<1, HOUR>(), Default("10s");
        /// Time between two requests of one connection.
        idle_timeout: Duration = duration::<1, HOUR>(), Default("75s");
        /// How long sending an answer may make no progress.
        write_timeout: Duration = duration::<1, HOUR>(), Default("30s");
        /// Time from a request's head to the head of its answer, without the wait of a long poll.
        request_timeout: Duration = duration::<1, HOUR>(), Default("30s");
        /// After SIGTERM: how long the gateway still accepts requests while /readyz already says
        /// that it is not ready.
        drain_delay: Duration = duration::<0, HOUR>(), Default("3s");
        /// After drain_delay: how long requests in flight may take to finish.
        drain: Duration = duration::<0, HOUR>(), Default("20s");
        /// Networks of the proxies in front, such as 10.0.0.0/8 or 192.0.2.7. If a connection
        /// comes from one of them, the client's address is the right-most X-Forwarded-For entry
        /// that is not one of them. Otherwise it is the peer's. Other forwarding headers are
        /// ignored.
        trusted_proxies: IpNet = list(value::network), Default("");
        /// Path prefix that a proxy in front removes, such as /inventory/: redirects, links in
        /// pages and the types of problems begin with it. The gateway itself answers at / only.
        public_path: PublicPath = text(value::parsed), Default("/");
        /// Whom callers ask for a key, such as a mail address or the URL of a page: shown in the
        /// docs, in the API document and with 401. /.well-known/security.txt names it too, where
        /// it is a mail address or an https URL.
        contact: Contact = text(value::parsed), Unset("\"cloud-team@example.org\"");
        /// true: / is a page that shows the SDDCs to people. It and its files need no key and hold
        /// no data; where a key is needed, the page asks for one. false: / leads to the docs.
        page: bool = flag(), Default("true");
    }
    /// The listener for probes and metrics.
    ops = "ops" {
        /// IP address and port of /livez, /readyz and /metrics; nothing else is there.
        listen: SocketAddr = address(), Default("127.0.0.1:9090");
    }
    /// VMware Cloud Services: where the access token comes from.
    csp = "csp" {
        /// Scheme and host. Plain http is allowed only to a loopback host or one of vmc.plain_http.
        url: Url =
            text(|text| value::upstream(&[])(text)), Default("https://console.cloud.vmware.com");
        /// Path of the token endpoint below csp.url.
        token_path: String = text(value::url_path), Default("/csp/gateway/am/api/auth/token");
        /// Id of the OAuth app.
        client_id: ClientId = credential(value::parsed), Required("\"the-id-of-your-oauth-app\"");
        /// Secret of the OAuth app. Exactly one of client_secret and client_secret_file is set;
        /// prefer the file.
        client_secret: ClientSecret = credential(value::client_secret), Unset("\"…\"");
        /// File with the secret; line ends at the end of the file are removed. Re-read while
        /// running: a new secret is used once CSP has accepted it, and until then the old one
        /// stays in use.
        client_secret_file: PathBuf =
            secret_path(), Required("\"/run/secrets/csp-client-secret\"");
        /// How the id and the secret are sent: raw = as they are (RFC 7617), form = form-encoded
        /// first (RFC 6749 section 2.3.1).
        basic_encoding: BasicEncoding = one_of!(ENCODINGS), Default("raw");
    }
    /// VMware Cloud on AWS: where the SDDCs come from.
    vmc = "vmc" {
        /// Scheme and host. Plain http is allowed only to a loopback host or one of vmc.plain_http.
        url: Url = text(|text| value::upstream(&[])(text)), Default("https://vmc.vmware.com");
        /// Ids of the organizations to serve, at most 1000, each with a token of its own. Empty:
        /// the gateway uses one token of the app's own organization and serves the organizations
        /// that this token can see.
        orgs: OrgId = list(value::parsed), Default("");
        /// Time to open one connection, TLS included.
        connect_timeout: Duration = duration::<1, HOUR>(), Default("3s");
        /// Time of one try of a read, to the last byte of the answer.
        timeout: Duration = duration::<1, HOUR>(), Default("8s");
        /// Upstream calls in flight at once on behalf of callers. The poller may make as many of
        /// its own; token requests do not count.
        max_in_flight: usize = count::<1, 1000>(), Default("16");
        /// Extra tries of a failed read. All retries together add at most 20 % to the load.
        retries: usize = count::<0, 10>(), Default("2");
        /// Largest upstream answer, decompressed.
        max_body: u64 = size::<{ 1 << 10 }, { 4 << 30 }>(), Default("128MiB");
        /// PEM file with CAs to trust in addition to the public ones, for CSP and VMC. Re-read
        /// while running. CSP and VMC are called through the proxy of HTTPS_PROXY
        /// (http(s)://[user:password@]host[:port] or host:port), unless NO_PROXY matches them:
        /// name, .name, *.name, address or network, each with or without :port, or *.
        ca_file: PathBuf = path(value::path), Unset("\"/etc/ssl/corporate-ca.pem\"");
        /// Exact host names to which csp.url and vmc.url may use plain http, for a simulator on a
        /// private network: the client secret and the tokens are sent there in clear text. Such
        /// calls never use a proxy. VMware's own names are refused.
        plain_http: String = list(value::plain_host), Default("");
    }
    /// How fresh answers are.
    inventory = "inventory" {
        /// How often the SDDCs are read in the background; 0s = only on demand.
        poll: Duration = duration::<0, YEAR>(), Default("30s");
        /// How old the snapshot may be before a request makes the gateway read VMware Cloud again.
        fresh: Duration = duration::<0, YEAR>(), Default("60s");
        /// How old an answer may be while reading VMware Cloud fails; beyond that the answer is an
        /// error (502, 503 or 504). Not below fresh.
        stale: Duration = duration::<0, YEAR>(), Default("24h");
        /// The same while VMware Cloud's API refuses reads, with a new token too (401, 403), instead
        /// of failing. While there is no token because CSP refuses the app, stale applies. A value
        /// above stale counts as stale.
        stale_denied: Duration = duration::<0, YEAR>(), Default("1h");
        /// File that keeps the last good snapshot, so that a gateway that restarts during an
        /// outage can answer. Its directory must exist and be writable. The file holds only what
        /// callers are shown and no secret; its mode is 0600.
        snapshot_file: PathBuf =
            path(value::file_to_write), Unset("\"/var/lib/sddc-gateway/snapshot\"");
    }
    /// The gateway's own keys, from which others are derived.
    own_keys = "keys" {
        /// File with keys, one per line, each at least 32 random bytes in base64, such as from
        /// openssl rand -base64 32. The first line seals and signs, all lines open and verify: to
        /// rotate, put a new line first, and remove the old one a day later. Re-read while running.
        /// Required with shared.redis_url. With drop_in.enabled it signs the access tokens of
        /// callers, so that all replicas accept them and a restart does not end them; without it
        /// each process signs with a random key. Without effect otherwise.
        file: PathBuf = secret_path(), Unset("\"/run/secrets/gateway-keys\"");
    }
    /// VMware's own API for tools that exist already: the paths below /csp/, /vmc/ and /api/.
    drop_in = "drop_in" {
        /// true: callers with the scope vmc:read may point VMware Cloud's own tools at the gateway,
        /// with their key in the place of an API token. If false, these paths are 404.
        enabled: bool = flag(), Default("false");
        /// What becomes of values in VMware's answers whose names the gateway does not know. null:
        /// they are null, so that a secret under a new name is not shown. keep: they are shown.
        unknown_fields: UnknownFields = one_of!(UNKNOWN_FIELDS), Default("null");
    }
    /// Redis or Valkey, through which replicas share tokens and what was read.
    shared = "shared" {
        /// redis[s]://[user[:password]@]host[:port][/database]. Needs keys.file, with the same
        /// content for all replicas. Prefer the file where the URL has a password.
        redis_url: String = credential(value::text), Unset("\"rediss://redis.example:6379\"");
        /// File with this URL, instead of redis_url. Read only at the start: a change needs a
        /// restart.
        redis_url_file: PathBuf = secret_path(), Unset("\"/run/secrets/redis-url\"");
        /// Exact host names, other than loopback, to which redis:// without TLS is allowed: the
        /// password is sent there in clear text, tokens and lists are sealed all the same. Each
        /// such host is a warning at the start.
        plain_hosts: String = list(value::plain_host), Default("");
    }
    /// Who may call. With nothing set here the gateway starts only if api.listen is a loopback
    /// address, and lets everyone in.
    access = "access" {
        /// true: everyone who can reach the listener may read; not together with callers. If
        /// false is set explicitly, nobody gets in without a configured caller, even on loopback.
        open: bool = flag(), Default("false");
        /// Callers in short form: name:SHA-256 of the key, with scope sddc:read. The same name
        /// twice is one caller with two keys. `sddc-gateway key NAME` creates a key and prints
        /// its entry.
        keys: (CallerName, KeyDigest) =
            credentials(value::short_credential), Unset("[\"billing:64-hexadecimal-digits\"]");
        /// Callers, one table each. key_sha256 has the digest of the caller's key, or several
        /// digests while keys are rotated. oidc = { repository = "o/r", environment = "prod" }
        /// matches tokens that have all of these claims (see [access.oidc]). A claim's value is a
        /// text (in which * matches any text), a number, a flag, a list of these (any of them
        /// matches), or a table of nested claims. A claim that is a list matches if it contains
        /// the value; scope and scp count as lists of words. A token that matches several callers
        /// is refused. tls_san = "uri:spiffe://…" or "dns:…" is a subject alternative name of the
        /// caller's certificate (see api.tls_client_ca). scopes is ["sddc:read"] by default.
        /// drop_in lists the groups of VMware's own reads that a caller with the scope vmc:read
        /// may make, of sddcs, tasks, network, draas, account and billing: the first two by default.
        /// orgs, sddc_ids and sddc_names (patterns: * matches any characters, ? matches one)
        /// limit what the caller can see: one that is left out limits nothing, and those that are
        /// set all apply. rate is a number of requests per s, m or h, and burst how many of them
        /// may come at once (by default the rate's number); without rate there is no limit. From
        /// not_after on the caller's credentials are not accepted.
        callers: () = tables(), Unset(
            "name = \"billing\"\nkey_sha256 = [\"64-hexadecimal-digits\"]\nscopes = [\"sddc:read\", \"vmc:read\"]\n\
             drop_in = [\"sddcs\", \"tasks\"]\n\
             orgs = [\"0a1b2c3d-4e5f-4a6b-8c7d-9e0f1a2b3c4d\"]\nsddc_names = [\"prod-*\"]\n\
             rate = \"600/m\"\nburst = 50\nnot_after = 2027-01-31T00:00:00Z",
        );
        /// File of more callers, as [[callers]] tables with the same fields. Re-read while
        /// running: a change takes effect within 5 s. If a new version is broken, empty or
        /// missing, the old one stays in use. With callers = [], or if the file is missing or
        /// empty at start, none of its callers can authenticate.
        callers_file: PathBuf = path(value::path), Unset("\"/etc/sddc-gateway/callers.toml\"");
    }
    /// The issuer of the tokens (JWTs) that callers may send. Set issuer, audience or client_ids
    /// (or both), and jwks_url or jwks_file together, or none of them.
    oidc = "access.oidc" {
        /// The exact value that a token's iss must have.
        issuer: String = text(value::issuer), Unset("\"https://login.example.com\"");
        /// The value that a token's aud must be or contain. If not set, aud is ignored and
        /// client_ids is required.
        audience: String = text(value::text), Unset("\"sddc-gateway\"");
        /// The clients whose tokens are accepted: a token's client_id, else azp, else appid, else
        /// cid must be one of them. If empty, any client is accepted and audience is required. If
        /// both are set, a token must satisfy both.
        client_ids: String = list(value::text), Default("");
        /// URL of the issuer's keys (a JWK set). The gateway reads it every 5 minutes and, at
        /// most once in 10 s, when the known keys do not verify a token. Plain http is allowed
        /// only from a loopback host. While it cannot be read, the known keys stay in use.
        jwks_url: Url =
            text(value::document_url), Unset("\"https://login.example.com/.well-known/jwks.json\"");
        /// File with the issuer's JWK set, instead of jwks_url. Re-read while running.
        jwks_file: PathBuf = path(value::path), Unset("\"/etc/sddc-gateway/jwks.json\"");
        /// PEM file with CAs to trust in addition to the public ones, for jwks_url. Re-read while
        /// running.
        ca_file: PathBuf = path(value::path), Unset("\"/etc/ssl/corporate-ca.pem\"");
    }
    /// The log and the audit.
    telemetry = "telemetry" {
        /// The log level: off, error, warn, info, debug or trace. Libraries never log below info.
        log: LevelFilter = one_of!(LEVELS), Default("info");
        /// The log format: text or json. Not set: text on a terminal, else json.
        format: Format = one_of!(FORMATS), Unset("\"json\"");
        /// stdout or a file: one JSON record for each decision about a caller. No record is
        /// dropped: a request whose record cannot be written is answered 503. A file is created
        /// with mode 0600 in an existing directory, appended to, and opened again after it was
        /// renamed.
        audit: AuditTarget = path(value::audit_target), Unset("\"stdout\"");
        /// Where an OpenTelemetry collector takes OTLP over HTTP: `https`, or `http` to this host;
        /// spans are posted to /v1/traces there. Not set: there are no traces. Reached through
        /// proxies as vmc.url is; its certificate is verified with the system's CAs.
        otlp_endpoint: Url = text(value::otlp_endpoint), Unset("\"http://127.0.0.1:4318\"");
    }
}

/// Finds a key by its name in the file.
pub(super) fn find(name: &str) -> Option<&'static Key> {
    KEYS.iter().find(|key| key.name == name).copied()
}

/// Where in the table the key stands that a fault is about, from 1 on; 0 for what is no key.
pub(super) fn place(subject: &str) -> usize {
    let covers = |name: &str| {
        subject.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    };
    KEYS.iter().position(|key| covers(key.name)).map_or(0, |at| at + 1)
}

#[cfg(test)]
mod tests;

//! The files that are re-read while the gateway runs, and what their new versions do.

use jiff::Timestamp;
use secrecy::SecretString;
use tokio_util::sync::CancellationToken;

use super::Upstreams;
use crate::{
    access::{
        CallerSettings, ConfiguredCallers, Policy,
        oidc::{KeysFrom, Oidc},
    },
    config::{AuthMethods, Config, callers_file},
    csp::{SecretProof, TokenSource},
    drop_in::tokens::GatewayTokens,
    listener::tls::Tls,
    reload::{Hangups, Rejection, Take, Watched, take_at_once, take_one},
    sharing::{InvalidKeys, SealingKeys},
    tasks::blocking,
    validity::{CertificateDates, DatedKind},
};

pub(super) fn secret(
    config: &Config,
    upstreams: &Upstreams,
    tokens: &[TokenSource],
) -> Option<Watched> {
    let file = config.secret_file.as_ref()?;
    let proof = SecretProof::new(upstreams.secret.clone(), tokens);
    let take = take_one(move |content| {
        let proof = proof.clone();
        async move {
            proof.take(&content).await.map_err(|fault| Rejection {
                reason: fault.as_str(),
                detail: Some(fault.to_string()),
                retry_in: fault.retry_in(),
            })
        }
    });
    let watched = Watched::new("csp.client_secret_file", &[file], take);
    Some(watched.retried_on(upstreams.secret.refused().clone()))
}

/// The gateway's own keys, which seal what replicas share and sign callers' tokens.
pub(super) fn own_keys(
    config: &Config,
    upstreams: &Upstreams,
    tokens: Option<&GatewayTokens>,
) -> Option<Watched> {
    let file = config.keys_file.as_ref()?;
    if config.sharing.is_none() && tokens.is_none() {
        return None;
    }
    let (sharing, tokens) = (config.sharing.clone(), tokens.cloned());
    let mint = upstreams.mint.clone();
    let take = take_at_once(move |content| {
        if let Some(tokens) = &tokens {
            tokens.replace_keys(content).map_err(InvalidKeys::as_str)?;
        }
        if let Some(sharing) = &sharing {
            sharing.keys.replace(content).map_err(InvalidKeys::as_str)?;
        }
        mint.hold(own_secrets(sharing.as_ref(), content));
        tracing::info!("keys.file has changed");
        Ok::<(), &'static str>(())
    });
    Some(Watched::new("keys.file", &[file], take))
}

/// What no text may show: the lines of the keys, and what sharing has beside them.
pub(super) fn own_secrets(
    sharing: Option<&crate::sharing::Settings>,
    keys: &[u8],
) -> Vec<SecretString> {
    match sharing {
        Some(sharing) => sharing.secrets(),
        None => SealingKeys::parse(keys).map(|keys| keys.lines()).unwrap_or_default(),
    }
}

/// The extra CAs of CSP and VMC, which are one file.
pub(super) fn upstream_authorities(
    config: &Config,
    upstreams: &Upstreams,
    tokens: &[TokenSource],
    dates: &CertificateDates,
) -> Option<Watched> {
    const KEY: &str = "vmc.ca_file";
    let file = config.vmc.ca_file.as_ref()?;
    let (upstreams, tokens, dates) = (upstreams.clone(), tokens.to_vec(), dates.clone());
    let take = take_one(move |pem| {
        let (upstreams, tokens, dates) = (upstreams.clone(), tokens.clone(), dates.clone());
        async move {
            upstreams.mint.take_authorities(&pem).await?;
            upstreams.vmc.client.take_authorities(&pem).await?;
            dates.set(KEY, DatedKind::Authorities, &pem);
            tokens.iter().for_each(TokenSource::retry_now);
            Ok(())
        }
    });
    Some(Watched::new(KEY, &[file], take))
}

/// The extra CAs of the issuer of callers' tokens.
pub(super) fn issuer_authorities(
    config: &Config,
    oidc: &Oidc,
    dates: &CertificateDates,
) -> Option<Watched> {
    const KEY: &str = "access.oidc.ca_file";
    let file = config.access.callers()?.oidc.as_ref()?.ca_file.as_ref()?;
    let (oidc, dates) = (oidc.clone(), dates.clone());
    let take = take_one(move |pem| {
        let (oidc, dates) = (oidc.clone(), dates.clone());
        async move {
            oidc.take_authorities(&pem).await?;
            dates.set(KEY, DatedKind::Authorities, &pem);
            Ok(())
        }
    });
    Some(Watched::new(KEY, &[file], take))
}

pub(super) fn callers(config: &Config, policy: &Policy) -> Option<Watched> {
    const KEY: &str = "access.callers_file";
    let ConfiguredCallers { callers: listed, file, oidc } = config.access.callers()?;
    let file = file.as_ref()?;
    let methods = AuthMethods {
        tokens: oidc.is_some(),
        certificates: config.api.tls.as_ref().is_some_and(|tls| tls.client.is_some()),
    };
    let (listed, path, policy) = (listed.clone(), file.path.clone(), policy.clone());
    let take = take_at_once(move |content| {
        let text = std::str::from_utf8(content).map_err(|_| "not utf-8")?;
        // Half of a write, or of a volume that is being made, takes nobody's rights away.
        if text.trim().is_empty() {
            return Err("empty");
        }
        let callers = callers_file(&path, text, &listed, methods).map_err(|faults| {
            faults
                .iter()
                .for_each(|fault| tracing::warn!(%fault, "the callers' file cannot be used"));
            "invalid"
        })?;
        let warnings = callers.iter().flat_map(CallerSettings::warnings);
        warnings.for_each(|warning| tracing::warn!("access.callers_file: {warning}"));
        tracing::info!(callers = callers.len(), "the callers' file has changed");
        policy.replace(&callers);
        Ok(())
    });
    // At the start one that is missing or empty is no fault: it lets nobody in.
    Some(match &file.loaded {
        Some(loaded) => Watched::new(KEY, &[loaded], take),
        None => Watched::not_loaded(KEY, &file.path, take),
    })
}

pub(super) fn keys(config: &Config, oidc: &Oidc) -> Option<Watched> {
    let KeysFrom::File(file) = &config.access.callers()?.oidc.as_ref()?.keys else { return None };
    let oidc = oidc.clone();
    let take = take_at_once(move |content| oidc.take_file(content));
    Some(Watched::new("access.oidc.jwks_file", &[file], take))
}

/// Certificate and key together, since only both fit; CAs and CRLs by themselves.
pub(super) fn tls(
    config: &Config,
    tls: Option<&Tls>,
    policy: &Policy,
    dates: &CertificateDates,
) -> Vec<Watched> {
    const PAIR: &str = "api.tls_cert";
    let (Some(settings), Some(tls)) = (&config.api.tls, tls) else { return Vec::new() };
    let (identity, pair_dates) = (tls.clone(), dates.clone());
    let take: Take = Box::new(move |contents| {
        let [cert, key] = &contents[..] else { unreachable!("two files are watched") };
        let taken = identity.take_identity(cert, key);
        let taken = taken.map(|()| pair_dates.set(PAIR, DatedKind::Pair, cert));
        Box::pin(std::future::ready(taken.map_err(Into::into)))
    });
    let mut files = vec![Watched::new(PAIR, &[&settings.cert, &settings.key], take)];
    let (Some(client), Some(authorities)) = (&settings.client, tls.authorities()) else {
        return files;
    };
    // Who stays by a certificate is judged again.
    let (cas, judge) = (authorities.clone(), policy.clone());
    let take = dated("api.tls_client_ca", DatedKind::Authorities, dates, move |content| {
        cas.take_authorities(content).map(|()| judge.judge_anew())
    });
    files.push(Watched::new("api.tls_client_ca", &[&client.ca], take));
    if let Some(file) = &client.crl {
        let (crls, judge) = (authorities.clone(), policy.clone());
        let take = dated("api.tls_client_crl", DatedKind::Lists, dates, move |content| {
            crls.take_crls(content).map(|()| judge.judge_anew())
        });
        files.push(Watched::new("api.tls_client_crl", &[file], take));
    }
    files
}

/// The dates of the files as they are at the start; what is wrong with them is logged.
pub(super) fn dates(config: &Config, now: Timestamp) -> CertificateDates {
    let known = CertificateDates::default();
    for dated in config.dated_files() {
        known.set(dated.key, dated.kind, dated.file.content());
        let Ok(dates) = dated.dates() else { continue };
        for finding in dates.findings(now) {
            let (key, finding, path) = (dated.key, &finding.text, dated.file.path().display());
            tracing::warn!("{key}: {finding} ({path})");
        }
    }
    known
}

/// Takes a content by `take`, and its dates once it is in use.
fn dated<E: Into<Rejection>>(
    key: &'static str,
    kind: DatedKind,
    dates: &CertificateDates,
    take: impl Fn(&[u8]) -> Result<(), E> + Send + Sync + 'static,
) -> Take {
    let dates = dates.clone();
    take_at_once(move |content| take(content).map(|()| dates.set(key, kind, content)))
}

/// At each SIGHUP says which keys of the configuration have changed and need a restart: a signal that
/// does nothing, and says nothing, would be taken for a reload.
pub(super) async fn run_restart_notices(
    config: Config,
    mut hangups: Hangups,
    stop: CancellationToken,
) {
    while stop.run_until_cancelled(hangups.next()).await.is_some() {
        let config = config.clone();
        match blocking(move || config.changed_keys()).await {
            Some(Ok(keys)) if keys.is_empty() => {}
            Some(Ok(keys)) => {
                let keys = keys.join(", ");
                tracing::warn!(
                    keys,
                    "the configuration file has changed: these keys take effect after a restart"
                );
            }
            Some(Err(faults)) => {
                for fault in faults.iter() {
                    tracing::warn!(
                        %fault,
                        "the configuration file has changed and is not valid: a restart would fail"
                    );
                }
            }
            None => return,
        }
    }
}

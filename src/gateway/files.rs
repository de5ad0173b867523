//! The files that are re-read while the gateway runs, and what their new versions do.

use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

use super::Upstreams;
use crate::{
    access::{
        CallerSettings, Policy, Roll,
        oidc::{KeysFrom, Oidc},
    },
    config::{Config, Ways, callers_file},
    csp::{SecretOrigin, SecretProof, TokenSource},
    listener::tls::Tls,
    reload::{self, Hangups, Rejection, Take, Watched, take_at_once},
    tasks::blocking,
    validity::{CertificateDates, DatedKind, FileDates},
};

pub(super) fn secret(
    config: &Config,
    upstreams: &Upstreams,
    tokens: &[TokenSource],
) -> Option<Watched> {
    let SecretOrigin::File(path) = &config.csp.client_secret else { return None };
    let proof = SecretProof::new(upstreams.secret.clone(), tokens);
    let take: Take = Box::new(move |contents| {
        let proof = proof.clone();
        Box::pin(async move {
            let content = contents.first().map(Vec::as_slice).unwrap_or_default();
            proof.take(content).await.map_err(|fault| Rejection {
                reason: fault.as_str(),
                detail: Some(fault.to_string()),
                retry_in: fault.retry_in(),
            })
        })
    });
    let retry = Some(upstreams.secret.refused().clone());
    Some(Watched { retry, ..Watched::new("csp.client_secret_file", vec![path.clone()], take) })
}

/// The extra CAs of CSP and VMC, which are one file.
pub(super) fn upstream_authorities(
    config: &Config,
    upstreams: &Upstreams,
    tokens: &[TokenSource],
    dates: &CertificateDates,
) -> Option<Watched> {
    const KEY: &str = "vmc.ca_file";
    let path = config.vmc.ca_file.clone()?;
    let (upstreams, tokens, dates) = (upstreams.clone(), tokens.to_vec(), dates.clone());
    let take: Take = Box::new(move |contents| {
        let (upstreams, tokens, dates) = (upstreams.clone(), tokens.clone(), dates.clone());
        Box::pin(async move {
            let pem = contents.first().map(Vec::as_slice).unwrap_or_default();
            upstreams.mint.take_authorities(pem).await?;
            upstreams.vmc.client.take_authorities(pem).await?;
            dates.set(KEY, DatedKind::Authorities, pem);
            tokens.iter().for_each(TokenSource::retry_now);
            Ok(())
        })
    });
    Some(Watched::new(KEY, vec![path], take))
}

/// The extra CAs of the issuer of callers' tokens.
pub(super) fn issuer_authorities(
    config: &Config,
    oidc: &Oidc,
    dates: &CertificateDates,
) -> Option<Watched> {
    const KEY: &str = "access.oidc.ca_file";
    let path = config.access.roll()?.oidc.as_ref()?.ca_file.clone()?;
    let (oidc, dates) = (oidc.clone(), dates.clone());
    let take: Take = Box::new(move |contents| {
        let (oidc, dates) = (oidc.clone(), dates.clone());
        Box::pin(async move {
            let pem = contents.first().map(Vec::as_slice).unwrap_or_default();
            oidc.take_authorities(pem).await?;
            dates.set(KEY, DatedKind::Authorities, pem);
            Ok(())
        })
    });
    Some(Watched::new(KEY, vec![path], take))
}

pub(super) fn callers(config: &Config, policy: &Policy) -> Option<Watched> {
    let Roll { callers: listed, file, oidc } = config.access.roll()?;
    let file = file.as_ref()?;
    let ways = Ways {
        tokens: oidc.is_some(),
        certificates: config.api.tls.as_ref().is_some_and(|tls| tls.client.is_some()),
    };
    let (listed, path, policy) = (listed.clone(), file.path.clone(), policy.clone());
    let known = Mutex::new(file.callers.clone());
    // At the start one that is missing or empty is no fault: it lets nobody in.
    let is_loaded = !file.callers.is_empty();
    let paths = vec![path.clone()];
    let take = take_at_once(move |contents: &[&[u8]]| {
        let text = contents.first().and_then(|text| std::str::from_utf8(text).ok());
        let text = text.ok_or("not utf-8")?;
        // Half of a write, or of a volume that is being made, takes nobody's rights away.
        if text.trim().is_empty() {
            return Err("empty");
        }
        let new = callers_file(&path, text, &listed, ways).map_err(|faults| {
            faults.iter().for_each(|fault| tracing::warn!(%fault, "callers' file refused"));
            "invalid"
        })?;
        let mut known = known.lock().unwrap_or_else(PoisonError::into_inner);
        if *known != new {
            let warnings = new.iter().flat_map(CallerSettings::warnings);
            warnings.for_each(|warning| tracing::warn!("access.callers_file: {warning}"));
            tracing::info!(callers = new.len(), "callers' file changed");
            policy.replace(&new);
            *known = new;
        }
        Ok(())
    });
    Some(Watched { is_loaded, ..Watched::new("access.callers_file", paths, take) })
}

pub(super) fn keys(config: &Config, oidc: &Oidc) -> Option<Watched> {
    let KeysFrom::File(path) = &config.access.roll()?.oidc.as_ref()?.keys else { return None };
    let oidc = oidc.clone();
    let take = take_at_once(move |contents: &[&[u8]]| {
        oidc.take_file(contents.first().copied().unwrap_or_default())
    });
    Some(Watched::new("access.oidc.jwks_file", vec![path.clone()], take))
}

/// Certificate and key together, since only both fit; CAs and CRLs by themselves.
pub(super) fn tls(
    config: &Config,
    tls: Option<&Tls>,
    policy: &Policy,
    dates: &CertificateDates,
) -> Vec<Watched> {
    let (Some(settings), Some(tls)) = (&config.api.tls, tls) else { return Vec::new() };
    let identity = tls.clone();
    let pair = dated("api.tls_cert", DatedKind::Pair, dates, move |contents| {
        identity.take_identity(contents)
    });
    let paths = vec![settings.cert.clone(), settings.key.clone()];
    let mut files = vec![Watched::new("api.tls_cert", paths, pair)];
    let (Some(client), Some(authorities)) = (&settings.client, tls.authorities()) else {
        return files;
    };
    // Who stays by a certificate is judged again.
    let (cas, judge) = (authorities.clone(), policy.clone());
    let take = dated("api.tls_client_ca", DatedKind::Authorities, dates, move |contents| {
        cas.take_authorities(contents).map(|()| judge.judge_anew())
    });
    files.push(Watched::new("api.tls_client_ca", vec![client.ca.clone()], take));
    if let Some(path) = &client.crl {
        let (crls, judge) = (authorities.clone(), policy.clone());
        let take = dated("api.tls_client_crl", DatedKind::Lists, dates, move |contents| {
            crls.take_crls(contents).map(|()| judge.judge_anew())
        });
        files.push(Watched::new("api.tls_client_crl", vec![path.clone()], take));
    }
    files
}

/// The dates of the files as they are at the start; what is wrong with them is logged.
pub(super) fn dates(config: &Config, now: Timestamp) -> CertificateDates {
    let known = CertificateDates::default();
    for file in config.dated_files() {
        let Ok(content) = reload::read(&file.path) else { continue };
        known.set(file.key, file.kind, &content);
        let Ok(dates) = FileDates::of(file.kind, &content) else { continue };
        for finding in dates.findings(now) {
            let (key, finding, path) = (file.key, &finding.text, file.path.display());
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
    take: impl Fn(&[&[u8]]) -> Result<(), E> + Send + Sync + 'static,
) -> Take {
    let dates = dates.clone();
    take_at_once(move |contents: &[&[u8]]| {
        take(contents)?;
        dates.set(key, kind, contents.first().copied().unwrap_or_default());
        Ok::<_, E>(())
    })
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
                tracing::warn!(keys, "the configuration has changed: these keys need a restart");
            }
            Some(Err(faults)) => {
                for fault in faults.iter() {
                    tracing::warn!(
                        %fault,
                        "the configuration has changed, and a restart would be refused"
                    );
                }
            }
            None => return,
        }
    }
}

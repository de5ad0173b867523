//! The files that are re-read while the gateway runs, and what their new versions do.

use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;

use super::Upstreams;
use crate::{
    access::{
        Policy, Roll,
        oidc::{KeysFrom, Oidc},
    },
    config::{Config, Ways, callers_file},
    csp::{ClientSecret, SecretOrigin, TokenSource},
    listener::tls::Tls,
    reload::{Take, Watched},
    validity::{CertificateDates, DatedKind, FileDates},
};

pub(super) fn secret(
    config: &Config,
    upstreams: &Upstreams,
    tokens: &[TokenSource],
) -> Option<Watched> {
    let SecretOrigin::File(path) = &config.csp.client_secret else { return None };
    let secret = upstreams.secret.clone();
    let sources = tokens.to_vec();
    Some(Watched {
        key: "csp.client_secret_file",
        paths: vec![path.clone()],
        take: Box::new(move |contents| {
            let [text] = contents else { return Err("unreadable") };
            let text = std::str::from_utf8(text).map_err(|_| "unreadable")?;
            let new = ClientSecret::from_text(text).ok_or("empty")?;
            if secret.replace(new) {
                tracing::info!("client secret changed");
                sources.iter().for_each(TokenSource::secret_changed);
            }
            Ok(())
        }),
    })
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
    Some(Watched {
        key: "access.callers_file",
        paths: vec![path.clone()],
        take: Box::new(move |contents| {
            let text = contents.first().and_then(|text| std::str::from_utf8(text).ok());
            let new =
                callers_file(&path, text.ok_or("not UTF-8")?, &listed, ways).map_err(|faults| {
                    faults.iter().for_each(|fault| tracing::warn!(%fault, "callers' file refused"));
                    "invalid"
                })?;
            let mut known = known.lock().unwrap_or_else(PoisonError::into_inner);
            if *known != new {
                tracing::info!(callers = new.len(), "callers' file changed");
                policy.replace(&new);
                *known = new;
            }
            Ok(())
        }),
    })
}

pub(super) fn keys(config: &Config, oidc: &Oidc) -> Option<Watched> {
    let KeysFrom::File(path) = &config.access.roll()?.oidc.as_ref()?.keys else { return None };
    let oidc = oidc.clone();
    Some(Watched {
        key: "access.oidc.jwks_file",
        paths: vec![path.clone()],
        take: Box::new(move |contents| {
            oidc.take_file(contents.first().copied().unwrap_or_default())
        }),
    })
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
    let mut files = vec![Watched {
        key: "api.tls_cert",
        paths: vec![settings.cert.clone(), settings.key.clone()],
        take: dated("api.tls_cert", DatedKind::Pair, dates, move |contents| {
            identity.take_identity(contents)
        }),
    }];
    let (Some(client), Some(authorities)) = (&settings.client, tls.authorities()) else {
        return files;
    };
    // Who stays by a certificate is judged again.
    let (cas, judge) = (authorities.clone(), policy.clone());
    files.push(Watched {
        key: "api.tls_client_ca",
        paths: vec![client.ca.clone()],
        take: dated("api.tls_client_ca", DatedKind::Authorities, dates, move |contents| {
            cas.take_authorities(contents).map(|()| judge.judge_anew())
        }),
    });
    if let Some(path) = &client.crl {
        let (crls, judge) = (authorities.clone(), policy.clone());
        files.push(Watched {
            key: "api.tls_client_crl",
            paths: vec![path.clone()],
            take: dated("api.tls_client_crl", DatedKind::Lists, dates, move |contents| {
                crls.take_crls(contents).map(|()| judge.judge_anew())
            }),
        });
    }
    files
}

/// The dates of the files as they are at the start; what is wrong with them is logged.
pub(super) fn dates(config: &Config, now: Timestamp) -> CertificateDates {
    let known = CertificateDates::default();
    for file in config.dated_files() {
        let Ok(content) = std::fs::read(&file.path) else { continue };
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
fn dated(
    key: &'static str,
    kind: DatedKind,
    dates: &CertificateDates,
    take: impl Fn(&[&[u8]]) -> Result<(), &'static str> + Send + Sync + 'static,
) -> Take {
    let dates = dates.clone();
    Box::new(move |contents| {
        take(contents)?;
        dates.set(key, kind, contents.first().copied().unwrap_or_default());
        Ok(())
    })
}

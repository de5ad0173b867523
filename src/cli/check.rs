//! `check`: is the configuration good, and do the credentials work?
//!
//! One line per step; where one fails, what to do about it.

use std::process::ExitCode;

use clap::Args;
use futures_util::future::join_all;

use super::{ConfigArgs, block_on, callers, fail, say};
use crate::{
    access::{self, oidc::Oidc},
    clock::Clock,
    config::Config,
    csp::{BasicEncoding, CspError, Mint, TokenFacts},
    gateway::Upstreams,
    ids::OrgId,
    inventory::{self, model::Org},
    tasks::Flights,
    telemetry::Metrics,
    upstream::{Failure, Kind, Lane},
    vmc::{Reader, VmcError},
};

#[derive(Debug, Args)]
pub(super) struct Options {
    /// Only look at the configuration; ask nobody
    #[arg(long)]
    offline: bool,
    #[command(flatten)]
    pub(super) config: ConfigArgs,
}

pub(super) fn run(options: &Options) -> Result<(), ExitCode> {
    let config = options.config.load()?;
    step("ok", "configuration");
    for warning in config.warnings() {
        step("warn", &warning);
    }
    show_callers(&config);
    if options.offline {
        return Ok(());
    }
    let (issuer, cloud) =
        block_on(async { Ok((check_issuer(&config).await?, check(&config).await?)) })?;
    if issuer && cloud { Ok(()) } else { Err(ExitCode::FAILURE) }
}

fn step(mark: &str, line: &str) {
    say(format_args!("{mark:<5} {line}"));
}

/// Who may do what.
fn show_callers(config: &Config) {
    match &config.access {
        access::Settings::Open => {
            step("ok", "access is open: everyone who can reach the listener has sddc:read");
        }
        access::Settings::Callers(roll) => {
            let count = roll.all().count();
            step("ok", &format!("{count} caller(s) may ask"));
            if count > 0 {
                for line in callers::table(roll.all(), Clock::system().wall()) {
                    say(format_args!("      {line}"));
                }
            }
        }
    }
}

/// Fetches the keys that callers' tokens are verified with, if any are taken.
async fn check_issuer(config: &Config) -> Result<bool, ExitCode> {
    let settings = config.access.roll().and_then(|roll| roll.oidc.as_ref());
    let Some(settings) = settings else { return Ok(true) };
    let (clock, metrics) = (Clock::system(), Metrics::new());
    let flights = Flights::new(metrics.clone());
    let oidc = Oidc::new(settings.clone(), &config.proxies, clock, metrics, flights);
    let status = oidc.map_err(|error| fail(&error))?.fetch_now().await;
    match status.error {
        None => step("ok", &format!("{} key(s) of {}", status.keys, settings.issuer)),
        Some(error) => {
            step("FAIL", &format!("keys of {}: {error}", settings.issuer));
            step(
                "",
                "check access.oidc.jwks_url, access.oidc.ca_file, HTTPS_PROXY and the network",
            );
        }
    }
    Ok(status.error.is_none())
}

async fn check(config: &Config) -> Result<bool, ExitCode> {
    let (clock, metrics) = (Clock::system(), Metrics::new());
    let upstreams = Upstreams::new(config, &clock, &metrics).map_err(|error| fail(&error))?;
    let flights = Flights::new(metrics.clone());
    let source = |org: Option<OrgId>| {
        let (mint, flights) = (upstreams.mint.clone(), flights.clone());
        crate::csp::TokenSource::new(org, mint, clock.clone(), metrics.clone(), flights)
    };
    let reader = |org| Reader::new(upstreams.vmc.clone(), source(org), clock.clone());
    if config.vmc.orgs.is_empty() {
        if !mint(&upstreams.mint, None, config).await {
            return Ok(false);
        }
        return Ok(list_orgs(&reader(None), &metrics, config).await);
    }
    let orgs = config.vmc.orgs.iter();
    let checks = orgs.map(async |org| {
        mint(&upstreams.mint, Some(org), config).await
            && show_one_org(&reader(Some(org.clone())), org, &metrics, config).await
    });
    Ok(join_all(checks).await.into_iter().all(|good| good))
}

/// Mints a token and says what it is good for.
async fn mint(mint: &Mint, org: Option<&OrgId>, config: &Config) -> bool {
    let of =
        org.map_or_else(|| "the app's own organization".to_owned(), |org| format!("org {org}"));
    match mint.inspect(org).await {
        Ok(facts) => {
            show_token(&of, &facts);
            true
        }
        Err(error) => {
            step("FAIL", &format!("token of {of}: {error}"));
            step("", &csp_advice(&error, config));
            if matches!(error, CspError::Refused(_)) {
                try_other_encoding(mint, org, config).await;
            }
            false
        }
    }
}

fn show_token(of: &str, facts: &TokenFacts) {
    let life = facts.life.as_secs();
    step("ok", &format!("token of {of}, good for {life} s"));
    if let Some(org) = &facts.org {
        say(format_args!("      organization  {org}"));
    }
    for permission in &facts.permissions {
        say(format_args!("      permission    {permission}"));
    }
    for role in facts.writing_roles() {
        step("warn", &format!("{role} can do more than read: a read-only role is enough"));
    }
}

/// RFC 6749 and RFC 7617 join id and secret differently; CSP deployments differ too.
async fn try_other_encoding(mint: &Mint, org: Option<&OrgId>, config: &Config) {
    let (other, name) = match config.csp.basic_encoding {
        BasicEncoding::Raw => (BasicEncoding::Form, "form"),
        BasicEncoding::Form => (BasicEncoding::Raw, "raw"),
    };
    if mint.with_encoding(other).inspect(org).await.is_ok() {
        step("", &format!("with csp.basic_encoding = \"{name}\" it works: set that"));
    }
}

async fn list_orgs(reader: &Reader, metrics: &Metrics, config: &Config) -> bool {
    match inventory::read_orgs(reader, Lane::Callers, metrics).await {
        Ok(orgs) => {
            step("ok", &format!("{} organization(s)", orgs.len()));
            orgs.iter().for_each(show_org);
            true
        }
        Err(error) => refused("organizations", &error, config),
    }
}

async fn show_one_org(reader: &Reader, org: &OrgId, metrics: &Metrics, config: &Config) -> bool {
    match inventory::read_org(reader, org, Lane::Callers, metrics).await {
        Ok(found) => {
            step("ok", &format!("organization {org}"));
            show_org(&found);
            true
        }
        Err(error) => refused(&format!("organization {org}"), &error, config),
    }
}

fn show_org(org: &Org) {
    say(format_args!("      {}  {}", org.id, org.display_name.as_deref().unwrap_or("(no name)")));
}

fn refused(what: &str, error: &VmcError, config: &Config) -> bool {
    step("FAIL", &format!("{what}: {error}"));
    let url = &config.vmc.url;
    let advice = match error {
        VmcError::Token(error) => csp_advice(error, config),
        VmcError::Denied => {
            "give the app a role of the VMware Cloud on AWS service in this organization".into()
        }
        VmcError::Unauthorized => {
            format!("csp.url ({}) and vmc.url ({url}) must belong together", config.csp.url)
        }
        VmcError::NotFound => format!("check vmc.url ({url}) and vmc.orgs"),
        _ => format!("check vmc.url ({url}), HTTPS_PROXY and the network"),
    };
    step("", &advice);
    false
}

fn csp_advice(error: &CspError, config: &Config) -> String {
    let url = &config.csp.url;
    match error {
        CspError::Upstream(Failure::Connect(_)) => {
            format!("check csp.url ({url}), HTTPS_PROXY, vmc.ca_file and the network")
        }
        error if error.kind() == Kind::CredentialsRejected => {
            "check csp.client_id and csp.client_secret (or the content of csp.client_secret_file); \
             with vmc.orgs, also that the app was added to each organization"
                .to_owned()
        }
        error if error.kind() == Kind::Contract => {
            format!("check csp.url ({url}) and csp.token_path: something else answers there")
        }
        _ => format!("CSP at {url} is in trouble: try again later"),
    }
}

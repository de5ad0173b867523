//! Whether VMware Cloud takes the credentials, and shows what the gateway is to serve.

use futures_util::{StreamExt, stream};

use super::{
    render::ReportWriter,
    report::{CheckStep, StepStatus},
};
use crate::{
    clock::Clock,
    config::Config,
    csp::{BasicEncoding, CspError, Mint, Scrubber, TokenFacts, TokenSource},
    gateway::Upstreams,
    ids::OrgId,
    inventory::{self, model::Org},
    tasks::BackgroundJobs,
    telemetry::Metrics,
    upstream::{Failure, Kind, Priority},
    vmc::{Reader, VmcError},
};

/// Organizations that are looked at at the same time.
const ORGS_AT_ONCE: usize = 8;
/// Of one of VMware's texts.
const MAX_TEXT_CHARS: usize = 200;
const ROLE: &str = "a read-only role of the VMware Cloud on AWS service";

/// Mints a token for each organization, lists the organizations, and reads the SDDCs of each once.
pub(super) async fn check(config: &Config, writer: &mut ReportWriter) {
    let (clock, metrics) = (Clock::system(), Metrics::new());
    let upstreams = match Upstreams::new(config, &clock, &metrics) {
        Ok(upstreams) => upstreams,
        Err(error) => return writer.add(CheckStep::failure("upstream", error.to_string())),
    };
    let jobs = BackgroundJobs::new(metrics.clone());
    let cloud = CloudSteps { config, clock, metrics, upstreams, jobs };
    if config.vmc.orgs.is_empty() {
        cloud.check_discovered(writer).await;
    } else {
        let checks = config.vmc.orgs.iter().map(|org| cloud.check_configured(org));
        let mut checks = stream::iter(checks).buffered(ORGS_AT_ONCE);
        while let Some(steps) = checks.next().await {
            writer.extend(steps);
        }
    }
}

struct CloudSteps<'a> {
    config: &'a Config,
    clock: Clock,
    metrics: Metrics,
    upstreams: Upstreams,
    jobs: BackgroundJobs,
}

impl CloudSteps<'_> {
    fn tokens(&self, org: Option<&OrgId>) -> TokenSource {
        let (mint, jobs) = (self.upstreams.mint.clone(), self.jobs.clone());
        TokenSource::new(org.cloned(), mint, self.clock.clone(), jobs, None)
    }

    /// A reader with a circuit of its own: what fails for one organization holds back no other.
    fn reader(&self, tokens: &TokenSource) -> Reader {
        Reader::new(self.upstreams.vmc.clone(), tokens.clone(), self.clock.clone())
    }

    /// The organizations that the app's own token can see.
    async fn check_discovered(&self, writer: &mut ReportWriter) {
        let tokens = self.tokens(None);
        let minted = self.mint(None, &tokens).await;
        let is_minted = minted.iter().all(|step| step.status != StepStatus::Failure);
        writer.extend(minted);
        if !is_minted {
            return;
        }
        let reader = self.reader(&tokens);
        let orgs = match inventory::read_orgs(&reader, Priority::Callers, &self.metrics).await {
            Ok(orgs) => orgs,
            Err(error) => {
                return writer.add(self.refused("organizations", "organizations", &error));
            }
        };
        if orgs.is_empty() {
            return writer.add(
                CheckStep::failure(
                    "organizations",
                    "no organization: the app's token cannot see any",
                )
                .remedy(format!(
                    "give the app {ROLE} in its organization, or name the organizations to \
                         serve in vmc.orgs"
                )),
            );
        }
        let scrubber = tokens.scrubber();
        let listed = orgs.iter().map(|org| describe(org, &scrubber));
        let step = CheckStep::ok("organizations", format!("{} organization(s)", orgs.len()));
        writer.add(step.details(listed));
        let reads = orgs.iter().map(|org| self.count_sddcs(&tokens, &org.id));
        let mut reads = stream::iter(reads).buffered(ORGS_AT_ONCE);
        while let Some(steps) = reads.next().await {
            writer.extend(steps);
        }
    }

    /// One of `vmc.orgs`.
    async fn check_configured(&self, org: &OrgId) -> Vec<CheckStep> {
        let tokens = self.tokens(Some(org));
        let mut steps = self.mint(Some(org), &tokens).await;
        if steps.iter().any(|step| step.status == StepStatus::Failure) {
            return steps;
        }
        let reader = self.reader(&tokens);
        let read = inventory::read_org(&reader, org, Priority::Callers, &self.metrics).await;
        steps.push(match read {
            Ok(found) => CheckStep::ok("organizations", format!("organization {org}"))
                .details([describe(&found, &tokens.scrubber())]),
            Err(error) => self.refused("organizations", &format!("organization {org}"), &error),
        });
        steps.extend(self.count_sddcs(&tokens, org).await);
        steps
    }

    async fn count_sddcs(&self, tokens: &TokenSource, org: &OrgId) -> Vec<CheckStep> {
        let reader = self.reader(tokens);
        let read = inventory::survey_sddcs(&reader, org, Priority::Callers, &self.metrics).await;
        let survey = match read {
            Ok(survey) => survey,
            Err(error) => {
                return vec![self.refused(
                    "sddcs",
                    &format!("SDDCs of organization {org}"),
                    &error,
                )];
            }
        };
        let mut steps =
            vec![CheckStep::ok("sddcs", format!("{} SDDC(s) in organization {org}", survey.sddcs))];
        if survey.malformed > 0 {
            steps.push(
                CheckStep::warning(
                    "sddcs",
                    format!(
                        "{} SDDC document(s) of organization {org} contain something that cannot \
                         be read",
                        survey.malformed
                    ),
                )
                .remedy("what cannot be read is shown as null, and what has no id is left out"),
            );
        }
        steps
    }

    /// Mints a token and says what it is good for.
    async fn mint(&self, org: Option<&OrgId>, tokens: &TokenSource) -> Vec<CheckStep> {
        let mint = &self.upstreams.mint;
        let of =
            org.map_or_else(|| "the app's own organization".to_owned(), |org| format!("org {org}"));
        match mint.inspect(org).await {
            Ok(facts) => describe_token(&of, &facts, &tokens.scrubber()),
            Err(error) => {
                let mut remedy = csp_advice(&error, self.config);
                if matches!(error, CspError::Refused(_))
                    && let Some(name) = works_with(mint, org, self.config).await
                {
                    remedy = format!("it works with csp.basic_encoding = \"{name}\": set that");
                }
                vec![CheckStep::failure("token", format!("token of {of}: {error}")).remedy(remedy)]
            }
        }
    }

    fn refused(&self, step: &'static str, what: &str, error: &VmcError) -> CheckStep {
        CheckStep::failure(step, format!("{what}: {error}")).remedy(vmc_advice(error, self.config))
    }
}

fn describe_token(of: &str, facts: &TokenFacts, scrubber: &Scrubber) -> Vec<CheckStep> {
    let shown = |text: &str| printable(text, scrubber);
    let org = facts.org.iter().map(|org| format!("organization  {}", shown(org)));
    let permissions = facts.permissions.iter();
    let permissions = permissions.map(|permission| format!("permission    {}", shown(permission)));
    let token =
        CheckStep::ok("token", format!("token of {of}, valid for {} s", facts.life.as_secs()));
    let writing = facts.writing_roles().map(|role| {
        let message = format!("{} can do more than read: a read-only role is enough", shown(role));
        CheckStep::warning("permission", message)
            .remedy(format!("give the app {ROLE} instead, and remove this role"))
    });
    std::iter::once(token.details(org.chain(permissions))).chain(writing).collect()
}

/// RFC 6749 and RFC 7617 join id and secret differently; CSP deployments differ too. The other of
/// the two, if CSP takes it.
async fn works_with(mint: &Mint, org: Option<&OrgId>, config: &Config) -> Option<&'static str> {
    let (other, name) = match config.csp.basic_encoding {
        BasicEncoding::Raw => (BasicEncoding::Form, "form"),
        BasicEncoding::Form => (BasicEncoding::Raw, "raw"),
    };
    mint.with_encoding(other).inspect(org).await.is_ok().then_some(name)
}

fn describe(org: &Org, scrubber: &Scrubber) -> String {
    let name = org.display_name.as_deref().or(org.name.as_deref());
    let name = name.map_or_else(|| "(no name)".to_owned(), |name| printable(name, scrubber));
    format!("{}  {name}", org.id)
}

/// A text of VMware's: safe for a terminal, without any secret that the gateway holds.
fn printable(text: &str, scrubber: &Scrubber) -> String {
    let text = scrubber.scrub(text.into());
    let safe = |sign: char| if sign.is_control() { char::REPLACEMENT_CHARACTER } else { sign };
    text.chars().take(MAX_TEXT_CHARS).map(safe).collect()
}

fn vmc_advice(error: &VmcError, config: &Config) -> String {
    let url = &config.vmc.url;
    match error {
        VmcError::Token(error) => csp_advice(error, config),
        VmcError::Denied => format!("give the app {ROLE} in this organization"),
        VmcError::Unauthorized => {
            format!("csp.url ({}) and vmc.url ({url}) must belong together", config.csp.url)
        }
        VmcError::NotFound => format!(
            "check vmc.url ({url}) and vmc.orgs; the app also needs {ROLE} in this organization"
        ),
        error if error.kind() == Kind::Contract => {
            format!(
                "check vmc.url ({url}) and any proxy: something other than VMware Cloud answers there"
            )
        }
        _ => format!("check vmc.url ({url}), HTTPS_PROXY and the network"),
    }
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
            format!(
                "check csp.url ({url}) and csp.token_path: something other than CSP answers there"
            )
        }
        _ => format!("CSP at {url} answers with errors: try again later"),
    }
}

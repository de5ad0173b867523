//! Writes the OpenAPI document from the code, and holds the committed files to it.
//!
//! ```text
//! handlers (summaries), documents (schemas) ─► operation: parameters, examples, headers, problems
//!     ─► share ─► document ─► openapi/openapi.json and .yaml
//! ```
//!
//! What several operations have stands once, below `components`, and they refer to it. Examples are
//! what the gateway answers about the simulator's data, so they are always of the shape that they
//! stand beside.

mod examples;
mod headers;
mod operation;
mod problems;
mod schemas;
mod share;
mod tests;

use std::borrow::Cow;

use utoipa::{
    OpenApi,
    openapi::{
        Components, OpenApi as Document, SecurityRequirement,
        security::{ApiKey, ApiKeyValue, Http, HttpAuthScheme, SecurityScheme},
    },
};

pub(crate) use self::schemas::{example, schema};
use self::{examples::Examples, operation::Author};
use crate::{
    api::{
        discovery::{self, TargetGroup},
        orgs,
        page::Page,
        sddcs, tasks,
        watch::{self, ChangeEvent, ResetEvent, StatusEvent},
        whoami::{self, CallerDocument, CallerRate},
    },
    inventory::model::{Cluster, Host, Org, Sddc, Task},
    problem::{MissingPart, ParameterFault, ProblemDocument},
};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "sddc-gateway",
        description = "The SDDCs of VMware Cloud on AWS, answered at once from a snapshot that the \
            gateway keeps, with their age. [The guide](/docs/guide) explains in a few minutes how \
            to query, how fresh answers are, and how to watch for changes.\n\n\
            Every path accepts GET and HEAD. Every failure is an `application/problem+json` \
            document (RFC 9457) with a `code` to branch on; `/problems/{code}` describes its cause \
            and remedy.\n\n\
            Where the operator has switched it on, the paths below `/csp/`, `/vmc/` and `/api/` are \
            VMware's own API for tools that exist already. Their documents are VMware's, not this \
            API's, and are described by VMware; `/docs/drop-in` has the settings of each \
            tool.\n\n\
            Clients must ignore fields that they do not know: new versions add fields.",
        license(name = "Apache-2.0", identifier = "Apache-2.0"),
    ),
    servers((url = "/", description = "This gateway")),
    tags(
        (name = "sddcs", description = "Software-defined data centers, their clusters and hosts"),
        (name = "tasks", description = "The work that VMware Cloud does or did on SDDCs"),
        (name = "orgs", description = "The organizations that SDDCs belong to"),
        (name = "discovery", description = "Targets for monitoring"),
        (name = "caller", description = "The caller itself"),
        (name = "vmware", description = "VMware's own API, for tools that exist already: the paths below \
            /csp/, /vmc/ and /api/, where the operator has switched them on. None of them is described here",
            external_docs(url = "https://developer.broadcom.com/xapis/vmware-cloud-on-aws-api/latest/",
                description = "VMware's reference")),
    ),
    paths(
        sddcs::list_sddcs, sddcs::show_sddc, sddcs::list_sddc_clusters, sddcs::list_sddc_hosts,
        sddcs::list_clusters, sddcs::list_hosts, watch::watch_sddcs,
        tasks::list_tasks, tasks::show_task, tasks::list_sddc_tasks,
        orgs::list_orgs, orgs::show_org, orgs::list_org_sddcs,
        discovery::discover_targets, whoami::show_caller,
    ),
    components(schemas(
        Sddc, Cluster, Host, Task, Org,
        Page<Sddc>, Page<Cluster>, Page<Host>, Page<Task>, Page<Org>, TargetGroup<'static>, ChangeEvent<'static>,
        StatusEvent, ResetEvent, CallerDocument<'static>, CallerRate, MissingPart, ParameterFault, ProblemDocument<'static>,
    )),
)]
struct Base;

/// The OpenAPI 3.1 document of the API listener.
fn document() -> Document {
    let mut document = Base::openapi();
    let mut shared = document.components.take().unwrap_or_default();
    add_credentials(&mut shared);
    let none = Vec::<String>::new;
    document.security = Some(vec![
        SecurityRequirement::new("bearer", none()),
        SecurityRequirement::new("api_key", none()),
        SecurityRequirement::new("certificate", none()),
        // Where access is open no key is needed.
        SecurityRequirement::default(),
    ]);
    schemas::complete(&mut shared.schemas);
    let examples = Examples::of_simulator();
    let mut author = Author { shared: &mut shared, examples: &examples };
    for (path, item) in &mut document.paths.paths {
        if let Some(operation) = &mut item.get {
            author.complete(path, operation);
        }
    }
    document.components = Some(shared);
    document
}

/// How callers show who they are.
fn add_credentials(shared: &mut Components) {
    let mut bearer = Http::new(HttpAuthScheme::Bearer);
    bearer.description =
        Some("A caller key, or a token (JWT) from the issuer that the operator trusts".into());
    let header = ApiKeyValue::with_description("X-API-Key", "A caller key");
    let certificate = SecurityScheme::MutualTls {
        description: Some(
            "A certificate from a CA that the operator trusts, with the caller's URI or DNS name \
             as subject alternative name"
                .into(),
        ),
        deprecated: None,
        extensions: None,
    };
    shared.add_security_scheme("bearer", SecurityScheme::Http(bearer));
    shared.add_security_scheme("api_key", SecurityScheme::ApiKey(ApiKey::Header(header)));
    shared.add_security_scheme("certificate", certificate);
}

/// The document as JSON, indented, with a newline at its end.
fn json(document: &Document) -> String {
    document.to_pretty_json().expect("the document has string keys only") + "\n"
}

/// The document as YAML.
fn yaml(document: &Document) -> String {
    let yaml = document.to_yaml().expect("the document has string keys only");
    yaml.lines().map(quote_timestamp).fold(String::with_capacity(yaml.len()), |mut text, line| {
        text.push_str(&line);
        text.push('\n');
        text
    })
}

/// Readers of YAML 1.1 take a bare timestamp for a date; in our documents it is a string.
fn quote_timestamp(line: &str) -> Cow<'_, str> {
    match line.rsplit_once(' ') {
        Some((key, value)) if value.parse::<jiff::Timestamp>().is_ok() => {
            format!("{key} '{value}'").into()
        }
        _ => line.into(),
    }
}

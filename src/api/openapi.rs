//! The OpenAPI document: written by the code, completed here with what every operation shares.
//!
//! Examples are what the gateway answers about the simulator's data, so they are always of the shape
//! that they stand beside.

use std::borrow::Cow;

use http::StatusCode;
use serde_json::{Value, json};
use utoipa::{
    OpenApi,
    openapi::{
        Content, HeaderBuilder, ObjectBuilder, OpenApi as Document, Ref, RefOr, Required, Response,
        ResponseBuilder, SecurityRequirement, Type,
        path::{Operation, ParameterBuilder, ParameterIn},
        security::{ApiKey, ApiKeyValue, Http, HttpAuthScheme, SecurityScheme},
    },
};

use super::{facade, page::Page};
use crate::{
    inventory::{
        mapping,
        model::{Org, Sddc},
    },
    problem::{Code, MissingOrg, ParameterFault, ProblemDocument},
    simulator::{Options, Simulator},
    vmc::{OddCount, wire},
};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "sddc-gateway",
        description = "Answers about the SDDCs of VMware Cloud on AWS, from a picture that the gateway keeps: at once, and told how old. \
            Every failure is an `application/problem+json` (RFC 9457) with a `code` to branch on; `/problems/{code}` says cause and remedy.\n\n\
            Clients ignore fields that they do not know: changes add.",
        license(name = "Apache-2.0", identifier = "Apache-2.0"),
    ),
    servers((url = "/", description = "This gateway")),
    tags(
        (name = "sddcs", description = "Software-defined data centers"),
        (name = "orgs", description = "The organizations that they belong to"),
    ),
    components(schemas(Page<Sddc>, Page<Org>, MissingOrg, ParameterFault, ProblemDocument<'static>)),
)]
struct Base;

/// The OpenAPI 3.1 document of the API listener.
#[must_use]
pub fn document() -> Document {
    let mut document = Base::openapi();
    document.merge(facade().into_openapi());
    if let Some(components) = &mut document.components {
        let bearer = SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer));
        let header = ApiKeyValue::with_description("X-API-Key", "A caller key");
        components.add_security_scheme("bearer", bearer);
        components.add_security_scheme("api_key", SecurityScheme::ApiKey(ApiKey::Header(header)));
    }
    let none = Vec::<String>::new;
    document.security = Some(vec![
        SecurityRequirement::new("bearer", none()),
        SecurityRequirement::new("api_key", none()),
        // Where access is open no key is needed.
        SecurityRequirement::default(),
    ]);
    let examples = Examples::of_simulator();
    for (path, item) in &mut document.paths.paths {
        if let Some(operation) = &mut item.get {
            complete(path, operation, &examples);
        }
    }
    document
}

/// The document as JSON, indented, with a newline at its end.
///
/// # Panics
/// Never: every key of the document is a string.
#[must_use]
pub fn json(document: &Document) -> String {
    document.to_pretty_json().expect("the document has string keys only") + "\n"
}

/// The document as YAML.
///
/// # Panics
/// Never: every key of the document is a string.
#[must_use]
pub fn yaml(document: &Document) -> String {
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

/// The gateway's answers about the simulator's SDDCs and organizations.
struct Examples {
    sddcs: Vec<Sddc>,
    orgs: Vec<Org>,
}

impl Examples {
    fn of_simulator() -> Self {
        let cloud = Simulator::new(Options::default());
        let list = |documents: Vec<Value>| Value::from(documents).to_string();
        let org = cloud.org_ids().first().and_then(|id| id.parse().ok());
        let sddcs = list(cloud.sddc_ids().iter().filter_map(|id| cloud.sddc(id)).collect());
        let orgs = list(cloud.org_ids().iter().filter_map(|id| cloud.org(id)).collect());
        let mut odd = OddCount::default();
        let sddcs = wire::parse_sddcs(sddcs.as_bytes()).unwrap_or_default();
        let sddcs = org.map(|org| mapping::sddcs(sddcs, &org, &mut odd)).unwrap_or_default();
        let mut sddcs: Vec<_> = sddcs.into_iter().map(|entry| entry.sddc).collect();
        sddcs.sort_by(|one, other| one.name.cmp(&other.name));
        let orgs = mapping::orgs(wire::parse_orgs(orgs.as_bytes()).unwrap_or_default(), &mut odd);
        Self { sddcs, orgs }
    }

    /// The example of an operation's 200.
    fn answer(&self, path: &str) -> Value {
        let page = |items: Value| json!({"items": items, "next_cursor": null, "completeness": "complete", "missing": []});
        match path {
            "/sddcs/{sddc_id}" => json!(self.sddcs.first()),
            "/orgs/{org_id}" => json!(self.orgs.first()),
            "/orgs" => page(json!(self.orgs)),
            _ => page(json!(self.sddcs)),
        }
    }

    /// The example of a path parameter.
    fn parameter(&self, name: &str) -> Option<Value> {
        match name {
            "sddc_id" => self.sddcs.first().map(|sddc| json!(sddc.id)),
            "org_id" => self.orgs.first().map(|org| json!(org.id)),
            _ => None,
        }
    }
}

/// What an answer from the picture carries, 200 or 304.
const FRESHNESS: [&str; 6] =
    ["ETag", "Age", "Cache-Control", "Cache-Status", "Vary", "X-Request-Id"];

/// Adds what is the same for each operation: examples, headers, 304, and its problems.
fn complete(path: &str, operation: &mut Operation, examples: &Examples) {
    for parameter in operation.parameters.iter_mut().flatten() {
        if let RefOr::T(parameter) = parameter
            && let Some(example) = examples.parameter(&parameter.name)
        {
            let with_example = ParameterBuilder::from(parameter.clone()).example(Some(example));
            *parameter = with_example.build();
        }
    }
    if let Some(RefOr::T(answer)) = operation.responses.responses.get_mut("200") {
        if let Some(RefOr::T(content)) = answer.content.get_mut("application/json") {
            content.example = Some(examples.answer(path));
        }
        describe_headers(answer, &FRESHNESS);
    }
    let asked = [
        (
            "If-None-Match",
            "`ETag`s that the caller has, or `*`: answered with 304 if it still holds",
        ),
        ("X-Request-Id", "1 to 64 characters of `[A-Za-z0-9._-]`: comes back, and is in the log"),
    ];
    operation.parameters.get_or_insert_default().extend(asked.map(|(name, text)| {
        let schema = ObjectBuilder::new().schema_type(Type::String).build();
        let parameter = ParameterBuilder::new()
            .name(name)
            .parameter_in(ParameterIn::Header)
            .required(Required::False)
            .description(Some(text))
            .schema(Some(schema));
        parameter.build().into()
    }));
    let responses = &mut operation.responses.responses;
    let mut unchanged =
        ResponseBuilder::new().description("The caller has it already (`If-None-Match`)").build();
    describe_headers(&mut unchanged, &FRESHNESS);
    responses.insert("304".into(), unchanged.into());
    for (status, codes) in problems(path) {
        responses.insert(status.as_str().to_owned(), problem(status, &codes, path).into());
    }
}

/// The problems that an operation may answer, by status.
fn problems(path: &str) -> Vec<(StatusCode, Vec<Code>)> {
    let mut problems = vec![
        (StatusCode::BAD_REQUEST, vec![Code::InvalidParameter, Code::BadRequest]),
        (StatusCode::UNAUTHORIZED, vec![Code::Unauthenticated]),
        (StatusCode::FORBIDDEN, vec![Code::Forbidden]),
        (StatusCode::PAYLOAD_TOO_LARGE, vec![Code::TooLarge]),
        (StatusCode::URI_TOO_LONG, vec![Code::TooLarge]),
        (StatusCode::MISDIRECTED_REQUEST, vec![Code::Misdirected]),
        (StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, vec![Code::TooLarge]),
        (StatusCode::INTERNAL_SERVER_ERROR, vec![Code::Internal]),
        (StatusCode::BAD_GATEWAY, vec![Code::UpstreamCredentialsRejected, Code::UpstreamContract]),
        (
            StatusCode::SERVICE_UNAVAILABLE,
            vec![Code::UpstreamUnavailable, Code::Incomplete, Code::Overloaded],
        ),
        (StatusCode::GATEWAY_TIMEOUT, vec![Code::UpstreamTimeout]),
    ];
    if path.contains("{sddc_id}") {
        problems.push((StatusCode::NOT_FOUND, vec![Code::SddcNotFound]));
    } else if path.contains("{org_id}") {
        problems.push((StatusCode::NOT_FOUND, vec![Code::OrgNotFound]));
    }
    problems
}

fn problem(status: StatusCode, codes: &[Code], path: &str) -> Response {
    let lines = codes.iter().map(|code| format!("`{}`: {}", code.as_str(), code.entry().cause));
    let description = lines.collect::<Vec<_>>().join("\n\n");
    let first = codes[0].entry();
    let mut example = json!({
        "type": format!("/problems/{}", first.code),
        "title": first.title,
        "status": status.as_u16(),
        "detail": first.cause,
        "instance": path.replace("{sddc_id}", "0").replace("{org_id}", "0"),
        "code": first.code,
        "request_id": "0f8fad5b-d9cb-469f-a165-70867728950e",
        "retryable": first.retryable,
    });
    if codes[0] == Code::InvalidParameter {
        example["errors"] = json!([{
            "parameter": "partail", "problem": "unknown parameter", "allowed": ["partial"],
            "did_you_mean": "partial",
        }]);
    }
    let mut content = Content::new(Some(RefOr::Ref(Ref::from_schema_name("Problem"))));
    content.example = Some(example);
    let mut response = ResponseBuilder::new()
        .description(description)
        .content("application/problem+json", content)
        .build();
    let mut headers = vec!["Cache-Control", "X-Request-Id"];
    match status.as_u16() {
        401 => headers.push("WWW-Authenticate"),
        502..=504 => headers.push("Retry-After"),
        _ => {}
    }
    describe_headers(&mut response, &headers);
    response
}

fn describe_headers(response: &mut Response, names: &[&str]) {
    for name in names {
        let (kind, text) = match *name {
            "ETag" => (Type::String, "Weak validator: equal content has an equal one"),
            "Age" => (Type::Integer, "Seconds since the oldest part of the answer was read"),
            "Cache-Control" => {
                (Type::String, "`private, max-age=` and `inventory.fresh`; `no-store` on a problem")
            }
            "Vary" => (Type::String, "What else an answer depends on"),
            "Cache-Status" => (Type::String, "How the answer was served (RFC 9211)"),
            "Retry-After" => (Type::Integer, "Seconds after which asking again may help"),
            "WWW-Authenticate" => (Type::String, "How to authenticate (RFC 6750)"),
            _ => (Type::String, "The request's id: the caller's own if it sent a sane one"),
        };
        let schema = ObjectBuilder::new().schema_type(kind).build();
        let header = HeaderBuilder::new().schema(Some(schema)).description(Some(text)).build();
        response.headers.insert((*name).to_owned(), header.into());
    }
}

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
        path::{Operation, Parameter, ParameterBuilder, ParameterIn},
        security::{ApiKey, ApiKeyValue, Http, HttpAuthScheme, SecurityScheme},
    },
};

use super::{
    discovery::{self, TargetGroup},
    facade,
    page::Page,
    question::Takes,
    watch,
};
use crate::{
    inventory::{
        Entry, mapping,
        model::{Cluster, Host, Org, Sddc, SddcEntry, Task},
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
        (name = "sddcs", description = "Software-defined data centers, their clusters and hosts"),
        (name = "tasks", description = "What VMware Cloud does or did on them"),
        (name = "orgs", description = "The organizations that they belong to"),
        (name = "discovery", description = "Targets for monitoring"),
    ),
    components(schemas(
        Page<Sddc>, Page<Cluster>, Page<Host>, Page<Task>, Page<Org>, TargetGroup<'static>, MissingOrg,
        ParameterFault, ProblemDocument<'static>,
    )),
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
    sddcs: Vec<SddcEntry>,
    tasks: Vec<Task>,
    orgs: Vec<Org>,
}

impl Examples {
    fn of_simulator() -> Self {
        let cloud = Simulator::new(Options::default());
        let list = |documents: Vec<Value>| Value::from(documents).to_string();
        let org = cloud.org_ids().first().and_then(|id| id.parse().ok());
        let sddcs = list(cloud.sddc_ids().iter().filter_map(|id| cloud.sddc(id)).collect());
        let tasks = list(cloud.org_ids().iter().flat_map(|id| cloud.tasks(id)).collect());
        let orgs = list(cloud.org_ids().iter().filter_map(|id| cloud.org(id)).collect());
        let mut odd = OddCount::default();
        let sddcs = wire::parse_sddcs(sddcs.as_bytes()).unwrap_or_default();
        let tasks = wire::parse_tasks(tasks.as_bytes()).unwrap_or_default();
        let (mut sddcs, tasks) = org.map_or_else(Default::default, |org| {
            let tasks = mapping::tasks(tasks, &org, &mut odd, &|text| text).entries;
            (mapping::sddcs(sddcs, &org, &mut odd), tasks)
        });
        sddcs.sort_by(Entry::order);
        let tasks = tasks.into_iter().map(|entry| entry.task).collect();
        let orgs = mapping::orgs(wire::parse_orgs(orgs.as_bytes()).unwrap_or_default(), &mut odd);
        Self { sddcs, tasks, orgs }
    }

    /// The example of an operation's 200.
    fn answer(&self, path: &str) -> Value {
        let page = |items: Value| json!({"items": items, "next_cursor": null, "completeness": "complete", "missing": []});
        let first = self.sddcs.first();
        let one = |part: Option<Value>| part.into_iter().collect::<Value>();
        match path {
            "/sddcs/{sddc_id}" => json!(first.map(|entry| &entry.sddc)),
            "/sddcs/{sddc_id}/clusters" | "/clusters" => {
                page(one(first.and_then(|entry| Some(json!(entry.clusters.first()?)))))
            }
            "/sddcs/{sddc_id}/hosts" | "/hosts" => {
                page(one(first.and_then(|entry| Some(json!(entry.hosts.first()?)))))
            }
            "/sddcs/{sddc_id}/tasks" | "/tasks" => {
                page(one(self.tasks.first().map(|it| json!(it))))
            }
            "/tasks/{task_id}" => json!(self.tasks.first()),
            "/orgs/{org_id}" => json!(self.orgs.first()),
            "/orgs" => page(json!(self.orgs)),
            "/sd/prometheus" => discovery::example(&self.sddcs),
            "/sddcs/events" => json!(watch::example(&self.sddcs)),
            _ => page(self.sddcs.iter().map(|entry| json!(entry.sddc)).collect()),
        }
    }

    /// The example of a path parameter.
    fn parameter(&self, name: &str) -> Option<Value> {
        match name {
            "sddc_id" => self.sddcs.first().map(|entry| json!(entry.sddc.id)),
            "task_id" => self.tasks.first().map(|task| json!(task.id)),
            "org_id" => self.orgs.first().map(|org| json!(org.id)),
            _ => None,
        }
    }
}

/// What a request's header fields may say, on every path.
const ASKED: [(&str, &str); 4] = [
    ("If-None-Match", "`ETag`s that the caller has, or `*`: answered with 304 if it still holds"),
    (
        "Cache-Control",
        "`no-cache`, or `max-age=` seconds: what is older is read anew, six times a minute for each \
         caller. `only-if-cached`: 504 rather than a read. `stale-if-error=` seconds: how much older \
         than fresh an answer may be if reading fails",
    ),
    ("Accept-Encoding", "`zstd`, `br` and `gzip` are known"),
    ("X-Request-Id", "1 to 64 characters of `[A-Za-z0-9._-]`: comes back, and is in the log"),
];

/// What an answer from the picture carries, 200 or 304.
const FRESHNESS: [&str; 6] =
    ["ETag", "Age", "Cache-Control", "Cache-Status", "Vary", "X-Request-Id"];

/// The parameters of a path's query: from the tables by which questions are read.
fn query_parameters(path: &str) -> Vec<Parameter> {
    match path {
        "/sddcs" | "/orgs/{org_id}/sddcs" => Takes::SDDC_LIST.published::<SddcEntry>(),
        "/sddcs/events" => Takes::EVENTS.published::<SddcEntry>(),
        "/sd/prometheus" => Takes::DISCOVERY.published::<SddcEntry>(),
        "/sddcs/{sddc_id}" => Takes::DOCUMENT.published::<SddcEntry>(),
        "/sddcs/{sddc_id}/clusters" | "/clusters" => Takes::LIST.published::<Cluster>(),
        "/sddcs/{sddc_id}/hosts" | "/hosts" => Takes::LIST.published::<Host>(),
        "/sddcs/{sddc_id}/tasks" | "/tasks" => Takes::LIST.published::<Task>(),
        "/tasks/{task_id}" => Takes::DOCUMENT.published::<Task>(),
        "/orgs" => Takes::LIST.published::<Org>(),
        "/orgs/{org_id}" => Takes::DOCUMENT.published::<Org>(),
        _ => Vec::new(),
    }
}

/// Adds what is the same for each operation: parameters, examples, headers, 304, and its problems.
fn complete(path: &str, operation: &mut Operation, examples: &Examples) {
    for parameter in operation.parameters.iter_mut().flatten() {
        if let RefOr::T(parameter) = parameter
            && let Some(example) = examples.parameter(&parameter.name)
        {
            let with_example = ParameterBuilder::from(parameter.clone()).example(Some(example));
            *parameter = with_example.build();
        }
    }
    let is_stream = path == "/sddcs/events";
    if let Some(RefOr::T(answer)) = operation.responses.responses.get_mut("200") {
        for content in answer.content.values_mut() {
            if let RefOr::T(content) = content {
                content.example = Some(examples.answer(path));
            }
        }
        describe_headers(answer, if is_stream { &["X-Request-Id"] } else { &FRESHNESS });
        if query_parameters(path).iter().any(|parameter| parameter.name == "cursor") {
            describe_headers(answer, &["Link"]);
        }
    }
    let parameters = operation.parameters.get_or_insert_default();
    parameters.extend(query_parameters(path).into_iter().map(Into::into));
    let asked = ASKED.iter().filter(|(name, _)| !is_stream || *name == "X-Request-Id");
    parameters.extend(asked.map(|(name, text)| {
        let schema = ObjectBuilder::new().schema_type(Type::String).build();
        let parameter = ParameterBuilder::new()
            .name(*name)
            .parameter_in(ParameterIn::Header)
            .required(Required::False)
            .description(Some(*text))
            .schema(Some(schema));
        parameter.build().into()
    }));
    let responses = &mut operation.responses.responses;
    if !is_stream {
        let mut unchanged = ResponseBuilder::new()
            .description("The caller has it already (`If-None-Match`)")
            .build();
        describe_headers(&mut unchanged, &FRESHNESS);
        responses.insert("304".into(), unchanged.into());
    }
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
        (StatusCode::GATEWAY_TIMEOUT, vec![Code::UpstreamTimeout, Code::NotCached]),
    ];
    if path.contains("{sddc_id}") {
        problems.push((StatusCode::NOT_FOUND, vec![Code::SddcNotFound]));
    } else if path.contains("{task_id}") {
        problems.push((StatusCode::NOT_FOUND, vec![Code::TaskNotFound]));
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
        "instance": path.replace("{sddc_id}", "0").replace("{org_id}", "0").replace("{task_id}", "0"),
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
            "Link" => {
                (Type::String, "The next page, as a relative link with `rel=\"next\"` (RFC 8288)")
            }
            "Retry-After" => (Type::Integer, "Seconds after which asking again may help"),
            "WWW-Authenticate" => (Type::String, "How to authenticate (RFC 6750)"),
            _ => (Type::String, "The request's id: the caller's own if it sent a sane one"),
        };
        let schema = ObjectBuilder::new().schema_type(kind).build();
        let header = HeaderBuilder::new().schema(Some(schema)).description(Some(text)).build();
        response.headers.insert((*name).to_owned(), header.into());
    }
}

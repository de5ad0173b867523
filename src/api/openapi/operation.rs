//! What an operation has beside its summary: parameters, examples, headers, and its problems.

use serde_json::{Value, json};
use utoipa::openapi::{
    Components, RefOr, Response, ResponseBuilder,
    extensions::Extensions,
    path::{Operation, Parameter, ParameterBuilder, ParameterIn},
};

use super::{
    examples::Examples,
    headers::{self, CONTENT_ENCODING, FRESHNESS, LINK, OF_STREAM},
    problems,
    share::share,
};
use crate::{
    api::question::Takes,
    inventory::model::{Cluster, Host, Org, SddcEntry, Task},
    public_path::PublicPath,
};

/// The path that answers with a stream of events.
pub(super) const STREAM: &str = "/sddcs/events";
/// Parameters that are the same for every kind of document.
const OF_ANY: [&str; 6] = ["target", "limit", "cursor", "partial", "include_deleted", "wait"];

/// Completes operations, and puts what they share in its place.
pub(super) struct Author<'a> {
    pub(super) shared: &'a mut Components,
    pub(super) examples: &'a Examples,
    pub(super) base: &'a PublicPath,
}

impl Author<'_> {
    /// Adds what is the same for each operation.
    pub(super) fn complete(&mut self, path: &str, operation: &mut Operation) {
        self.add_parameters(path, operation);
        let is_stream = path == STREAM;
        if let Some(RefOr::T(answer)) = operation.responses.responses.get_mut("200") {
            self.complete_answer(path, answer);
        }
        let responses = &mut operation.responses.responses;
        if !is_stream {
            let mut unchanged = ResponseBuilder::new()
                .description("The caller has it already (`If-None-Match`)")
                .build();
            headers::describe(self.shared, &mut unchanged, &FRESHNESS);
            let unchanged =
                share("responses", &mut self.shared.responses, "NotModified", unchanged);
            responses.insert("304".into(), unchanged);
        }
        for problem in problems::of(path, self.examples) {
            let (status, name) = (problem.status.as_str().to_owned(), problem.name);
            let response = problem.response(self.shared, self.base);
            let response = share("responses", &mut self.shared.responses, name, response);
            responses.insert(status, response);
        }
    }

    fn complete_answer(&mut self, path: &str, answer: &mut Response) {
        for content in answer.content.values_mut() {
            if let RefOr::T(content) = content {
                content.example = Some(self.examples.answer(path));
                content.extensions = (path == STREAM).then(events);
            }
        }
        if path == STREAM {
            headers::describe(self.shared, answer, &OF_STREAM);
            return;
        }
        headers::describe(self.shared, answer, &FRESHNESS);
        headers::describe(self.shared, answer, &[CONTENT_ENCODING]);
        if query_of(path).1.iter().any(|parameter| parameter.name == "cursor") {
            headers::describe(self.shared, answer, &[LINK]);
        }
    }

    /// Those of the path and of the stream are there already.
    fn add_parameters(&mut self, path: &str, operation: &mut Operation) {
        let own = operation.parameters.take().unwrap_or_default();
        let own = own.into_iter().filter_map(|parameter| match parameter {
            RefOr::T(parameter) => Some(self.with_example(parameter)),
            RefOr::Ref(_) => None,
        });
        let (resource, query) = query_of(path);
        let all: Vec<_> = own.chain(query).chain(headers::asked(path == STREAM)).collect();
        let all = all.into_iter().map(|parameter| self.share(resource, parameter));
        operation.parameters = Some(all.collect());
    }

    fn with_example(&self, parameter: Parameter) -> Parameter {
        match self.examples.parameter(&parameter.name) {
            Some(example) => ParameterBuilder::from(parameter).example(Some(example)).build(),
            None => parameter,
        }
    }

    fn share(&mut self, resource: &str, parameter: Parameter) -> RefOr<Parameter> {
        let name = &parameter.name;
        let name = match parameter.parameter_in {
            ParameterIn::Query if OF_ANY.contains(&name.as_str()) => name.clone(),
            ParameterIn::Query => format!("{resource}.{name}"),
            ParameterIn::Path => format!("path.{name}"),
            ParameterIn::Header => format!("header.{name}"),
            _ => return RefOr::T(parameter),
        };
        share("parameters", &mut self.shared.parameters, &name, parameter)
    }
}

/// The parameters of a path's query, from the tables by which questions are read, and what they
/// are about.
fn query_of(path: &str) -> (&'static str, Vec<Parameter>) {
    match path {
        "/sddcs" | "/orgs/{org_id}/sddcs" => ("Sddc", Takes::SDDC_LIST.published::<SddcEntry>()),
        STREAM => ("Sddc", Takes::EVENTS.published::<SddcEntry>()),
        "/sd/prometheus" => ("Sddc", Takes::DISCOVERY.published::<SddcEntry>()),
        "/sddcs/{sddc_id}" => ("Sddc", Takes::DOCUMENT.published::<SddcEntry>()),
        "/sddcs/{sddc_id}/clusters" | "/clusters" => {
            ("Cluster", Takes::LIST.published::<Cluster>())
        }
        "/sddcs/{sddc_id}/hosts" | "/hosts" => ("Host", Takes::LIST.published::<Host>()),
        "/sddcs/{sddc_id}/tasks" | "/tasks" => ("Task", Takes::LIST.published::<Task>()),
        "/tasks/{task_id}" => ("Task", Takes::DOCUMENT.published::<Task>()),
        "/orgs" => ("Org", Takes::LIST.published::<Org>()),
        "/orgs/{org_id}" => ("Org", Takes::DOCUMENT.published::<Org>()),
        _ => ("", Vec::new()),
    }
}

/// The data of each kind of event: OpenAPI 3.1 has no word for it.
fn events() -> Extensions {
    let schema = |name: &str| json!({"$ref": format!("#/components/schemas/{name}")});
    let change = || schema("ChangeEvent");
    let events: Value = json!({
        "sync": schema("Page_Sddc"),
        "added": change(),
        "changed": change(),
        "removed": change(),
        "status": schema("StatusEvent"),
        "reset": schema("ResetEvent"),
    });
    Extensions::from_iter([("x-events", events)])
}

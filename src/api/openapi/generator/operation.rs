//! What an operation has beside its summary: parameters, examples, headers, and its problems.

use serde_json::{Value, json};
use utoipa::openapi::{
    Array, Components, Content, ObjectBuilder, Ref, RefOr, Required, Response, ResponseBuilder,
    Schema, Type,
    extensions::Extensions,
    path::{Operation, Parameter, ParameterBuilder, ParameterIn},
    schema::AnyOfBuilder,
};

use super::{
    examples::Examples,
    headers::{self, FRESHNESS, LINK, NOT_STORED},
    problems, schemas,
    share::{STREAM, WHOAMI, share},
};
use crate::{
    api::{query::AllowedParams, resource::Resource},
    inventory::model::{Cluster, Host, Org, SddcEntry, Task},
};

/// Parameters that are the same for every kind of document.
const OF_ANY: [&str; 6] = ["target", "limit", "cursor", "partial", "include_deleted", "wait"];

/// Completes operations, and puts what they share in its place.
pub(super) struct Author<'a> {
    pub(super) shared: &'a mut Components,
    pub(super) examples: &'a Examples,
}

impl Author<'_> {
    /// Adds what is the same for each operation.
    pub(super) fn complete(&mut self, path: &str, operation: &mut Operation) {
        let facts = Facts::of(path);
        self.add_parameters(path, &facts, operation);
        let is_stored = path != STREAM && path != WHOAMI;
        if let Some(RefOr::T(answer)) = operation.responses.responses.get_mut("200") {
            self.complete_answer(path, &facts, answer);
        }
        let responses = &mut operation.responses.responses;
        if is_stored {
            let mut unchanged = ResponseBuilder::new()
                .description("The caller already has this answer (`If-None-Match`)")
                .build();
            headers::describe(self.shared, &mut unchanged, &FRESHNESS);
            let unchanged =
                share("responses", &mut self.shared.responses, "NotModified", unchanged);
            responses.insert("304".into(), unchanged);
        }
        let problem = problems::response(self.examples, self.shared);
        let problem = share("responses", &mut self.shared.responses, problems::NAME, problem);
        responses.insert("default".into(), problem);
    }

    fn complete_answer(&mut self, path: &str, facts: &Facts, answer: &mut Response) {
        let mut content = Content::new(Some(facts.body.clone()));
        content.example = Some(self.examples.answer(path));
        if path == STREAM {
            content.extensions = Some(events());
            answer.content.insert("text/event-stream".into(), content.into());
            headers::describe(self.shared, answer, &NOT_STORED);
            return;
        }
        answer.content.insert("application/json".into(), content.into());
        if path == WHOAMI {
            return headers::describe(self.shared, answer, &NOT_STORED);
        }
        headers::describe(self.shared, answer, &FRESHNESS);
        if facts.query.iter().any(|parameter| parameter.name == "cursor") {
            headers::describe(self.shared, answer, &[LINK]);
        }
    }

    fn add_parameters(&mut self, path: &str, facts: &Facts, operation: &mut Operation) {
        let ids = path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
        let ids = ids.map(|name| self.id(name));
        let headers = headers::asked(path);
        let all: Vec<_> = ids.chain(facts.query.clone()).chain(headers).collect();
        let all = all.into_iter().map(|parameter| self.share(facts.resource, parameter));
        operation.parameters = Some(all.collect());
    }

    /// A parameter of the path.
    fn id(&self, name: &str) -> Parameter {
        let owner = match name {
            "sddc_id" => "SDDC",
            "task_id" => "task",
            "org_id" => "organization",
            other => panic!("{other} has no description"),
        };
        ParameterBuilder::new()
            .name(name)
            .parameter_in(ParameterIn::Path)
            .required(Required::True)
            .description(Some(format!("The {owner}'s `id`")))
            .schema(Some(ObjectBuilder::new().schema_type(Type::String).build()))
            .example(self.examples.parameter(name))
            .build()
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

/// What an operation's handler asks with, and what it answers.
struct Facts {
    /// The schema of the documents that parameters are about.
    resource: &'static str,
    query: Vec<Parameter>,
    body: RefOr<Schema>,
}

impl Facts {
    fn of(path: &str) -> Self {
        match path {
            "/sddcs" | "/orgs/{org_id}/sddcs" => Self::list::<SddcEntry>("Sddc"),
            "/sddcs/{sddc_id}" => Self::document::<SddcEntry>("Sddc"),
            "/sddcs/{sddc_id}/clusters" | "/clusters" => Self::list::<Cluster>("Cluster"),
            "/sddcs/{sddc_id}/hosts" | "/hosts" => Self::list::<Host>("Host"),
            "/sddcs/{sddc_id}/tasks" | "/tasks" => Self::list::<Task>("Task"),
            "/tasks/{task_id}" => Self::document::<Task>("Task"),
            "/orgs" => Self::list::<Org>("Org"),
            "/orgs/{org_id}" => Self::document::<Org>("Org"),
            STREAM => Self {
                resource: "Sddc",
                query: AllowedParams::EVENTS.published::<SddcEntry>(&schemas::example("Sddc")),
                body: Schema::from(ObjectBuilder::new().schema_type(Type::String).build()).into(),
            },
            "/sd/prometheus" => Self {
                resource: "Sddc",
                query: AllowedParams::DISCOVERY.published::<SddcEntry>(&schemas::example("Sddc")),
                body: Schema::from(Array::new(Ref::from_schema_name("TargetGroup"))).into(),
            },
            WHOAMI => {
                let body = Ref::from_schema_name("Caller").into();
                Self { resource: "Caller", query: Vec::new(), body }
            }
            other => panic!("what {other} takes and answers is not said"),
        }
    }

    fn list<R: Resource>(resource: &'static str) -> Self {
        let body = whole_or_part(&format!("Page_{resource}"));
        Self {
            resource,
            query: AllowedParams::LIST.published::<R>(&schemas::example(resource)),
            body,
        }
    }

    fn document<R: Resource>(resource: &'static str) -> Self {
        let body = whole_or_part(resource);
        Self {
            resource,
            query: AllowedParams::DOCUMENT.published::<R>(&schemas::example(resource)),
            body,
        }
    }
}

/// The answer, and the same with `fields`: whose documents have those fields alone.
fn whole_or_part(schema: &str) -> RefOr<Schema> {
    let part = Ref::from_schema_name(format!("{schema}Part"));
    Schema::from(AnyOfBuilder::new().item(Ref::from_schema_name(schema)).item(part).build()).into()
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

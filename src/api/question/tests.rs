//! Questions: what is read, what is refused, what is selected.

mod faulty;
mod paging;
mod published;
mod reading;
mod samples;
mod seen;

use super::{Query, Question, Takes, draft::Draft};
use crate::{
    api::{error::ApiError, resource::Resource},
    problem::ParameterFault,
};

fn query(path_and_query: &str) -> Query {
    Query(path_and_query.parse().unwrap())
}

fn draft<R: Resource>(takes: Takes, text: &str) -> Draft<R> {
    query(&format!("/list?{text}")).draft(takes)
}

fn ask<R: Resource>(text: &str, view: &[R]) -> Result<Question<R>, Vec<ParameterFault>> {
    finish(draft(Takes::LIST, text), view)
}

fn finish<R: Resource>(draft: Draft<R>, view: &[R]) -> Result<Question<R>, Vec<ParameterFault>> {
    draft.finish(view.iter()).map_err(|error| match error {
        ApiError::InvalidParameter(faults) => faults,
        other => panic!("{other}"),
    })
}

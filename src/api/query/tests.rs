//! Questions: what is read, what is refused, what is selected.

mod faulty;
mod paging;
mod published;
mod reading;
mod samples;
mod seen;

use super::{AllowedParams, ListQuery, RawQuery, parser::QueryParser};
use crate::{
    api::{error::ApiError, resource::Resource},
    problem::ParameterFault,
};

fn query(path_and_query: &str) -> RawQuery {
    RawQuery(path_and_query.parse().unwrap())
}

fn parser<R: Resource>(allowed: AllowedParams, text: &str) -> QueryParser<R> {
    query(&format!("/list?{text}")).parser(allowed)
}

fn parse<R: Resource>(text: &str, view: &[R]) -> Result<ListQuery<R>, Vec<ParameterFault>> {
    finish(parser(AllowedParams::LIST, text), view)
}

fn finish<R: Resource>(
    parser: QueryParser<R>,
    view: &[R],
) -> Result<ListQuery<R>, Vec<ParameterFault>> {
    parser.finish(view.iter()).map_err(|error| match error {
        ApiError::InvalidParameter(faults) => faults,
        other => panic!("{other}"),
    })
}

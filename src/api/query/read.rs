//! How the parameters that are no filters are read.

use std::time::Duration;

use super::{
    MAX_PARAMETERS,
    allowed_params::Parameter,
    faults,
    select::{ListQuery, Target, folded},
};
use crate::{
    api::resource::{Field, Resource, SortOrder, number},
    config::duration,
    problem::ParameterFault,
};

/// The longest page.
pub(super) const MAX_ITEMS: u16 = 500;
/// The longest wait.
pub(super) const MAX_WAIT: Duration = Duration::from_secs(120);
/// Characters of the longest text that is looked for: more than any name has.
pub(super) const MAX_Q_CHARS: usize = 256;

const Q: &str = "part of a name, or an id, of at most 256 characters";
const LIMIT: &str = "a number from 1 to 500";
const WAIT: &str = "a duration of at most 120s, such as 45s or 45";

/// Reads a parameter's only value into the question.
pub(super) fn parameter<R: Resource>(
    query: &mut ListQuery<R>,
    parameter: Parameter,
    value: &str,
) -> Result<(), Vec<ParameterFault>> {
    let name = parameter.name();
    let wrong = |said: &str| vec![faults::wrong_value(name, value, said)];
    if value.is_empty() {
        return Err(vec![faults::no_value(name, allowed::<R>(parameter))]);
    }
    match parameter {
        Parameter::Target => {
            query.target =
                Some(choice(name, value, Target::NAMES, [Target::Vcenter, Target::Nsx])?);
        }
        Parameter::Q if value.chars().nth(MAX_Q_CHARS).is_some() => return Err(wrong(Q)),
        Parameter::Q => query.q = Some(folded(value)),
        Parameter::Fields => {
            query.fields = fields(name, value, &query.fields, R::FIELDS, faults::unknown_field)?;
        }
        Parameter::Include => {
            query.includes =
                fields(name, value, &query.includes, R::INCLUDES, faults::unknown_value)?;
        }
        Parameter::Sort => query.order = order(name, value)?,
        Parameter::Limit => {
            let limit = number(value).and_then(|limit| u16::try_from(limit).ok());
            let limit = limit.filter(|limit| (1..=MAX_ITEMS).contains(limit));
            query.limit = Some(limit.ok_or_else(|| wrong(LIMIT))?);
        }
        // Judged when the question that it is bound to is known.
        Parameter::Cursor => {}
        Parameter::Partial => query.partial = choice(name, value, ["allow"], [true])?,
        Parameter::IncludeDeleted => {
            query.include_deleted = choice(name, value, ["true", "false"], [true, false])?;
        }
        Parameter::Wait => query.wait = Some(wait(value).ok_or_else(|| wrong(WAIT))?),
    }
    Ok(())
}

/// What a parameter takes, for who gave no value.
fn allowed<R: Resource>(parameter: Parameter) -> Vec<String> {
    let owned = |texts: &[&str]| texts.iter().map(ToString::to_string).collect();
    match parameter {
        Parameter::Target => owned(&Target::NAMES),
        Parameter::Q => owned(&[Q]),
        Parameter::Fields => owned(&names(R::FIELDS)),
        Parameter::Include => owned(&names(R::INCLUDES)),
        Parameter::Sort => owned(&sortable::<R>()),
        Parameter::Limit => owned(&[LIMIT]),
        Parameter::Cursor => owned(&["the next_cursor of the previous page"]),
        Parameter::Partial => owned(&["allow"]),
        Parameter::IncludeDeleted => owned(&["true", "false"]),
        Parameter::Wait => owned(&[WAIT]),
    }
}

fn choice<T, const N: usize>(
    name: &str,
    value: &str,
    texts: [&str; N],
    choices: [T; N],
) -> Result<T, Vec<ParameterFault>> {
    let found = texts.iter().zip(choices).find(|(text, _)| **text == value);
    found.map(|(_, choice)| choice).ok_or_else(|| vec![faults::unknown_value(name, value, &texts)])
}

/// A comma-separated choice of the table, added to what was chosen before, in the table's order.
fn fields<R>(
    name: &str,
    value: &str,
    before: &[&'static Field<R>],
    table: &'static [Field<R>],
    unknown: fn(&str, &str, &[&str]) -> ParameterFault,
) -> Result<Vec<&'static Field<R>>, Vec<ParameterFault>> {
    let asked: Vec<&str> = value.split(',').collect();
    let names = names(table);
    // A query of 8 KiB has room for thousands of commas.
    let odd = asked.iter().filter(|asked| !names.contains(asked)).take(MAX_PARAMETERS);
    let faults: Vec<_> = odd.map(|odd| unknown(name, odd, &names)).collect();
    if faults.is_empty() {
        let is_before = |field: &Field<R>| before.iter().any(|other| other.name == field.name);
        Ok(table.iter().filter(|it| asked.contains(&it.name) || is_before(it)).collect())
    } else {
        Err(faults)
    }
}

/// A field to sort by, or `-` and the field. `None` is the order that there is without.
fn order<R: Resource>(
    name: &str,
    value: &str,
) -> Result<Option<SortOrder<R>>, Vec<ParameterFault>> {
    let (asked, descending) = value.strip_prefix('-').map_or((value, false), |field| (field, true));
    let field = R::FIELDS.iter().find(|field| field.is_sortable() && field.name == asked);
    let Some(field) = field else {
        let is_field = names(R::FIELDS).contains(&asked);
        return Err(vec![faults::not_sortable(name, asked, is_field, &sortable::<R>())]);
    };
    let usual = R::ORDER.field.name == field.name && R::ORDER.descending == descending;
    Ok((!usual).then_some(SortOrder { field, descending }))
}

pub(super) fn names<R>(table: &[Field<R>]) -> Vec<&'static str> {
    table.iter().map(|field| field.name).collect()
}

pub(super) fn sortable<R: Resource>() -> Vec<&'static str> {
    let sortable = R::FIELDS.iter().filter(|field| field.is_sortable());
    sortable.map(|field| field.name).collect()
}

fn wait(value: &str) -> Option<Duration> {
    let range = Duration::ZERO..=MAX_WAIT;
    match number(value) {
        Some(seconds) => Some(Duration::from_secs(seconds)).filter(|wait| range.contains(wait)),
        None => duration(range)(value).ok(),
    }
}

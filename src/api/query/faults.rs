//! What is wrong with a query, told all at once.

use std::borrow::Cow;

use crate::{
    api::error::ApiError,
    problem::{ParameterFault, shortened},
};

/// No query gets more answers than this, however many faults it has.
const MOST: usize = 100;

/// The faults of one query, each with its place in it.
#[derive(Debug, Default)]
pub(super) struct QueryFaults(Vec<(usize, ParameterFault)>);

impl QueryFaults {
    /// Adds the fault of the parameter at that place. The same fault is told once.
    pub(super) fn push(&mut self, at: usize, fault: ParameterFault) {
        if !self.are_many() && self.0.iter().all(|(_, told)| *told != fault) {
            self.0.push((at, fault));
        }
    }

    /// Whether no more will be told, so that there is no use in looking for more.
    pub(super) fn are_many(&self) -> bool {
        self.0.len() >= MOST
    }

    /// # Errors
    /// [`ApiError::InvalidParameter`] with all of them.
    pub(super) fn into_result(self) -> Result<(), ApiError> {
        if self.is_empty() { Ok(()) } else { Err(ApiError::InvalidParameter(self.told())) }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All of them, in the order of the query.
    pub(super) fn told(mut self) -> Vec<ParameterFault> {
        self.0.sort_by_key(|(at, _)| *at);
        self.0.into_iter().map(|(_, fault)| fault).collect()
    }
}

/// A parameter that the path does not take.
pub(super) fn unknown_parameter(name: &str, allowed: Vec<String>) -> ParameterFault {
    ParameterFault {
        parameter: shortened(name).to_owned(),
        problem: "unknown parameter".to_owned(),
        did_you_mean: nearest_name(name, &allowed),
        allowed,
    }
}

/// The nearest name. Of a filter's name the field counts most: with another ending it is another
/// question about this field.
fn nearest_name(name: &str, allowed: &[String]) -> Option<String> {
    let field = |name: &str| name.split_once("__").map(|(field, _)| field.to_owned());
    let is_known = field(name).filter(|field| allowed.contains(field));
    let of_field = |candidate: &&str| match &is_known {
        Some(known) => field(candidate).as_ref() == Some(known),
        None => true,
    };
    nearest(name, allowed.iter().map(String::as_str).filter(of_field))
}

/// A value that is none of those that are allowed.
pub(super) fn unknown_value(name: &str, value: &str, allowed: &[&str]) -> ParameterFault {
    unknown("value", name, value, allowed)
}

/// What a list cannot be sorted by: several fields, or one that has no order or is none.
pub(super) fn not_sortable(
    name: &str,
    value: &str,
    is_field: bool,
    allowed: &[&str],
) -> ParameterFault {
    let problem = if is_field {
        format!("a list cannot be sorted by \"{}\"", shortened(value))
    } else if value.contains(',') {
        "takes one field only".to_owned()
    } else {
        return unknown_field(name, value, allowed);
    };
    let allowed = allowed.iter().map(ToString::to_string).collect();
    ParameterFault { parameter: name.to_owned(), problem, allowed, did_you_mean: None }
}

/// A field that the documents do not have.
pub(super) fn unknown_field(name: &str, value: &str, allowed: &[&str]) -> ParameterFault {
    unknown("field", name, value, allowed)
}

fn unknown(what: &str, name: &str, value: &str, allowed: &[&str]) -> ParameterFault {
    ParameterFault {
        parameter: name.to_owned(),
        problem: format!("unknown {what} \"{}\"", shortened(value)),
        allowed: allowed.iter().map(ToString::to_string).collect(),
        did_you_mean: nearest(value, allowed.iter().copied()),
    }
}

/// A value that is not what the parameter takes; `said` stands after "must be".
pub(super) fn wrong_value(name: &str, value: &str, said: impl Into<String>) -> ParameterFault {
    let said = said.into();
    ParameterFault {
        parameter: name.to_owned(),
        problem: format!("must be {said}, not \"{}\"", shortened(value)),
        allowed: vec![said],
        did_you_mean: None,
    }
}

/// Several values in one, as `fields` takes them: a filter takes each by itself.
pub(super) fn several_in_one(mut fault: ParameterFault) -> ParameterFault {
    "give the parameter once for each value".clone_into(&mut fault.problem);
    fault.did_you_mean = None;
    fault
}

/// A parameter without a value.
pub(super) fn no_value(name: &str, allowed: Vec<String>) -> ParameterFault {
    ParameterFault {
        parameter: name.to_owned(),
        problem: "a value is needed".to_owned(),
        allowed,
        did_you_mean: None,
    }
}

/// A parameter that takes one value was given two.
pub(super) fn given_twice(name: &str) -> ParameterFault {
    ParameterFault {
        parameter: name.to_owned(),
        problem: "given twice, with different values".to_owned(),
        allowed: vec!["one value".to_owned()],
        did_you_mean: None,
    }
}

/// The query is longer than anyone needs.
pub(super) fn too_many(name: &str, most: usize) -> ParameterFault {
    ParameterFault {
        parameter: shortened(name).to_owned(),
        problem: format!("exceeds the limit of {most} parameters per request"),
        allowed: vec![format!("at most {most} parameters")],
        did_you_mean: None,
    }
}

/// The nearest of what is allowed, if it is near. `ready` and `eu-central-1` are spellings of
/// `READY` and `EU_CENTRAL_1`.
pub(super) fn nearest<'a>(text: &str, allowed: impl Iterator<Item = &'a str>) -> Option<String> {
    let text = spelling(shortened(text));
    allowed
        // A difference in length is a distance already, and cheaper to know.
        .filter(|candidate| text.len().abs_diff(candidate.len()) * 2 <= candidate.len())
        .map(|candidate| (strsim::damerau_levenshtein(&text, &spelling(candidate)), candidate))
        .filter(|(distance, candidate)| distance * 2 <= candidate.len())
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| shortened(candidate).to_owned())
}

/// What of a name counts: neither case nor the sign between its words.
pub(in crate::api) fn spelling(text: &str) -> Cow<'_, str> {
    let odd = |byte: u8| byte.is_ascii_uppercase() || byte == b'-';
    if text.bytes().any(odd) {
        text.to_ascii_lowercase().replace('-', "_").into()
    } else {
        text.into()
    }
}

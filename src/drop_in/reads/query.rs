//! The query of a read: a closed list of keys per route, each at most once, passed on as it came.

use percent_encoding::percent_decode_str;

use super::{filter, routes::ReadRoute};
use crate::{
    ids::OrgId,
    problem::{Code, Problem, shortened},
};

/// A query that may be passed on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct CheckedQuery {
    /// As it came; `None` if there is nothing in it.
    pub(super) text: Option<String>,
    /// The organization that it names, where the path names none.
    pub(super) org: Option<OrgId>,
}

/// Checks the query of a request.
pub(super) fn check(route: &ReadRoute, query: Option<&str>) -> Result<CheckedQuery, Problem> {
    let text = query.filter(|query| !query.is_empty());
    let (mut org, mut seen) = (None, Vec::new());
    for pair in text.unwrap_or_default().split('&').filter(|pair| !pair.is_empty()) {
        // Some servers take it for another `&`.
        if pair.contains(';') {
            return Err(faulty("a semicolon in a query has to be written as %3B".to_owned()));
        }
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        let (key, value) = (decoded(key)?, decoded(value)?);
        if !route.query.contains(&&*key) {
            return Err(unknown(route, &key));
        }
        // Of two, what is judged here may not be what VMware acts on.
        if seen.contains(&key) {
            return Err(faulty(format!("the query parameter {key} is given more than once")));
        }
        match &*key {
            "$filter" => filter::check(&value).map_err(|fault| faulty(fault.to_string()))?,
            "orgId" => org = Some(value.parse().map_err(|_| faulty("orgId is no id".to_owned()))?),
            _ => {}
        }
        seen.push(key);
    }
    Ok(CheckedQuery { text: text.map(str::to_owned), org })
}

fn unknown(route: &ReadRoute, key: &str) -> Problem {
    let allowed = match route.query {
        [] => "this path takes no query parameters".to_owned(),
        keys => format!("this path takes only {}", keys.join(", ")),
    };
    faulty(format!("unknown query parameter {:?}: {allowed}", shortened(key)))
}

fn faulty(sentence: String) -> Problem {
    Problem::new(Code::InvalidParameter, sentence)
}

/// What a key or a value says. A blank may be written as `+`.
fn decoded(text: &str) -> Result<String, Problem> {
    let text = text.replace('+', " ");
    let decoded = percent_decode_str(&text).decode_utf8();
    match decoded {
        Ok(decoded) if !decoded.chars().any(char::is_control) => Ok(decoded.into_owned()),
        _ => Err(faulty("the query is not percent-encoded text".to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::{super::routes::READ_ROUTES, *};

    fn checked(template: &str, query: &str) -> Result<CheckedQuery, String> {
        let route = READ_ROUTES.iter().find(|route| route.template == template).unwrap();
        check(route, Some(query)).map_err(|problem| problem.detail().to_owned())
    }

    const SDDCS: &str = "/vmc/api/orgs/{org_id}/sddcs";

    #[test]
    fn known_keys_pass_as_they_came() {
        for query in [
            "includeDeleted=true",
            "%24filter=name%20eq%20%27x%27&includeDeleted=false",
            "$filter=name+eq+'x'",
            "includeDeleted",
            "includeDeleted=true&",
        ] {
            assert_eq!(checked(SDDCS, query).unwrap().text.as_deref(), Some(query));
        }
        assert_eq!(checked(SDDCS, "").unwrap().text, None);
        let named = checked("/vmc/api/customer-support/inputs", "userId=u&orgId=o-1").unwrap();
        assert_eq!(named.org, Some("o-1".parse().unwrap()));
    }

    #[test]
    fn unknown_keys_and_odd_queries_are_refused_with_what_is_allowed() {
        let refused = |query| checked(SDDCS, query).unwrap_err();
        let fault = "unknown query parameter \"includedeleted\": this path takes only includeDeleted, $filter";
        assert_eq!(refused("includedeleted=true"), fault);
        assert!(refused("x=1").starts_with("unknown query parameter \"x\""));
        assert!(refused("includeDeleted=true;access_token=x").contains("semicolon"));
        assert!(refused("%00=1").contains("percent-encoded"));
        assert!(refused("includeDeleted=%ff").contains("percent-encoded"));
        assert!(refused("$filter=cloud_password+eq+'x'").contains("names a field"));
        assert!(refused("%24filter=name+eq").contains("cannot be read"));
        assert!(refused("includeDeleted=true&%69ncludeDeleted=true").contains("more than once"));
        for doubled in ["orgId=o-2&orgId=o-1", "orgId=o-2&%6frgId=o-1", "orgId=o-1&orgId"] {
            let why = checked("/vmc/api/customer-support/inputs", doubled).unwrap_err();
            assert_eq!(why, "the query parameter orgId is given more than once", "{doubled}");
        }
        let none = checked("/vmc/api/orgs", "x=1").unwrap_err();
        assert_eq!(none, "unknown query parameter \"x\": this path takes no query parameters");
    }
}

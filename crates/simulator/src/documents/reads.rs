//! The reads that have a document of their own: what `templates/reads` holds, by VMware's path.
//!
//! A document in the place of another's path (a text) is that list's first item; `null` is the item of the list one
//! level up that has the id of the path.

use std::sync::LazyLock;

use serde_json::{Map, Value};

use super::{json::push, template::Template};

const SOURCES: [&str; 4] = [
    include_str!("templates/reads/sddcs.json"),
    include_str!("templates/reads/accounts.json"),
    include_str!("templates/reads/services.json"),
    include_str!("templates/reads/inventory.json"),
];

/// In the order of the files: a path with a word comes before one with a place there.
static READS: LazyLock<Vec<Read>> = LazyLock::new(|| {
    let parse = |source| serde_json::from_str::<Map<String, Value>>(source).expect("JSON");
    let documents = SOURCES.iter().copied().flat_map(parse).enumerate();
    documents.map(|(number, (path, document))| Read::new(number, path, &document)).collect()
});

/// The id of an SDDC where there is none.
const NO_SDDC: &str = "00000000-0000-4000-8000-000000000000";

/// One of VMware's reads.
#[derive(Debug)]
pub(crate) struct Read {
    number: usize,
    /// With `{org}`, `{sddc}`, `{id}` and `{any}` for its places.
    path: String,
    document: ReadDocument,
}

#[derive(Debug)]
enum ReadDocument {
    Own(Template),
    FirstOf(String),
    ItemOfParent,
}

/// What stands in the places of a path.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct ReadPlaces<'a> {
    pub(crate) org: Option<&'a str>,
    pub(crate) sddc: Option<&'a str>,
    id: Option<&'a str>,
    any: Option<&'a str>,
}

impl PartialEq for Read {
    fn eq(&self, other: &Self) -> bool {
        self.number == other.number
    }
}

impl Eq for Read {}

impl Read {
    fn new(number: usize, path: String, document: &Value) -> Self {
        let document = match document {
            Value::Null => ReadDocument::ItemOfParent,
            Value::String(list) => ReadDocument::FirstOf(list.clone()),
            own => ReadDocument::Own(Template::parse(&own.to_string())),
        };
        Self { number, path, document }
    }

    /// The read that a path leads to, and what it names.
    pub(crate) fn of(path: &str) -> Option<(&'static Self, ReadPlaces<'_>)> {
        READS.iter().find_map(|read| Some((read, places(&read.path, path)?)))
    }

    /// Every read.
    #[cfg(test)]
    pub(crate) fn all() -> &'static [Self] {
        &READS
    }

    /// VMware's path with names for its places.
    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    /// The parameters that it cannot do without.
    pub(crate) fn required(&self) -> &'static [&'static str] {
        match self.path.rsplit('/').next() {
            Some("tos") => &["termsId"],
            Some("cluster-constraints") => &["provider", "num_hosts"],
            Some("offer-instances") => &["region", "product_type"],
            Some("compatible-subnets" | "compatible-subnets-async") => &["linkedAccountId"],
            Some("replica-disk-collections") => &["datastore_mo_id"],
            _ => &[],
        }
    }

    /// The document for `places`; `sddc` is the SDDC that it is about, as id and document. `None` if nothing has
    /// the id of the path.
    pub(crate) fn document(
        &self,
        places: ReadPlaces<'_>,
        sddc: Option<(&str, &str)>,
    ) -> Option<Value> {
        let list = |path: &str| {
            let read = READS.iter().find(|read| read.path == path)?;
            items(read.document(places, sddc)?)
        };
        match &self.document {
            ReadDocument::Own(template) => Some(self.render(template, places, sddc)),
            ReadDocument::FirstOf(path) => list(path)?.into_iter().next(),
            ReadDocument::ItemOfParent => {
                let parent = self.path.strip_suffix("/{id}").expect("the path ends with an id");
                let id = places.id?;
                list(parent)?.into_iter().find(|item| has_id(item, id))
            }
        }
    }

    fn render(
        &self,
        template: &Template,
        places: ReadPlaces<'_>,
        sddc: Option<(&str, &str)>,
    ) -> Value {
        let org = places.org.unwrap_or_default();
        let mut json = String::new();
        template.render(&mut json, |slot, out| match slot {
            "org" => out.push_str(org),
            "sddc" => out.push_str(sddc.map_or(NO_SDDC, |(id, _)| id)),
            "sddc_document" => out.push_str(sddc.map_or("null", |(_, document)| document)),
            "id" => out.push_str(places.id.unwrap_or_default()),
            "any" => out.push_str(places.any.unwrap_or_default()),
            "tag" => push(out, format_args!("{:08x}", mark(org))),
            "own" => {
                push(out, format_args!("{:08x}-0000-4000-8000-{:012x}", self.number, mark(org)));
            }
            unknown => unreachable!("no value for the slot {unknown}"),
        });
        serde_json::from_str(&json).expect("the places of a path need no escapes")
    }
}

/// What a path has in the places of a template; `None` if it is another path.
fn places<'a>(template: &str, path: &'a str) -> Option<ReadPlaces<'a>> {
    let (mut expected, mut found) = (template.split('/'), path.split('/'));
    let mut places = ReadPlaces::default();
    loop {
        match (expected.next(), found.next()) {
            (None, None) => return Some(places),
            (Some(expected), Some(found)) => match expected {
                "{org}" if is_plain(found) => places.org = Some(found),
                "{sddc}" if is_plain(found) => places.sddc = Some(found),
                "{id}" if is_plain(found) => places.id = Some(found),
                "{any}" if is_plain(found) => places.any = Some(found),
                word if word == found => {}
                _ => return None,
            },
            _ => return None,
        }
    }
}

/// Whether a segment can stand in a document as it is.
fn is_plain(segment: &str) -> bool {
    !segment.is_empty()
        && segment.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
}

/// The items of a list, or of a page of one.
fn items(mut list: Value) -> Option<Vec<Value>> {
    let items = if list.is_array() { list } else { list["content"].take() };
    if let Value::Array(items) = items { Some(items) } else { None }
}

fn has_id(item: &Value, id: &str) -> bool {
    ["id", "csp_subscription_id"].iter().any(|name| item[name] == id)
}

/// A number that stands for an organization.
fn mark(org: &str) -> u32 {
    org.bytes().fold(0x811c_9dc5, |mark, byte| (mark ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_read_has_a_document() {
        let org = "0a1b2c3d-4e5f-4a6b-8c7d-9e0f1a2b3c4d";
        for read in Read::all() {
            let asked =
                read.path.replace("{org}", org).replace("{sddc}", "s").replace("{any}", "a");
            let id = read.path.strip_suffix("/{id}").and_then(|parent| {
                let path = parent.replace("{org}", org);
                let (list, places) = Read::of(&path)?;
                let list = items(list.document(places, None)?)?;
                let id = list[0].get("csp_subscription_id").unwrap_or(&list[0]["id"]);
                id.as_str().map(str::to_owned)
            });
            let asked = asked.replace("{id}", id.as_deref().unwrap_or("i"));
            let (found, places) = Read::of(&asked).unwrap();
            assert_eq!(found.path, read.path, "{asked}");
            assert!(found.document(places, Some(("s", r#"{"id":"s"}"#))).is_some(), "{asked}");
        }
    }

    #[test]
    fn words_win_over_ids() {
        let found = |path| Read::of(path).map(|(read, _)| read.path());
        assert_eq!(
            found("/vmc/api/orgs/a/subscriptions/products"),
            Some("/vmc/api/orgs/{org}/subscriptions/products")
        );
        assert_eq!(
            found("/vmc/api/orgs/a/subscriptions/x"),
            Some("/vmc/api/orgs/{org}/subscriptions/{id}")
        );
        for none in
            ["/vmc/api/orgs//providers", "/vmc/api/orgs/a/providers/", "/vmc/api/operator/x"]
        {
            assert_eq!(found(none), None, "{none}");
        }
    }
}

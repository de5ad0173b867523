//! What is asked, and what an answer shows of which documents.

use std::collections::BTreeMap;

use rand::{RngExt, rngs::StdRng, seq::IndexedRandom};
use serde_json::Value;

use crate::{
    callers::Caller,
    history::{History, State},
    world::World,
};

/// What an answer is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    Sddcs,
    Sddc,
    Clusters,
    Hosts,
    Targets,
    Tasks,
    Task,
    Orgs,
    Org,
    /// No document of the cloud.
    Other,
}

/// A question, and what of the documents that its caller sees answers it.
#[derive(Debug, Clone)]
pub struct Question {
    pub path: String,
    pub form: Form,
    /// Only of this organization.
    pub org: Option<String>,
    /// The one SDDC or task that it is about.
    pub id: Option<String>,
    pub state: Option<&'static str>,
    pub with_deleted: bool,
    pub allows_part: bool,
    /// Whether everything that answers it is in the one answer.
    pub is_whole: bool,
    /// The status that it is to have, where that is not for the cloud to say.
    pub expected: Option<u16>,
}

impl Question {
    fn new(path: impl Into<String>, form: Form) -> Self {
        Self {
            path: path.into(),
            form,
            org: None,
            id: None,
            state: None,
            with_deleted: false,
            allows_part: false,
            is_whole: true,
            expected: None,
        }
    }

    fn expecting(path: impl Into<String>, status: u16) -> Self {
        Self { expected: Some(status), ..Self::new(path, Form::Other) }
    }

    pub fn draw(world: &World, dice: &mut StdRng) -> Self {
        let of = |history: &History, dice: &mut StdRng| {
            let ids: Vec<_> = history.all_now().map(|(id, _)| id.to_owned()).collect();
            ids.choose(dice).unwrap().clone()
        };
        let org = world.orgs.choose(dice).unwrap().clone();
        let odd: u32 = dice.random();
        let plain = |path: &str, form| Self::new(path, form);
        match dice.random_range(0..32) {
            0..7 => plain("/sddcs", Form::Sddcs),
            7 => plain("/sddcs?include=clusters,hosts", Form::Sddcs),
            8 => Self { state: Some("READY"), ..plain("/sddcs?state=READY", Form::Sddcs) },
            9 => plain("/sddcs?fields=id,org_id,name,state&sort=-name", Form::Sddcs),
            10 => Self { is_whole: false, ..plain("/sddcs?limit=3", Form::Sddcs) },
            11 => Self { allows_part: true, ..plain("/sddcs?partial=allow", Form::Sddcs) },
            12 => Self { with_deleted: true, ..plain("/sddcs?include_deleted=true", Form::Sddcs) },
            13 => Self {
                org: Some(org.clone()),
                ..Self::new(format!("/orgs/{org}/sddcs"), Form::Sddcs)
            },
            14..17 => {
                let id = of(&world.sddcs(), dice);
                Self { id: Some(id.clone()), ..Self::new(format!("/sddcs/{id}"), Form::Sddc) }
            }
            17..20 => {
                let id = of(&world.sddcs(), dice);
                let (part, form) =
                    *[("clusters", Form::Clusters), ("hosts", Form::Hosts), ("tasks", Form::Tasks)]
                        .choose(dice)
                        .unwrap();
                Self { id: Some(id.clone()), ..Self::new(format!("/sddcs/{id}/{part}"), form) }
            }
            20 => plain("/clusters", Form::Clusters),
            21 => plain("/hosts", Form::Hosts),
            22 => plain("/tasks", Form::Tasks),
            23 => {
                let id = of(&world.tasks(), dice);
                Self { id: Some(id.clone()), ..Self::new(format!("/tasks/{id}"), Form::Task) }
            }
            24 => plain("/orgs", Form::Orgs),
            25 => Self { org: Some(org.clone()), ..Self::new(format!("/orgs/{org}"), Form::Org) },
            26..28 => plain("/sd/prometheus?target=vcenter", Form::Targets),
            28 => Self::expecting("/openapi.json", 200),
            29 if odd.is_multiple_of(2) => Self::expecting("/sddcs", 405),
            29 => Self::expecting(format!("/odd-{odd}"), 404),
            30 => Self::expecting(format!("/sddcs?state=ODD-{odd}"), 400),
            _ => Self::expecting("/sddcs?stat=READY", 400),
        }
    }

    /// Whether it is about what is polled at all times: that is never refused while it is known.
    pub fn is_main(&self) -> bool {
        let is_polled =
            matches!(self.form, Form::Sddcs | Form::Clusters | Form::Hosts | Form::Targets);
        is_polled && !self.with_deleted && self.id.is_none() && self.org.is_none()
    }

    /// Whether an SDDC that is in this state answers it.
    pub fn shows(&self, caller: &Caller, sddc: &State) -> bool {
        let has_part = match self.form {
            Form::Clusters => sddc.clusters > 0,
            Form::Hosts => sddc.hosts > 0,
            Form::Targets => sddc.has_vcenter,
            _ => true,
        };
        has_part
            && caller.sees(sddc)
            && (self.with_deleted || !sddc.is_deleted)
            && self.org.as_ref().is_none_or(|org| *org == sddc.org)
            && self.state.is_none_or(|state| sddc.state() == state)
    }
}

/// What an answer shows: the marks by organization and id, and the documents themselves.
#[derive(Debug, Default)]
pub struct Shown<'a> {
    pub marks: BTreeMap<String, BTreeMap<String, String>>,
    pub documents: Vec<(&'a str, &'a Value)>,
    /// Of each SDDC how many parts of it are shown.
    pub parts: BTreeMap<String, usize>,
}

impl<'a> Shown<'a> {
    /// Reads an answer of this form; `org_of` tells the organization of an SDDC.
    pub fn read(
        form: Form,
        body: &'a Value,
        org_of: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, String> {
        let one = std::slice::from_ref(body);
        let items = match form {
            Form::Sddc | Form::Task | Form::Org | Form::Other => one,
            Form::Targets => body.as_array().ok_or("no array")?,
            _ => body["items"].as_array().ok_or("no items")?,
        };
        let mut shown = Self::default();
        for item in items {
            match form {
                Form::Sddcs | Form::Sddc => {
                    let id = text(item, "id")?;
                    shown.mark(text(item, "org_id")?, id, text(item, "name")?)?;
                    shown.documents.push((id, item));
                }
                Form::Tasks | Form::Task => {
                    let id = text(item, "id")?;
                    shown.mark(text(item, "org_id")?, id, text(item, "created_by")?)?;
                    shown.documents.push((id, item));
                }
                Form::Targets => {
                    let label = |name: &str| text(&item["labels"], &format!("__meta_vmc_{name}"));
                    shown.mark(label("sddc_org_id")?, label("sddc_id")?, label("sddc_name")?)?;
                }
                Form::Clusters | Form::Hosts => {
                    let id = text(item, "sddc_id")?;
                    let parts = shown.parts.entry(id.to_owned()).or_default();
                    *parts += 1;
                    // The first one of an SDDC bears its mark.
                    let name = text(item, "name")?;
                    if name.starts_with("prod-") || name.starts_with("dev-") {
                        let org = org_of(id).ok_or_else(|| format!("{id} is made up"))?;
                        shown.mark(&org, id, name)?;
                    }
                }
                Form::Orgs | Form::Org | Form::Other => {}
            }
        }
        let is_marked = |id: &&String| shown.marks.values().any(|marks| marks.contains_key(*id));
        match shown.parts.keys().find(|id| !is_marked(id)) {
            Some(id) => Err(format!("parts of {id} without the one that bears its mark")),
            None => Ok(shown),
        }
    }

    fn mark(&mut self, org: &str, id: &str, mark: &str) -> Result<(), String> {
        let marks = self.marks.entry(org.to_owned()).or_default();
        match marks.insert(id.to_owned(), mark.to_owned()) {
            Some(other) => Err(format!("{id} is shown as {other} and as {mark}")),
            None => Ok(()),
        }
    }
}

fn text<'a>(item: &'a Value, name: &str) -> Result<&'a str, String> {
    item[name].as_str().ok_or_else(|| format!("no {name}: {item}"))
}

//! Values that the inventory has had since start: a poller's filter must not turn into a fault when
//! the last SDDC leaves that state (contract section 4.2).
//!
//! Only values are kept that are neither documented nor of their field's form: any other is good
//! without having been seen. They are kept by SDDC, so that a caller's filter is judged by what that
//! caller may see.

use std::{
    any::TypeId,
    collections::{HashMap, HashSet, VecDeque},
    sync::Arc,
};

use parking_lot::Mutex;

use super::{
    caller::Visibility,
    resource::{ParsedValue, Resource},
};
use crate::{
    ids::{OrgId, SddcId},
    inventory::{
        ChangeObserver, Inventory, ListContent, OrgSelector,
        model::{Org, SddcEntry, TaskEntry},
    },
};

/// Values of one field of one SDDC. The oldest one makes room.
const MAX_VALUES: usize = 64;

/// What was seen since start, by whose it was.
#[derive(Debug, Default)]
pub struct ValueHistory(Mutex<HashMap<ValueOwner, SeenValues>>);

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct ValueOwner {
    org: OrgId,
    /// `None`: of no SDDC.
    sddc: Option<SddcId>,
}

#[derive(Debug, Default)]
struct SeenValues {
    /// The SDDC's last name, by which some callers see it.
    name: Option<Box<str>>,
    values: HashMap<(TypeId, &'static str), VecDeque<Box<str>>>,
}

impl ValueHistory {
    /// The history of this inventory from here on.
    pub fn observing(inventory: &Inventory) -> Arc<Self> {
        let history = Arc::<Self>::default();
        inventory.observe(history.clone());
        history
    }

    /// Whether a field has had this value in what a caller sees.
    pub(super) fn has<R: Resource>(
        &self,
        field: &'static str,
        value: &str,
        visibility: &Visibility,
        scope: &OrgSelector,
    ) -> bool {
        let all = self.0.lock();
        all.iter().any(|(owner, seen)| {
            let values = seen.values.get(&(TypeId::of::<R>(), field));
            values.is_some_and(|values| values.iter().any(|known| **known == *value))
                && scope.holds(&owner.org)
                && visibility.sees_owner(&owner.org, owner.sddc.as_ref(), seen.name.as_deref())
        })
    }

    /// Takes the organizations' values.
    pub(super) fn note_orgs(&self, orgs: &[Org]) {
        for org in orgs {
            self.note(&org.id, None, None, std::slice::from_ref(org));
        }
    }

    fn note<R: Resource>(
        &self,
        org: &OrgId,
        sddc: Option<&SddcId>,
        name: Option<&str>,
        documents: &[R],
    ) {
        let mut odd = Vec::new();
        for document in documents {
            for field in R::FIELDS {
                let texts = (field.value)(document).texts();
                let doubtful = texts.filter(|text| {
                    !text.is_empty() && matches!(field.kind.read(text), ParsedValue::Doubtful(_))
                });
                odd.extend(doubtful.map(|text| (field.name, text)));
            }
        }
        let owner = ValueOwner { org: org.clone(), sddc: sddc.cloned() };
        let mut all = self.0.lock();
        // A task does not say what its SDDC is called: the SDDC's own document does.
        if odd.is_empty() && name.is_none() {
            return;
        }
        let seen = all.entry(owner).or_default();
        if name.is_some() {
            seen.name = name.map(Box::from);
        }
        for (field, text) in odd {
            let values = seen.values.entry((TypeId::of::<R>(), field)).or_default();
            if values.iter().any(|known| **known == *text) {
                continue;
            }
            values.push_back(text.into());
            if values.len() > MAX_VALUES {
                values.pop_front();
            }
        }
    }
}

/// The entries that were not there before as they are.
fn new<'a, E>(before: &[Arc<E>], now: &'a [Arc<E>]) -> impl Iterator<Item = &'a Arc<E>> {
    let before: HashSet<_> = before.iter().map(Arc::as_ptr).collect();
    now.iter().filter(move |entry| !before.contains(&Arc::as_ptr(entry)))
}

impl ChangeObserver for ValueHistory {
    fn sddcs_changed(&self, before: &ListContent<SddcEntry>, now: &ListContent<SddcEntry>) {
        for entry in new(&before.entries, &now.entries) {
            let sddc = &entry.sddc;
            let (org, id, name) = (&sddc.org_id, Some(&sddc.id), sddc.name.as_deref());
            self.note(org, id, name, std::slice::from_ref(&**entry));
            self.note(org, id, name, &entry.clusters);
            self.note(org, id, name, &entry.hosts);
        }
    }

    fn tasks_changed(&self, before: &ListContent<TaskEntry>, now: &ListContent<TaskEntry>) {
        for entry in new(&before.entries, &now.entries) {
            let task = &entry.task;
            self.note(&task.org_id, task.sddc_id.as_ref(), None, std::slice::from_ref(task));
        }
    }
}

/// What a question's doubtful values are looked up in, for one caller.
#[derive(Debug, Clone)]
pub(super) struct SeenBy {
    pub(super) history: Arc<ValueHistory>,
    pub(super) visibility: Visibility,
    pub(super) scope: OrgSelector,
}

impl SeenBy {
    /// Whether the caller's view has had this value.
    pub(super) fn has<R: Resource>(&self, field: &'static str, value: &str) -> bool {
        self.history.has::<R>(field, value, &self.visibility, &self.scope)
    }
}

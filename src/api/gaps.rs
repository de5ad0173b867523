//! `missing` of a 200: what of the organizations that are shown is not in a list (contract section
//! 4.1). Made from what the caller may see and from nothing else, like the list itself.

use super::{
    answer::ResourceType,
    caller::Visibility,
    query::ListQuery,
    request::ListTarget,
    resource::{HeldBy, Resource},
};
use crate::{
    inventory::{
        Entry, ListSnapshot, PartKind,
        model::{Gap, GapReason, SddcEntry},
    },
    problem::MissingPart,
};

/// Tells what of a list's content a caller sees.
pub(super) trait EntryFilter<E>: Copy {
    /// Whether a document is seen.
    fn entry(self, entry: &E) -> bool;

    /// Whether it may be told that something is not shown.
    fn gap(self, gap: &Gap) -> bool;
}

impl EntryFilter<SddcEntry> for &Visibility {
    fn entry(self, entry: &SddcEntry) -> bool {
        self.sees(entry)
    }

    fn gap(self, gap: &Gap) -> bool {
        self.sees_gap(gap)
    }
}

/// What a list does not show though its organization can be shown, in no order.
pub(super) fn gaps<E: Entry, R: HeldBy<E>>(
    target: &ListTarget,
    query: &ListQuery<R>,
    view: &ListSnapshot<E>,
    visibility: impl EntryFilter<E>,
) -> Vec<MissingPart> {
    let holds = |org| target.scope.holds(org) && view.shows(org);
    let of_orgs = view.content.gaps.iter().filter(|gap| {
        holds(&gap.org_id) && visibility.gap(gap) && may_concern(query, target.what, gap)
    });
    let names_sddcs = target.within.is_some() || query.filters_by("sddc_id");
    let mut missing: Vec<_> = of_orgs
        .map(|gap| match gap.reason {
            // One for each SDDC would be many, where the list is of all of them.
            GapReason::OlderTasks if !names_sddcs => {
                MissingPart { sddc_id: None, ..MissingPart::from(gap) }
            }
            _ => MissingPart::from(gap),
        })
        .collect();
    let kinds = kinds(target.what, query);
    if !kinds.is_empty() {
        let entries = view.content.entries.iter();
        let seen = entries.filter(|entry| holds(entry.org()) && visibility.entry(entry));
        missing.extend(seen.filter_map(|entry| {
            let reason = kinds.iter().filter_map(|kind| entry.gap(*kind)).max()?;
            let is_concerned = match target.what {
                ResourceType::Sddcs => R::of(entry).iter().any(|document| query.matches(document)),
                _ => query.may_hold("sddc_id", entry.id()),
            };
            is_concerned.then(|| missing_parts(&**entry, reason))
        }));
    }
    merge(&mut missing);
    missing
}

/// Orders what is missing, and tells each thing once; of elements that no id tells apart each.
pub(super) fn merge(missing: &mut Vec<MissingPart>) {
    let is_without_id = |part: &MissingPart| {
        part.sddc_id.is_none() && part.reason == GapReason::Unreadable.as_str()
    };
    missing.sort_unstable();
    missing.dedup_by(|one, other| one == other && !is_without_id(one));
}

/// What is not shown of one SDDC, in a list of its parts.
pub(super) fn gap_of<E: Entry>(entry: &E, kind: Option<PartKind>) -> Vec<MissingPart> {
    let reason = kind.and_then(|kind| entry.gap(kind));
    reason.map(|reason| missing_parts(entry, reason)).into_iter().collect()
}

fn missing_parts<E: Entry>(entry: &E, reason: GapReason) -> MissingPart {
    MissingPart {
        org_id: entry.org().to_string(),
        sddc_id: Some(entry.id().to_owned()),
        reason: reason.as_str(),
    }
}

/// Whether what is not shown could be what is asked for.
fn may_concern<R: Resource>(query: &ListQuery<R>, what: ResourceType, gap: &Gap) -> bool {
    let is_older_task = what == ResourceType::Tasks && gap.reason == GapReason::OlderTasks;
    let sddc = gap.sddc_id.as_ref().map_or("", |id| id.as_str());
    query.may_hold("org_id", gap.org_id.as_str())
        && (!is_older_task || query.may_hold("sddc_id", sddc))
}

/// The parts of SDDCs that a list shows.
fn kinds<R: Resource>(what: ResourceType, query: &ListQuery<R>) -> Vec<PartKind> {
    match what {
        ResourceType::Sddcs => [("clusters", PartKind::Clusters), ("hosts", PartKind::Hosts)]
            .into_iter()
            .filter_map(|(name, kind)| query.includes(name).then_some(kind))
            .collect(),
        other => other.part_kind().into_iter().collect(),
    }
}

impl ResourceType {
    /// The parts that a list consists of, if it is one of parts.
    pub(super) fn part_kind(self) -> Option<PartKind> {
        match self {
            Self::Clusters => Some(PartKind::Clusters),
            Self::Hosts => Some(PartKind::Hosts),
            Self::Sddcs | Self::Tasks | Self::Sddc | Self::Task | Self::Targets => None,
        }
    }
}

//! Who may do what, as a table: a part of `check`.

use jiff::Timestamp;
use serde::Serialize;

use crate::{
    access::{CallerSettings, CredentialId, ReadGroup, Scope, View},
    ids::{OrgId, SddcId},
};

const HEAD: [&str; 6] = ["CALLER", "SCOPES", "CREDENTIALS", "CAN SEE", "RATE", "UNTIL"];

/// What one caller may do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct CallerRow {
    name: String,
    scopes: Vec<String>,
    /// As the audit names them.
    credentials: Vec<String>,
    can_see: Vec<String>,
    rate: String,
    until: String,
}

/// A row for each caller.
pub(super) fn rows<'a>(
    callers: impl Iterator<Item = &'a CallerSettings>,
    now: Timestamp,
) -> Vec<CallerRow> {
    callers.map(|caller| row(caller, now)).collect()
}

/// The table's lines: a head, and a line or more for each caller.
pub(super) fn table(rows: &[CallerRow]) -> Vec<String> {
    let head = HEAD.map(|title| vec![title.to_owned()]);
    let rows: Vec<_> = std::iter::once(head).chain(rows.iter().map(CallerRow::cells)).collect();
    let mut widths = [0; HEAD.len()];
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.iter().map(|line| line.chars().count()).fold(*width, usize::max);
        }
    }
    rows.iter().flat_map(|row| lines(row, widths)).collect()
}

type Cells = [Vec<String>; HEAD.len()];

/// A row, each cell of which may have several lines.
fn lines(row: &Cells, widths: [usize; HEAD.len()]) -> Vec<String> {
    let height = row.iter().map(Vec::len).max().unwrap_or_default();
    let line = |at: usize| {
        let cells = row.iter().zip(widths).map(|(cell, width)| {
            let text = cell.get(at).map_or("", String::as_str);
            format!("{text:width$}")
        });
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    (0..height).map(line).collect()
}

impl CallerRow {
    fn cells(&self) -> Cells {
        [
            vec![self.name.clone()],
            self.scopes.clone(),
            self.credentials.clone(),
            self.can_see.clone(),
            vec![self.rate.clone()],
            vec![self.until.clone()],
        ]
    }
}

fn row(caller: &CallerSettings, now: Timestamp) -> CallerRow {
    let rate = caller
        .rate
        .map_or_else(|| "no limit".to_owned(), |rate| format!("{rate}, burst {}", rate.burst()));
    let until = match caller.not_after {
        None => "-".to_owned(),
        Some(end) if end <= now => format!("{end} (has expired)"),
        Some(end) => end.to_string(),
    };
    CallerRow {
        name: caller.name.to_string(),
        scopes: caller.scopes.iter().map(|scope| shown(*scope, &caller.read_groups)).collect(),
        credentials: credentials(caller),
        can_see: can_see(&caller.view),
        rate,
        until,
    }
}

/// A scope, with the groups of reads that it is for.
fn shown(scope: Scope, groups: &[ReadGroup]) -> String {
    match scope {
        Scope::SddcRead => scope.to_string(),
        Scope::VmcRead => {
            let groups: Vec<_> = groups.iter().map(|group| group.as_str()).collect();
            format!("{scope} ({})", groups.join(", "))
        }
    }
}

/// Its credentials, as the audit names them.
fn credentials(caller: &CallerSettings) -> Vec<String> {
    let keys = caller.key_sha256.iter();
    let keys = keys.map(|digest| format!("key {}", CredentialId::from(*digest)));
    let claims = caller.oidc.iter().map(|(claim, text)| format!("{claim}={text}"));
    let claims: Vec<_> = claims.collect();
    let token = (!claims.is_empty()).then(|| format!("token with {}", claims.join(", ")));
    let certificate = caller.tls_san.iter().map(|name| format!("certificate {name}"));
    keys.chain(token).chain(certificate).collect()
}

fn can_see(view: &View) -> Vec<String> {
    if view.is_everything() {
        return vec!["everything".to_owned()];
    }
    let orgs = view.orgs.iter().flat_map(|orgs| orgs.iter().map(OrgId::as_str));
    let ids = view.sddc_ids.iter().flatten().map(SddcId::as_str);
    let names = view.sddc_names.iter().flatten();
    let orgs = orgs.map(|org| format!("org {org}"));
    let ids = ids.map(|id| format!("SDDC {id}"));
    let names = names.map(|name| format!("SDDCs named \"{name}\""));
    orgs.chain(ids).chain(names).collect()
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, sync::Arc};

    use super::*;
    use crate::access::KeyDigest;

    #[test]
    fn a_table_says_who_may_do_what() {
        let plain = CallerSettings {
            key_sha256: vec![KeyDigest::of(b"a"), KeyDigest::of(b"b")],
            ..CallerSettings::new("billing".parse().unwrap())
        };
        let limited = CallerSettings {
            oidc: [("sub".to_owned(), "ci".into())].into(),
            tls_san: Some("dns:ci.test".parse().unwrap()),
            scopes: vec![Scope::SddcRead, Scope::VmcRead],
            view: View {
                orgs: Some(Arc::new(BTreeSet::from(["o-1".parse().unwrap()]))),
                sddc_names: Some(vec!["prod-*".parse().unwrap()]),
                ..View::default()
            },
            rate: Some("10/s".parse().unwrap()),
            not_after: Some("2027-01-31T00:00:00Z".parse().unwrap()),
            ..CallerSettings::new("ci".parse().unwrap())
        };
        let expected = "\
CALLER   SCOPES                   CREDENTIALS              CAN SEE               RATE            UNTIL
billing  sddc:read                key ca978112             everything            no limit        -
                                  key 3e23e816
ci       sddc:read                token with sub=\"ci\"      org o-1               10/s, burst 10  2027-01-31T00:00:00Z
         vmc:read (sddcs, tasks)  certificate dns:ci.test  SDDCs named \"prod-*\"";
        let now = "2026-11-22T10:00:00Z".parse().unwrap();
        let shown = |callers: &[&CallerSettings], now| table(&rows(callers.iter().copied(), now));
        assert_eq!(shown(&[&plain, &limited], now).join("\n"), expected);
        let later = "2027-01-31T00:00:00Z".parse().unwrap();
        assert!(shown(&[&limited], later)[1].ends_with("Z (has expired)"));
    }
}

//! The table, as people read it.

use std::fmt::Write;

use super::{
    cell::Cell,
    faults::Trouble,
    world::{Held, Place},
};

const PATH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/UPSTREAM-FAULTS.md");

const HEAD: &str = "\
# What callers get while an upstream fails

Each cell was measured: the status and `code` that a caller gets, or the `Age` of the snapshot that answers \
and the `detail` of its `Cache-Status`. The number after the × says how many calls to the failing place this \
cost. A test compares this page with what the program does.

- *no snapshot*: nothing was read yet. *fresh*, *stale*, *old*, *too old*: the last successful read is 50 s, \
120 s, 2 h or 5 h old. `inventory.fresh` is 60 s, `inventory.stale_denied` 1 h and `inventory.stale` 4 h, and \
nothing is polled (`inventory.poll = \"0s\"`).
- `inventory.stale_denied` applies where VMware Cloud's API answers a read with 401 or 403, also to a new \
token. Where no token can be had because CSP refuses the app, `inventory.stale` applies, as in an outage.
- *then*: how long the next caller without a snapshot is told to wait (`Retry-After`, in seconds), and how \
many calls that cost: none while the circuit breaker is open.
- A read whose failure may be temporary is tried three times (`vmc.retries`), a token request once. After a \
failure one call at a time is let through, and tried once: ×1 where the snapshot is old or too old.
- A caller waits at most a second for the refresh of a stale snapshot. Where the refresh takes longer, the \
`detail` is `stale-refresh-pending`, and the table shows what the next caller gets.
- ×1–2 depends on which of two reads uses a new token first.
- No answer takes longer than its tries: `vmc.connect_timeout` or `vmc.timeout` for each, short pauses \
between them, and the wait for one of `vmc.max_in_flight` places where all are taken.
";

/// One fault at one place.
pub struct Row {
    pub place: Place,
    pub trouble: &'static Trouble,
    pub cells: Vec<Cell>,
    pub held: Held,
    pub org: String,
}

impl Row {
    fn text(&self) -> String {
        let mut text = String::new();
        for cell in &self.cells {
            // Another read asks with the same token at the same time: which of them meets a new one
            // first decides whether the other one's refusal is the token's first.
            let is_by_chance = self.place == Place::Discovery
                && ["401 once", "401", "403"].contains(&self.trouble.name)
                && cell.answer.status == 200
                && cell.calls > 0;
            let calls = if is_by_chance { "1–2".to_owned() } else { cell.calls.to_string() };
            write!(text, " {} ×{calls} |", cell.told()).unwrap();
        }
        let wait = match &*self.held.retry_after {
            "" => "–".to_owned(),
            seconds => format!("{seconds} s"),
        };
        write!(text, " {wait}, ×{} |", self.held.calls).unwrap();
        text
    }

    /// What must hold in each cell, and does not.
    pub fn faults(&self) -> Vec<String> {
        let faults = self.cells.iter().flat_map(|cell| cell.faults(self.place));
        faults
            .map(|fault| {
                format!("{:?}: {}: {fault}: {}", self.place, self.trouble.name, self.text())
            })
            .collect()
    }

    /// Whether an operator can read in the log what is wrong.
    pub fn is_told_in(&self, events: &str) {
        let is_none = self.trouble.name == "401 once" && self.place != Place::FirstMint;
        let mark = match self.place {
            Place::Discovery => "the organizations could not be refreshed",
            Place::Keys => "the keys of access.oidc.issuer cannot be fetched",
            _ => &self.org,
        };
        // What is no JWK set is told in its own words.
        let word = if self.place == Place::Keys { "" } else { self.trouble.logged };
        let mut lines = events.lines().filter(|line| line.contains(mark) && line.contains(word));
        let told = lines.any(|line| line.contains("\"WARN\"") || line.contains("\"ERROR\""));
        assert!(told || is_none, "{:?}: {}: no {word:?} in the log", self.place, self.trouble.name);
    }
}

/// What a place is called, and what a caller asks there.
fn title(place: Place) -> &'static str {
    match place {
        Place::FirstMint => {
            "The first token (`GET /sddcs` after a start; snapshots are from `inventory.snapshot_file`)"
        }
        Place::Renewal => "Another token (`GET /sddcs`)",
        Place::Discovery => "The list of organizations (`GET /sddcs`)",
        Place::List => "The SDDCs of an organization (`GET /sddcs`)",
        Place::One => "The same (`GET /sddcs/{sddc_id}`)",
        Place::Tasks => "The tasks of an organization (`GET /tasks`)",
        Place::Keys => {
            "The keys of callers' tokens (`GET /sddcs` with a JWT; the snapshots are keys that were fetched before)"
        }
    }
}

/// Compares the page with what was measured, or writes it again.
pub fn compare(rows: &[Row]) {
    let mut page = HEAD.to_owned();
    for place in Place::ALL {
        write!(page, "\n## {}\n\n", title(place)).unwrap();
        page.push_str(
            "| fault | no snapshot | fresh | stale | old | too old | then |\n|---|---|---|---|---|---|---|\n",
        );
        // Faults with the same outcome stand together, where the first of them stands.
        let mut outcomes: Vec<(String, Vec<&str>)> = Vec::new();
        for row in rows.iter().filter(|row| row.place == place) {
            let text = row.text();
            match outcomes.iter_mut().find(|(known, _)| *known == text) {
                Some((_, faults)) => faults.push(row.trouble.name),
                None => outcomes.push((text, vec![row.trouble.name])),
            }
        }
        for (text, faults) in outcomes {
            writeln!(page, "| {} |{text}", faults.join("; ")).unwrap();
        }
    }
    if std::env::var_os("UPDATE_FAULTS").is_some() {
        std::fs::write(PATH, &page).unwrap();
    }
    let known = std::fs::read_to_string(PATH).unwrap_or_default();
    for (known, measured) in known.lines().zip(page.lines()) {
        assert_eq!(known, measured, "deploy/UPSTREAM-FAULTS.md: UPDATE_FAULTS=1 writes it again");
    }
    assert_eq!(known.lines().count(), page.lines().count());
}

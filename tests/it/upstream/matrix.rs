//! Each way in which an upstream can go wrong, at each place where the gateway asks one, with each
//! snapshot that it can have: what callers get, and what it costs the upstream.
//!
//! What is measured is written down in `deploy/UPSTREAM-FAULTS.md`, for operators to read and for
//! this test to compare: `UPDATE_FAULTS=1 cargo test --test it -- upstream::matrix` writes it anew.
//! Whatever the table says, each cell must also hold what [`Cell::holds`] says.

mod cell;
mod faults;
mod table;
mod world;

use futures_util::{StreamExt, stream};

use self::{
    faults::{FAULTS, Trouble},
    table::Row,
    world::{Place, World},
};
use crate::harness::Captured;

/// Worlds at once: most of them wait for something most of the time.
const AT_ONCE: usize = 28;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_fault_at_each_place_with_each_snapshot_is_as_documented() {
    let cells =
        Place::ALL.into_iter().flat_map(|place| FAULTS.iter().map(move |fault| (place, fault)));
    let rows = stream::iter(cells).map(|(place, trouble)| async move { row(place, trouble).await });
    let rows: Vec<Row> = rows.buffered(AT_ONCE).collect().await;
    let faults: Vec<_> = rows.iter().flat_map(Row::faults).collect();
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    table::compare(&rows);
    let events = Captured::events();
    assert!(!events.contains("CANARY"));
    for row in &rows {
        row.is_told_in(&events);
    }
}

/// Fresh, stale, old (past `inventory.stale_denied`), too old (past `inventory.stale`); longer apart than
/// refused credentials are held back.
const AGES_S: [u64; 4] = [50, 120, 2 * 3600, 5 * 3600];

/// One fault at one place, while the snapshot is not there, and at each of these ages.
async fn row(place: Place, trouble: &'static Trouble) -> Row {
    let mut world = World::start(place, trouble).await;
    let mut cells = Vec::new();
    world.begin_without_a_snapshot(trouble).await;
    cells.push(world.ask().await);
    let held = world.ask_again().await;
    world.begin_with_a_snapshot(trouble).await;
    for age_s in AGES_S {
        world.grow_old(age_s, trouble).await;
        cells.push(world.ask().await);
    }
    Row { place, trouble, cells, held, org: world.org() }
}

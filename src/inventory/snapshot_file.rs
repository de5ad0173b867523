//! The snapshot file: the last good snapshot on disk, so that a restart during an outage still answers.
//!
//! ```text
//! {"format":"sddc-gateway-snapshot","version":2,"sha256":"…","length":    123}   one line
//! {"source":"…","saved_at":"…","directory":{…},"orgs":[…]}                       what is hashed
//! ```
//!
//! Only documents that were built from the allow-list are in it. A file is believed whole or not at
//! all: nothing is read from it before its checksum holds, and what it says of ages is judged by
//! the wall clock, the only one that goes on across a restart.
//!
//! Reads and writes of files block: call it on a thread that may.

pub(crate) mod file;
#[cfg(any(test, feature = "fuzzing"))]
pub(super) mod fuzzing;
#[cfg(test)]
mod tests;

use std::{
    fmt::Write as _,
    io::{self, BufRead, BufReader, BufWriter, Read, Seek, SeekFrom, Write},
    path::Path,
    sync::Arc,
    time::Duration,
};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use url::Url;

use super::{
    belief::{HeldBack, OrgList},
    model::{Gap, GapReason, Org, SddcEntry},
};
use crate::{
    clock::Instant,
    csp::ClientId,
    ids::{OrgId, SddcId},
};

const FORMAT: &str = "sddc-gateway-snapshot";
/// Of the documents too: another one for each change of [`model`](super::model), or a field that is
/// new there would be read as `null` from an older file.
const VERSION: u64 = 2;
/// Both a bound of memory and far more than any snapshot.
const MAX_BYTES: u64 = 1024 * 1024 * 1024;
/// Bounds what a file can say of elements that are not in it.
const MAX_WITHOUT_ID: usize = 100_000;
/// The header's line; the first of a file that is none of ours may be of any length.
const MAX_HEADER_BYTES: u64 = 256;

/// What the documents came from: a snapshot of other upstreams, or seen by another app, is not ours.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct SnapshotSource(String);

impl SnapshotSource {
    /// The fingerprint of `csp.url`, `vmc.url` and `csp.client_id`, none of them a secret.
    pub(crate) fn of(csp: &Url, vmc: &Url, client_id: &ClientId) -> Self {
        // None of the three holds a line's end.
        let text = format!("{csp}\n{vmc}\n{}", client_id.as_str());
        Self(hex(&Sha256::digest(text)))
    }

    /// The fingerprint in hexadecimal.
    pub(crate) fn fingerprint(&self) -> &str {
        &self.0
    }
}

/// A snapshot with what it takes to judge it later.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SavedSnapshot {
    /// What it is of.
    pub(crate) source: SnapshotSource,
    /// When it was written.
    pub(crate) saved_at: Timestamp,
    /// The served organizations, if they were ever listed.
    pub(crate) directory: Option<SavedOrgList>,
    /// What each of them contributes.
    pub(crate) orgs: Vec<SavedOrg>,
}

/// The served organizations.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SavedOrgList {
    /// When the reading began.
    pub(crate) read_at: Timestamp,
    /// Their documents.
    pub(crate) orgs: Vec<Org>,
}

/// One organization's SDDCs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SavedOrg {
    /// Whose.
    pub(crate) org_id: OrgId,
    /// When the reading began.
    pub(crate) read_at: Timestamp,
    /// Whether VMware has refused since: what it shows is then good for less long.
    pub(crate) denied: bool,
    /// Those of `sddcs` that are older than that.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) held_back: Vec<SavedHeldBack>,
    /// How many elements the list had that no usable id tells apart.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(crate) without_id: usize,
    /// What was read.
    pub(crate) sddcs: Vec<Arc<SddcEntry>>,
}

/// An SDDC that is older than the list it is in.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SavedHeldBack {
    /// Which.
    pub(crate) sddc_id: SddcId,
    /// When the reading began that it is of.
    pub(crate) read_at: Timestamp,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde gives a reference")]
fn is_zero(count: &usize) -> bool {
    *count == 0
}

impl SavedOrg {
    /// The list; `begun` tells the moment of a time of day.
    pub(super) fn into_list(self, begun: impl Fn(Timestamp) -> Instant) -> OrgList<SddcEntry> {
        let find = |id: &SddcId| self.sddcs.iter().find(|entry| entry.sddc.id == *id);
        let is_listed = self.without_id == 0;
        let held_back = self.held_back.iter().filter_map(|held| {
            let entry = find(&held.sddc_id)?.clone();
            Some(HeldBack { entry, begun: begun(held.read_at), is_listed })
        });
        let held_back = held_back.collect();
        let gap = Gap { org_id: self.org_id, sddc_id: None, reason: GapReason::Unreadable };
        // No list is longer than the file.
        let gaps = vec![gap; self.without_id.min(MAX_WITHOUT_ID)];
        OrgList { entries: self.sddcs, gaps, held_back }
    }
}

/// Why a file is not used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum RefusedSnapshot {
    /// Its first line is not a header.
    #[error("the file is not a snapshot of sddc-gateway")]
    NotASnapshot,
    /// Written by an older or newer gateway.
    #[error("the snapshot has version {0}, but this gateway reads version {VERSION}")]
    OtherVersion(u64),
    /// Length, checksum or content.
    #[error("the snapshot is damaged")]
    Damaged,
    /// Written under another `csp.url`, `vmc.url` or `csp.client_id`.
    #[error("the snapshot comes from other upstreams or from another OAuth app")]
    OtherSource,
    /// The wall clock was set back, or another machine's is ahead.
    #[error("the snapshot's time is in the future, so its age is unknown")]
    FromTheFuture,
    /// Every part of it.
    #[error("everything in the snapshot is older than inventory.stale")]
    TooOld,
    /// A directory, a device, a pipe.
    #[error("the path is not a regular file")]
    NotAFile,
    /// More than any snapshot.
    #[error("the file is larger than 1 GiB")]
    TooLarge,
    /// The operating system's word.
    #[error("the file cannot be read: {}", crate::os_error::in_words(*.0))]
    Unreadable(io::ErrorKind),
}

/// The first line.
#[derive(Deserialize)]
struct SnapshotHeader {
    format: String,
    version: u64,
    sha256: Option<String>,
    length: Option<u64>,
}

/// Reads a snapshot of `source`, without the parts that are older than `oldest`. `None`: there is no
/// such file.
///
/// # Errors
/// [`RefusedSnapshot`]: the file is there and must not be used.
pub(crate) fn load(
    path: &Path,
    source: &SnapshotSource,
    now: Timestamp,
    oldest: Duration,
) -> Result<Option<SavedSnapshot>, RefusedSnapshot> {
    let Some(file) = file::open(path, MAX_BYTES)? else { return Ok(None) };
    let snapshot = read(BufReader::new(file.take(MAX_BYTES)))?;
    if snapshot.source != *source {
        return Err(RefusedSnapshot::OtherSource);
    }
    snapshot.younger_than(now, oldest).map(Some)
}

/// Writes a snapshot in the place of the one before, with mode 0600. Gives its size in bytes.
///
/// # Errors
/// Where the path leads to cannot be written, or is no regular file. The file before is still there.
pub(crate) fn save(path: &Path, snapshot: &SavedSnapshot) -> io::Result<u64> {
    file::replace(path, |file| {
        // The checksum is known last and stands first.
        file.write_all(header(&Sha256::digest([]), 0).as_bytes())?;
        let mut body =
            BufWriter::new(HashingWriter { inner: &mut *file, hash: Sha256::new(), length: 0 });
        serde_json::to_writer(&mut body, snapshot)?;
        body.write_all(b"\n")?;
        let HashingWriter { hash, length, .. } =
            body.into_inner().map_err(io::IntoInnerError::into_error)?;
        let header = header(&hash.finalize(), length);
        let size = header.len() as u64 + length;
        if size > MAX_BYTES {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        file.seek(SeekFrom::Start(0))?;
        file.write_all(header.as_bytes())?;
        Ok(size)
    })
}

/// The first line, of one length whatever it says.
fn header(hash: &[u8], length: u64) -> String {
    let hash = hex(hash);
    format!(
        "{{\"format\":\"{FORMAT}\",\"version\":{VERSION},\"sha256\":\"{hash}\",\"length\":{length:>20}}}\n"
    )
}

/// Reads and checks everything that does not depend on who asks and when.
fn read(mut file: impl BufRead) -> Result<SavedSnapshot, RefusedSnapshot> {
    let unreadable = |error: io::Error| RefusedSnapshot::Unreadable(error.kind());
    let mut line = Vec::new();
    file.by_ref().take(MAX_HEADER_BYTES).read_until(b'\n', &mut line).map_err(unreadable)?;
    let header: SnapshotHeader =
        serde_json::from_slice(&line).map_err(|_| RefusedSnapshot::NotASnapshot)?;
    if header.format != FORMAT {
        return Err(RefusedSnapshot::NotASnapshot);
    }
    if header.version != VERSION {
        return Err(RefusedSnapshot::OtherVersion(header.version));
    }
    // Room is made for what comes, not for what the header promises.
    let mut body = Vec::new();
    file.read_to_end(&mut body).map_err(unreadable)?;
    let whole = header.length == Some(body.len() as u64)
        && header.sha256.as_deref() == Some(&hex(&Sha256::digest(&body)));
    if !whole {
        return Err(RefusedSnapshot::Damaged);
    }
    serde_json::from_slice(&body).map_err(|_| RefusedSnapshot::Damaged)
}

impl SavedSnapshot {
    fn younger_than(mut self, now: Timestamp, oldest: Duration) -> Result<Self, RefusedSnapshot> {
        let parts = self.orgs.iter().map(|part| part.read_at);
        let held = self.orgs.iter().flat_map(|part| &part.held_back).map(|held| held.read_at);
        let parts = parts.chain(held);
        let moments = parts.chain(self.directory.iter().map(|directory| directory.read_at));
        if moments.chain([self.saved_at]).any(|moment| moment > now) {
            return Err(RefusedSnapshot::FromTheFuture);
        }
        let young = |read_at| now.duration_since(read_at).unsigned_abs() <= oldest;
        let before = (self.directory.is_some(), self.orgs.len());
        self.directory = self.directory.filter(|directory| young(directory.read_at));
        self.orgs.retain(|part| young(part.read_at));
        let left = (self.directory.is_some(), self.orgs.len());
        if left == (false, 0) && left != before { Err(RefusedSnapshot::TooOld) } else { Ok(self) }
    }
}

/// Hashes and counts what is written through it.
struct HashingWriter<W> {
    inner: W,
    hash: Sha256,
    length: u64,
}

impl<W: Write> Write for HashingWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.hash.update(&bytes[..written]);
        self.length += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

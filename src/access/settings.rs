//! Who may call: section `[access]`.

use std::{collections::BTreeMap, path::PathBuf};

use jiff::Timestamp;

use super::{CallerName, KeyDigest, Rate, ReadGroup, SanName, Scope, View, oidc};
use crate::reload::LoadedFile;

/// Whether callers must show who they are. Decided once, at start, from which keys are set; never
/// from how many callers there are.
#[derive(Debug, Clone)]
#[expect(clippy::large_enum_variant, reason = "a process has one")]
pub enum Settings {
    /// `access.open = true`, or no `access` key at all on a loopback listener: everyone is
    /// `anonymous` with scope `sddc:read`.
    Open,
    /// Some other `access` key is set.
    Callers(ConfiguredCallers),
}

impl Settings {
    /// In a word, for the log: `open` or `callers`.
    pub const fn mode(&self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Callers(_) => "callers",
        }
    }
}

/// The callers of a configuration, and how they are known.
#[derive(Debug, Clone, Default)]
pub struct ConfiguredCallers {
    /// `access.keys` and `[[access.callers]]`, in their order.
    pub callers: Vec<CallerSettings>,
    /// `access.callers_file`.
    pub file: Option<CallersFile>,
    /// `[access.oidc]`.
    pub oidc: Option<oidc::Settings>,
}

/// `access.callers_file`: callers in a file of their own, which is re-read while running.
#[derive(Debug, Clone)]
pub struct CallersFile {
    /// Where it is.
    pub path: PathBuf,
    /// It as it was at the start, if it was there and not empty.
    pub loaded: Option<LoadedFile>,
    /// Its `[[callers]]` as they were at start; nobody if it could not be read.
    pub callers: Vec<CallerSettings>,
}

/// One entry of `[[access.callers]]`, of `access.keys`, or of the callers' file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallerSettings {
    /// `name`: unique.
    pub name: CallerName,
    /// `key_sha256`: digests of the keys that this caller may show.
    pub key_sha256: Vec<KeyDigest>,
    /// `oidc`: what its tokens say; all of these, and none if there are none.
    pub oidc: BTreeMap<String, oidc::ClaimPattern>,
    /// `tls_san`: a name that its certificate has.
    pub tls_san: Option<SanName>,
    /// `scopes`.
    pub scopes: Vec<Scope>,
    /// `drop_in`: what it may read of VMware's own API, with scope `vmc:read`.
    pub read_groups: Vec<ReadGroup>,
    /// `orgs`, `sddc_ids`, `sddc_names`: what it may see.
    pub view: View,
    /// `rate` and `burst`: how often it may ask; `None` is as often as it likes.
    pub rate: Option<Rate>,
    /// `not_after`: from this moment on none of its credentials is good.
    pub not_after: Option<Timestamp>,
}

impl From<Vec<CallerSettings>> for Settings {
    /// These callers alone are let in.
    fn from(callers: Vec<CallerSettings>) -> Self {
        Self::Callers(ConfiguredCallers { callers, ..ConfiguredCallers::default() })
    }
}

impl CallerSettings {
    /// A caller with scope `sddc:read`, who may see everything, for ever, but is known by nothing yet.
    pub fn new(name: CallerName) -> Self {
        Self {
            name,
            key_sha256: Vec::new(),
            oidc: BTreeMap::new(),
            tls_san: None,
            scopes: vec![Scope::SddcRead],
            read_groups: ReadGroup::DEFAULT.to_vec(),
            view: View::default(),
            rate: None,
            not_after: None,
        }
    }

    /// The same, known by one key.
    pub fn with_key(name: CallerName, key: KeyDigest) -> Self {
        Self { key_sha256: vec![key], ..Self::new(name) }
    }

    /// Whether it may use VMware's own API alone.
    pub fn is_for_tools_only(&self) -> bool {
        self.scopes.iter().all(|scope| *scope == Scope::VmcRead)
    }

    /// What is allowed in its claims but probably not meant, a sentence each.
    pub fn warnings(&self) -> impl Iterator<Item = String> {
        let loose = self.oidc.iter().filter(|(_, pattern)| pattern.is_loose());
        loose.map(|(claim, _)| {
            format!(
                "caller \"{}\": a * in oidc.{} follows a letter or digit, so it also matches every \
                 longer name; end the name with a separator",
                self.name,
                claim.escape_debug()
            )
        })
    }
}

impl Settings {
    /// Who is let in, where not everyone is.
    pub fn callers(&self) -> Option<&ConfiguredCallers> {
        match self {
            Self::Open => None,
            Self::Callers(configured) => Some(configured),
        }
    }
}

impl ConfiguredCallers {
    /// Whether tokens are the only credential of every caller: without the issuer's keys nobody is
    /// known then. `false` without callers.
    pub fn is_tokens_only(&self) -> bool {
        let by_token_only =
            |caller: &CallerSettings| caller.key_sha256.is_empty() && caller.tls_san.is_none();
        self.oidc.is_some() && self.all().next().is_some() && self.all().all(by_token_only)
    }

    /// Every caller, those of the file last.
    pub fn all(&self) -> impl Iterator<Item = &CallerSettings> {
        let of_file = self.file.iter().flat_map(|file| &file.callers);
        self.callers.iter().chain(of_file)
    }
}

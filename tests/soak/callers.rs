//! Who asks, what they may see, and their keys, which change while they ask.

use std::{
    fmt::Write,
    fs,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};

use sddc_gateway::access::CallerKey;

use crate::{history::State, world::World};

/// Someone who asks.
pub struct Caller {
    pub name: &'static str,
    /// The one organization that is seen.
    pub org: Option<String>,
    /// How the names begin of the SDDCs that are seen.
    pub names: Option<&'static str>,
    /// Whether there is a bound to how often it may ask.
    pub is_limited: bool,
    key: Mutex<Arc<CallerKey>>,
}

impl Caller {
    fn new(name: &'static str) -> Self {
        let key = Mutex::new(Arc::new(CallerKey::generate().unwrap()));
        Self { name, org: None, names: None, is_limited: false, key }
    }

    pub fn key(&self) -> Arc<CallerKey> {
        self.key.lock().unwrap().clone()
    }

    pub fn sees_org(&self, org: &str) -> bool {
        self.org.as_deref().is_none_or(|own| own == org)
    }

    pub fn sees(&self, sddc: &State) -> bool {
        self.sees_org(&sddc.org) && self.names.is_none_or(|names| sddc.mark.starts_with(names))
    }
}

/// Everyone who asks, and the file that lets them in.
pub struct Callers {
    pub all: Vec<Caller>,
    pub file: PathBuf,
}

impl Callers {
    pub fn new(world: &World, folder: &Path) -> Self {
        let all = vec![
            Caller::new("reader"),
            Caller { org: Some(world.orgs[1].clone()), ..Caller::new("tenant") },
            Caller { names: Some("prod-"), ..Caller::new("production") },
            Caller { is_limited: true, ..Caller::new("hasty") },
        ];
        let callers = Self { all, file: folder.join("callers.toml") };
        callers.write(&[]);
        callers
    }

    /// Who asks as it is said here is let in, with the key it has or with `more`.
    pub fn write(&self, more: &[(&Caller, &CallerKey)]) {
        let mut text = String::new();
        for caller in &self.all {
            let more = more.iter().filter(|(whose, _)| whose.name == caller.name);
            let keys: Vec<_> = std::iter::once(caller.key().digest())
                .chain(more.map(|(_, key)| key.digest()))
                .map(|digest| format!("\"{digest}\""))
                .collect();
            let (name, keys) = (caller.name, keys.join(", "));
            writeln!(text, "[[callers]]\nname = \"{name}\"\nkey_sha256 = [{keys}]").unwrap();
            if let Some(org) = &caller.org {
                writeln!(text, "orgs = [\"{org}\"]").unwrap();
            }
            if let Some(names) = caller.names {
                writeln!(text, "sddc_names = [\"{names}*\"]").unwrap();
            }
            if caller.is_limited {
                writeln!(text, "rate = \"5/s\"").unwrap();
            }
        }
        replace(&self.file, &text);
    }

    /// Half a file: the callers stay who they were.
    pub fn break_file(&self) {
        replace(&self.file, "[[callers]]\nname = ");
    }

    /// From now on a caller asks with another key.
    pub fn take(caller: &Caller, key: CallerKey) {
        *caller.key.lock().unwrap() = Arc::new(key);
    }
}

/// No reader sees half of it.
pub fn replace(file: &Path, text: &str) {
    let new = file.with_extension("new");
    fs::write(&new, text).unwrap();
    fs::rename(&new, file).unwrap();
}

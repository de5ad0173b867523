//! What is wrong with a configuration, all of it at once.
//!
//! A fault says which key, what is wrong with it and where it was set. Its text may go to any log:
//! what of a value may be repeated in it is decided by [`Key::quote`](super::Key).

use std::{fmt, ops::Range, sync::Arc};

/// How much of a value is repeated.
const QUOTED_CHARS: usize = 64;

/// Where a value was set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum SettingOrigin {
    /// Nowhere.
    Default,
    /// In the file, at a line.
    File(Arc<FileLines>, usize),
    /// By the variable of this name.
    Environment(String),
    /// By this flag.
    Flag(&'static str),
}

/// A file's name and where its lines begin.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct FileLines {
    name: String,
    starts: Vec<usize>,
}

impl FileLines {
    pub(super) fn new(name: String, text: &str) -> Self {
        let starts = text.match_indices('\n').map(|(at, _)| at + 1);
        Self { name, starts: std::iter::once(0).chain(starts).collect() }
    }

    /// Line, counted from 1, and the byte at which it begins.
    fn line(&self, at: usize) -> (usize, usize) {
        let line = self.starts.partition_point(|start| *start <= at);
        (line, self.starts[line - 1])
    }

    /// `name:line:column` of a byte, as editors and compilers write it; counted from 1.
    pub(super) fn position(&self, text: &str, at: usize) -> String {
        let (line, start) = self.line(at);
        let column = text.get(start..at).map_or(0, |before| before.chars().count()) + 1;
        format!("{}:{line}:{column}", self.name)
    }
}

impl SettingOrigin {
    pub(super) fn file(lines: &Arc<FileLines>, span: &Range<usize>) -> Self {
        Self::File(Arc::clone(lines), lines.line(span.start).0)
    }

    /// Of a part of the value: in a file it may stand on a later line.
    pub(super) fn part(&self, span: &Range<usize>) -> Self {
        match self {
            Self::File(lines, _) => Self::file(lines, span),
            _ => self.clone(),
        }
    }
}

impl fmt::Display for SettingOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File(lines, line) => write!(f, "{}:{line}", lines.name),
            Self::Environment(name) => f.write_str(name),
            Self::Flag(name) => f.write_str(name),
        }
    }
}

/// One thing that is wrong. `Display`: `api.listen: "foo" must be … (gateway.toml:12)`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    pub(super) subject: String,
    problem: String,
    origin: Option<SettingOrigin>,
}

impl Fault {
    /// A fault of a value set somewhere.
    pub(super) fn at(subject: &str, problem: impl fmt::Display, origin: &SettingOrigin) -> Self {
        let origin = (*origin != SettingOrigin::Default).then(|| origin.clone());
        Self { subject: subject.to_owned(), problem: problem.to_string(), origin }
    }

    /// A fault whose subject already says where, or that is about what was set nowhere.
    pub(super) fn of(subject: impl Into<String>, problem: impl fmt::Display) -> Self {
        Self { subject: subject.into(), problem: problem.to_string(), origin: None }
    }

    fn line(&self) -> usize {
        match &self.origin {
            Some(SettingOrigin::File(_, line)) => *line,
            _ => 0,
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.subject, self.problem)?;
        self.origin.as_ref().map_or(Ok(()), |origin| write!(f, " ({origin})"))
    }
}

/// Everything that is wrong; never empty. `Display`: one line each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Faults(Vec<Fault>);

impl Faults {
    /// Files and unknown names first, since they often explain what is missing; then by the place of
    /// their keys.
    pub(super) fn new(mut faults: Vec<Fault>, place: fn(&str) -> usize) -> Self {
        let rank = |fault: &Fault| (place(&fault.subject), fault.line(), fault.subject.clone());
        faults.sort_by_cached_key(rank);
        Self(faults)
    }

    /// The faults, in the order in which they are printed.
    pub fn iter(&self) -> impl Iterator<Item = &Fault> {
        self.0.iter()
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().enumerate().try_for_each(|(at, fault)| {
            if at > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{fault}")
        })
    }
}

impl std::error::Error for Faults {}

/// A text of the operator's, safe for a terminal: escaped, at most 64 characters of it.
pub(super) fn quoted(text: &str) -> String {
    format!("\"{}\"", printable(text))
}

/// The same without quotes, for names.
pub(super) fn printable(text: &str) -> String {
    let more = text.chars().nth(QUOTED_CHARS).is_some();
    let shown: String = text.chars().take(QUOTED_CHARS).flat_map(char::escape_debug).collect();
    if more { shown + "…" } else { shown }
}

/// The candidate that was probably meant: at most two typing errors away, and less than half of
/// the word. A word far longer than any key is far from all of them, whatever it is.
pub(super) fn closest<T: AsRef<str>>(
    word: &str,
    candidates: impl IntoIterator<Item = T>,
) -> Option<T> {
    candidates
        .into_iter()
        .filter(|_| word.len() <= 256)
        .map(|candidate| (strsim::damerau_levenshtein(word, candidate.as_ref()), candidate))
        .filter(|(distance, candidate)| *distance <= 2 && distance * 2 < candidate.as_ref().len())
        // Of equals the one of the same letters: `cps` is `csp` and not `ops`.
        .min_by_key(|(distance, candidate)| {
            (*distance, letters(word) != letters(candidate.as_ref()))
        })
        .map(|(_, candidate)| candidate)
}

/// Its letters in the order of the alphabet.
fn letters(word: &str) -> Vec<char> {
    let mut letters: Vec<_> = word.chars().collect();
    letters.sort_unstable();
    letters
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_count_from_one_and_in_characters() {
        let text = "a = 1\nü = x\n";
        let lines = FileLines::new("f.toml".into(), text);
        let at = |needle| lines.position(text, text.find(needle).unwrap());
        assert_eq!(at("a"), "f.toml:1:1");
        assert_eq!(at("ü"), "f.toml:2:1");
        assert_eq!(at("x"), "f.toml:2:5");
        assert_eq!(lines.position(text, text.len()), "f.toml:3:1");
    }

    #[test]
    fn a_quoted_text_is_short_and_on_one_line() {
        assert_eq!(quoted("a\n\u{1b}[2J"), r#""a\n\u{1b}[2J""#);
        assert_eq!(quoted(&"ü".repeat(64)), format!("\"{}\"", "ü".repeat(64)));
        assert_eq!(quoted(&"ü".repeat(65)), format!("\"{}…\"", "ü".repeat(64)));
    }

    #[test]
    fn a_suggestion_is_a_few_typing_errors_away() {
        let names = ["api.listen", "api.hosts", "ops.listen"];
        assert_eq!(closest("api.listn", names), Some("api.listen"));
        assert_eq!(closest("op.listen", names), Some("ops.listen"));
        assert_eq!(closest("api.host", names), Some("api.hosts"));
        assert_eq!(closest("cps", ["api", "ops", "csp"]), Some("csp"));
        assert_eq!(closest("osp", ["api", "csp", "ops"]), Some("ops"));
        assert_eq!(closest("telemetry", names), None);
        assert_eq!(closest("", names), None);
        assert_eq!(closest(&"x".repeat(10_000), names), None);
    }
}

//! The prefix below which callers reach the gateway, where a proxy in between strips it.

use std::{fmt, str::FromStr, sync::Arc};

/// `api.public_path`: begins and ends with `/`. Cheap to clone.
///
/// Links that leave the process as absolute paths begin with it; the gateway itself answers at `/`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicPath(Arc<str>);

/// A text that is no such path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "must be a path that begins with / and has segments of [A-Za-z0-9._~-], such as /inventory/"
)]
pub struct InvalidPublicPath;

impl PublicPath {
    /// A path of the gateway, such as `/docs`, as callers reach it.
    pub fn join(&self, path: &str) -> String {
        format!("{}{}", self.0, path.strip_prefix('/').unwrap_or(path))
    }

    /// A text in which the links that begin with `/` do so behind one of these words, with these links
    /// as callers reach them.
    pub(crate) fn join_all(&self, text: &str, before: &[&str]) -> String {
        before.iter().fold(text.to_owned(), |text, before| {
            text.replace(&format!("{before}/"), &format!("{before}{self}"))
        })
    }

    /// Whether the gateway is reached at its own paths.
    pub fn is_root(&self) -> bool {
        &*self.0 == "/"
    }
}

impl Default for PublicPath {
    fn default() -> Self {
        Self("/".into())
    }
}

impl fmt::Display for PublicPath {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl FromStr for PublicPath {
    type Err = InvalidPublicPath;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let inside = text.strip_prefix('/').ok_or(InvalidPublicPath)?;
        if inside.is_empty() {
            return Ok(Self::default());
        }
        let inside = inside.strip_suffix('/').unwrap_or(inside);
        let may = |byte: u8| byte.is_ascii_alphanumeric() || b"._~-".contains(&byte);
        let is_segment =
            |segment: &str| !matches!(segment, "" | "." | "..") && segment.bytes().all(may);
        if !inside.split('/').all(is_segment) {
            return Err(InvalidPublicPath);
        }
        Ok(Self(format!("/{inside}/").into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_last_slash_is_added_and_paths_are_joined_with_one() {
        for (given, shown) in [
            ("/", "/"),
            ("/inventory", "/inventory/"),
            ("/inventory/", "/inventory/"),
            ("/a.b/~c/D-1_2/...", "/a.b/~c/D-1_2/.../"),
        ] {
            let path: PublicPath = given.parse().unwrap();
            assert_eq!(path.to_string(), shown);
            assert_eq!(path.join("/docs"), format!("{shown}docs"));
            assert_eq!(path.is_root(), given == "/");
        }
    }

    #[test]
    fn what_is_no_path_of_plain_segments_is_refused() {
        for wrong in [
            "",
            "inventory",
            "inventory/",
            "//",
            "/a//b",
            "//a",
            "/a//",
            "/.",
            "/..",
            "/a/../b",
            "/./a",
            "/a b",
            "/a%20b",
            "/ä",
            "/a?b",
            "/a#b",
            "/{a}",
            "/a\\b",
            "/a:b",
            "https://example/a",
            " /a",
            "/a\n",
        ] {
            assert_eq!(wrong.parse::<PublicPath>(), Err(InvalidPublicPath), "{wrong:?}");
        }
    }

    #[test]
    fn links_of_a_text_begin_with_it() {
        let path: PublicPath = "/p".parse().unwrap();
        let text = "<a href=\"/docs\"> <a href=\"#x\"> /docs";
        assert_eq!(path.join_all(text, &["href=\""]), "<a href=\"/p/docs\"> <a href=\"#x\"> /docs");
    }
}

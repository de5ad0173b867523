//! What about an id or a secret is seldom meant.

use super::{ClientId, ClientSecret, scrub::MIN_SCRUBBED_BYTES};

impl ClientId {
    /// What is probably not meant, from a closed set; the gateway takes the id as it is.
    pub fn hints(&self) -> Vec<&'static str> {
        hints(self.as_str())
    }
}

impl ClientSecret {
    /// What is probably not meant, from a closed set; the gateway takes the secret as it is.
    pub fn hints(&self) -> Vec<&'static str> {
        hints(self.expose())
    }

    /// Whether it is too short to be looked for in the texts that the gateway shows.
    pub fn is_short(&self) -> bool {
        self.expose().len() < MIN_SCRUBBED_BYTES
    }
}

fn hints(text: &str) -> Vec<&'static str> {
    let mut hints = Vec::new();
    if text.trim() != text {
        hints.push("begins or ends with a blank, which counts as part of it");
    }
    let trimmed = text.trim();
    let is_quoted = ['"', '\'', '`']
        .into_iter()
        .any(|quote| trimmed.len() > 1 && trimmed.starts_with(quote) && trimmed.ends_with(quote));
    if is_quoted {
        hints.push("is in quotation marks, which count as part of it");
    }
    hints
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_and_blanks_around_a_text_are_hinted_at() {
        for (text, blanks, quotes) in [
            ("s3cret", false, false),
            ("a \"b\" c", false, false),
            ("\"", false, false),
            ("'only-one", false, false),
            (" s3cret", true, false),
            ("s3cret\t", true, false),
            ("\"s3cret\"", false, true),
            ("'s3cret' ", true, true),
        ] {
            let hints = hints(text);
            assert_eq!(hints.iter().any(|hint| hint.contains("blank")), blanks, "{text}");
            assert_eq!(hints.iter().any(|hint| hint.contains("quotation")), quotes, "{text}");
            assert!(hints.iter().all(|hint| !hint.contains("s3cret")));
        }
    }
}

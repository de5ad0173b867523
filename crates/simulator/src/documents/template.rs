//! JSON templates: documents written as documents, with slots for what differs.
//!
//! A template is a valid JSON file. `${slot}` inside a text is replaced by text, a text that is
//! only `@{slot}` by JSON. Filling one in costs about what copying its bytes costs, which is why a
//! simulator of ten thousand SDDCs starts in a moment. Nothing is escaped: slots are filled with
//! generated names and numbers, never with what a caller sent.

/// A parsed template.
#[derive(Debug)]
pub(super) struct Template(Vec<TemplatePiece>);

#[derive(Debug)]
enum TemplatePiece {
    Text(String),
    Slot(String),
}

impl Template {
    /// Parses a template that is part of the program.
    ///
    /// # Panics
    /// If it is no JSON or leaves a slot open; the module's tests read every template.
    pub(super) fn parse(source: &str) -> Self {
        let json: serde_json::Value = serde_json::from_str(source).expect("a template is JSON");
        let compact = json.to_string();
        let mut pieces = Vec::new();
        let mut rest = compact.as_str();
        while let Some((start, opening, closing)) = next_slot(rest) {
            pieces.push(TemplatePiece::Text(rest[..start].to_owned()));
            let name = &rest[start + opening.len()..];
            let end = name.find(closing).expect("a slot is closed");
            pieces.push(TemplatePiece::Slot(name[..end].to_owned()));
            rest = &name[end + closing.len()..];
        }
        pieces.push(TemplatePiece::Text(rest.to_owned()));
        Self(pieces)
    }

    /// Appends the template to `out`; `fill` appends the value of each slot it is asked for.
    pub(super) fn render(&self, out: &mut String, mut fill: impl FnMut(&str, &mut String)) {
        for piece in &self.0 {
            match piece {
                TemplatePiece::Text(text) => out.push_str(text),
                TemplatePiece::Slot(name) => fill(name, out),
            }
        }
    }
}

/// Where the next slot starts, and the marks around its name.
fn next_slot(text: &str) -> Option<(usize, &'static str, &'static str)> {
    let inside = text.find("${").map(|at| (at, "${", "}"));
    let whole = text.find("\"@{").map(|at| (at, "\"@{", "}\""));
    match (inside, whole) {
        (Some(inside), Some(whole)) => Some(if inside.0 < whole.0 { inside } else { whole }),
        (inside, whole) => inside.or(whole),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_filled_with_text_or_with_json() {
        let template = Template::parse(r#"{ "a": "x-${one}-${two}", "b": "@{two}", "c": null }"#);
        let mut out = String::new();
        template.render(&mut out, |slot, out| out.push_str(if slot == "one" { "1" } else { "2" }));
        assert_eq!(out, r#"{"a":"x-1-2","b":2,"c":null}"#);
    }
}

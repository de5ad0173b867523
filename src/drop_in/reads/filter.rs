//! `$filter`: VMware's expressions, of which only those go upstream that are understood here.
//!
//! An expression is passed on as it came. It is read so that it can ask for nothing that an answer would
//! not show: it may name the fields of [`NAMES`] only, and no function but those of [`FUNCTIONS`].

/// The fields that may be asked for.
const NAMES: [&str; 9] = [
    "id",
    "name",
    "created",
    "updated",
    "org_id",
    "status",
    "task_type",
    "resource_id",
    "start_time",
];
const FUNCTIONS: [&str; 6] = ["startswith", "endswith", "length", "contains", "tolower", "toupper"];

const MAX_BYTES: usize = 2048;
/// Of parentheses, functions and signs within each other.
const MAX_DEPTH: usize = 32;

/// Binary operators, those that bind the least first.
const OPERATORS: [&[&str]; 5] = [
    &["or"],
    &["and"],
    &["eq", "ne", "lt", "gt", "le", "ge"],
    &["add", "sub"],
    &["mul", "div", "mod"],
];

/// Why an expression is not passed on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum FilterFault {
    #[error("$filter is longer than 2048 bytes")]
    Length,
    #[error("$filter is nested too deeply")]
    Depth,
    #[error("$filter names a field that cannot be filtered by here; allowed: {}", NAMES.join(", "))]
    Name,
    #[error("$filter has an unknown function; allowed: {}", FUNCTIONS.join(", "))]
    Function,
    #[error("$filter cannot be read at character {0}")]
    Syntax(usize),
}

/// Whether an expression may be passed on.
pub(super) fn check(expression: &str) -> Result<(), FilterFault> {
    if expression.len() > MAX_BYTES {
        return Err(FilterFault::Length);
    }
    let mut parser = FilterParser { text: expression, at: 0 };
    parser.binary(0, 0)?;
    parser.blanks();
    if parser.at == expression.len() { Ok(()) } else { Err(parser.fault()) }
}

struct FilterParser<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> FilterParser<'a> {
    fn fault(&self) -> FilterFault {
        FilterFault::Syntax(self.text[..self.at].chars().count() + 1)
    }

    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn blanks(&mut self) {
        self.at = self.text.len() - self.rest().trim_start_matches(' ').len();
    }

    /// Operands of one level of operators.
    fn binary(&mut self, level: usize, depth: usize) -> Result<(), FilterFault> {
        let Some(operators) = OPERATORS.get(level) else { return self.unary(depth) };
        self.binary(level + 1, depth)?;
        while self.word().is_some_and(|word| operators.contains(&word)) {
            self.take_word();
            self.binary(level + 1, depth)?;
        }
        Ok(())
    }

    fn unary(&mut self, depth: usize) -> Result<(), FilterFault> {
        if depth > MAX_DEPTH {
            return Err(FilterFault::Depth);
        }
        if self.word().is_some_and(|word| matches!(word, "not" | "minus")) {
            self.take_word();
            return self.unary(depth + 1);
        }
        if self.takes('-') {
            return self.unary(depth + 1);
        }
        self.operand(depth)
    }

    fn operand(&mut self, depth: usize) -> Result<(), FilterFault> {
        if self.takes('(') {
            self.binary(0, depth + 1)?;
            return self.expect(')');
        }
        if self.rest().starts_with('\'') {
            return self.quoted();
        }
        if self.rest().starts_with(|first: char| first.is_ascii_digit()) {
            // A number, or a date, which VMware wants without quotes.
            let rest = self.rest();
            let is_of_it =
                |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | ':' | '-' | '+');
            self.at = self.text.len() - rest.trim_start_matches(is_of_it).len();
            return Ok(());
        }
        let Some(word) = self.word() else { return Err(self.fault()) };
        self.take_word();
        if self.takes('(') {
            if !FUNCTIONS.contains(&word) {
                return Err(FilterFault::Function);
            }
            self.binary(0, depth + 1)?;
            while self.takes(',') {
                self.binary(0, depth + 1)?;
            }
            return self.expect(')');
        }
        let is_constant = matches!(word, "true" | "false" | "null");
        if is_constant || NAMES.contains(&word) { Ok(()) } else { Err(FilterFault::Name) }
    }

    /// A text, in which a quote is written twice.
    fn quoted(&mut self) -> Result<(), FilterFault> {
        let start = self.at;
        self.at += 1;
        loop {
            let Some(end) = self.rest().find('\'') else {
                self.at = start;
                return Err(self.fault());
            };
            self.at += end + 1;
            if !self.rest().starts_with('\'') {
                return Ok(());
            }
            self.at += 1;
        }
    }

    /// The word that comes next, if one does.
    fn word(&mut self) -> Option<&'a str> {
        self.blanks();
        let rest = self.rest();
        let is_of_it = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '/' | '$');
        let word = &rest[..rest.len() - rest.trim_start_matches(is_of_it).len()];
        word.starts_with(|first: char| !first.is_ascii_digit()).then_some(word)
    }

    fn take_word(&mut self) {
        self.at += self.word().map_or(0, str::len);
    }

    fn takes(&mut self, sign: char) -> bool {
        self.blanks();
        let is_next = self.rest().starts_with(sign);
        self.at += usize::from(is_next);
        is_next
    }

    fn expect(&mut self, sign: char) -> Result<(), FilterFault> {
        if self.takes(sign) { Ok(()) } else { Err(self.fault()) }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_vmware_understands_of_open_fields_passes() {
        for expression in [
            "status eq 'STARTED'",
            "(status eq 'STARTED') and (resource_id eq '0a1b')",
            "not (name eq 'O''Brien') or created gt 2026-11-22T10:00:00.000Z",
            "startswith(tolower(name), 'prod') and length(name) lt 10 add 2 mul -3",
            "  created  ge  2026-11-22 ",
            "id ne null and name eq '$filter; -- \" % ü'",
        ] {
            assert_eq!(check(expression), Ok(()), "{expression}");
        }
    }

    #[test]
    fn other_fields_functions_and_broken_expressions_do_not() {
        for name in [
            "user_name eq 'x'",
            "startswith(resource_config.nsx_cloud_admin_password, 'a')",
            "'a' eq cloud_password",
            "sddc.status eq 'READY'",
            "status eq STARTED",
            "name/x eq 1",
            "NAME eq 'x'",
        ] {
            assert_eq!(check(name), Err(FilterFault::Name), "{name}");
        }
        assert_eq!(check("substringof(name)"), Err(FilterFault::Function));
        assert_eq!(check("concat(name, 'x') eq 'y'"), Err(FilterFault::Function));
        for (broken, at) in [
            ("", 1),
            ("name", 0),
            ("name eq", 8),
            ("name eq 'x", 9),
            ("name eq 'x' x", 13),
            ("(name eq 'x'", 13),
            ("name eq 'x')", 12),
            ("startswith(name,", 17),
            ("name eq \"x\"", 9),
            ("name eq 'x'; drop", 12),
            ("name & id", 6),
            ("ü", 1),
        ] {
            let outcome = check(broken);
            match at {
                0 => assert_eq!(outcome, Ok(()), "{broken}"),
                at => assert_eq!(outcome, Err(FilterFault::Syntax(at)), "{broken}"),
            }
        }
        assert_eq!(check(&"(".repeat(40)), Err(FilterFault::Depth));
        assert_eq!(check(&"not ".repeat(40)), Err(FilterFault::Depth));
        assert_eq!(check(&"x".repeat(2049)), Err(FilterFault::Length));
    }

    proptest! {
        #[test]
        fn any_text_is_judged(expression in "[a-z_'() ,.0-9ü-]{0,80}") {
            let _ = check(&expression);
        }
    }
}

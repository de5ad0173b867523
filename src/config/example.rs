//! `deploy/gateway.example.toml`, written from the table of keys.

use std::fmt::Write;

use super::{
    keys::{Key, PresetValue, ValueShape},
    table::{KEYS, SECTIONS},
};

const HEADER: &str = "\
# Configuration of sddc-gateway, with every key and its default. Generated from the program's own
# table of keys: change it there.
#
# Copy it, fill in the two keys of [csp] that have no default, and start the gateway with it:
#
#     sddc-gateway check --config gateway.toml
#     sddc-gateway serve --config gateway.toml        (or SDDC_GATEWAY_CONFIG=gateway.toml)
#
# Defaults < this file < environment < flags. Every key but [[access.callers]] has a variable:
# SDDC_GATEWAY_ + section + __ + key in upper case, such as SDDC_GATEWAY_CSP__CLIENT_ID; a dot in a
# section's name is __ too. A variable replaces the file's value as a whole; lists are
# comma-separated there. Unknown keys are errors, in the file and in the environment.
#
# Durations are whole numbers with a unit: 500ms, 30s, 5m, 24h, 1h30m. Sizes: 64KiB, 128MiB, 1GiB.
# Relative paths count from the working directory of the process, not from this file.
";

/// Width of the comment lines.
const WIDTH: usize = 98;

/// The text of the example file: every key with its meaning, commented out where it has a default.
pub fn example() -> String {
    let mut text = HEADER.to_owned();
    for (section, doc) in SECTIONS {
        text.push('\n');
        comment(&mut text, doc.trim());
        line(&mut text, &format!("[{section}]"));
        for key in KEYS.iter().filter(|key| key.parts().0 == *section) {
            if key.shape != ValueShape::Tables {
                write_key(&mut text, key);
            }
        }
        // Last, because what follows such a header belongs to it.
        for key in KEYS.iter().filter(|key| key.parts().0 == *section) {
            if key.shape == ValueShape::Tables {
                write_tables(&mut text, key);
            }
        }
    }
    text
}

fn write_key(text: &mut String, key: &Key) {
    let (_, name) = key.parts();
    text.push('\n');
    comment(text, &key.doc());
    match key.preset {
        PresetValue::Default(default) => {
            line(text, &format!("# {name} = {}", in_toml(key.shape, default)));
        }
        PresetValue::Unset(sample) => {
            line(text, &format!("# {name} = {sample}"));
        }
        PresetValue::Required(sample) => line(text, &format!("{name} = {sample}")),
    }
}

fn write_tables(text: &mut String, key: &Key) {
    text.push('\n');
    comment(text, &key.doc());
    line(text, &format!("# [[{}]]", key.name));
    if let PresetValue::Unset(sample) | PresetValue::Required(sample) = key.preset {
        sample.lines().for_each(|sample| line(text, &format!("# {sample}")));
    }
}

/// A value that is written as in the environment, as TOML.
pub(super) fn in_toml(shape: ValueShape, text: &str) -> String {
    match shape {
        ValueShape::Count(..) | ValueShape::Flag => text.to_owned(),
        _ if shape.is_list() => {
            let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
            toml::Value::Array(items.map(toml::Value::from).collect()).to_string()
        }
        _ => toml::Value::from(text).to_string(),
    }
}

fn comment(text: &mut String, doc: &str) {
    let mut current = String::from("#");
    for word in doc.split(' ') {
        if current.chars().count() + 1 + word.chars().count() > WIDTH {
            line(text, &current);
            current = String::from("#");
        }
        let _ = write!(current, " {word}");
    }
    line(text, &current);
}

fn line(text: &mut String, line: &str) {
    text.push_str(line);
    text.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    const COMMITTED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/gateway.example.toml");

    #[test]
    fn the_committed_file_is_what_the_table_says() {
        if std::env::var_os("UPDATE_EXAMPLE").is_some() {
            std::fs::write(COMMITTED, example()).unwrap();
        }
        let committed = std::fs::read_to_string(COMMITTED).unwrap_or_default();
        assert!(
            committed == example(),
            "deploy/gateway.example.toml is out of date: UPDATE_EXAMPLE=1 cargo test --lib config",
        );
    }

    #[test]
    fn every_commented_line_with_a_key_is_good_toml() {
        for key in KEYS {
            let (_, name) = key.parts();
            let wanted = format!("{name} = ");
            if key.shape == ValueShape::Tables {
                continue;
            }
            let found = example()
                .lines()
                .map(|line| line.trim_start_matches("# ").to_owned())
                .find(|line| line.starts_with(&wanted));
            let found = found.unwrap_or_else(|| panic!("{} is missing", key.name));
            assert!(found.parse::<toml::Table>().is_ok(), "{found}");
        }
    }
}

//! `man`: the manual page, of all commands in one.

use std::process::ExitCode;

use clap::CommandFactory;
use clap_mangen::Man;

use super::{Cli, fail, say};

pub(super) fn run() -> Result<(), ExitCode> {
    let page = page().map_err(|error| fail(&error))?;
    say(String::from_utf8_lossy(&page).trim_end());
    Ok(())
}

/// The page of the program, and behind it what each command takes.
fn page() -> std::io::Result<Vec<u8>> {
    let mut page = Vec::new();
    let mut program = Cli::command();
    program.build();
    Man::new(program.clone()).render(&mut page)?;
    let commands = program.get_subcommands().filter(|command| command.get_name() != "help");
    for command in commands {
        let nested = command.get_subcommands().filter(|nested| nested.get_name() != "help");
        for command in std::iter::once(command).chain(nested) {
            let name = command.get_bin_name().unwrap_or_else(|| command.get_name());
            page.extend_from_slice(format!(".SH {}\n", name.to_uppercase()).as_bytes());
            let part = Man::new(command.clone());
            part.render_description_section(&mut page)?;
            part.render_synopsis_section(&mut page)?;
            part.render_options_section(&mut page)?;
        }
    }
    Ok(page)
}

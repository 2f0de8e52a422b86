//! `completions`: prints completions for shells.

use std::io::Write;

use clap::{Args, Command};
use clap_complete::Shell;

use crate::error::Error;
use crate::exit::Exit;
use crate::session::Session;

/// Examples for `--help`.
const EXAMPLES: &str = "\
Examples:
  auditlog completions bash > ~/.local/share/bash-completion/completions/auditlog";

/// Print a script that completes arguments in a shell
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct CompletionsArgs {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

pub(crate) fn run(
    args: &CompletionsArgs,
    mut all: Command,
    session: &mut Session,
) -> Result<Exit, Error> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut all, "auditlog", &mut script);
    session.out.write_all(&script)?;
    Ok(Exit::Done)
}

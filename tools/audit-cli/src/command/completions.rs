//! `completions`: prints completions for shells.

use std::io::Write;

use clap::{Args, Command};
use clap_complete::Shell;

use crate::error::Error;
use crate::exit::Exit;
use crate::session::Session;

/// Print a script that completes arguments in a shell
///
/// For instance: `auditlog completions bash > ~/.local/share/bash-completion/completions/auditlog`
#[derive(Args, Debug)]
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

//! `man`: prints the manual.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use clap::{Args, Command};
use clap_mangen::Man;

use crate::error::Error;
use crate::exit::Exit;
use crate::session::Session;

/// Examples for `--help`.
const EXAMPLES: &str = "\
Examples:
  auditlog man log | man -l -
  auditlog man --dir /usr/local/share/man/man1";

/// Print a page of the manual
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct ManArgs {
    /// The command that the page describes; by default `auditlog` itself
    command: Option<String>,
    /// Write all pages into this folder
    #[arg(long, value_name = "FOLDER", conflicts_with = "command")]
    dir: Option<PathBuf>,
}

pub(crate) fn run(args: &ManArgs, mut all: Command, session: &mut Session) -> Result<Exit, Error> {
    all.build();
    if let Some(folder) = &args.dir {
        write(folder, "auditlog", &all)?;
        return Ok(Exit::Done);
    }
    let wanted = match &args.command {
        None => all,
        Some(name) => {
            let found = all.find_subcommand(name).cloned();
            found.ok_or_else(|| {
                let names = all.get_subcommands().map(Command::get_name);
                Error::NotFound {
                    what: format!("command `{name}`"),
                    near: audit_core::backend::nearest(name, names).map(str::to_owned),
                    hint: "`auditlog help` lists the commands",
                }
            })?
        }
    };
    session.out.write_all(&page(wanted)?)?;
    Ok(Exit::Done)
}

fn page(command: Command) -> Result<Vec<u8>, Error> {
    let mut text = Vec::new();
    Man::new(command)
        .source(concat!("auditlog ", env!("CARGO_PKG_VERSION")))
        .render(&mut text)?;
    Ok(text)
}

/// Writes the page of a command and those of its subcommands.
fn write(folder: &Path, name: &str, command: &Command) -> Result<(), Error> {
    let path = folder.join(format!("{name}.1"));
    fs::write(&path, page(command.clone())?).map_err(|source| Error::File { path, source })?;
    let commands = command.get_subcommands();
    commands
        .filter(|sub| sub.get_name() != "help")
        .try_for_each(|sub| write(folder, &format!("{name}-{}", sub.get_name()), sub))
}

//! The command line, with one file for each command.

#[cfg(not(all(feature = "archive", feature = "postgres", feature = "web")))]
mod absent;
#[cfg(feature = "archive")]
mod archive;
mod as_of;
mod backup;
mod blame;
mod completions;
mod diff;
mod doctor;
mod entry;
mod export;
mod history;
mod import;
mod log;
mod man;
mod prune;
#[cfg(feature = "postgres")]
mod reconcile;
mod schema;
mod show;
mod stats;
#[cfg(feature = "postgres")]
mod triggers;
mod undo;
#[cfg(feature = "web")]
mod web;

use chrono::Utc;
use clap::{CommandFactory, Parser, Subcommand};

use crate::error::Error;
use crate::exit::Exit;
use crate::global::Global;
use crate::output::Output;
use crate::report;
use crate::session::Session;
use crate::store::{self, StoreLocation};

/// Queries, exports, imports and maintains an audit trail.
///
/// Every command prints text, or with --json one JSON value a line. A time is RFC 3339, a date,
/// `yesterday`, or a duration ago such as `2h`. JSON has times in UTC, text in the time zone of --tz.
#[derive(Debug, Parser)]
#[command(name = "auditlog", version, after_long_help = Exit::help())]
#[command(max_term_width = 100)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// The subcommands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Log(log::LogArgs),
    Show(show::ShowArgs),
    History(history::HistoryArgs),
    Blame(blame::BlameArgs),
    AsOf(as_of::AsOfArgs),
    Diff(diff::DiffArgs),
    Undo(undo::UndoArgs),
    Stats(stats::StatsArgs),
    Export(export::ExportArgs),
    Import(import::ImportArgs),
    Backup(backup::BackupArgs),
    Prune(prune::PruneArgs),
    #[cfg(feature = "archive")]
    Archive(archive::ArchiveArgs),
    #[cfg(not(feature = "archive"))]
    #[command(hide = true)]
    Archive(absent::AbsentArgs),
    Schema(schema::SchemaArgs),
    Doctor(doctor::DoctorArgs),
    #[cfg(feature = "web")]
    Web(web::WebArgs),
    #[cfg(not(feature = "web"))]
    #[command(hide = true)]
    Web(absent::AbsentArgs),
    #[cfg(feature = "postgres")]
    Triggers(triggers::TriggersArgs),
    #[cfg(feature = "postgres")]
    Reconcile(reconcile::ReconcileArgs),
    #[cfg(not(feature = "postgres"))]
    #[command(hide = true)]
    Triggers(absent::AbsentArgs),
    #[cfg(not(feature = "postgres"))]
    #[command(hide = true)]
    Reconcile(absent::AbsentArgs),
    Completions(completions::CompletionsArgs),
    Man(man::ManArgs),
}

impl Command {
    /// Returns whether the output may be longer than a screen.
    pub(crate) fn is_paged(&self) -> bool {
        match self {
            Self::Log(args) => !args.follows(),
            Self::Show(_)
            | Self::History(_)
            | Self::Blame(_)
            | Self::AsOf(_)
            | Self::Diff(_)
            | Self::Undo(_) => true,
            _ => false,
        }
    }
}

/// Runs a command.
pub(crate) fn run(cli: Cli) -> Result<Exit, Error> {
    let mut session = Session {
        out: Output::new(cli.global.json, cli.global.color),
        global: cli.global,
        now: Utc::now(),
    };
    let session = &mut session;
    session
        .out
        .page(cli.command.is_paged() && !session.global.no_pager);
    let exit = match &cli.command {
        Command::Log(args) => log::run(args, session),
        Command::Show(args) => show::run(args, session),
        Command::History(args) => history::run(args, session),
        Command::Blame(args) => blame::run(args, session),
        Command::AsOf(args) => as_of::run(args, session),
        Command::Diff(args) => diff::run(args, session),
        Command::Undo(args) => undo::run(args, session),
        Command::Stats(args) => stats::run(args, session),
        Command::Export(args) => export::run(args, session),
        Command::Import(args) => import::run(args, session),
        Command::Backup(args) => backup::run(args, session),
        Command::Prune(args) => prune::run(args, session),
        #[cfg(feature = "archive")]
        Command::Archive(args) => archive::run(args, session),
        #[cfg(not(feature = "archive"))]
        Command::Archive(args) => absent::run(args, "archive"),
        Command::Schema(args) => schema::run(args, session),
        Command::Doctor(args) => doctor::run(args, session),
        #[cfg(feature = "web")]
        Command::Web(args) => web::run(args, session),
        #[cfg(not(feature = "web"))]
        Command::Web(args) => absent::run(args, "web"),
        #[cfg(feature = "postgres")]
        Command::Triggers(args) => triggers::run(args, session),
        #[cfg(feature = "postgres")]
        Command::Reconcile(args) => reconcile::run(args, session),
        #[cfg(not(feature = "postgres"))]
        Command::Triggers(args) => absent::run(args, "triggers"),
        #[cfg(not(feature = "postgres"))]
        Command::Reconcile(args) => absent::run(args, "reconcile"),
        Command::Completions(args) => completions::run(args, Cli::command(), session),
        Command::Man(args) => man::run(args, Cli::command(), session),
    };
    // Flushes output before the error is printed.
    let flushed = session.out.finish();
    let damaged = report::damaged(&store::skipped_rows());
    let exit = match exit {
        // Servers have other hints.
        Err(error)
            if StoreLocation::of(&session.global).is_ok_and(|location| location.is_server()) =>
        {
            return Err(error.of_server());
        }
        // A failed pager is an error, a closed one is not.
        Err(error) if error.is_closed_pipe() => return Err(flushed.err().unwrap_or(error)),
        exit => exit?,
    };
    let exit = match exit {
        Exit::Done if damaged => Exit::Store,
        exit => exit,
    };
    exit.after(flushed)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Splits an example as a shell does, up to a pipe or a redirection.
    fn words(example: &str) -> Vec<String> {
        let mut words = Vec::new();
        for (index, part) in example.split('\'').enumerate() {
            if index % 2 == 1 {
                words.push(part.to_owned());
            } else {
                words.extend(part.split_whitespace().map(str::to_owned));
            }
        }
        let end = words.iter().position(|word| word == "|" || word == ">");
        words.truncate(end.unwrap_or(words.len()));
        words
    }

    #[test]
    fn each_command_has_valid_examples() {
        let all = Cli::command();
        let shown = all.get_subcommands().filter(|it| !it.is_hide_set());
        for command in shown {
            let name = command.get_name();
            let help = command.get_after_help().map(ToString::to_string);
            let help = help.unwrap_or_default();
            let mut lines = help.lines();
            assert_eq!(lines.next(), Some("Examples:"), "{name}");
            for line in lines {
                let words = words(line);
                assert_eq!(words[..2], ["auditlog", name]);
                let parsed = Cli::try_parse_from(words);
                assert!(parsed.is_ok(), "{line}: {:?}", parsed.err());
            }
        }
    }
}

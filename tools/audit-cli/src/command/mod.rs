//! The command line, with one file for each command.

#[cfg(not(feature = "postgres"))]
mod absent;
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
/// Every command prints text, or with --json one JSON value a line. Times are RFC 3339, a date,
/// `yesterday`, or a duration ago such as `2h`. JSON has times in UTC, text in the zone of --tz.
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
    Schema(schema::SchemaArgs),
    Doctor(doctor::DoctorArgs),
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
        Command::Schema(args) => schema::run(args, session),
        Command::Doctor(args) => doctor::run(args, session),
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
    flushed?;
    Ok(match exit {
        Exit::Done if damaged => Exit::Store,
        exit => exit,
    })
}

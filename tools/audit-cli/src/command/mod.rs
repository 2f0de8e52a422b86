//! The commands, one a file.

#[cfg(not(feature = "postgres"))]
pub(crate) mod absent;
pub(crate) mod as_of;
pub(crate) mod backup;
pub(crate) mod blame;
pub(crate) mod completions;
pub(crate) mod diff;
pub(crate) mod doctor;
pub(crate) mod entry;
pub(crate) mod export;
pub(crate) mod history;
pub(crate) mod import;
pub(crate) mod log;
pub(crate) mod man;
pub(crate) mod prune;
#[cfg(feature = "postgres")]
pub(crate) mod reconcile;
pub(crate) mod schema;
pub(crate) mod show;
pub(crate) mod stats;
#[cfg(feature = "postgres")]
pub(crate) mod triggers;
pub(crate) mod undo;

use chrono::{DateTime, Utc};

use crate::args::{Cli, Command, Global};
use crate::error::Error;
use crate::exit::Exit;
use crate::output::Output;
use crate::report;
use crate::store::{self, Place};
use crate::trail::Trail;

/// What a command runs with.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) global: Global,
    pub(crate) out: Output,
    /// When the command began: relative times count from here.
    pub(crate) now: DateTime<Utc>,
}

impl Session {
    /// Opens the trail to read it.
    fn read(&self, command: &str, asked: &str) -> Result<Trail, Error> {
        Trail::read(&self.global, command, asked)
    }

    /// Reads a time that was given for an argument.
    fn time(&self, argument: &'static str, text: &str) -> Result<DateTime<Utc>, Error> {
        audit_core::parse_time(text, &self.global.tz.at(self.now))
            .map_err(|error| Error::time(argument, &error))
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
        Command::Completions(args) => completions::run(args, session),
        Command::Man(args) => man::run(args, session),
    };
    // What was printed before an error is shown before it, too.
    let flushed = session.out.finish();
    let damaged = report::damaged(&store::passed_over());
    let exit = match exit {
        // What to do about it is another thing with a server.
        Err(error) if Place::of(&session.global).is_ok_and(|place| place.is_server()) => {
            return Err(error.of_server());
        }
        // What a pager could not show is more than a closed one.
        Err(error) if error.is_closed_pipe() => return Err(flushed.err().unwrap_or(error)),
        exit => exit?,
    };
    flushed?;
    Ok(match exit {
        Exit::Done if damaged => Exit::Store,
        exit => exit,
    })
}

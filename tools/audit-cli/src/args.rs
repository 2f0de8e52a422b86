//! The arguments that all commands share, and the list of commands.

use std::ffi::OsString;

use clap::builder::FalseyValueParser;
use clap::{Args, Parser, Subcommand, ValueHint};

#[cfg(not(feature = "postgres"))]
use crate::command::absent;
use crate::command::{
    as_of, backup, blame, completions, diff, doctor, export, history, import, log, man, prune,
    schema, show, stats, undo,
};
#[cfg(feature = "postgres")]
use crate::command::{reconcile, triggers};
use crate::exit::Exit;
use crate::output::When;
use crate::zone::Zone;

/// Asks an audit trail who changed what, when and why; exports, imports and tends it.
///
/// Every command prints text for people, or with --json one JSON value a line. Times are read
/// as RFC 3339, as a date, as `yesterday`, or as a duration ago such as `2h`. JSON has times
/// in UTC, text in the zone of --tz.
#[derive(Debug, Parser)]
#[command(name = "auditlog", version, after_long_help = Exit::help())]
#[command(max_term_width = 100)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What all commands understand.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "For all commands")]
pub(crate) struct Global {
    /// The store: the path of a file, or a database such as `postgres://user@host/database`;
    /// ./audit.db if there is one
    ///
    /// `sslmode=require` after a `?` demands an encrypted connection, and the variable
    /// `PGSSLROOTCERT` names a file with the certificate of the server's authority. Others on
    /// this machine may see what is on the line: a password is better in `AUDITLOG_STORE`.
    #[arg(
        long,
        short,
        global = true,
        value_name = "PATH|URL",
        env = "AUDITLOG_STORE",
        hide_env_values = true,
        value_hint = ValueHint::FilePath
    )]
    pub(crate) store: Option<OsString>,
    /// The schema of the trail's tables in the database, or what `AUDITLOG_SCHEMA` says; the
    /// session's own if not given. Not for files
    #[arg(long, global = true, value_name = "NAME")]
    pub(crate) schema: Option<String>,
    /// Print JSON, one value a line
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// The zone of times: utc, local, +02:00 or a place such as Europe/Berlin
    #[arg(
        long,
        global = true,
        value_name = "ZONE",
        env = "AUDITLOG_TZ",
        hide_env_values = true,
        default_value = "utc",
        // Offsets west of Greenwich begin so.
        allow_hyphen_values = true,
        hide_default_value = true
    )]
    pub(crate) tz: Zone,
    /// When to use colours; `NO_COLOR` turns them off where this is auto
    #[arg(long, global = true, value_name = "WHEN", value_enum, default_value_t)]
    pub(crate) color: When,
    /// Print long answers without a pager
    ///
    /// On a terminal, `log`, `show`, `history`, `blame`, `as-of`, `diff` and `undo` print through the
    /// program of the variable `AUDITLOG_PAGER` or `PAGER`, or `less`. An empty variable does
    /// without one, too.
    #[arg(long, global = true)]
    pub(crate) no_pager: bool,
    /// Under which name to record what is removed, imported or read; the name of the login
    /// if not given
    #[arg(
        long = "as",
        global = true,
        value_name = "ACTOR",
        env = "AUDITLOG_ACTOR",
        hide_env_values = true
    )]
    pub(crate) recorded_actor: Option<String>,
    /// Record that the trail was read, before anything is shown
    #[arg(
        long,
        global = true,
        env = "AUDITLOG_RECORD_ACCESS",
        hide_env_values = true,
        value_parser = FalseyValueParser::new()
    )]
    pub(crate) record_access: bool,
}

/// What can be done.
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
    /// Returns whether a person may get more of it than a screen shows.
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

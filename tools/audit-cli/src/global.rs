//! The arguments that all commands share.

use std::ffi::OsString;

use clap::builder::FalseyValueParser;
use clap::{Args, ValueHint};

use crate::output::When;
use crate::zone::Zone;

/// The arguments of all commands.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "For all commands")]
pub(crate) struct Global {
    /// The store: the path of a file, or a database such as `postgres://user@host/database`;
    /// ./audit.db if there is one
    ///
    /// `sslmode=require` after a `?` demands an encrypted connection, and the variable
    /// `PGSSLROOTCERT` names a file with the certificate of the server's authority. Other
    /// users of this machine may see the arguments: put a password into `AUDITLOG_STORE`.
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
    /// The schema of the trail's tables in the database, or of `AUDITLOG_SCHEMA`; by default that
    /// of the session. Not for files
    #[arg(long, global = true, value_name = "NAME")]
    pub(crate) schema: Option<String>,
    /// Print JSON, one value a line
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// The zone of times: utc, local, +02:00 or a name such as Europe/Berlin
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
    /// When to use colours; with auto, `NO_COLOR` disables them
    #[arg(long, global = true, value_name = "WHEN", value_enum, default_value_t)]
    pub(crate) color: When,
    /// Print long answers without a pager
    ///
    /// On a terminal, `log`, `show`, `history`, `blame`, `as-of`, `diff` and `undo` print through the
    /// program of the variable `AUDITLOG_PAGER` or `PAGER`, or `less`. An empty variable
    /// disables it, too.
    #[arg(long, global = true)]
    pub(crate) no_pager: bool,
    /// The actor of recorded removals, imports and reads; by default the login name
    #[arg(
        long = "as",
        global = true,
        value_name = "ACTOR",
        env = "AUDITLOG_ACTOR",
        hide_env_values = true
    )]
    pub(crate) recorded_actor: Option<String>,
    /// Record that the trail is read, before anything is shown
    #[arg(
        long,
        global = true,
        env = "AUDITLOG_RECORD_ACCESS",
        hide_env_values = true,
        value_parser = FalseyValueParser::new()
    )]
    pub(crate) record_access: bool,
}

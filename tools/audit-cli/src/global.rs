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
    /// The trail: a SQLite file, or a PostgreSQL URL such as `postgres://user@host/database`; by
    /// default ./audit.db
    ///
    /// `sslmode=require` after a `?` requires an encrypted connection, and the variable
    /// `PGSSLROOTCERT` names a file with the certificate of the server's authority. Other users of
    /// this machine can see the arguments of a process, so set a URL with a password as
    /// `AUDITLOG_STORE`.
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
    /// The archive of the trail: a folder, or a URL such as `s3://bucket/prefix`
    ///
    /// Other URLs are `gs://bucket/prefix`, `az://container/prefix` and `file:///srv/archive`. Variables such as
    /// `AWS_ACCESS_KEY_ID` and `AWS_REGION` have the credentials and the settings of a bucket.
    ///
    /// Commands that read the trail read the archive as well, and so find the entries that
    /// `prune --archived` removed from the store. `backup`, `import`, and `prune --not-archived`
    /// work on the store alone.
    #[arg(
        long,
        global = true,
        value_name = "PATH|URL",
        env = "AUDITLOG_ARCHIVE",
        hide_env_values = true,
        value_hint = ValueHint::DirPath
    )]
    pub(crate) archive: Option<String>,
    /// PostgreSQL only: the schema of the trail's tables; by default that of `AUDITLOG_SCHEMA`, or
    /// the first one of the session's search path
    #[arg(long, global = true, value_name = "NAME")]
    pub(crate) schema: Option<String>,
    /// Print JSON, one value a line
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// The time zone of input and output: utc, local, an offset such as +02:00, or a name such as
    /// Europe/Berlin; by default utc
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
    /// program in the variable `AUDITLOG_PAGER` or `PAGER`, by default `less`. An empty variable
    /// also disables the pager.
    #[arg(long, global = true)]
    pub(crate) no_pager: bool,
    /// Your name in the entries that `prune`, `import`, `archive restore`, `archive expire` and --record-access write; by default the
    /// login name
    #[arg(
        long = "as",
        global = true,
        value_name = "ACTOR",
        env = "AUDITLOG_ACTOR",
        hide_env_values = true
    )]
    pub(crate) recorded_actor: Option<String>,
    /// Record an entry that the trail was read, before anything is shown
    #[arg(
        long,
        global = true,
        env = "AUDITLOG_RECORD_ACCESS",
        hide_env_values = true,
        value_parser = FalseyValueParser::new()
    )]
    pub(crate) record_access: bool,
}

impl Global {
    /// Returns whether an archive is named. A variable without a value is unset, as in shells.
    pub(crate) fn names_archive(&self) -> bool {
        self.archive.as_deref().is_some_and(|text| !text.is_empty())
    }
}

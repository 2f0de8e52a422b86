//! `reconcile`: lists the writes without an entry of the program.

use std::env;

use audit_core::StoreError;
use audit_postgres::{Reconcile, Reconciliation};
use clap::Args;

use crate::error::Error;
use crate::exit::Exit;
use crate::number;
use crate::output::{Output, Part};
use crate::session::Session;
use crate::store::{self, AccessMode, Server};
use crate::text;
use crate::zone::Zone;

/// The variable that names the database.
const VARIABLE: &str = "AUDITLOG_POSTGRES_URL";

/// Examples for `--help`.
const EXAMPLES: &str = "\
Examples:
  auditlog reconcile --store postgres://reader@db/app --since 1d
  auditlog reconcile --store postgres://reader@db/app --within 5s --json";

/// List the writes to PostgreSQL without an entry of the program
///
/// Compares the writes that the triggers of `auditlog triggers` noted with the entries of the program:
/// a write needs an entry of the same object in the same transaction. The exit code is 5 if a write
/// has no entry.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct ReconcileArgs {
    /// The database; by default that of --store
    #[arg(
        long,
        value_name = "URL",
        env = VARIABLE,
        hide_env_values = true
    )]
    postgres: Option<String>,
    /// Only writes at this time or later
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Also accept an entry within this duration of the write, such as 5s, for programs that record
    /// outside the transaction of the write
    #[arg(long, value_name = "DURATION")]
    within: Option<String>,
    /// The maximum number of writes to show
    #[arg(long, value_name = "NUMBER", default_value_t = 1_000, value_parser = number::parse::<u32>, allow_negative_numbers = true)]
    limit: u32,
    /// After the comparison, remove the notes of writes before this time
    #[arg(long, value_name = "TIME")]
    forget_before: Option<String>,
}

pub(crate) fn run(args: &ReconcileArgs, session: &mut Session) -> Result<Exit, Error> {
    let mut options = match &args.since {
        Some(since) => Reconcile::since(session.time("--since", since)?),
        None => Reconcile::all(),
    };
    if let Some(within) = &args.within {
        let not_a_duration = || Error::Value {
            argument: "--within",
            message: "this is not a duration such as 5s".to_owned(),
        };
        // Rejects dates and times of day.
        let counted = within.starts_with(|first: char| first.is_ascii_digit());
        if !counted || within.contains(['-', ':']) {
            return Err(not_a_duration());
        }
        let begin = session.time("--within", within)?;
        options = options.within(
            (session.now - begin)
                .to_std()
                .map_err(|_| not_a_duration())?,
        );
    }
    let forget = match &args.forget_before {
        Some(time) => Some(session.time("--forget-before", time)?),
        None => None,
    };
    let server = Server::new(args.url(session)?, &session.global);
    let failed = |error: StoreError| Error::from(error).of_server();
    let store = server.open(AccessMode::Write).map_err(failed)?;
    let found = store.reconcile(options.limit(args.limit)).map_err(failed)?;
    print(&found, session)?;
    if let Some(before) = forget {
        store.forget_touched(before).map_err(failed)?;
    }
    store.close()?;
    Ok(if found.is_ok() {
        Exit::Done
    } else {
        Exit::Unhealthy
    })
}

impl ReconcileArgs {
    /// Returns the URL. Arguments override variables.
    fn url<'a>(&'a self, session: &'a Session) -> Result<&'a str, Error> {
        let own = self.postgres.as_deref();
        let shared = store::url(session.global.store.as_deref());
        let is_argument =
            |name: &str, value: &str| env::var_os(name).is_none_or(|set| set != value);
        let own_argument = own.filter(|url| is_argument(VARIABLE, url));
        let shared_argument = shared.filter(|url| is_argument("AUDITLOG_STORE", url));
        let url = own_argument.or(shared_argument).or(own).or(shared);
        url.ok_or_else(|| Error::Usage {
            message: "no database was named".to_owned(),
            hint: "name one with --postgres or --store: postgres://user@host/database",
        })
    }
}

fn print(found: &Reconciliation, session: &mut Session) -> Result<(), Error> {
    let zone: Zone = session.global.tz;
    let out: &mut Output = &mut session.out;
    if out.is_json() {
        return found.writes.iter().try_for_each(|write| out.json(write));
    }
    if found.is_ok() {
        return out.line("every write has an entry");
    }
    let mut table = out.new_table([
        "TIME",
        "MODEL",
        "OBJECT",
        "ACTIONS",
        "ACTOR",
        "ROLE",
        "APPLICATION",
        "TRANSACTION",
    ]);
    for write in &found.writes {
        let known =
            |name: &Option<String>| text::safe(name.as_deref().unwrap_or_default()).into_owned();
        let object = match write.object_pk.as_str() {
            "" => "(all)".into(),
            pk => text::safe(pk),
        };
        table.add_row([
            out.cell(Part::Quiet, zone.show(write.at)),
            out.cell(Part::Object, text::safe(&write.model)),
            out.cell(Part::Object, object),
            out.cell(Part::Bad, text::safe(&write.actions.join(", "))),
            out.cell(Part::Actor, known(&write.actor)),
            out.cell(Part::Quiet, known(&write.role)),
            out.cell(Part::Quiet, known(&write.application)),
            out.cell(Part::Quiet, write.xact),
        ]);
    }
    Output::no_wrap(&mut table, [0, 3]);
    out.table(&table)?;
    out.line(format!(
        "{} without an entry of the program",
        text::counted(found.unaudited, "write", "writes")
    ))
}

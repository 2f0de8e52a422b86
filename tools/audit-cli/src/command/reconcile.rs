//! `reconcile`: what was written without an entry of the program.

use std::env;

use audit_core::StoreError;
use audit_postgres::{Reconcile, Reconciliation};
use clap::Args;

use crate::error::Error;
use crate::exit::Exit;
use crate::output::{Output, Part};
use crate::session::Session;
use crate::store::{self, Need, Server};
use crate::text;
use crate::zone::Zone;

/// The variable that names the database.
const VARIABLE: &str = "AUDITLOG_POSTGRES_URL";

/// Report what was written to PostgreSQL without an entry of the program
///
/// Compares what the triggers of `auditlog triggers` saw with the trail. An entry of the
/// program is one of a write if it is of the same object and transaction. If something has
/// none, the exit code is 5.
#[derive(Args, Debug)]
pub(crate) struct ReconcileArgs {
    /// The database; that of --store if not given
    #[arg(
        long,
        value_name = "URL",
        env = VARIABLE,
        hide_env_values = true
    )]
    postgres: Option<String>,
    /// Written at this time or later
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// An entry so far away in time counts, too, for programs that do not record in the
    /// transaction of the write: a duration such as 5s
    #[arg(long, value_name = "DURATION")]
    within: Option<String>,
    /// Show at most so many
    #[arg(long, value_name = "NUMBER", default_value_t = 1_000)]
    limit: u32,
    /// Remove the notes of watching triggers from before this time, after the comparison
    #[arg(long, value_name = "TIME")]
    forget_before: Option<String>,
}

pub(crate) fn run(args: &ReconcileArgs, session: &mut Session) -> Result<Exit, Error> {
    let mut options = match &args.since {
        Some(since) => Reconcile::since(session.time("--since", since)?),
        None => Reconcile::all(),
    };
    if let Some(within) = &args.within {
        let no_duration = || Error::Value {
            argument: "--within",
            message: "this is not a duration such as 5s".to_owned(),
        };
        // A day or a time of day is a time, too.
        let counted = within.starts_with(|first: char| first.is_ascii_digit());
        if !counted || within.contains(['-', ':']) {
            return Err(no_duration());
        }
        let begin = session.time("--within", within)?;
        options = options.within((session.now - begin).to_std().map_err(|_| no_duration())?);
    }
    let forget = match &args.forget_before {
        Some(time) => Some(session.time("--forget-before", time)?),
        None => None,
    };
    let server = Server::new(args.url(session)?, &session.global);
    let failed = |error: StoreError| Error::from(error).of_server();
    let store = server.open(Need::Write).map_err(failed)?;
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
    /// Returns the URL that was named. What was written on the line counts more than what the
    /// variables say.
    fn url<'a>(&'a self, session: &'a Session) -> Result<&'a str, Error> {
        let own = self.postgres.as_deref();
        let shared = store::url(session.global.store.as_deref());
        let on_the_line =
            |name: &str, value: &str| env::var_os(name).is_none_or(|set| set != value);
        let own_line = own.filter(|url| on_the_line(VARIABLE, url));
        let shared_line = shared.filter(|url| on_the_line("AUDITLOG_STORE", url));
        let url = own_line.or(shared_line).or(own).or(shared);
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
    Output::keep_whole(&mut table, [0, 3]);
    out.table(&table)?;
    out.line(format!(
        "{} without an entry of the program",
        text::counted(found.unaudited, "write", "writes")
    ))
}

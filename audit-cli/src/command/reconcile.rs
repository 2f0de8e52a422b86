//! `reconcile`: what was written without an entry of the program.

use audit_postgres::{PostgresStore, Reconcile, Reconciliation};
use clap::Args;

use super::Session;
use crate::error::Error;
use crate::exit::Exit;
use crate::output::{Output, Part};
use crate::text;
use crate::zone::Zone;

/// Report what was written to PostgreSQL without an entry of the program
///
/// Compares what the triggers of `auditlog triggers` saw with the trail. An entry of the
/// program is one of a write if it is of the same object and transaction. If something has
/// none, the exit code is 5.
#[derive(Args, Debug)]
pub(crate) struct ReconcileArgs {
    /// The database
    #[arg(
        long,
        value_name = "URL",
        env = "AUDITLOG_POSTGRES_URL",
        hide_env_values = true
    )]
    postgres: String,
    /// The schema of the trail's tables; the session's own if not given
    #[arg(long, value_name = "NAME")]
    schema: Option<String>,
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
        let begin = session.time("--within", within)?;
        let within = (session.now - begin).to_std().map_err(|_| Error::Value {
            argument: "--within",
            message: "this is no duration such as 5s".to_owned(),
        })?;
        options = options.within(within);
    }
    let forget = match &args.forget_before {
        Some(time) => Some(session.time("--forget-before", time)?),
        None => None,
    };
    let mut store = PostgresStore::options().migrate(false).pool_size(1);
    if let Some(schema) = &args.schema {
        store = store.schema(schema);
    }
    let store = store.connect(&args.postgres)?;
    let found = store.reconcile(options.limit(args.limit))?;
    print(&found, session)?;
    if let Some(before) = forget {
        store.forget_touched(before)?;
    }
    store.close()?;
    Ok(if found.is_ok() {
        Exit::Done
    } else {
        Exit::Unhealthy
    })
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

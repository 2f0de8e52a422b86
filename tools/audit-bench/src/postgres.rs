//! `postgres`: the store beside raw SQL through tokio-postgres, on one server.
//!
//! The raw tables have the same columns and the same indexes as the trail, so that both answer
//! the same questions, but neither partitions nor triggers; rows called `lean` have a table
//! with a primary key only, for comparison.

pub(crate) mod awake;
mod bulk;
mod caller;
mod group;
mod questions;
mod raw;
mod triggers;

use audit_testbed::PostgresServer;

use crate::history::Outcome;

use self::raw::Raw;

pub(crate) fn run() -> Outcome<()> {
    let server = PostgresServer::find()
        .ok_or("no PostgreSQL server: set AUDITLOG_TEST_POSTGRES_URL to the URL of one")?;
    let raw = Raw::connect(server.url())?;
    eprintln!("{}", raw.settings()?);
    let schema = format!("audit_bench_{}", std::process::id());
    let outcome = writes(&server, &schema, &raw);
    raw.run(&format!("DROP SCHEMA IF EXISTS {schema} CASCADE"))?;
    outcome?;
    questions::run(&server)
}

fn writes(server: &PostgresServer, schema: &str, raw: &Raw) -> Outcome<()> {
    let store = auditlog::postgres::PostgresStore::options()
        .schema(schema)
        .connect(server.url())?;
    raw.run(&format!("SET search_path = {schema}, pg_catalog"))?;
    raw.run(&raw::table("raw", true))?;
    raw.run(&raw::table("lean", false))?;
    caller::run(server.url(), schema)?;
    bulk::run(&store, raw)?;
    triggers::run(raw, schema)?;
    group::run(store, raw)
}

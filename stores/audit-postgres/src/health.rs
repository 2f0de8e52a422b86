//! The state of a trail, as a tool reports it.

use audit_core::health::{Engine, Health, Location, Partitions, Problem, Sizes};
use audit_core::{Query, StoreError};

use crate::follow::KIND;
use crate::info::StoreInfo;
use crate::schema::SCHEMA_VERSION;
use crate::store::PostgresStore;
use crate::variant::ServerVariant;

const DAMAGED: &str = "restore it from a backup; `auditlog export` prints the entries up to the \
                       damage, and `auditlog export order:newest` those after it";

/// Examines the trail, and how the server would run some queries.
pub(crate) fn examine(
    store: &PostgresStore,
    queries: &[(&'static str, Query)],
) -> Result<Health, StoreError> {
    let checked = store.check();
    let info = store.info()?;
    let engine = Engine::new(KIND, "PostgreSQL", info.server_version.as_str());
    let location = Location::Database(store.location().to_owned());
    let mut health = Health::new(location, engine);
    health.schema = Some(info.schema_version);
    health.schema_supported = Some(SCHEMA_VERSION);
    let check = health.read(checked, "database", DAMAGED)?;
    for (question, query) in queries {
        let steps = store.explain_indexed(query);
        let Some(steps) = health.read(steps, "database", DAMAGED)? else {
            break;
        };
        let reads_all = |step: &String| step.contains("Seq Scan on audit_entry");
        let indexed = !steps.iter().any(reads_all);
        health.add_plan(
            question,
            steps,
            indexed,
            "an index was dropped; make it again with `PostgresStore::build_indexes`",
        );
    }
    for mismatch in check.iter().flat_map(|check| &check.mismatches) {
        let advice = match mismatch.column {
            "checksum" => {
                "the entry was damaged or changed after it was written; compare it with a backup"
            }
            _ => "another program wrote to the table; compare it with a backup",
        };
        let problem = Problem::new(mismatch.to_string(), advice);
        health.problems.push(problem);
    }
    add_problems(&info, &mut health.problems);
    if let Some(variant) = &info.variant {
        add_variant(variant, &mut health);
    }
    health.entries = check.map_or(0, |check| check.entries);
    let bytes = info.table_bytes + info.index_bytes;
    let mut sizes = Sizes::default();
    sizes.table_bytes = Some(info.table_bytes);
    sizes.index_bytes = Some(info.index_bytes);
    sizes.bytes_per_entry = bytes.checked_div(health.entries).unwrap_or_default();
    health.sizes = Some(sizes);
    let mut partitions = Partitions::default();
    partitions.months = info.partitions.len();
    partitions.missing = info.missing_partitions;
    partitions.rest_entries = info.rest_entries;
    health.partitions = Some(partitions);
    Ok(health)
}

/// Adds what differs from PostgreSQL's own servers.
fn add_variant(variant: &ServerVariant, health: &mut Health) {
    match variant {
        ServerVariant::Other(name) => health.problems.push(Problem::new(
            format!("the server is {name}, with which the store is not tested"),
            "docs/distributed-engines.md lists what such a server lacks; use a server of PostgreSQL's own",
        )),
        ServerVariant::Citus(version) => health.notes.push(Problem::new(
            format!("the server has the extension Citus {version}, with which the store is not tested"),
            "do not distribute the tables of the trail; docs/distributed-engines.md has the reasons",
        )),
    }
}

fn add_problems(info: &StoreInfo, problems: &mut Vec<Problem>) {
    let mut add = |names: &[String], what: &str, advice| {
        let problem = |name| Problem::new(format!("`{name}` {what}"), advice);
        problems.extend(names.iter().map(problem));
    };
    add(
        &info.missing_partitions,
        "is missing: entries of the month go to `audit_entry_rest`, which is never dropped",
        "run `SELECT audit_maintain()` as the owner of the tables, or let a program connect as it",
    );
    add(
        &info.missing_indexes,
        "is missing: some queries read the complete trail",
        "let a program connect as the owner of the tables: it builds the index while others write",
    );
    add(
        &info.may_change,
        "was given the right to change or remove entries",
        "take it away, as the SQL of `auditlog::postgres::Roles` does",
    );
    add(
        &info.missing_columns,
        "was renamed or dropped, and triggers need it: every write to the table fails",
        "run the SQL of `auditlog triggers` for the table again, with `--column FIELD=COLUMN` or \
         `--omit FIELD`",
    );
    add(
        &info.missing_triggers,
        "is missing or disabled: such writes are not recorded",
        "run the SQL of `auditlog triggers` for the table again, or that of \
         `auditlog triggers --drop` if the table is not to be recorded",
    );
    add(
        &info.unguarded,
        "lacks the triggers that refuse changes",
        "enable them, or make them again by the statements in src/sql/version_1.sql of the crate \
         audit-postgres",
    );
}

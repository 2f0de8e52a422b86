//! The state of a file, as a tool reports it.

use audit_core::health::{Engine, Health, Location, Problem, Sizes};
use audit_core::{Query, StoreError};

use crate::check::Check;
use crate::follow::KIND;
use crate::info::StoreInfo;
use crate::schema::SCHEMA_VERSION;
use crate::store::SqliteStore;

/// The first SQLite that cannot corrupt a file which two connections write and checkpoint at
/// the same moment.
const SQLITE_FIXED: i32 = 3_051_003;

const DAMAGED: &str = "restore it from a backup; `auditlog export` prints the entries up to the \
                       damage, and `auditlog export order:newest` those after it";

/// Examines the file, and how it would run some queries.
pub(crate) fn examine(
    store: &SqliteStore,
    queries: &[(&'static str, Query)],
) -> Result<Health, StoreError> {
    let engine = Engine::new(KIND, "SQLite", rusqlite::version());
    let location = Location::File(store.path().display().to_string());
    let mut health = Health::new(location, engine);
    health.schema_supported = Some(SCHEMA_VERSION);
    let check = health.read(store.check(), "file", DAMAGED)?;
    if let Some(info) = health.read(store.info(), "file", DAMAGED)? {
        health.schema = Some(info.schema_version);
        health.sizes = Some(sizes(&info));
        health
            .engine
            .settings
            .push(("journal_mode", info.journal_mode));
    }
    for (question, query) in queries {
        let Some(steps) = health.read(store.explain(query), "file", DAMAGED)? else {
            break;
        };
        let reads_all = |step: &String| step.starts_with("SCAN") && !step.contains("USING");
        let indexed = !steps.iter().any(reads_all);
        health.add_plan(
            question,
            steps,
            indexed,
            "an index was dropped; export the trail and import it into a new store",
        );
    }
    if let Some(check) = &check {
        health.entries = check.entries;
        add_problems(check, &mut health.problems);
    }
    if rusqlite::version_number() < SQLITE_FIXED {
        health.problems.push(Problem::new(
            format!(
                "SQLite {} can corrupt a file that several connections write",
                rusqlite::version()
            ),
            "build the command with SQLite 3.51.3 or later",
        ));
    }
    Ok(health)
}

fn add_problems(check: &Check, problems: &mut Vec<Problem>) {
    let integrity = check.integrity.iter();
    problems.extend(
        integrity.map(|complaint| Problem::new(format!("integrity: {complaint}"), DAMAGED)),
    );
    problems.extend(check.mismatches.iter().map(|mismatch| {
        let advice = match mismatch.column {
            "checksum" => {
                "the entry was damaged or changed after it was written; compare it with a backup"
            }
            _ => "another program wrote to the file; compare it with a backup",
        };
        Problem::new(mismatch.to_string(), advice)
    }));
    problems.extend(check.schema.iter().map(|difference| {
        Problem::new(
            difference.to_string(),
            "the trail's tables were changed by hand, or made by an unreleased version; export \
             the trail and import it into a new store",
        )
    }));
    if check.retention_open {
        problems.push(Problem::new(
            "`audit_retention` has a row, with which entries can be removed",
            "remove it with `DELETE FROM audit_retention`, and find out who put it there",
        ));
    }
    if check.removed > check.pruned {
        let removed = match check.removed {
            1 => "1 entry was".to_owned(),
            removed => format!("{removed} entries were"),
        };
        problems.push(Problem::new(
            format!(
                "{removed} removed, and the entries of `prune` account for {}",
                check.pruned
            ),
            "compare the trail with a backup, unless a program removes entries by itself",
        ));
    }
}

fn sizes(info: &StoreInfo) -> Sizes {
    let file_bytes = info.page_size * info.pages;
    let used = file_bytes - (info.page_size * info.free_pages).min(file_bytes);
    let mut sizes = Sizes::default();
    sizes.file_bytes = Some(file_bytes);
    sizes.free_bytes = Some(file_bytes - used);
    sizes.wal_bytes = Some(info.wal_bytes);
    sizes.entry_bytes = Some(info.entry_bytes);
    sizes.bytes_per_entry = used.checked_div(info.entries).unwrap_or_default();
    sizes
}

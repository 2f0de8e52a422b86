//! A trail in a database of PostgreSQL.

use std::env;
use std::path::Path;
use std::time::Duration;

use audit_core::{LogEntry, Query, StoreError};
use audit_postgres::{Position, PostgresOptions, PostgresStore, SCHEMA_VERSION, StoreInfo};
use uuid::Uuid;

use super::place::Server;
use super::{
    Damage, Engine, Follow, Health, Named, Need, Partitions, Problem, Sizes, TrailStore, plans,
};

/// The limit of a statement: the user can interrupt it before.
const PATIENCE: Duration = Duration::from_secs(600);

const DAMAGE: Damage = Damage {
    what: "database",
    advice: "restore it from a backup; `auditlog export` prints the entries up to the damage, \
             and `auditlog export order:newest` those after it",
};

impl Server {
    /// Connects to the trail; one that is not there is made only where that is needed.
    pub(crate) fn open(&self, need: Need) -> Result<PostgresStore, StoreError> {
        let options = self.options();
        match need {
            Need::Read => options.read_only().connect(self.url()),
            Need::Create if !self.exists()? => {
                let store = options.connect(self.url())?;
                // An index that is built in the background would end with this program.
                store.build_indexes()?;
                Ok(store)
            }
            // One that is there is its owner's to upgrade, which may take long.
            Need::Write | Need::Create => options.migrate(false).connect(self.url()),
        }
    }

    /// Returns whether there is a trail.
    pub(crate) fn exists(&self) -> Result<bool, StoreError> {
        match self.options().read_only().connect(self.url()) {
            Ok(store) => store.close().map(|()| true),
            // Nothing, or tables of another program, which whoever makes a trail there is told.
            Err(StoreError::Foreign { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn options(&self) -> PostgresOptions {
        let mut options = PostgresStore::options()
            .pool_size(2)
            .pass_over_damaged()
            .statement_timeout(PATIENCE);
        if let Some(schema) = self.schema() {
            options = options.schema(schema);
        }
        // The variable of PostgreSQL's own programs, with which `system` is our default.
        match env::var_os("PGSSLROOTCERT") {
            Some(file) if !file.is_empty() && file != "system" => options.root_certificates(file),
            _ => options,
        }
    }
}

impl TrailStore for PostgresStore {
    fn with_id_prefix(&self, prefix: &str, limit: usize) -> Result<Vec<LogEntry>, StoreError> {
        self.with_id_prefix(prefix, limit)
    }

    fn with_id_suffix(&self, suffix: &str, limit: usize) -> Result<Vec<LogEntry>, StoreError> {
        self.with_id_suffix(suffix, limit)
    }

    fn by_ids(&self, ids: &[Uuid]) -> Result<Vec<LogEntry>, StoreError> {
        self.by_ids(ids)
    }

    fn models(&self) -> Result<Vec<String>, StoreError> {
        self.models()
    }

    fn schema_version(&self) -> Result<u32, StoreError> {
        Ok(self.info()?.schema_version)
    }

    fn follow(&self) -> Result<Box<dyn Follow>, StoreError> {
        Ok(Box::new(Committed {
            position: self.position()?,
            store: self.clone(),
        }))
    }

    fn file(&self) -> Option<&Path> {
        None
    }

    fn damaged(&self) -> Vec<String> {
        let damaged = self.damaged();
        let mut told: Vec<String> = damaged
            .rows
            .iter()
            .map(|(id, detail)| format!("row {id} is not an entry and is passed over: {detail}"))
            .collect();
        if damaged.more {
            told.push("there are more such rows".to_owned());
        }
        told
    }

    fn examine(&self, questions: &[(&'static str, Query)]) -> Result<Health, StoreError> {
        let mut problems = Vec::new();
        let check = DAMAGE.found(self.check(), &mut problems)?;
        let info = self.info()?;
        let indexes = plans(
            questions,
            "an index was dropped; make it again by the statement in stores/audit-postgres/src/sql/version_1.sql",
            |query| self.explain_indexed(query),
            |step| step.contains("Seq Scan on audit_entry"),
            DAMAGE,
            &mut problems,
        )?;
        let mismatches = check.iter().flat_map(|check| &check.mismatches);
        problems.extend(mismatches.map(|mismatch| Problem {
            what: mismatch.to_string(),
            advice: match mismatch.column {
            "checksum" => "the entry was damaged or changed after it was written; compare it with a backup",
            _ => "another program wrote to the table; compare it with a backup",
        },
        }));
        complaints(&info, &mut problems);
        let entries = check.map_or(0, |check| check.entries);
        let bytes = info.table_bytes + info.index_bytes;
        Ok(Health {
            place: Named::Database(self.location().to_owned()),
            entries,
            schema: Some(info.schema_version),
            schema_known: SCHEMA_VERSION,
            engine: Engine::Postgres {
                postgres: info.server_version,
            },
            sizes: Some(Sizes::Tables {
                table_bytes: info.table_bytes,
                index_bytes: info.index_bytes,
                bytes_an_entry: bytes.checked_div(entries).unwrap_or_default(),
            }),
            partitions: Some(Partitions {
                months: info.partitions.len(),
                missing: info.missing_partitions,
                rest_entries: info.rest_entries,
            }),
            indexes,
            problems,
        })
    }
}

fn complaints(info: &StoreInfo, problems: &mut Vec<Problem>) {
    let mut complain = |names: &[String], what: &str, advice| {
        problems.extend(names.iter().map(|name| Problem {
            what: format!("`{name}` {what}"),
            advice,
        }));
    };
    complain(
        &info.missing_partitions,
        "is missing: entries of the month go to `audit_entry_rest`, which is never dropped",
        "run `SELECT audit_maintain()` as the owner of the tables, or let a program connect as it",
    );
    complain(
        &info.missing_indexes,
        "is missing: some questions read the whole trail",
        "let a program connect as the owner of the tables: it builds the index while others write",
    );
    complain(
        &info.may_change,
        "was given the right to change or remove entries",
        "take it away, as the SQL of `auditlog::postgres::Roles` does",
    );
    complain(
        &info.missing_columns,
        "was renamed or dropped, and triggers need it: every write to the table fails",
        "run the SQL of `auditlog triggers` for the table again, with `--column FIELD=COLUMN` or \
         `--omit FIELD`",
    );
    complain(
        &info.missing_triggers,
        "is missing or disabled: such writes are not recorded",
        "run the SQL of `auditlog triggers` for the table again, or that of \
         `auditlog triggers --drop` if the table is not to be recorded",
    );
    complain(
        &info.unguarded,
        "lacks the triggers that refuse changes",
        "enable them, or make them again by the statements in stores/audit-postgres/src/sql/version_1.sql",
    );
}

/// The entries after a place in the order of transactions.
#[derive(Debug)]
struct Committed {
    store: PostgresStore,
    position: Position,
}

impl Follow for Committed {
    fn next(&mut self, limit: usize) -> Result<Vec<LogEntry>, StoreError> {
        let (entries, next) = self.store.committed_after(&self.position, limit)?;
        self.position = next;
        Ok(entries)
    }
}

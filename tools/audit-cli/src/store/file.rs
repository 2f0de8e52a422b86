//! A trail in a SQLite file.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use audit_core::{LogEntry, Query, StoreError};
use audit_sqlite::{Check, SCHEMA_VERSION, SqliteOptions, SqliteStore, StoreInfo, rusqlite};
use uuid::Uuid;

use crate::text;

use super::{Damage, Engine, Follow, Health, Named, Need, Problem, Sizes, TrailStore, plans};

/// The first SQLite that cannot corrupt a file which two connections write and checkpoint at
/// the same moment.
const SQLITE_FIXED: i32 = 3_051_003;

const DAMAGE: Damage = Damage {
    what: "file",
    advice: "restore it from a backup; `auditlog export` prints the entries up to the damage, \
             and `auditlog export order:newest` those after it",
};

/// Opens the file, as it is or to be made.
pub(super) fn open(path: &Path, need: Need) -> Result<SqliteStore, StoreError> {
    require_file(path)?;
    if need == Need::Create && !path.exists() {
        return options().open(path);
    }
    open_existing(path, need != Need::Read).map_err(|error| explained(error, path))
}

/// Returns the settings of a command: it shows what is left of a damaged file, and what it writes, it
/// writes in bulk.
fn options() -> SqliteOptions {
    SqliteOptions::new()
        .pass_over_damaged()
        .checkpoint_pages(16_000)
}

/// Refuses what is no file before anything waits for it, as for the other end of a pipe.
fn require_file(path: &Path) -> Result<(), StoreError> {
    let found = match path.metadata() {
        Ok(found) if found.is_dir() => "a folder",
        Ok(found) if !found.is_file() => "a pipe, a socket or a device",
        // A file that cannot be examined cannot be opened either, which is reported.
        _ => return Ok(()),
    };
    Err(StoreError::Foreign {
        location: path.display().to_string(),
        found: found.to_owned(),
    })
}

/// Puts what the system says in the place of what SQLite makes of it.
fn explained(error: StoreError, path: &Path) -> StoreError {
    if !matches!(error, StoreError::Io { .. }) {
        return error;
    }
    // Nothing of the file is open any more, so that no lock is lost when this closes it.
    match File::open(path) {
        Ok(_) => error,
        Err(source) => StoreError::Io {
            location: path.display().to_string(),
            source: Arc::new(source),
        },
    }
}

/// Opens a file of the store's own, or an application's that has the trail's tables in it.
fn open_existing(path: &Path, writes: bool) -> Result<SqliteStore, StoreError> {
    let own = options().create(false);
    let reading = own.clone().read_only().open(path);
    let (options, store) = match reading {
        Err(foreign @ StoreError::Foreign { .. }) => {
            let shared = own.shared_file();
            match shared.clone().read_only().open(path) {
                Ok(store) => (shared, Ok(store)),
                // Not the trail's tables either: what was found first says more.
                Err(StoreError::Foreign { .. }) => return Err(foreign),
                Err(error) => (shared, Err(error)),
            }
        }
        reading => (own, reading),
    };
    match store {
        // An older schema is upgraded by whoever may write.
        Err(StoreError::ReadOnly { .. }) if writes => options.open(path),
        Ok(store) if writes => {
            drop(store);
            options.open(path)
        }
        store => store,
    }
}

impl TrailStore for SqliteStore {
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
        Ok(Box::new(Appended {
            seq: self.last_seq()?,
            store: self.clone(),
        }))
    }

    fn file(&self) -> Option<&Path> {
        Some(self.path())
    }

    fn damaged(&self) -> Vec<String> {
        let damaged = self.damaged();
        let mut told: Vec<String> = damaged
            .rows
            .iter()
            .map(|(seq, detail)| format!("row {seq} is not an entry and is passed over: {detail}"))
            .collect();
        if damaged.more {
            told.push("there are more such rows".to_owned());
        }
        told
    }

    fn backup(&self, to: &Path) -> Result<(), StoreError> {
        self.backup(to)
    }

    fn examine(&self, questions: &[(&'static str, Query)]) -> Result<Health, StoreError> {
        let mut problems = Vec::new();
        let check = DAMAGE.found(self.check(), &mut problems)?;
        let info = DAMAGE.found(self.info(), &mut problems)?;
        let indexes = plans(
            questions,
            "an index was dropped; export the trail and import it into a new store",
            |query| self.explain(query),
            |step| step.starts_with("SCAN") && !step.contains("USING"),
            DAMAGE,
            &mut problems,
        )?;
        if let Some(check) = &check {
            complaints(check, &mut problems);
        }
        if rusqlite::version_number() < SQLITE_FIXED {
            problems.push(Problem {
                what: format!(
                    "SQLite {} can corrupt a file that several connections write",
                    rusqlite::version()
                ),
                advice: "build the command with SQLite 3.51.3 or later",
            });
        }
        Ok(Health {
            place: Named::File(self.path().display().to_string()),
            entries: check.as_ref().map_or(0, |check| check.entries),
            schema: info.as_ref().map(|info| info.schema_version),
            schema_known: SCHEMA_VERSION,
            engine: Engine::Sqlite {
                sqlite: rusqlite::version(),
                journal_mode: info.as_ref().map(|info| info.journal_mode.clone()),
            },
            sizes: info.as_ref().map(sizes),
            partitions: None,
            indexes,
            problems,
        })
    }
}

/// The entries after one of the numbers by which the file counts them.
#[derive(Debug)]
struct Appended {
    store: SqliteStore,
    seq: i64,
}

impl Follow for Appended {
    fn next(&mut self, limit: usize) -> Result<Vec<LogEntry>, StoreError> {
        let appended = self.store.appended_after(self.seq, limit)?;
        if let Some((seq, _)) = appended.last() {
            self.seq = *seq;
        }
        Ok(appended.into_iter().map(|(_, entry)| entry).collect())
    }
}

fn complaints(check: &Check, problems: &mut Vec<Problem>) {
    problems.extend(check.integrity.iter().map(|complaint| Problem {
        what: format!("integrity: {complaint}"),
        advice: DAMAGE.advice,
    }));
    problems.extend(check.mismatches.iter().map(|mismatch| Problem {
        what: mismatch.to_string(),
        advice: match mismatch.column {
            "checksum" => {
                "the entry was damaged or changed after it was written; compare it with a backup"
            }
            _ => "another program wrote to the file; compare it with a backup",
        },
    }));
    problems.extend(check.schema.iter().map(|difference| Problem {
        what: difference.to_string(),
        advice: "the trail's tables were changed by hand, or made by an unreleased version; export the \
                 trail and import it into a new store",
    }));
    if check.retention_open {
        problems.push(Problem {
            what: "`audit_retention` has a row, with which entries can be removed".to_owned(),
            advice: "remove it with `DELETE FROM audit_retention`, and find out who put it there",
        });
    }
    if check.removed > check.pruned {
        problems.push(Problem {
            what: format!(
                "{} removed, and the entries of `prune` account for {}",
                match check.removed {
                    1 => "1 entry was".to_owned(),
                    removed => format!("{} entries were", text::thousands(removed)),
                },
                text::thousands(check.pruned)
            ),
            advice: "compare the trail with a backup, unless a program removes entries by itself",
        });
    }
}

fn sizes(info: &StoreInfo) -> Sizes {
    let file_bytes = info.page_size * info.pages;
    let used = file_bytes - (info.page_size * info.free_pages).min(file_bytes);
    Sizes::File {
        file_bytes,
        free_bytes: file_bytes - used,
        wal_bytes: info.wal_bytes,
        entry_bytes: info.entry_bytes,
        bytes_an_entry: used.checked_div(info.entries).unwrap_or_default(),
    }
}

//! The breaks in the chains of imported entries: each has a cause in the rows of the source.

use std::collections::BTreeMap;

use audit_core::{AuditLog, LogEntry, ObjectRef, Path};
use chrono::{DateTime, TimeDelta};
use libtest_mimic::Failed;
use uuid::Uuid;

use super::oracle::{Oracle, same};

/// Why a value is not what the entry before left.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Cause {
    /// It changed past the library, as the library's own report says.
    PastTheLibrary,
    /// The application makes no entry for a change of this field alone.
    Ignored,
    /// The library dated an entry by an older time, so that its rows are out of order by time.
    /// In the order of their ids they break nothing.
    Misdated,
}

/// The number of breaks of each cause in the known files.
const KNOWN: &[(&str, &[(Cause, usize)])] = &[
    ("audited-json-public", &[(Cause::PastTheLibrary, 2)]),
    ("audited-yaml-public", &[(Cause::PastTheLibrary, 1)]),
    ("django-auditlog-public", &[(Cause::PastTheLibrary, 2)]),
    ("django-auditlog-upgraded-public", &[]),
    ("django-simple-history-public", &[]),
    ("papertrail-json-public", PAPER_TRAIL),
    ("papertrail-yaml-public", PAPER_TRAIL),
    ("sqlalchemy-continuum-public", &[]),
];

const PAPER_TRAIL: &[(Cause, usize)] = &[
    (Cause::PastTheLibrary, 1),
    (Cause::Ignored, 2),
    (Cause::Misdated, 6),
];

type Found = (ObjectRef, String, Path);

pub(crate) fn check(name: &str, entries: &[LogEntry], oracle: &Oracle) -> Result<(), Failed> {
    let reordered = breaks(&by_row(entries))?;
    let mut causes: BTreeMap<Cause, usize> = BTreeMap::new();
    for found in breaks(entries)? {
        let (object, row, path) = &found;
        let field = path.field();
        let (model, pk) = (object.model.as_str(), object.object_pk.as_str());
        let cause = if oracle.not_audited(model, pk, &field) && reordered.contains(&found) {
            Cause::PastTheLibrary
        } else if oracle.lists(model, "ignored", &field) {
            Cause::Ignored
        } else if reordered.contains(&found) {
            return Err(format!("row {row} of {object}: {path} has no cause").into());
        } else {
            Cause::Misdated
        };
        *causes.entry(cause).or_default() += 1;
    }
    match KNOWN.iter().find(|(known, _)| *known == name) {
        Some((_, expected)) => Ok(same(
            "breaks",
            &causes,
            &expected.iter().copied().collect(),
        )?),
        None => Ok(()),
    }
}

/// Returns what breaks a chain: the object, the row and the path.
fn breaks(entries: &[LogEntry]) -> Result<Vec<Found>, Failed> {
    let log = AuditLog::builder().build();
    log.store().append(entries)?;
    let mut all = Vec::new();
    for history in log.histories(log.query())? {
        let history = history?;
        for found in history.breaks() {
            all.push((history.object().clone(), row(found.entry), found.path));
        }
    }
    Ok(all)
}

fn row(entry: &LogEntry) -> String {
    let id = &entry.additional_data["imported"]["id"];
    id.as_str().map_or_else(|| id.to_string(), str::to_owned)
}

/// Gives entries times and ids in the order of the source's rows.
fn by_row(entries: &[LogEntry]) -> Vec<LogEntry> {
    let mut entries = entries.to_vec();
    // Stable: rows without a number stay as they are.
    entries.sort_by_key(|entry| row(entry).parse::<u64>().unwrap_or(0));
    for (number, entry) in (1_u32..).zip(&mut entries) {
        entry.timestamp = DateTime::UNIX_EPOCH + TimeDelta::seconds(number.into());
        entry.id = Uuid::from_u128(number.into());
    }
    entries
}

//! Journals of writers: each attempt and its result, one line each, in a file that outlives the
//! writer.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use uuid::Uuid;

use crate::Result;

/// The state of some entries, as their writer knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Status {
    /// They are about to be written in one transaction.
    Attempted,
    /// They are about to be written in a transaction that will be rolled back.
    RollingBack,
    /// The store or the server acknowledged them.
    Committed,
    /// The connection was lost, so they may be stored.
    Unconfirmed,
    /// They were rejected, so they are not stored.
    Rejected,
}

const NAMES: [(Status, &str); 5] = [
    (Status::Attempted, "attempted"),
    (Status::RollingBack, "rolling-back"),
    (Status::Committed, "committed"),
    (Status::Unconfirmed, "unconfirmed"),
    (Status::Rejected, "rejected"),
];

/// The journal of one writer process.
pub(crate) struct Journal(Mutex<File>);

impl Journal {
    pub(crate) fn create(file: &Path) -> Result<Self> {
        let file = OpenOptions::new()
            .create_new(true)
            .append(true)
            .open(file)?;
        Ok(Self(Mutex::new(file)))
    }

    /// Writes a line with one system call, so that a killed process leaves no partial line.
    pub(crate) fn write(&self, status: Status, ids: &[Uuid]) -> Result<()> {
        let name = NAMES.iter().find(|(known, _)| *known == status);
        let mut line = name.map_or("", |(_, name)| name).to_owned();
        for id in ids {
            write!(line, " {id}")?;
        }
        line.push('\n');
        let mut file = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(file.write_all(line.as_bytes())?)
    }
}

/// Entries that were written together, and their last status.
#[derive(Debug)]
pub(crate) struct Group {
    pub(crate) ids: Vec<Uuid>,
    pub(crate) status: Status,
}

/// Reads a journal, one group for each transaction, in order.
pub(crate) fn read(file: &Path) -> Result<Vec<Group>> {
    let mut groups: Vec<Group> = Vec::new();
    let mut numbers: HashMap<Uuid, usize> = HashMap::new();
    for line in std::fs::read_to_string(file)?.lines() {
        let malformed = || format!("{}: `{line}` is not a line of a journal", file.display());
        let mut parts = line.split(' ');
        let name = parts.next().ok_or_else(malformed)?;
        let (status, _) = NAMES
            .iter()
            .find(|(_, known)| *known == name)
            .ok_or_else(malformed)?;
        let ids: Vec<Uuid> = parts.map(str::parse).collect::<Result<_, _>>()?;
        let first = *ids.first().ok_or_else(malformed)?;
        let Some(number) = numbers.get(&first) else {
            numbers.insert(first, groups.len());
            groups.push(Group {
                ids,
                status: *status,
            });
            continue;
        };
        let group = &mut groups[*number];
        // After an unconfirmed attempt, a rejected one does not prove that nothing is stored.
        group.status = match (group.status, *status) {
            (Status::Unconfirmed, Status::Attempted | Status::Rejected) => Status::Unconfirmed,
            (_, status) => status,
        };
    }
    Ok(groups)
}

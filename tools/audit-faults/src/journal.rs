//! What writers did and what they were told, a line each, in a file that outlives them.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use uuid::Uuid;

use crate::Outcome;

/// What a writer knows of some entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Word {
    /// They are about to be written, together.
    Try,
    /// They are about to be written in a transaction that will be rolled back.
    Doomed,
    /// The store or the server said that they are kept.
    Kept,
    /// The connection was lost: they may be kept.
    Unknown,
    /// They were refused, and so are not kept.
    Refused,
}

const WORDS: [(Word, &str); 5] = [
    (Word::Try, "try"),
    (Word::Doomed, "doomed"),
    (Word::Kept, "kept"),
    (Word::Unknown, "unknown"),
    (Word::Refused, "refused"),
];

/// A writer's own file.
pub(crate) struct Journal(Mutex<File>);

impl Journal {
    pub(crate) fn create(file: &Path) -> Outcome<Self> {
        let file = OpenOptions::new()
            .create_new(true)
            .append(true)
            .open(file)?;
        Ok(Self(Mutex::new(file)))
    }

    /// Writes a line by one call of the system: a process that is killed leaves whole lines.
    pub(crate) fn note(&self, word: Word, ids: &[Uuid]) -> Outcome<()> {
        let name = WORDS.iter().find(|(known, _)| *known == word);
        let mut line = name.map_or("", |(_, name)| name).to_owned();
        for id in ids {
            write!(line, " {id}")?;
        }
        line.push('\n');
        let mut file = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(file.write_all(line.as_bytes())?)
    }
}

/// Entries that were written together, and the last word on them.
#[derive(Debug)]
pub(crate) struct Group {
    pub(crate) ids: Vec<Uuid>,
    pub(crate) word: Word,
}

/// Reads a journal: what was written together, in order.
pub(crate) fn read(file: &Path) -> Outcome<Vec<Group>> {
    let mut groups: Vec<Group> = Vec::new();
    let mut numbers: HashMap<Uuid, usize> = HashMap::new();
    for line in std::fs::read_to_string(file)?.lines() {
        let odd = || format!("{}: `{line}` is not a line of a journal", file.display());
        let mut parts = line.split(' ');
        let name = parts.next().ok_or_else(odd)?;
        let (word, _) = WORDS
            .iter()
            .find(|(_, known)| *known == name)
            .ok_or_else(odd)?;
        let ids: Vec<Uuid> = parts.map(str::parse).collect::<Result<_, _>>()?;
        let first = *ids.first().ok_or_else(odd)?;
        let Some(number) = numbers.get(&first) else {
            numbers.insert(first, groups.len());
            groups.push(Group { ids, word: *word });
            continue;
        };
        let group = &mut groups[*number];
        // A second attempt at what may be kept does not make it certain that it is not.
        group.word = match (group.word, *word) {
            (Word::Unknown, Word::Try | Word::Refused) => Word::Unknown,
            (_, word) => word,
        };
    }
    Ok(groups)
}

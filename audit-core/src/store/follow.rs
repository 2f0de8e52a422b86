//! Following the trail: entries in the order in which they were committed.

use std::fmt;
use std::str::{self, FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use uuid::Uuid;

use super::Store;
use crate::entry::LogEntry;
use crate::error::StoreError;
use crate::parsed;

/// Returns entries in the order of their commits, for everything that runs after the commit:
/// ledgers, streams, archives, live views.
///
/// [`Store::find`] orders by time, so an entry that is drafted early and committed late appears
/// behind a cursor that has already passed its time. A follower keeps a [`Position`] instead and
/// asks for what was committed after it.
///
/// Every store that implements this trait keeps this contract, which the conformance suite of
/// `audit-testkit` checks:
///
/// 1. **Each entry once.** Calls that each start at the [`next`](Batch::next) of the call before
///    return every entry exactly once. Appending an entry again does not return it again.
/// 2. **No entry is skipped.** An entry is returned however late its transaction commits. A store
///    holds back an entry as long as an earlier one can still become visible.
/// 3. **One order.** All followers get the same entries in the same order, with any limits.
///    Reading again from an earlier position repeats the entries after it.
/// 4. **Exact.** [`Stored::bytes`] are the bytes that the store keeps.
/// 5. **Damage does not stop a follower.** A row whose bytes are not an entry is returned with its
///    id and position; [`Stored::entry`] returns the error.
/// 6. **Purges are silent.** Removed entries are not returned. A position stays valid when the
///    entries before, at or after it are removed.
/// 7. **Limits.** A batch has at most `limit` entries and may have fewer although there are more.
///    An empty batch means that there is nothing more for now; its `next` still replaces the
///    position. A limit of 0 checks the position and returns it.
/// 8. **Restarts.** A position remains valid as text, for as long as the trail exists: after a
///    restart of the follower, of the writers and of the database.
/// 9. **Wrong positions are errors.** A position of another store or trail, and one beyond the
///    last commit, as after the restore of an older backup, is [`StoreError::InvalidPosition`],
///    not an empty batch. Each store documents the cases that it cannot detect.
///
/// Delivery is at least once: a follower that stops after it has handled a batch and before it
/// has saved the position handles the batch again. [`Stored::id`] identifies the repetition.
///
/// # Example: handle the entries since the last run
/// ```
/// use auditlog::{Follow, LogEntry, MemoryStore, Position, Store, StoreError};
///
/// fn run(store: &dyn Follow, saved: &str) -> Result<String, Box<dyn std::error::Error>> {
///     let mut position: Position = saved.parse()?;
///     loop {
///         let batch = store.committed_after(&position, 500)?;
///         if batch.entries.is_empty() {
///             return Ok(batch.next.to_string());
///         }
///         for stored in &batch.entries {
///             match stored.entry() {
///                 Ok(entry) => println!("{entry}"),
///                 Err(damaged) => eprintln!("{damaged}"),
///             }
///         }
///         position = batch.next;
///     }
/// }
///
/// let store = MemoryStore::new();
/// store.append(&[LogEntry::new("create", "User", "1", "bob")])?;
/// let saved = run(&store, "start")?;
/// assert!(store.committed_after(&saved.parse()?, 500)?.entries.is_empty());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait Follow: Store {
    /// Returns the position after everything that is committed now.
    ///
    /// Following from it returns what is committed from now on. A store that holds entries back
    /// (rule 2) returns those, too.
    ///
    /// # Errors
    /// Returns an error if the store cannot be read.
    ///
    /// # Example: only new entries
    /// ```
    /// use auditlog::{Follow, LogEntry, MemoryStore, Store};
    ///
    /// let store = MemoryStore::new();
    /// store.append(&[LogEntry::new("create", "User", "1", "ann")])?;
    /// let now = store.position()?;
    /// store.append(&[LogEntry::new("create", "User", "2", "bob")])?;
    ///
    /// let batch = store.committed_after(&now, 500)?;
    /// assert_eq!(batch.entries.len(), 1);
    /// assert_eq!(batch.entries[0].entry()?.object_pk, "2");
    /// # Ok::<(), auditlog::StoreError>(())
    /// ```
    fn position(&self) -> Result<Position, StoreError>;

    /// Returns the entries committed after a position, at most `limit` of them.
    ///
    /// # Errors
    /// - Returns [`StoreError::InvalidPosition`] if the position is not one of this trail, or beyond its last
    ///   commit.
    /// - Returns another error if the store cannot be read. Calling again with the same position is safe.
    fn committed_after(&self, at: &Position, limit: usize) -> Result<Batch, StoreError>;
}

/// Some entries in the order of their commits, and the position after them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Batch {
    /// The entries.
    pub entries: Vec<Stored>,
    /// The position to follow from next.
    pub next: Position,
}

impl Batch {
    /// Creates a batch.
    pub fn new(entries: Vec<Stored>, next: Position) -> Self {
        Self { entries, next }
    }
}

/// An entry as the store keeps it: its bytes, its id, and its position among the commits.
///
/// # Example: the stored bytes
/// ```
/// use auditlog::{Follow, LogEntry, MemoryStore, Position, Store};
///
/// let store = MemoryStore::new();
/// let entry = LogEntry::new("create", "User", "42", "bob");
/// store.append(&[entry.clone()])?;
/// let batch = store.committed_after(&Position::START, 500)?;
/// let stored = &batch.entries[0];
/// assert_eq!(stored.id(), entry.id);
/// assert_eq!(stored.bytes(), entry.to_canonical_json()?.as_bytes());
/// assert_eq!(stored.entry()?, entry);
/// assert_eq!(*stored.position(), batch.next);
/// # Ok::<(), auditlog::StoreError>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Stored {
    id: Uuid,
    bytes: Vec<u8>,
    position: Position,
}

impl Stored {
    /// Creates an entry from what a store keeps; `position` is the one right after it.
    pub fn new(id: Uuid, bytes: impl Into<Vec<u8>>, position: Position) -> Self {
        Self {
            id,
            bytes: bytes.into(),
            position,
        }
    }

    /// Returns the id under which the store keeps the entry; nil if a damaged row has none.
    pub fn id(&self) -> Uuid {
        self.id
    }

    /// Returns the bytes that the store keeps: the
    /// [canonical form](LogEntry::to_canonical_json), unless the row is damaged.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Returns the position right after this entry.
    pub fn position(&self) -> &Position {
        &self.position
    }

    /// Parses the bytes, on each call.
    ///
    /// # Errors
    /// Returns [`StoreError::Corrupt`] if the bytes are not an entry, or one with another id.
    pub fn entry(&self) -> Result<LogEntry, StoreError> {
        let damaged = |detail: String| StoreError::Corrupt {
            location: format!("entry {}", self.id),
            detail,
        };
        let text = str::from_utf8(&self.bytes).map_err(|error| damaged(error.to_string()))?;
        let entry = LogEntry::from_json(text).map_err(|error| damaged(error.to_string()))?;
        if entry.id != self.id {
            return Err(damaged(format!("its bytes have the id {}", entry.id)));
        }
        Ok(entry)
    }
}

impl fmt::Debug for Stored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stored")
            .field("id", &self.id)
            .field("bytes", &String::from_utf8_lossy(&self.bytes))
            .field("position", &self.position)
            .finish()
    }
}

/// A position in the order of a trail's commits.
///
/// It prints as a text of at most [`MAX_LEN`](Self::MAX_LEN) ASCII characters without white space
/// or quotes, which fits a header and a column, and parses from it. What the text
/// says is the store's own; positions have no order.
///
/// # Example: saved as text
/// ```
/// use auditlog::{Follow, LogEntry, MemoryStore, Position, Store};
///
/// let store = MemoryStore::new();
/// store.append(&[LogEntry::new("create", "User", "1", "bob")])?;
/// let saved = store.position()?.to_string();
/// assert_eq!(saved.parse::<Position>()?, store.position()?);
/// assert_eq!("start".parse::<Position>()?, Position::START);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Position {
    /// The name of the kind of store, a colon and the state; `None` at the start.
    text: Option<Box<str>>,
}

/// The text of [`Position::START`].
const START: &str = "start";

impl Position {
    /// The position before all entries, valid in every store.
    pub const START: Self = Self { text: None };

    /// The greatest length of the text, in bytes.
    pub const MAX_LEN: usize = 128;

    /// Makes a position, for stores: the name of the kind of store, such as `sqlite`, and the
    /// state that the store needs to continue, of ASCII letters, digits and `-_.:`.
    ///
    /// # Errors
    /// Returns [`StoreError::InvalidPosition`] if the text is empty, too long or has other
    /// characters.
    ///
    /// # Example: a store of one's own
    /// ```
    /// use auditlog::{Position, StoreError};
    ///
    /// let position = Position::new("ring", 17)?;
    /// assert_eq!(position.to_string(), "ring:17");
    /// assert_eq!(position.state("ring", "the ring buffer")?, Some("17"));
    /// assert!(matches!(
    ///     position.state("sqlite", "audit.db"),
    ///     Err(StoreError::InvalidPosition { .. })
    /// ));
    /// # Ok::<(), StoreError>(())
    /// ```
    pub fn new(store: &str, state: impl fmt::Display) -> Result<Self, StoreError> {
        let text = format!("{store}:{state}");
        text.parse()
            .map_err(|error: ParsePositionError| StoreError::InvalidPosition {
                location: store.to_owned(),
                detail: error.to_string(),
                position: error.text,
            })
    }

    /// Returns the state of a position of one kind of store, for stores; `None` at the start.
    ///
    /// # Errors
    /// Returns [`StoreError::InvalidPosition`] if the position is of another kind of store.
    pub fn state(&self, store: &str, location: &str) -> Result<Option<&str>, StoreError> {
        let Some(text) = &self.text else {
            return Ok(None);
        };
        match text.split_once(':') {
            Some((of, state)) if of == store => Ok(Some(state)),
            _ => Err(self.invalid(
                location,
                format!("it is a position of another kind of store than `{store}`"),
            )),
        }
    }

    /// Makes the error for a position that a store cannot continue from.
    pub fn invalid(&self, location: impl Into<String>, detail: impl Into<String>) -> StoreError {
        StoreError::InvalidPosition {
            location: location.into(),
            position: self.to_string(),
            detail: detail.into(),
        }
    }

    fn is_valid(text: &str) -> bool {
        let all = |part: &str, extra: &[u8]| {
            !part.is_empty()
                && part
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || extra.contains(&byte))
        };
        text.len() <= Self::MAX_LEN
            && text
                .split_once(':')
                .is_some_and(|(store, state)| all(store, b"-") && all(state, b"-_.:"))
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.text.as_deref().unwrap_or(START))
    }
}

impl FromStr for Position {
    type Err = ParsePositionError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            START => Ok(Self::START),
            _ if Self::is_valid(text) => Ok(Self {
                text: Some(text.into()),
            }),
            _ => Err(ParsePositionError {
                text: text.chars().take(Self::MAX_LEN).collect(),
            }),
        }
    }
}

impl Serialize for Position {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Position {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        parsed::deserialize(deserializer, "a position")
    }
}

/// The text is not a position.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParsePositionError {
    /// The beginning of the text.
    text: String,
}

impl fmt::Display for ParsePositionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "`{}` is not a position; expected the text of one, such as `{START}`",
            self.text.escape_debug()
        )
    }
}

impl std::error::Error for ParsePositionError {}

/// A position of a store that numbers entries in the order of commits: a number, and the id of
/// the entry that has it.
///
/// The id detects a store that was replaced, or restored from an older copy and written to since.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SequencePosition {
    /// The number of the last entry before the position, 0 at the start.
    pub number: u64,
    /// Its id, unless it is removed.
    pub id: Option<Uuid>,
}

impl SequencePosition {
    /// Makes the position of a kind of store.
    ///
    /// # Errors
    /// Returns [`StoreError::InvalidPosition`] if `store` cannot name a kind of store.
    pub fn position(self, store: &str) -> Result<Position, StoreError> {
        match self.id {
            Some(id) => Position::new(store, format_args!("{}_{}", self.number, id.simple())),
            None => Position::new(store, self.number),
        }
    }

    /// Reads the position of a kind of store.
    ///
    /// # Errors
    /// Returns [`StoreError::InvalidPosition`] if it is of another kind, or malformed.
    pub fn read(position: &Position, store: &str, location: &str) -> Result<Self, StoreError> {
        let Some(state) = position.state(store, location)? else {
            return Ok(Self::default());
        };
        let (number, id) = match state.split_once('_') {
            Some((number, id)) => (number, Uuid::try_parse(id).ok().map(Some)),
            None => (state, Some(None)),
        };
        match (number.parse(), id) {
            (Ok(number), Some(id)) => Ok(Self { number, id }),
            _ => Err(position.invalid(location, "its text is malformed")),
        }
    }

    /// Compares the position with what the store has: the number of its last commit, and the id
    /// of the entry with the number of the position, if that is not removed.
    ///
    /// # Errors
    /// Returns [`StoreError::InvalidPosition`] if the position cannot be one of this trail.
    pub fn check(
        self,
        last: u64,
        found: Option<Uuid>,
        position: &Position,
        location: &str,
    ) -> Result<(), StoreError> {
        if self.number > last {
            return Err(position.invalid(
                location,
                format!(
                    "it is beyond the last commit, number {last}; if an older backup was restored, \
                     start from `Position::START`"
                ),
            ));
        }
        if let (Some(id), Some(found)) = (self.id, found)
            && id != found
        {
            return Err(position.invalid(
                location,
                "the store has another entry there; if this is another trail or a restored backup, \
                 start from `Position::START`",
            ));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_is_read_as_it_is_printed() {
        let id = Uuid::from_u128(7);
        let numbered = |number, id| {
            SequencePosition { number, id }
                .position("numbered")
                .unwrap()
        };
        for (position, text) in [
            (Position::START, "start".to_owned()),
            (numbered(0, None), "numbered:0".to_owned()),
            (
                numbered(u64::MAX, Some(id)),
                format!("numbered:{}_{}", u64::MAX, id.simple()),
            ),
            (
                Position::new("x", "a-1_B.c:d").unwrap(),
                "x:a-1_B.c:d".to_owned(),
            ),
        ] {
            assert_eq!(position.to_string(), text);
            assert!(text.len() <= Position::MAX_LEN);
            assert_eq!(text.parse(), Ok(position.clone()));
            let json = serde_json::to_string(&position).unwrap();
            assert_eq!(json, format!("\"{text}\""));
            assert_eq!(serde_json::from_str::<Position>(&json).unwrap(), position);
        }
    }

    #[test]
    fn other_texts_are_no_positions() {
        let long = format!("x:{}", "1".repeat(Position::MAX_LEN));
        for text in [
            "", "x", ":", "x:", ":1", "Start", "x: 1", "x:\"", "x:é", "x_y:1", &long,
        ] {
            let error = text.parse::<Position>().unwrap_err();
            assert!(error.to_string().contains("is not a position"), "{error}");
            assert!(error.to_string().len() < 2 * Position::MAX_LEN);
        }
        assert!(serde_json::from_str::<Position>("\"x\"").is_err());
        let error = Position::new("x", "").unwrap_err();
        assert!(matches!(error, StoreError::InvalidPosition { .. }));
    }

    #[test]
    fn a_position_of_another_store_is_an_error() {
        let read = |text: &str| {
            let position = text.parse::<Position>().unwrap();
            SequencePosition::read(&position, "numbered", "here")
        };
        assert_eq!(read("start").unwrap(), SequencePosition::default());
        assert_eq!(read("numbered:4").unwrap().number, 4);
        for text in [
            "other:4",
            "numbered:",
            "numbered:-1",
            "numbered:4_",
            "numbered:4_x",
            "numbered:x",
        ] {
            let Ok(position) = text.parse::<Position>() else {
                continue;
            };
            let error = SequencePosition::read(&position, "numbered", "here").unwrap_err();
            let StoreError::InvalidPosition { location, .. } = &error else {
                panic!("{error}");
            };
            assert_eq!(location, "here");
            assert!(error.to_string().contains(text), "{error}");
        }
    }

    #[test]
    fn a_number_is_compared_with_the_store() {
        let [mine, other] = [1, 2].map(Uuid::from_u128);
        let check = |number, id, last, found| {
            let sequence = SequencePosition { number, id };
            let position = sequence.position("numbered").unwrap();
            sequence.check(last, found, &position, "here").is_ok()
        };
        assert!(check(3, Some(mine), 3, Some(mine)));
        assert!(check(3, Some(mine), 9, None), "purged");
        assert!(check(3, None, 3, Some(other)));
        assert!(!check(3, Some(mine), 9, Some(other)), "another trail");
        assert!(!check(4, Some(mine), 3, None), "beyond the end");
        assert!(!check(4, None, 3, None), "beyond the end");
    }

    #[test]
    fn bytes_that_are_no_entry_are_an_error_on_parsing_only() {
        let entry = LogEntry::new("create", "User", "1", "bob");
        let json = entry.to_canonical_json().unwrap();
        let stored = |id, bytes: &[u8]| Stored::new(id, bytes, Position::START);
        assert_eq!(stored(entry.id, json.as_bytes()).entry().unwrap(), entry);
        for damaged in [
            stored(entry.id, b"{\"v\":1}"),
            stored(entry.id, b"\xff"),
            stored(entry.id, b""),
            stored(Uuid::nil(), json.as_bytes()),
        ] {
            let error = damaged.entry().unwrap_err();
            assert!(matches!(error, StoreError::Corrupt { .. }), "{error}");
            assert!(error.to_string().contains(&damaged.id().to_string()));
        }
    }
}

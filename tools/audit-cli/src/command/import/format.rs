//! The formats that can be imported. Each is a variant of [`Format`] and a function that reads the
//! entries of a file.

use std::collections::HashSet;
use std::fmt;
use std::io::{self, BufRead, Read};
use std::path::Path;

use audit_core::LogEntry;
use clap::ValueEnum;
use hmac_sha256::Hash;
use serde::de::{Deserialize, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};

use super::input::Input;
use crate::encoding;
use crate::error::Error;

/// The maximum length of a line in bytes.
const MAX_LINE: u64 = 64 << 20;

/// The first bytes of an SQLite file.
const SQLITE: &[u8] = b"SQLite format 3\0";

/// The keys of an entry's JSON (docs/format.md). Others would be lost, so they are errors.
const KEYS: [&str; 23] = [
    "action",
    "actor",
    "additional_data",
    "changes",
    "correlation_id",
    "counterpart",
    "id",
    "level",
    "model",
    "object_pk",
    "object_repr",
    "outcome",
    "parent",
    "reason",
    "remote_addr",
    "remote_port",
    "schema_version",
    "snapshot",
    "source",
    "timestamp",
    "trace_id",
    "transaction_id",
    "v",
];

/// The keys of the objects that an entry has besides: those of the changes are checked where
/// they are read, and values, snapshots and additional data have any.
const INNER: [(&str, &[&str]); 4] = [
    ("actor", &["display", "id", "kind", "on_behalf_of"]),
    ("counterpart", &["model", "object_pk"]),
    ("parent", &["model", "object_pk"]),
    ("source", &["host", "service", "version"]),
];

/// The format of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// JSON lines, as `export` writes them
    Jsonl,
    /// All audit tables of other libraries that a SQLite file has
    Tables,
    /// Tables of audited
    Audited,
    /// Tables of django-auditlog
    DjangoAuditlog,
    /// Tables of django-simple-history
    DjangoSimpleHistory,
    /// Tables of `PaperTrail`
    PaperTrail,
    /// Tables of SQLAlchemy-Continuum
    SqlalchemyContinuum,
}

/// An entry of a file.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) entry: LogEntry,
    /// Its line, or its number among the rows.
    pub(super) number: u64,
}

/// A line or row that is not an entry.
#[derive(Debug)]
pub(super) struct Fault {
    /// The line, from 1; `None` for a row, which the message names.
    pub(super) line: Option<u64>,
    /// The column in bytes, from 1.
    pub(super) column: Option<usize>,
    /// The fault.
    pub(super) message: String,
}

/// The callback for each entry; after it returns an error, reading ends.
pub(super) type Each<'e> = &'e mut dyn FnMut(Result<Found, Fault>) -> Result<(), Error>;

impl Format {
    /// Detects the format of an input: a SQLite file has tables, and any other input has JSON lines.
    pub(super) fn of(input: &mut Input<'_>) -> Result<Self, Error> {
        Ok(if input.begins_with(SQLITE)? {
            Self::Tables
        } else {
            Self::Jsonl
        })
    }

    /// Returns the name, as in arguments.
    pub(super) fn name(self) -> String {
        self.to_possible_value()
            .map(|value| value.get_name().to_owned())
            .unwrap_or_default()
    }

    /// Returns the unit of the file.
    pub(super) fn unit(self) -> &'static str {
        match self {
            Self::Jsonl => "line",
            _ => "entry",
        }
    }

    /// Reads an input in its order, with one entry in memory, and returns the losses. The checksum is
    /// that of the complete input, also if reading ends at an invalid line.
    pub(super) fn read(
        self,
        input: Input<'_>,
        map: &[(String, String)],
        checksum: &mut Checksum,
        each: Each<'_>,
    ) -> Result<Vec<String>, Error> {
        let library = match self {
            Self::Jsonl if !map.is_empty() => {
                return Err(Error::Usage {
                    message: "--map is for columns of tables, and JSON lines have none".to_owned(),
                    hint: "leave it out",
                });
            }
            Self::Jsonl => {
                let (name, kind, is_stream) = (input.name(), input.kind(), input.file().is_none());
                let mut reader = input.into_reader();
                let begins = |bytes: &[u8]| bytes.starts_with(SQLITE);
                if is_stream && reader.fill_buf().is_ok_and(begins) {
                    return Err(no_tables(kind));
                }
                let mut reader = Summed::new(reader);
                let read = json_lines(&mut reader, &name, each);
                // Not after an interrupt or a read error.
                if matches!(read, Ok(()) | Err(Error::Line { .. })) {
                    *checksum = reader.finish();
                }
                return read.map(|()| Vec::new());
            }
            Self::Tables => None,
            Self::Audited => Some(audit_import::Format::Audited),
            Self::DjangoAuditlog => Some(audit_import::Format::DjangoAuditlog),
            Self::DjangoSimpleHistory => Some(audit_import::Format::DjangoSimpleHistory),
            Self::PaperTrail => Some(audit_import::Format::PaperTrail),
            Self::SqlalchemyContinuum => Some(audit_import::Format::SqlAlchemyContinuum),
        };
        let Some(file) = input.file() else {
            return Err(no_tables(input.kind()));
        };
        // The reader is closed before SQLite opens the file: closing it later would release SQLite's locks.
        *checksum = Summed::new(input.into_reader()).finish();
        tables(file, library, map, each)
    }
}

fn no_tables(kind: &str) -> Error {
    Error::Usage {
        message: format!("tables cannot be read from {kind}"),
        hint: "name the SQLite file",
    }
}

/// The SHA-256 of a file in hexadecimal digits; `None` if the file was not read completely.
pub(super) type Checksum = Option<String>;

/// Computes the checksum of the bytes that are read.
struct Summed<R> {
    reader: R,
    hash: Hash,
}

impl<R: BufRead> Summed<R> {
    fn new(reader: R) -> Self {
        Self {
            reader,
            hash: Hash::new(),
        }
    }

    /// Reads the rest, and returns the checksum of all.
    fn finish(mut self) -> Checksum {
        io::copy(&mut self, &mut io::sink()).ok()?;
        let digits = self.hash.finalize().map(|byte| format!("{byte:02x}"));
        Some(digits.concat())
    }
}

impl<R: BufRead> Read for Summed<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.reader.read(buffer)?;
        self.hash.update(&buffer[..count]);
        Ok(count)
    }
}

impl<R: BufRead> BufRead for Summed<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.reader.fill_buf()
    }

    fn consume(&mut self, count: usize) {
        // Returns the buffered bytes without reading.
        if let Ok(filled) = self.reader.fill_buf() {
            self.hash.update(&filled[..count.min(filled.len())]);
        }
        self.reader.consume(count);
    }
}

/// Reads the audit tables of one library, or of all.
fn tables(
    file: &Path,
    library: Option<audit_import::Format>,
    map: &[(String, String)],
    each: Each<'_>,
) -> Result<Vec<String>, Error> {
    let mut import = audit_import::Import::open(file)?;
    for (column, part) in map {
        import = import.column(column, part)?;
    }
    if let Some(library) = library {
        import = import.format(library)?;
    }
    let mut entries = import.entries()?;
    for (number, entry) in (1..).zip(&mut entries) {
        match entry {
            Ok(entry) => each(Ok(Found { entry, number }))?,
            Err(error) if error.concerns_one_row() => each(Err(Fault {
                line: None,
                column: None,
                message: error.to_string(),
            }))?,
            Err(error) => return Err(error.into()),
        }
    }
    Ok(entries
        .report()
        .losses()
        .map(|loss| loss.to_string())
        .collect())
}

/// Reads an entry a line; empty lines do not count.
fn json_lines(reader: &mut impl BufRead, name: &str, each: Each<'_>) -> Result<(), Error> {
    let mut bytes = Vec::new();
    for number in 1.. {
        bytes.clear();
        let fault = |column, message| Fault {
            line: Some(number),
            column,
            message,
        };
        let read = reader
            .by_ref()
            .take(MAX_LINE + 1)
            .read_until(b'\n', &mut bytes)
            .map_err(|source| Error::Input {
                input: format!("{name}:{number}"),
                source,
            })?;
        if number == 1
            && let Some(encoding) = encoding::foreign(&bytes)
        {
            return Err(Error::Line {
                position: name.to_owned(),
                message: format!("the file is {encoding}, not UTF-8"),
                kept: "nothing was imported; convert the file, for instance with iconv".to_owned(),
            });
        }
        let found = match read {
            0 => break,
            length if length as u64 > MAX_LINE => {
                let message = format!("the line is longer than {MAX_LINE} bytes");
                Err(fault(None, message))
            }
            // A mark may begin any line, because files with marks may be concatenated.
            _ => match std::str::from_utf8(encoding::without_mark(&bytes)) {
                Ok(text) if text.trim_end().is_empty() => continue,
                Ok(text) => entry(text.trim_end())
                    .map(|entry| Found { entry, number })
                    .map_err(|(column, message)| fault(column, message)),
                Err(error) => {
                    let column = error.valid_up_to() + 1;
                    Err(fault(Some(column), "the line is not UTF-8".to_owned()))
                }
            },
        };
        each(found)?;
    }
    Ok(())
}

/// Parses an entry, or returns the column and the fault.
fn entry(text: &str) -> Result<LogEntry, (Option<usize>, String)> {
    let read = LogEntry::from_json(text).map_err(|error| {
        let message = error.to_string();
        // The column is reported separately.
        let message = message.split(" at line ").next().unwrap_or(&message);
        let column = (error.column() > 0).then(|| error.column());
        (column, format!("not an entry: {message}"))
    })?;
    // In `additional_data` and in values, the last of two equal keys would replace the first.
    let Checked(wrong) = serde_json::from_str(text).map_err(|error| (None, error.to_string()))?;
    match wrong {
        Some(wrong) => Err((None, format!("not an entry: {wrong}"))),
        None => Ok(read),
    }
}

/// The message about a part of an entry's JSON that would be lost, if any: an unknown key, or a
/// duplicate one.
struct Checked(Option<String>);

impl<'de> Deserialize<'de> for Checked {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Keys::Of("", &KEYS).deserialize(deserializer).map(Self)
    }
}

/// Finds a key that would be lost.
#[derive(Clone, Copy)]
enum Keys {
    /// Of an object that has a name and these keys.
    Of(&'static str, &'static [&'static str]),
    /// Of a value, in which objects have any keys.
    Any,
}

impl Keys {
    /// Returns the allowed keys in the value of a key.
    fn inside(self, key: &str) -> Self {
        let known = INNER.iter().find(|(name, _)| *name == key);
        match (self, known) {
            (Self::Of("", _), Some((name, keys))) => Self::Of(name, keys),
            _ => Self::Any,
        }
    }

    fn fault(self, key: &str, twice: bool) -> Option<String> {
        let shown = key.escape_debug();
        match self {
            _ if twice => Some(format!("duplicate key `{shown}`")),
            Self::Of(name, keys) if !keys.contains(&key) => {
                let dot = if name.is_empty() { "" } else { "." };
                Some(format!(
                    "unknown key `{name}{dot}{shown}`, which would be lost"
                ))
            }
            _ => None,
        }
    }
}

impl<'de> DeserializeSeed<'de> for Keys {
    type Value = Option<String>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Keys {
    type Value = Option<String>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_str<E>(self, _: &str) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
        let mut wrong = None;
        while let Some(inside) = items.next_element_seed(Self::Any)? {
            wrong = wrong.or(inside);
        }
        Ok(wrong)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut wrong = None;
        let mut known = HashSet::new();
        while let Some(key) = map.next_key::<String>()? {
            let inside = map.next_value_seed(self.inside(&key))?;
            wrong = wrong
                .or_else(|| self.fault(&key, known.contains(&key)))
                .or(inside);
            known.insert(key);
        }
        Ok(wrong)
    }
}

#[cfg(test)]
mod tests {
    use audit_core::{Action, Actor, ObjectRef, Source};
    use serde_json::{Value, json};

    use super::*;

    /// Returns an entry with every field.
    fn full() -> LogEntry {
        let mut entry = LogEntry::new(Action::Update, "User", "1", "bob");
        entry.actor = Some(Actor::user("alice").display("Alice").on_behalf_of("carol"));
        entry.additional_data.insert("a".to_owned(), json!(1));
        let changes = json!({"name": {"old": "a", "new": "b"}});
        entry.changes = serde_json::from_value(changes).expect("changes");
        entry.correlation_id = Some("c".to_owned());
        entry.counterpart = Some(ObjectRef::new("User", "2"));
        entry.parent = Some(ObjectRef::new("Company", "3"));
        entry.reason = Some("why".to_owned());
        entry.remote_addr = "127.0.0.1".parse().ok();
        entry.remote_port = Some(1);
        entry.snapshot = Some(json!({"name": "b"}));
        entry.source = Source::service("s").version("1").host("h");
        entry.trace_id = Some("t".to_owned());
        entry.transaction_id = Some(entry.id);
        entry
    }

    #[test]
    fn all_keys_of_an_entry_are_allowed() {
        let json = full().to_canonical_json().expect("JSON");
        assert_eq!(entry(&json), Ok(full_as(&json)));
        let Value::Object(fields) = serde_json::from_str(&json).expect("JSON") else {
            panic!("no object: {json}");
        };
        let mut known = KEYS.to_vec();
        known.sort_unstable();
        let keys: Vec<&str> = fields.keys().map(String::as_str).collect();
        assert_eq!(keys, known);
        for (name, inner) in INNER {
            let fields = fields[name].as_object().expect("an object");
            let keys: Vec<&str> = fields.keys().map(String::as_str).collect();
            assert_eq!(keys, inner, "{name}");
        }
    }

    fn full_as(json: &str) -> LogEntry {
        LogEntry::from_json(json).expect("an entry")
    }
}

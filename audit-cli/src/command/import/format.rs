//! The forms of files that can be imported. Another one is a variant of [`Format`] and a
//! function that gives what its file has, one after the other.

use std::fmt;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use audit_core::LogEntry;
use clap::ValueEnum;
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};

use crate::error::Error;

/// How long a line may be: longer ones are no entries.
const LONGEST: u64 = 64 << 20;

/// What a SQLite file begins with.
const SQLITE: &[u8] = b"SQLite format 3\0";

/// The keys of an entry's JSON (FORMAT.md): another one would be lost.
const KEYS: [&str; 22] = [
    "action",
    "actor",
    "additional_data",
    "changes",
    "correlation_id",
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

/// The form of a file.
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
    /// Its line, or how many entries there were with it.
    pub(super) number: u64,
}

/// A line or row that is no entry.
#[derive(Debug)]
pub(super) struct Fault {
    /// The line, from 1; of a row the message tells which it is.
    pub(super) line: Option<u64>,
    /// Where in it, in bytes from 1.
    pub(super) column: Option<usize>,
    /// What is wrong.
    pub(super) message: String,
}

/// What a file has, one after the other; after an error it gets nothing more.
pub(super) type Each<'e> = &'e mut dyn FnMut(Result<Found, Fault>) -> Result<(), Error>;

impl Format {
    /// Returns the form that a file has: a SQLite file has tables.
    pub(super) fn of(file: &Path) -> Result<Self, Error> {
        if is_standard_input(file) {
            return Ok(Self::Jsonl);
        }
        let mut first = Vec::new();
        let read = File::open(file)
            .and_then(|file| file.take(SQLITE.len() as u64).read_to_end(&mut first));
        read.map_err(|source| Error::Input {
            place: place(file),
            source,
        })?;
        Ok(if first == SQLITE {
            Self::Tables
        } else {
            Self::Jsonl
        })
    }

    /// Returns the name, as the arguments have it.
    pub(super) fn name(self) -> String {
        self.to_possible_value()
            .map(|value| value.get_name().to_owned())
            .unwrap_or_default()
    }

    /// Returns what is counted in the file.
    pub(super) fn unit(self) -> &'static str {
        match self {
            Self::Jsonl => "line",
            _ => "entry",
        }
    }

    /// Reads a file, in its order, and holds no more of it than an entry. Returns what could
    /// not be carried over exactly.
    pub(super) fn read(self, file: &Path, each: Each<'_>) -> Result<Vec<String>, Error> {
        let library = match self {
            Self::Jsonl => {
                let reader = open(file).map_err(|source| Error::Input {
                    place: place(file),
                    source,
                })?;
                return json_lines(reader, &place(file), each).map(|()| Vec::new());
            }
            Self::Tables => None,
            Self::Audited => Some(audit_import::Format::Audited),
            Self::DjangoAuditlog => Some(audit_import::Format::DjangoAuditlog),
            Self::DjangoSimpleHistory => Some(audit_import::Format::DjangoSimpleHistory),
            Self::PaperTrail => Some(audit_import::Format::PaperTrail),
            Self::SqlalchemyContinuum => Some(audit_import::Format::SqlAlchemyContinuum),
        };
        if is_standard_input(file) {
            return Err(Error::Usage {
                message: "tables cannot be read from the standard input".to_owned(),
                hint: "name the SQLite file",
            });
        }
        tables(file, library, each)
    }
}

/// Reads the audit tables of one library, or of all.
fn tables(
    file: &Path,
    library: Option<audit_import::Format>,
    each: Each<'_>,
) -> Result<Vec<String>, Error> {
    let mut import = audit_import::Import::open(file)?;
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

fn is_standard_input(file: &Path) -> bool {
    file == Path::new("-")
}

/// Names a file; `-` is the standard input.
pub(super) fn place(file: &Path) -> String {
    if is_standard_input(file) {
        "standard input".to_owned()
    } else {
        file.display().to_string()
    }
}

fn open(file: &Path) -> io::Result<Box<dyn BufRead>> {
    if is_standard_input(file) {
        return Ok(Box::new(io::stdin().lock()));
    }
    Ok(Box::new(BufReader::new(File::open(file)?)))
}

/// Reads an entry a line; empty lines do not count.
fn json_lines(mut reader: Box<dyn BufRead>, place: &str, each: Each<'_>) -> Result<(), Error> {
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
            .take(LONGEST + 1)
            .read_until(b'\n', &mut bytes)
            .map_err(|source| Error::Input {
                place: format!("{place}:{number}"),
                source,
            })?;
        let found = match read {
            0 => break,
            length if length as u64 > LONGEST => {
                let message = format!("the line is longer than {LONGEST} bytes");
                Err(fault(None, message))
            }
            _ => match std::str::from_utf8(&bytes) {
                Ok(text) if text.trim_end().is_empty() => continue,
                Ok(text) => entry(text.trim_end())
                    .map(|entry| Found { entry, number })
                    .map_err(|(column, message)| fault(column, message)),
                Err(error) => {
                    let column = error.valid_up_to() + 1;
                    Err(fault(Some(column), "the line is no UTF-8".to_owned()))
                }
            },
        };
        each(found)?;
    }
    Ok(())
}

/// Reads an entry, or says where it is none.
fn entry(text: &str) -> Result<LogEntry, (Option<usize>, String)> {
    let read = LogEntry::from_json(text).map_err(|error| {
        let message = error.to_string();
        // The place is told apart from what is wrong.
        let message = message.split(" at line ").next().unwrap_or(&message);
        let column = (error.column() > 0).then(|| error.column());
        (column, format!("no entry: {message}"))
    })?;
    let UnknownKey(unknown) =
        serde_json::from_str(text).map_err(|error| (None, error.to_string()))?;
    match unknown {
        Some(key) => {
            let key = key.escape_debug();
            Err((
                None,
                format!("no entry: unknown key `{key}`, which would be lost"),
            ))
        }
        None => Ok(read),
    }
}

/// The first key of a JSON object that entries do not have.
struct UnknownKey(Option<String>);

impl<'de> Deserialize<'de> for UnknownKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Keys;

        impl<'de> Visitor<'de> for Keys {
            type Value = UnknownKey;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<UnknownKey, A::Error> {
                let mut unknown = None;
                while let Some((key, IgnoredAny)) = map.next_entry::<String, _>()? {
                    if !KEYS.contains(&key.as_str()) {
                        unknown.get_or_insert(key);
                    }
                }
                Ok(UnknownKey(unknown))
            }
        }

        deserializer.deserialize_map(Keys)
    }
}

//! The forms of files that can be imported. Another one is a variant of [`Format`] and an
//! iterator over what its file has.

use std::fmt;
use std::io::{BufRead, Read};

use audit_core::LogEntry;
use clap::ValueEnum;
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};

/// How long a line may be: longer ones are no entries.
const LONGEST: u64 = 64 << 20;

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
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// JSON lines, as `export` writes them
    #[default]
    Jsonl,
}

/// An entry of a file.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) entry: LogEntry,
    /// Its line, from 1.
    pub(super) line: u64,
}

/// A line that is no entry.
#[derive(Debug)]
pub(super) struct Fault {
    /// Its number, from 1.
    pub(super) line: u64,
    /// Where in it, in bytes from 1.
    pub(super) column: Option<usize>,
    /// What is wrong.
    pub(super) message: String,
}

/// What a file has, in its order; nothing comes after a fault.
pub(super) type Entries = Box<dyn Iterator<Item = Result<Found, Fault>>>;

impl Format {
    /// Returns the name, as the arguments have it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Jsonl => "jsonl",
        }
    }

    /// Reads entries one by one.
    pub(super) fn entries(self, reader: Box<dyn BufRead>) -> Entries {
        match self {
            Self::Jsonl => Box::new(json_lines(reader)),
        }
    }
}

/// Reads an entry a line; empty lines do not count.
fn json_lines(mut reader: Box<dyn BufRead>) -> impl Iterator<Item = Result<Found, Fault>> {
    let mut line = 0;
    let mut bytes = Vec::new();
    std::iter::from_fn(move || {
        loop {
            line += 1;
            bytes.clear();
            let fault = |column, message| {
                Some(Err(Fault {
                    line,
                    column,
                    message,
                }))
            };
            match reader
                .by_ref()
                .take(LONGEST + 1)
                .read_until(b'\n', &mut bytes)
            {
                Ok(0) => return None,
                Ok(length) if length as u64 > LONGEST => {
                    return fault(None, format!("the line is longer than {LONGEST} bytes"));
                }
                Ok(_) => {}
                Err(error) => return fault(None, format!("the line cannot be read: {error}")),
            }
            let text = match std::str::from_utf8(&bytes) {
                Ok(text) => text.trim_end(),
                Err(error) => {
                    let column = error.valid_up_to() + 1;
                    return fault(Some(column), "the line is no UTF-8".to_owned());
                }
            };
            if !text.is_empty() {
                let found = entry(text).map(|entry| Found { entry, line });
                return Some(found.map_err(|(column, message)| Fault {
                    line,
                    column,
                    message,
                }));
            }
        }
    })
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

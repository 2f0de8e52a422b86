//! YAML as Ruby writes it, read as JSON values.
//!
//! Plain scalars are resolved as by Psych, Ruby's YAML library (`1e5` and `None` are texts), and
//! tags of Ruby's types are resolved (see [`ruby`]). A hostile file ends in a [`YamlError`]:
//! nesting and the expansion of aliases are limited.

mod ruby;
mod scalar;
mod separators;

use std::collections::HashMap;
use std::fmt;

use audit_core::backend::MAX_DEPTH;
use saphyr_parser::{Event, Parser, ScalarStyle, StrInput, Tag};
use serde_json::{Map, Value};

pub(crate) use self::ruby::Notes;
use self::separators::Marks;

/// Why a text cannot be read.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum YamlError {
    /// It is not YAML.
    Syntax { line: usize, column: usize },
    /// It nests too deep.
    TooDeep,
    /// Its aliases expand to too much.
    TooLarge,
    /// An alias is undefined, or refers to a node that contains it.
    Alias,
    /// A hash has two keys that are one text.
    DuplicateKey,
    /// It has more or less than one document.
    Documents,
}

impl fmt::Display for YamlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Syntax { line, column } => write!(
                f,
                "is not valid YAML (error at line {line}, column {column})"
            ),
            Self::TooDeep => write!(f, "is YAML that nests deeper than {MAX_DEPTH} levels"),
            Self::TooLarge => f.write_str("is YAML whose aliases expand to too much"),
            Self::Alias => f.write_str("is YAML with an undefined alias"),
            Self::DuplicateKey => f.write_str("is YAML with a duplicate key"),
            Self::Documents => f.write_str("is not one YAML document"),
        }
    }
}

/// Reads one document, and notes the types that JSON does not have.
pub(crate) fn parse(text: &str, notes: &mut Notes) -> Result<Value, YamlError> {
    let (text, marks) = Marks::replace(text);
    let mut reader = Reader {
        parser: Parser::new_from_str(&text),
        marks,
        keys: ruby::Keys::default(),
        anchors: HashMap::new(),
        depth: 0,
        // Ruby repeats a time zone by alias, at most once an instant.
        budget: 4096 + text.len().saturating_mul(16),
        notes,
    };
    reader.document()
}

struct Reader<'t, 'n> {
    parser: Parser<'t, StrInput<'t>>,
    /// The characters that replace separators of lines and paragraphs.
    marks: Marks,
    keys: ruby::Keys,
    /// The value of each anchor, and its size.
    anchors: HashMap<usize, (Value, usize)>,
    depth: usize,
    /// The remaining size that aliases may expand to, approximately in bytes.
    budget: usize,
    notes: &'n mut Notes,
}

impl<'t> Reader<'t, '_> {
    fn document(&mut self) -> Result<Value, YamlError> {
        let mut document = None;
        loop {
            match self.next()? {
                Event::StreamStart
                | Event::DocumentStart(_)
                | Event::DocumentEnd
                | Event::Nothing => {}
                Event::StreamEnd => return document.ok_or(YamlError::Documents),
                event if document.is_none() => document = Some(self.node(event)?),
                _ => return Err(YamlError::Documents),
            }
        }
    }

    fn next(&mut self) -> Result<Event<'t>, YamlError> {
        match self.parser.next_event() {
            Some(Ok((event, _))) => Ok(event),
            Some(Err(error)) => Err(YamlError::Syntax {
                line: error.marker().line(),
                column: error.marker().col() + 1,
            }),
            None => Ok(Event::StreamEnd),
        }
    }

    fn node(&mut self, event: Event<'t>) -> Result<Value, YamlError> {
        match event {
            Event::Alias(anchor) => {
                let (value, size) = self.anchors.get(&anchor).ok_or(YamlError::Alias)?;
                self.budget = self.budget.checked_sub(*size).ok_or(YamlError::TooLarge)?;
                Ok(value.clone())
            }
            Event::Scalar(text, style, anchor, tag) => {
                let tag = tag.as_deref().map(full_name);
                let plain = style == ScalarStyle::Plain;
                let text = self.marks.restore(&text);
                let value = ruby::scalar(&text, plain, tag.as_deref(), self.notes);
                self.keep(anchor, &value);
                Ok(value)
            }
            Event::SequenceStart(anchor, tag) => {
                self.enter()?;
                let mut items = Vec::new();
                loop {
                    match self.next()? {
                        Event::SequenceEnd => break,
                        event => items.push(self.node(event)?),
                    }
                }
                self.depth -= 1;
                let tag = tag.as_deref().map(full_name);
                let value = ruby::sequence(items, tag.as_deref(), self.notes);
                self.keep(anchor, &value);
                Ok(value)
            }
            Event::MappingStart(anchor, tag) => {
                self.enter()?;
                let mut fields = Map::new();
                let mut keys = Vec::new();
                loop {
                    let key = match self.next()? {
                        Event::MappingEnd => break,
                        event => self.node(event)?,
                    };
                    let event = self.next()?;
                    let value = self.node(event)?;
                    if fields.insert(crate::value::key_text(&key), value).is_some() {
                        return Err(YamlError::DuplicateKey);
                    }
                    keys.push(key);
                }
                self.depth -= 1;
                let tag = tag.as_deref().map(full_name);
                self.keys.own = keys;
                let value = ruby::mapping(fields, &self.keys, tag.as_deref(), self.notes);
                self.keys.last = std::mem::take(&mut self.keys.own);
                self.keep(anchor, &value);
                Ok(value)
            }
            // The parser closes each node.
            _ => Err(YamlError::Documents),
        }
    }

    fn enter(&mut self) -> Result<(), YamlError> {
        if self.depth == MAX_DEPTH {
            return Err(YamlError::TooDeep);
        }
        self.depth += 1;
        Ok(())
    }

    fn keep(&mut self, anchor: usize, value: &Value) {
        // 0 means no anchor.
        if anchor > 0 {
            let size = size(value);
            self.anchors.insert(anchor, (value.clone(), size));
        }
    }
}

/// Returns the approximate size of a value in memory.
fn size(value: &Value) -> usize {
    let inside = match value {
        Value::String(text) => text.len(),
        Value::Array(items) => items.iter().map(size).sum(),
        Value::Object(fields) => fields
            .iter()
            .map(|(key, value)| key.len() + size(value))
            .sum(),
        _ => 0,
    };
    inside + 32
}

fn full_name(tag: &Tag) -> String {
    format!("{}{}", tag.handle, tag.suffix)
}

#[cfg(test)]
mod tests {
    use std::fmt::Write;

    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn read(text: &str) -> Result<Value, YamlError> {
        parse(text, &mut Notes::default())
    }

    #[test]
    fn a_hash_as_rails_dumps_it() {
        let text = "---\ntitle:\n- None\n- 1e5\ncost: !ruby/object:BigDecimal 27:0.123456789012e10\n\
            seen_at:\n- !ruby/object:ActiveSupport::TimeWithZone\n  utc: 2025-07-01 06:30:00.250000000 Z\n\
            \x20 zone: &1 !ruby/object:ActiveSupport::TimeZone\n    name: Asia/Kolkata\n\
            \x20 time: 2025-07-01 12:00:00.250000000 Z\n- !ruby/object:ActiveSupport::TimeWithZone\n\
            \x20 utc: 2038-01-19 03:14:08.000000000 Z\n  zone: *1\n  time: 2038-01-19 08:44:08.000000000 Z\n\
            on: 1899-12-31\nbody: |\n  two lines\n  and a last one\nnothing:\nempty: ''\nword: 'null'\n\
            scan: !ruby/object:ActiveModel::Type::Binary::Data\n  value: !binary |-\n    AP8QYnl0ZXM=\n";
        let mut notes = Notes::default();
        assert_eq!(
            parse(text, &mut notes),
            Ok(json!({
                "title": ["None", "1e5"],
                "cost": "1234567890.12",
                "seen_at": ["2025-07-01T06:30:00.250000Z", "2038-01-19T03:14:08.000000Z"],
                "true": "1899-12-31",
                "body": "two lines\nand a last one\n",
                "nothing": null,
                "empty": "",
                "word": "null",
                "scan": {"$base64": "AP8QYnl0ZXM="},
            }))
        );
        assert!(notes.zone && notes.types.is_empty() && notes.values.is_empty());
    }

    #[test]
    fn hostile_texts_end_in_an_error() {
        assert_eq!(read(&"[".repeat(150)), Err(YamlError::TooDeep));
        // The parser has a limit of its own for these.
        assert!(matches!(
            read(&"[".repeat(100_000)),
            Err(YamlError::Syntax { .. })
        ));
        assert_eq!(read(&"- ".repeat(5_000)), Err(YamlError::TooDeep));
        assert_eq!(read("a: &1 [*1]"), Err(YamlError::Alias));
        assert!(matches!(read("a: *nothing"), Err(YamlError::Syntax { .. })));
        assert!(matches!(read("a: [1, 2"), Err(YamlError::Syntax { .. })));
        assert_eq!(read(""), Err(YamlError::Documents));
        assert_eq!(read("--- 1\n--- 2\n"), Err(YamlError::Documents));
        let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
        for level in 1..20 {
            let inner = format!("*a{}", level - 1);
            writeln!(
                bomb,
                "a{level}: &a{level} [{}]",
                [inner.as_str(); 10].join(", ")
            )
            .expect("a string takes it");
        }
        assert_eq!(read(&bomb), Err(YamlError::TooLarge));
    }

    #[test]
    fn an_error_has_the_position_and_not_the_text() {
        let error = read("pin: 1\nb: [hunter2").unwrap_err().to_string();
        assert!(
            error.starts_with("is not valid YAML (error at line "),
            "{error}"
        );
        assert!(!error.contains("hunter2"));
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "(?s).{0,80}") {
            let _ = read(&text);
        }

        #[test]
        fn no_yaml_panics(text in "[-:&*!|>\\[\\]{}'\" \n0-9a-z.,?#%@]{0,80}") {
            let _ = read(&text);
        }
    }
}

//! JSON lines: one object for each record.

use std::fmt::{self, Write};

use audit_core::backend::is_forging;
use log::kv::{self, Key, VisitSource, VisitValue};
use serde_json::Value;

use crate::template::{Line, file_name};

/// The members of every line; a key-value with one of these names is prefixed with `_`.
const MEMBERS: [&str; 7] = [
    "timestamp",
    "level",
    "name",
    "message",
    "module",
    "filename",
    "lineno",
];

pub(crate) fn write(out: &mut String, line: &Line<'_, '_>) -> fmt::Result {
    let record = line.record;
    let mut message = String::new();
    message.write_fmt(*record.args())?;
    let mut object = Object {
        out,
        keys: Vec::new(),
    };
    object.out.push('{');
    object.member("timestamp", &line.now.rfc3339().into())?;
    object.member("level", &line.level.as_str().into())?;
    object.member("name", &record.target().into())?;
    object.member("message", &message.into())?;
    object.member("module", &record.module_path().into())?;
    object.member("filename", &record.file().map(|_| file_name(record)).into())?;
    object.member("lineno", &record.line().into())?;
    record
        .key_values()
        .visit(&mut object)
        .map_err(|_| fmt::Error)?;
    object.out.push('}');
    Ok(())
}

struct Object<'l> {
    out: &'l mut String,
    /// The keys of key-values so far. The first of two equal ones is printed, because readers of
    /// JSON disagree about duplicates.
    keys: Vec<String>,
}

impl Object<'_> {
    fn member(&mut self, key: &str, value: &Value) -> fmt::Result {
        if !self.out.ends_with('{') {
            self.out.push(',');
        }
        write!(EscapingWriter(self.out), "{}:{value}", Value::from(key))
    }
}

/// Escapes the line separators and bidirectional controls that JSON allows in strings. They
/// cannot occur outside of strings.
struct EscapingWriter<'l>(&'l mut String);

impl Write for EscapingWriter<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let mut rest = text;
        while let Some((start, c)) = rest.char_indices().find(|(_, c)| is_forging(*c)) {
            self.0.push_str(&rest[..start]);
            // All of them are in the basic plane, so one escape is enough.
            write!(self.0, "\\u{:04x}", u32::from(c))?;
            rest = &rest[start + c.len_utf8()..];
        }
        self.0.push_str(rest);
        Ok(())
    }
}

impl<'kvs> VisitSource<'kvs> for Object<'_> {
    fn visit_pair(&mut self, key: Key<'kvs>, value: kv::Value<'kvs>) -> Result<(), kv::Error> {
        let key = if MEMBERS.contains(&key.as_str()) {
            format!("_{key}")
        } else {
            key.to_string()
        };
        if self.keys.contains(&key) {
            return Ok(());
        }
        let mut json = ToJson(Value::Null);
        value.visit(&mut json)?;
        self.member(&key, &json.0)?;
        self.keys.push(key);
        Ok(())
    }
}

struct ToJson(Value);

impl VisitValue<'_> for ToJson {
    fn visit_any(&mut self, value: kv::Value<'_>) -> Result<(), kv::Error> {
        self.0 = value.to_string().into();
        Ok(())
    }

    fn visit_null(&mut self) -> Result<(), kv::Error> {
        self.0 = Value::Null;
        Ok(())
    }

    fn visit_u64(&mut self, value: u64) -> Result<(), kv::Error> {
        self.0 = value.into();
        Ok(())
    }

    fn visit_i64(&mut self, value: i64) -> Result<(), kv::Error> {
        self.0 = value.into();
        Ok(())
    }

    fn visit_f64(&mut self, value: f64) -> Result<(), kv::Error> {
        self.0 = if value.is_finite() {
            value.into()
        } else {
            value.to_string().into()
        };
        Ok(())
    }

    fn visit_bool(&mut self, value: bool) -> Result<(), kv::Error> {
        self.0 = value.into();
        Ok(())
    }

    fn visit_str(&mut self, value: &str) -> Result<(), kv::Error> {
        self.0 = value.into();
        Ok(())
    }
}

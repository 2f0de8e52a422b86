//! The line as one JSON object.

use std::fmt::{self, Write};

use audit_core::__private::is_forging;
use log::kv::{self, Key, VisitSource, VisitValue};
use serde_json::Value;

use crate::template::{Line, file_name};

/// The names that a record's own fields have; a key-value of one of them gets a `_` in front.
const OWN: [&str; 7] = [
    "timestamp",
    "level",
    "name",
    "message",
    "module",
    "filename",
    "lineno",
];

pub(crate) fn write(line: &mut String, of: &Line<'_, '_>) -> fmt::Result {
    let record = of.record;
    let mut message = String::new();
    message.write_fmt(*record.args())?;
    let mut object = Object {
        line,
        keys: Vec::new(),
    };
    object.line.push('{');
    object.member("timestamp", &of.now.rfc3339().into())?;
    object.member("level", &of.level.as_str().into())?;
    object.member("name", &record.target().into())?;
    object.member("message", &message.into())?;
    object.member("module", &record.module_path().into())?;
    object.member("filename", &record.file().map(|_| file_name(record)).into())?;
    object.member("lineno", &record.line().into())?;
    record
        .key_values()
        .visit(&mut object)
        .map_err(|_| fmt::Error)?;
    object.line.push('}');
    Ok(())
}

struct Object<'l> {
    line: &'l mut String,
    /// The keys of key-values so far: of two equal ones the first stays, since JSON has no
    /// common reading for both.
    keys: Vec<String>,
}

impl Object<'_> {
    fn member(&mut self, key: &str, value: &Value) -> fmt::Result {
        if !self.line.ends_with('{') {
            self.line.push(',');
        }
        // `Value` prints as JSON, texts with their quotes and escapes.
        write!(EscapingWriter(self.line), "{}:{value}", Value::from(key))
    }
}

/// Escapes in JSON the line ends and the turns of direction that JSON itself allows in a text;
/// they occur within texts alone.
struct EscapingWriter<'l>(&'l mut String);

impl Write for EscapingWriter<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let mut rest = text;
        while let Some((start, c)) = rest.char_indices().find(|(_, c)| is_forging(*c)) {
            self.0.push_str(&rest[..start]);
            // All of them are of the basic plane.
            write!(self.0, "\\u{:04x}", u32::from(c))?;
            rest = &rest[start + c.len_utf8()..];
        }
        self.0.push_str(rest);
        Ok(())
    }
}

impl<'kvs> VisitSource<'kvs> for Object<'_> {
    fn visit_pair(&mut self, key: Key<'kvs>, value: kv::Value<'kvs>) -> Result<(), kv::Error> {
        let key = if OWN.contains(&key.as_str()) {
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

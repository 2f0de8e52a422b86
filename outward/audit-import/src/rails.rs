//! The parts that PaperTrail and audited share: names of Rails and values of Ruby.

use std::fmt::Debug;

use audit_core::{Action, LogEntry};
use rusqlite::Connection;
use serde_json::{Map, Value};

use crate::error::ImportError;
use crate::format::Format;
use crate::json;
use crate::losses::{LossKind, Losses, Report};
use crate::record::Record;
use crate::schema::{Schema, Table};
use crate::source::{Draft, Reading, Source, Step, rows_by_time, table_of_step};
use crate::yaml::{self, Notes};

/// Tables with a row for each change, ordered by `created_at`.
pub(crate) trait Changelog: Debug + Send {
    const FORMAT: Format;
    /// The expression of the next row of the same object.
    const NEXT: &'static str;

    fn tables(&self) -> &[Table];

    /// Makes the entry of a row.
    fn read(
        &self,
        step: &Step,
        record: &Record<'_>,
        cx: &mut Reading<'_>,
    ) -> Result<LogEntry, ImportError>;
}

impl<C: Changelog> Source for C {
    fn format(&self) -> Format {
        C::FORMAT
    }

    fn rows(&self) -> String {
        rows_by_time(self.tables().iter(), "created_at", C::NEXT)
    }

    fn report_table_losses(&self, report: &mut Report) {
        for table in self.tables() {
            let kind = LossKind::AssumedUtc;
            report.add(C::FORMAT, &table.name, None, "created_at", kind);
        }
    }

    fn entry(&self, step: &Step, cx: &mut Reading<'_>) -> Result<LogEntry, ImportError> {
        let table = table_of_step(self.tables(), step, C::FORMAT)?;
        let record = cx.record(table, step.row)?;
        let id = record.text("id")?.unwrap_or_default();
        self.read(step, &record.with_id(id), cx)
    }
}

/// Returns the tables, each of which must have row ids.
pub(crate) fn tables<'s>(
    connection: &Connection,
    found: impl Iterator<Item = &'s Table>,
) -> Result<Vec<Table>, ImportError> {
    found
        .map(|table| {
            table.check_rows(connection)?;
            Ok(table.clone())
        })
        .collect()
}

/// Begins the entry of a row; the columns have the action, the model and the key of its object.
pub(crate) fn draft(
    format: Format,
    record: &Record<'_>,
    [action, model, pk]: [&str; 3],
) -> Result<Draft, ImportError> {
    let action = match record.text(action)?.as_deref() {
        Some("destroy") => Action::Delete,
        Some(name) => Action::named(name.to_owned()),
        None => return Err(record.error(action, "is null")),
    };
    let model = record.text(model)?.unwrap_or_default();
    let pk = record.text(pk)?.unwrap_or_default();
    Ok(Draft::new(format, action, &model, &pk))
}

/// Returns the table of a model by Rails' naming rules, if there is one.
pub(crate) fn table_of<'s>(schema: &'s Schema, model: &str) -> Option<&'s Table> {
    let full = underscored(model);
    let last = full.rsplit('/').next().unwrap_or(&full);
    let flat = full.replace('/', "_");
    [flat.as_str(), last]
        .into_iter()
        .flat_map(plurals)
        .find_map(|name| schema.table(&name))
}

/// Writes `Admin::LineItem` as `admin/line_item`.
fn underscored(model: &str) -> String {
    let mut text = String::with_capacity(model.len() + 4);
    let chars: Vec<char> = model.replace("::", "/").chars().collect();
    for (at, c) in chars.iter().enumerate() {
        let before = at.checked_sub(1).and_then(|before| chars.get(before));
        let after = chars.get(at + 1);
        let starts_word = before.is_some_and(|c| c.is_lowercase() || c.is_ascii_digit())
            || before.is_some_and(|c| c.is_uppercase()) && after.is_some_and(|c| c.is_lowercase());
        if c.is_uppercase() && starts_word {
            text.push('_');
        }
        text.extend(c.to_lowercase());
    }
    text
}

/// Returns the possible plurals of a word; the name of a table selects one of them.
fn plurals(word: &str) -> Vec<String> {
    const IRREGULAR: &[(&str, &str)] = &[
        ("person", "people"),
        ("child", "children"),
        ("man", "men"),
        ("mouse", "mice"),
        ("ox", "oxen"),
        ("quiz", "quizzes"),
    ];
    let mut plurals = Vec::new();
    for (one, many) in IRREGULAR {
        if let Some(stem) = word.strip_suffix(one) {
            plurals.push(format!("{stem}{many}"));
        }
    }
    for (end, plural) in [
        ("y", "ies"),
        ("fe", "ves"),
        ("lf", "lves"),
        ("rf", "rves"),
        ("sis", "ses"),
        ("ix", "ices"),
        ("ex", "ices"),
        ("um", "a"),
        ("us", "i"),
    ] {
        if let Some(stem) = word.strip_suffix(end) {
            plurals.push(format!("{stem}{plural}"));
        }
    }
    plurals.extend([format!("{word}s"), format!("{word}es"), word.to_owned()]);
    plurals
}

/// Reads a column that the library serialized as YAML or JSON; `None` for a null.
pub(crate) fn payload(
    record: &Record<'_>,
    column: &str,
    losses: &mut Losses<'_>,
) -> Result<Option<Map<String, Value>>, ImportError> {
    let Some(text) = record.text(column)? else {
        return Ok(None);
    };
    let failed = |detail: String| record.error(column, detail);
    // YAML that Ruby writes starts with `---`.
    let value = if text.trim_start().starts_with(['{', '[', '"']) || text == "null" {
        json::parse(&text).map_err(failed)?
    } else {
        let mut notes = Notes::default();
        let value = yaml::parse(&text, &mut notes).map_err(|error| failed(error.to_string()))?;
        if notes.zone {
            losses.add(column, LossKind::TimeZone);
        }
        for name in &notes.types {
            losses.add_ruby(column, LossKind::RubyType, name);
        }
        for name in &notes.values {
            losses.add_ruby(column, LossKind::RubyValue, name);
        }
        value
    };
    match json::exact(&value).map_err(failed)? {
        Value::Null => Ok(None),
        Value::Object(fields) => Ok(Some(fields)),
        _ => Err(failed("is not a hash of fields".to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn models_have_the_table_names_of_rails() {
        for (model, table) in [
            ("Invoice", "invoices"),
            ("LineItem", "line_items"),
            ("Person", "people"),
            ("SalesPerson", "sales_people"),
            ("Category", "categories"),
            ("Day", "days"),
            ("Box", "boxes"),
            ("Status", "statuses"),
            ("Analysis", "analyses"),
            ("Shelf", "shelves"),
            ("Sheep", "sheep"),
            ("Admin::HTMLPage", "admin_html_pages"),
        ] {
            let names = plurals(&underscored(model).replace('/', "_"));
            assert!(names.iter().any(|name| name == table), "{model}: {names:?}");
        }
    }
}

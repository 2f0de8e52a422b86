//! Values of columns, typed by what the columns were declared to hold.

use rusqlite::types::Value as Sql;
use serde_json::{Number, Value};
use uuid::Uuid;

use crate::json;
use crate::losses::{LossKind, Losses};
use crate::schema::Kind;
use crate::time;

/// The zone of instants without an offset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Zone {
    /// UTC: Django and Rails keep instants in UTC and leave the offset out.
    Utc,
    /// Unknown: SQLAlchemy drops the offset of the given time.
    Unknown,
}

/// Makes JSON of a column's value.
///
/// A decimal is text, with the scale of its type; a boolean is one, an instant is in RFC 3339,
/// a UUID has dashes, a JSON column holds its value, bytes are an object with `$base64`.
pub(crate) fn typed(
    value: &Sql,
    kind: Kind,
    zone: Zone,
    column: &str,
    losses: &mut Losses<'_>,
) -> Result<Value, String> {
    Ok(match (kind, value) {
        (_, Sql::Null) => Value::Null,
        (Kind::Boolean, Sql::Integer(number @ (0 | 1))) => Value::Bool(*number == 1),
        (Kind::Decimal(scale), Sql::Integer(number)) => {
            Value::String(decimal(&number.to_string(), scale, column, losses))
        }
        (Kind::Decimal(scale), Sql::Real(number)) if number.is_finite() => {
            Value::String(decimal(&number.to_string(), scale, column, losses))
        }
        (Kind::Real, Sql::Integer(number)) =>
        {
            #[expect(clippy::cast_precision_loss, reason = "the column holds floats")]
            float(*number as f64)
        }
        (_, Sql::Integer(number)) => audit_core::snapshot(number),
        (_, Sql::Real(number)) => float(*number),
        (Kind::Json, Sql::Text(text)) => {
            if let Ok(value) = json::parse(text) {
                json::exact(&value)?
            } else {
                losses.add(column, LossKind::BadJson);
                Value::String(text.clone())
            }
        }
        (Kind::Uuid, Sql::Text(text)) if text.len() == 32 => match Uuid::try_parse(text) {
            Ok(uuid) => Value::String(uuid.to_string()),
            Err(_) => Value::String(text.clone()),
        },
        (Kind::Instant, Sql::Text(text)) => Value::String(instant(text, zone)),
        (_, Sql::Text(text)) => Value::String(text.clone()),
        (Kind::Uuid, Sql::Blob(bytes)) => match Uuid::from_slice(bytes) {
            Ok(uuid) => Value::String(uuid.to_string()),
            Err(_) => json::bytes(bytes),
        },
        (kind, Sql::Blob(bytes)) => {
            if !matches!(kind, Kind::Binary) {
                losses.add(column, LossKind::NotUtf8);
            }
            json::bytes(bytes)
        }
    })
}

/// Writes an instant in RFC 3339; an invalid one stays as it is.
pub(crate) fn instant(text: &str, zone: Zone) -> String {
    match time::parse(text) {
        Some(read) if read.offset || zone == Zone::Utc => read.utc_text(),
        Some(read) => read.plain_text(),
        None => text.to_owned(),
    }
}

fn float(number: f64) -> Value {
    Number::from_f64(number).map_or_else(|| Value::String(number.to_string()), Value::Number)
}

/// Pads a decimal to its scale.
fn decimal(digits: &str, scale: Option<usize>, column: &str, losses: &mut Losses<'_>) -> String {
    let fraction = digits.split_once('.').map_or(0, |(_, rest)| rest.len());
    let Some(scale) = scale else {
        losses.add(column, LossKind::DecimalScale);
        return digits.to_owned();
    };
    let missing = scale.saturating_sub(fraction);
    let point = if fraction == 0 && missing > 0 {
        "."
    } else {
        ""
    };
    format!("{digits}{point}{}", "0".repeat(missing))
}

/// Makes a key's text of its typed value.
pub(crate) fn key_text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::format::Format;
    use crate::losses::{Columns, Report};

    fn value(kind: Kind, value: &Sql) -> (Value, Vec<LossKind>) {
        let mut report = Report::default();
        let mut losses = Losses {
            report: &mut report,
            format: Format::DjangoSimpleHistory,
            table: "t",
            row: "1",
            columns: &Columns::default(),
        };
        let made = typed(value, kind, Zone::Utc, "c", &mut losses).expect("a value");
        (made, report.losses().map(|loss| loss.kind).collect())
    }

    #[test]
    fn declared_types_make_values() {
        for (kind, stored, expected) in [
            (Kind::Boolean, Sql::Integer(0), json!(false)),
            (Kind::Boolean, Sql::Integer(7), json!(7)),
            (Kind::Decimal(Some(2)), Sql::Real(-3.5), json!("-3.50")),
            (Kind::Decimal(Some(2)), Sql::Integer(0), json!("0.00")),
            (
                Kind::Decimal(Some(2)),
                Sql::Real(1_234_567_890.12),
                json!("1234567890.12"),
            ),
            (Kind::Decimal(Some(0)), Sql::Integer(5), json!("5")),
            (Kind::Decimal(Some(1)), Sql::Real(19.99), json!("19.99")),
            (Kind::Real, Sql::Integer(3), json!(3.0)),
            (
                Kind::Integer,
                Sql::Integer((1 << 53) + 1),
                json!("9007199254740993"),
            ),
            (Kind::Json, Sql::Text("null".into()), Value::Null),
            (Kind::Text, Sql::Text("null".into()), json!("null")),
            (
                Kind::Date,
                Sql::Text("1899-12-31".into()),
                json!("1899-12-31"),
            ),
            (
                Kind::Instant,
                Sql::Text("2024-02-29 23:59:59".into()),
                json!("2024-02-29T23:59:59.000000Z"),
            ),
            (Kind::Instant, Sql::Text("soon".into()), json!("soon")),
            (
                Kind::Uuid,
                Sql::Text("77b04384ded84aa4bab2c2cff8da5625".into()),
                json!("77b04384-ded8-4aa4-bab2-c2cff8da5625"),
            ),
            (Kind::Uuid, Sql::Text("no uuid".into()), json!("no uuid")),
            (
                Kind::Binary,
                Sql::Blob(vec![0, 255]),
                json!({"$base64": "AP8="}),
            ),
        ] {
            assert_eq!(
                value(kind, &stored),
                (expected, Vec::new()),
                "{kind:?} {stored:?}"
            );
        }
    }

    #[test]
    fn inexact_values_are_counted() {
        assert_eq!(
            value(Kind::Decimal(None), &Sql::Real(12.5)),
            (json!("12.5"), vec![LossKind::DecimalScale])
        );
        assert_eq!(
            value(Kind::Json, &Sql::Text("{".into())),
            (json!("{"), vec![LossKind::BadJson])
        );
        assert_eq!(
            value(Kind::Text, &Sql::Blob(vec![255])),
            (json!({"$base64": "/w=="}), vec![LossKind::NotUtf8])
        );
    }
}

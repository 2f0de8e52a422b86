//! The SQL of one column: its values, its change, and whether it differs.

use audit_core::Mask;

use super::name::{Ident, Literal};
use super::template;

/// The start of the change of a column that may change without an entry.
const LOOSE: &str = "\"loose\":true,";

/// The form in which the values of a column are recorded.
#[derive(Clone, Debug)]
pub(super) enum Shown {
    Clear,
    Masked(Mask),
    /// As tokens of this domain if the database has the key, else fully masked.
    Hashed(String),
}

/// A column that is recorded.
#[derive(Clone, Debug)]
pub(super) struct Column {
    pub(super) field: String,
    pub(super) name: Ident,
    pub(super) path: String,
    pub(super) key: String,
    pub(super) shown: Shown,
    pub(super) level: Option<u8>,
    pub(super) ignored: bool,
    pub(super) loose: bool,
    pub(super) reference: bool,
}

/// The rows that a statement wrote: `o` as they were, `n` as they are.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Rows {
    /// Rows without one before.
    Inserted,
    /// Rows without one after.
    Deleted,
    /// Rows that kept their key.
    Updated,
    /// Rows with a changed key, as deletions under the old one.
    OldKey,
    /// Rows with a changed key, as creations under the new one.
    NewKey,
}

impl Rows {
    /// Returns the name of the action.
    pub(super) fn action(self) -> &'static str {
        match self {
            Self::Inserted | Self::NewKey => "create",
            Self::Deleted | Self::OldKey => "delete",
            Self::Updated => "update",
        }
    }

    /// Returns the row that has the key of the entry.
    pub(super) fn row(self) -> &'static str {
        match self {
            Self::Deleted | Self::OldKey => "o",
            Self::Inserted | Self::NewKey | Self::Updated => "n",
        }
    }

    /// Returns the only side of each change of the entry, or `None` for both.
    fn side(self) -> Option<&'static str> {
        match self {
            Self::Inserted | Self::NewKey => Some("new"),
            Self::Deleted | Self::OldKey => Some("old"),
            Self::Updated => None,
        }
    }
}

impl Column {
    /// Returns the change of the column as JSON, or null if it did not change.
    pub(super) fn change(&self, schema: &Ident, rows: Rows) -> String {
        let name = &self.name;
        let value = |row: &str| {
            let value = json(schema, &format!("{row}.{name}"));
            if self.reference {
                format!(
                    "CASE WHEN {row}.{name} IS NULL THEN 'null' \
                     ELSE to_json({schema}.audit_text({value}))::text END"
                )
            } else {
                value
            }
        };
        let none = || "NULL".to_owned();
        let (old, new) = match rows.side() {
            Some("new") => (none(), value("n")),
            Some(_) => (value("o"), none()),
            None => (value("o"), value("n")),
        };
        // As JSON: a path may have quotes in it.
        let path = serde_json::Value::from(self.path.as_str()).to_string();
        if let (Some(side), Shown::Clear) = (rows.side(), &self.shown) {
            // As `audit_change` writes it.
            let loose = if self.loose { LOOSE } else { "" };
            let before = format!("{path}:{{{loose}\"{side}\":");
            return format!("{} || {} || '}},'", Literal(&before), value(rows.row()));
        }
        let of = rows.row();
        let is = |what: &str| format!("{schema}.{what}(pg_typeof({of}.{name}))");
        let mask = |mask: Mask| (Literal(mask.as_str()).to_string(), is("audit_is_text"));
        let (function, (how, is)) = match &self.shown {
            Shown::Clear => ("audit_change", ("NULL".to_owned(), "true".to_owned())),
            Shown::Masked(Mask::All | Mask::Custom) => {
                ("audit_change", ("'all'".to_owned(), "false".to_owned()))
            }
            Shown::Masked(shows) => ("audit_change", mask(*shows)),
            Shown::Hashed(domain) => (
                "audit_hashed_change",
                (Literal(domain).to_string(), is("audit_is_same")),
            ),
        };
        let change = format!(
            "{schema}.{function}({}, {old}, {new}, {how}, {is})",
            Literal(&path)
        );
        let change = if self.loose {
            // In the order of the names.
            format!(
                "{} || substr({change}, {})",
                Literal(&format!("{path}:{{{LOOSE}")),
                path.chars().count() + ":{".len() + 1
            )
        } else {
            change
        };
        if rows == Rows::Updated {
            return template::CHANGE_OF_UPDATE.fill(&[
                ("schema", schema),
                ("column", name),
                ("may_be_same", &self.may_be_same()),
                ("change", &change),
            ]);
        }
        change
    }

    /// Returns the condition that the column has two values in `o` and `n`. It compares the bytes
    /// first, as not every type can be compared.
    pub(super) fn differs(&self, schema: &Ident) -> String {
        template::DIFFERS.fill(&[
            ("schema", schema),
            ("column", &self.name),
            ("may_be_same", &self.may_be_same()),
        ])
    }

    /// Returns the condition that values with other bytes may be the same one. The most frequent types
    /// have one form for each value; their check needs no call of `audit_same`.
    fn may_be_same(&self) -> String {
        template::MAY_BE_SAME.fill(&[("column", &self.name)])
    }
}

/// Returns a value as JSON in the form of an entry, as `audit_value` does; without a call for the most
/// frequent types.
fn json(schema: &Ident, value: &str) -> String {
    template::VALUE.fill(&[("schema", schema), ("value", &value)])
}

//! Names and texts as SQL quotes them.

use std::fmt::{self, Write as _};

use super::TriggerError;

/// The quote of function bodies.
pub(super) const QUOTE: &str = "$audit$";

/// A name, in quotes where it is printed.
#[derive(Clone, Debug)]
pub(super) struct Ident(pub(super) String);

impl Ident {
    pub(super) fn new(name: &str) -> Result<Self, TriggerError> {
        if name.is_empty() || name.len() > 63 || name.contains('\0') || name.contains(QUOTE) {
            return Err(TriggerError::name(name));
        }
        Ok(Self(name.to_owned()))
    }
}

impl fmt::Display for Ident {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.0.replace('"', "\"\""))
    }
}

/// A text in quotes.
pub(super) struct Literal<'t>(pub(super) &'t str);

impl fmt::Display for Literal<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.0.replace('\'', "''");
        // A line end needs no escape.
        let is_escaped = |c: char| c == '\\' || (c.is_ascii_control() && c != '\n');
        if text.contains(is_escaped) {
            f.write_str("E'")?;
            for c in text.chars() {
                match c {
                    '\\' => f.write_str("\\\\")?,
                    c if is_escaped(c) => write!(f, "\\x{:02x}", u32::from(c))?,
                    c => f.write_char(c)?,
                }
            }
            f.write_char('\'')
        } else {
            write!(f, "'{text}'")
        }
    }
}

/// A table with its schema.
#[derive(Clone, Debug)]
pub(super) struct Table {
    pub(super) schema: Ident,
    pub(super) name: Ident,
}

impl Table {
    pub(super) fn parse(text: &str) -> Result<Self, TriggerError> {
        let parts: Vec<_> = text.split('.').collect();
        let (schema, name) = match parts[..] {
            [name] => ("public", name),
            [schema, name] => (schema, name),
            _ => {
                return Err(TriggerError::Table {
                    name: text.to_owned(),
                });
            }
        };
        Ok(Self {
            schema: Ident::new(schema)?,
            name: Ident::new(name)?,
        })
    }

    /// Returns the name of the function of its triggers: the readable part of the table's name and a
    /// part of a hash, since two tables may share the former.
    pub(super) fn function(&self) -> Ident {
        let qualified = self.to_string();
        let readable: String = self
            .name
            .0
            .chars()
            .filter(|c| c.is_ascii_alphanumeric() || *c == '_')
            .take(30)
            .collect();
        let hash = hmac_sha256::Hash::hash(qualified.as_bytes());
        let mut name = format!("audit_on_{readable}_");
        for byte in &hash[..4] {
            // Writing to a `String` cannot fail.
            let _ok = write!(name, "{byte:02x}");
        }
        Ident(name)
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.schema, self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_texts_end_where_their_quotes_end() {
        assert_eq!(
            Ident::new("a\"; DROP").unwrap().to_string(),
            "\"a\"\"; DROP\""
        );
        assert_eq!(Literal("it's").to_string(), "'it''s'");
        assert_eq!(Literal("\\'\u{1}").to_string(), "E'\\\\''\\x01'");
        for name in ["", "a\0b", "$audit$", &"x".repeat(64)] {
            assert!(Ident::new(name).is_err(), "{name:?}");
        }
    }

    #[test]
    fn two_tables_have_two_functions() {
        let function = |table| Table::parse(table).unwrap().function().to_string();
        assert_ne!(function("a.users"), function("b.users"));
        assert_ne!(function("users"), function("us-ers"));
        assert!(function(&"x".repeat(63)).len() <= 65);
    }
}

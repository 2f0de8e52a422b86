//! The schema in which a trail lies.

use audit_core::StoreError;

/// A schema of a database, by its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schema {
    name: String,
}

impl Schema {
    /// Takes a name that needs no care in SQL once it is quoted.
    ///
    /// # Errors
    /// Returns [`StoreError::Unsupported`] if it has other characters than letters, digits, `_` and
    /// `-`, or more than 63 bytes.
    pub fn named(name: &str) -> Result<Self, StoreError> {
        let plain = |c: char| c.is_alphanumeric() || c == '_' || c == '-';
        if name.is_empty() || name.len() > 63 || !name.chars().all(plain) {
            return Err(StoreError::Unsupported {
                operation: "use a schema whose name has other characters than letters, digits, \
                            `_` and `-`, or more than 63 bytes",
            });
        }
        Ok(Self {
            name: name.to_owned(),
        })
    }

    /// Returns the name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Puts the name into SQL: for `{schema}` as an identifier, for `{schema_text}` as a text.
    pub fn fill(&self, sql: &str) -> String {
        sql.replace("{schema}", &format!("\"{}\"", self.name))
            .replace("{schema_text}", &format!("'{}'", self.name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_schema_has_a_plain_name() {
        for name in ["public", "audit", "tenant-7", "Prüfung", "a_1"] {
            assert!(Schema::named(name).is_ok(), "{name}");
        }
        for name in [
            "",
            "a b",
            "a\"b",
            "a'b",
            "a.b",
            "$audit$",
            "a%s",
            "a\0",
            &"x".repeat(64),
        ] {
            assert!(Schema::named(name).is_err(), "{name}");
        }
    }
}

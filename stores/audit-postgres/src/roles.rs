//! The roles that may use a trail.

use audit_core::StoreError;

use crate::schema::Schema;

/// Three roles for a trail, and the SQL that creates them.
///
/// | role | rights |
/// |---|---|
/// | owner | upgrade the tables, make partitions, and remove entries by retention |
/// | writer | add entries, and not read, change or remove them |
/// | reader | read entries |
///
/// Triggers refuse UPDATE, TRUNCATE and, outside retention, DELETE to every role, the owner
/// and superusers included.
///
/// The owner of the trail also becomes the owner of the schema, in which no other role may create objects.
/// In `public`, and in a schema with tables of other owners, the schema's owner stays, and the script only
/// revokes CREATE from the writer, the reader and PUBLIC. The script fails if the writer or the reader
/// could still drop the trail: as a superuser, or as an owner of the schema, directly, through another
/// role, or as the owner of the database. Put the trail into a schema of its own then. The owner of the
/// database can drop the trail in any case.
///
/// # Example: the script for a schema
/// ```
/// use auditlog::postgres::Roles;
///
/// let sql = Roles::new("audit").writer("app").sql()?;
/// assert!(sql.contains(r#"GRANT SELECT ON "audit".audit_schema TO "app", "audit_reader";"#));
/// # Ok::<(), auditlog::StoreError>(())
/// ```
#[derive(Clone, Debug)]
#[must_use = "roles do nothing until their SQL is run"]
pub struct Roles {
    schema: String,
    owner: String,
    writer: String,
    reader: String,
}

impl Roles {
    /// Begins with the roles `audit_owner`, `audit_writer` and `audit_reader` for a schema.
    pub fn new(schema: impl Into<String>) -> Self {
        Self {
            schema: schema.into(),
            owner: "audit_owner".to_owned(),
            writer: "audit_writer".to_owned(),
            reader: "audit_reader".to_owned(),
        }
    }

    /// Sets the name of the owner.
    pub fn owner(mut self, name: impl Into<String>) -> Self {
        self.owner = name.into();
        self
    }

    /// Sets the name of the role that adds entries.
    pub fn writer(mut self, name: impl Into<String>) -> Self {
        self.writer = name.into();
        self
    }

    /// Sets the name of the role that reads.
    pub fn reader(mut self, name: impl Into<String>) -> Self {
        self.reader = name.into();
        self
    }

    /// Returns the SQL. It may be run again, such as after an upgrade.
    ///
    /// # Errors
    /// Returns [`StoreError::Unsupported`] if the schema's name has other characters than letters,
    /// digits, `_` and `-`, or if a role's name is invalid: it is empty, has more than 63 bytes, contains
    /// U+0000 or `$audit$`, or is `public` or `none`.
    pub fn sql(&self) -> Result<String, StoreError> {
        let roles = [
            ("{owner", role(&self.owner)?),
            ("{writer", role(&self.writer)?),
            ("{reader", role(&self.reader)?),
        ];
        let script = Schema::named(&self.schema)?.fill(include_str!("sql/roles.sql"));
        // Piece by piece: a name may look like a placeholder.
        let mut sql = String::new();
        let mut rest = &*script;
        while let Some(at) = rest.find('{') {
            let (before, placeholder) = rest.split_at(at);
            sql.push_str(before);
            let filled = roles.iter().find_map(|(name, role)| {
                let end = placeholder.strip_prefix(name)?;
                match end.strip_prefix("_text}") {
                    Some(end) => Some((end, text(role))),
                    None => Some((end.strip_prefix('}')?, identifier(role))),
                }
            });
            let (end, name) = filled.unwrap_or_else(|| (&placeholder[1..], "{".to_owned()));
            sql.push_str(&name);
            rest = end;
        }
        sql.push_str(rest);
        Ok(sql)
    }
}

/// Takes a role's name that the script can hold once it is quoted.
fn role(name: &str) -> Result<&str, StoreError> {
    // Even in quotes the two words are no names of roles.
    let is_invalid = name.is_empty() || name.len() > 63 || matches!(name, "public" | "none");
    if is_invalid || name.contains('\0') || name.contains("$audit$") {
        return Err(StoreError::Unsupported {
            operation: "use a role whose name is empty, has more than 63 bytes, contains U+0000 or \
                        `$audit$`, or is `public` or `none`",
        });
    }
    Ok(name)
}

fn identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Returns a literal with the same value for any setting of backslashes in the session.
fn text(name: &str) -> String {
    let escape = if name.contains('\\') { "E" } else { "" };
    format!(
        "{escape}'{}'",
        name.replace('\'', "''").replace('\\', "\\\\")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_roles_are_quoted() {
        let sql = Roles::new("audit")
            .owner("{reader}")
            .writer("o'hara@ex.com \"app\"")
            .reader(r"domain\app")
            .sql()
            .unwrap();
        for part in [
            "owner_role text := '{reader}';",
            r#"writer_role text := 'o''hara@ex.com "app"';"#,
            r"reader_role text := E'domain\\app';",
            r#"TO "o'hara@ex.com ""app""", "domain\app";"#,
        ] {
            assert!(sql.contains(part), "{part}:\n{sql}");
        }
        for name in ["", "public", "none", "a\0", "$audit$", &"x".repeat(64)] {
            let error = Roles::new("audit").writer(name).sql().unwrap_err();
            assert!(error.to_string().contains("role"), "{error}");
        }
    }
}

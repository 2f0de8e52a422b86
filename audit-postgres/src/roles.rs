//! The roles that may use a trail.

use audit_core::StoreError;

use crate::schema::Schema;

/// Three roles for a trail, and the SQL that makes them.
///
/// | role | may |
/// |---|---|
/// | owner | upgrade the tables, make partitions, and remove entries by retention |
/// | writer | add entries; it can neither change nor remove nor even read any |
/// | reader | read entries |
///
/// Triggers refuse UPDATE, TRUNCATE and, outside retention, DELETE to everybody, the owner
/// and superusers included.
///
/// # Example: the script for a schema
/// ```
/// use audit_postgres::Roles;
///
/// let sql = Roles::new("audit").writer("app").sql()?;
/// assert!(sql.contains(r#"GRANT INSERT ON "audit".audit_entry TO "app";"#));
/// # Ok::<(), audit_core::StoreError>(())
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

    /// Names the owner.
    pub fn owner(mut self, name: impl Into<String>) -> Self {
        self.owner = name.into();
        self
    }

    /// Names the role that adds entries.
    pub fn writer(mut self, name: impl Into<String>) -> Self {
        self.writer = name.into();
        self
    }

    /// Names the role that reads.
    pub fn reader(mut self, name: impl Into<String>) -> Self {
        self.reader = name.into();
        self
    }

    /// Returns the SQL. It may be run again, such as after an upgrade.
    ///
    /// # Errors
    /// [`StoreError::Unsupported`] if a name has other characters than letters, digits, `_`
    /// and `-`.
    pub fn sql(&self) -> Result<String, StoreError> {
        let mut sql = Schema::named(&self.schema)?.fill(include_str!("sql/roles.sql"));
        for (place, role) in [
            ("owner", &self.owner),
            ("writer", &self.writer),
            ("reader", &self.reader),
        ] {
            // A role's name follows the rule of a schema's.
            let role = Schema::named(role)?;
            sql = sql
                .replace(&format!("{{{place}}}"), &format!("\"{}\"", role.name()))
                .replace(&format!("{{{place}_text}}"), &format!("'{}'", role.name()));
        }
        Ok(sql)
    }
}

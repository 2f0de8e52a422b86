//! Triggers that record writes that bypass the program.

mod column;
mod context;
mod error;
mod function;
mod name;
mod template;

use audit_core::{Auditable, FieldDescription, Level, Mask, ModelDescription, Recorded};

use self::column::{Column, Shown};
pub use self::context::{TriggerContext, set_context_in};
pub use self::error::TriggerError;
use self::function::{Function, Recording};
use self::name::{Ident, Table};
use crate::row::key;
use crate::schema::Schema;

/// The functions that all triggers share.
const SHARED: &str = include_str!("../sql/triggers.sql");

/// Triggers on the table of a model, and the SQL that installs them. They record every write to the
/// table, such as a bulk statement or the statement of a user of `psql`.
///
/// The entries have the form of the program's own entries and are written by the same function, in the
/// transaction of the write. Their source is the service `postgresql trigger`, and their
/// `additional_data` has the `role` of the session, its `application` name and the `table`. The other
/// values come from settings of the transaction:
///
/// | `SET LOCAL ..` or `set_config(.., true)` | becomes |
/// |---|---|
/// | `auditlog.actor` | the actor's id |
/// | `auditlog.actor_kind`, `auditlog.actor_display`, `auditlog.on_behalf_of` | the rest of the actor |
/// | `auditlog.correlation_id`, `auditlog.reason`, `auditlog.trace_id`, `auditlog.transaction_id` | as in the entry |
/// | `auditlog.audited` = `on` | no entry: the program makes its own |
///
/// An empty text is an unset value. [`set_context_in`] sets them from the program's own context, and
/// [`TriggerContext`] does for drivers other than `tokio-postgres`. If the program makes its own entries,
/// or the triggers only [watch](Self::watch), the table `audit_touched` lists the written objects, and
/// [`PostgresStore::reconcile`](crate::PostgresStore::reconcile) returns those without an entry of the
/// program.
///
/// # Recorded values
///
/// Triggers record the columns of the model's fields by the model's own rules:
///
/// - A skipped field is absent from the SQL.
/// - A masked field is masked by the database as by the library. A mask shows a part of texts, numbers,
///   times and addresses, and nothing of any other type. A field with a mask function of its own, or with
///   a hidden part inside, is fully masked.
/// - A hashed field is fully masked until the owner of the tables gives the database the key of
///   [`hash_key`](audit_core::AuditLogBuilder::hash_key) with `SELECT audit_set_hash_key(version, key)`.
///   From then on its tokens are those of the program, unless the column's type has another form (bytes,
///   intervals, composite types and ranges stay masked). The key is then in the table `audit_hash_key`,
///   which only its owner reads, and in backups of the database.
/// - A field that the program records through a function, `Display` or `Debug` is fully masked, unless
///   [`clear`](Self::clear) is called for it.
/// - Fields of the identity and the parent's key are recorded in clear, so they must not be hidden: a model
///   with a hashed identity is recorded by the program only.
///
/// Conditions, snapshots and required reasons of `register_with` apply to the program alone: triggers
/// record every write, without a snapshot.
///
/// A column with JSON, an array or a composite type is one value, old and new. `object_repr` is the model
/// and the identity. If updates are recorded, an UPDATE that changes the identity of a row is two entries,
/// as in the program: a deletion of the former object and a creation of the new one with all columns, each
/// naming the other as its [`counterpart`](audit_core::LogEntry::counterpart). TRUNCATE is a deletion of
/// each object, and takes as long as DELETE does, or, with [`truncate_in_bulk`](Self::truncate_in_bulk),
/// one entry for all of them.
///
/// # After a migration
///
/// The triggers read their columns by name. After a column is renamed or dropped, every write to the table
/// fails until the triggers are installed again; the error names the trigger and the column. A migration
/// that renames a column installs them in the same transaction, with [`column`](Self::column) or
/// [`omit`](Self::omit). [`PostgresStore::info`](crate::PostgresStore::info), and so `auditlog doctor`,
/// reports triggers that are outdated, disabled or missing, such as after a table was created again.
///
/// # Limits
///
/// - **Replication.** Triggers do not fire in a session with `session_replication_role = replica`,
///   unless [`always`](Self::always) is set. Rows that a logical subscription applies never fire them: the
///   server runs only triggers for rows there. Install the triggers on the publisher.
/// - **Rights.** The owner of the table can disable or drop its triggers.
/// - **Partitions and children.** A partition, or a table that inherits from this one, fires no trigger
///   when it is written by its own name. An UPDATE of the partitioned table that moves a row to another
///   partition is an update, unless the partition key is a part of the identity: then it is a deletion and
///   a creation. To move rows without an entry, write both partitions by their own names. A DELETE from a
///   partition and an INSERT into the partitioned table record a creation alone, which
///   [`reconcile`](crate::PostgresStore::reconcile) reports.
///   A MERGE that moves a row to another partition has no entry and is not noted: PostgreSQL 15 fires
///   the triggers with empty tables. Write it as an UPDATE.
///   If a trigger of a partition refuses a row of an UPDATE (`BEFORE INSERT .. RETURN NULL`), the entry is
///   the deletion of that row, and the entries of its rows with another identity name no counterpart.
/// - **Restoring.** `pg_restore --data-only`, or a data dump loaded with `psql`, records a creation
///   of each row unless the dump was made, or is restored, with `--disable-triggers`. A dump with
///   the schema creates the triggers after the rows and records nothing.
/// - **TRUNCATE.** In a transaction that is `REPEATABLE READ` or stricter it also removes rows that the
///   transaction does not see: these have no entry. If policies of the table would hide rows from the
///   trail's owner, TRUNCATE fails.
/// - **Virtual columns** (PostgreSQL 18) have no value in a trigger: the installation refuses them.
/// - **Schemas.** Tables of one model in several schemas share their objects' histories, unless
///   each has its own [`model_name`](Self::model_name).
/// - **Forms.** A value may have another form than in the program: docs/format.md has the list.
///
/// # Example: the SQL for a table
/// ```
/// use auditlog::postgres::Triggers;
/// use auditlog::{FieldSchema, Mask, ModelSchema};
///
/// const FIELDS: &[FieldSchema] = &[
///     FieldSchema::new("id", || &[]).identity(),
///     FieldSchema::new("email", || &[]).with_mask(Mask::Email),
///     FieldSchema::new("password", || &[]).skipped(),
/// ];
/// let user = ModelSchema::new("User", "User", FIELDS);
///
/// let sql = Triggers::new(user.describe(), "app.users").schema("audit").sql()?;
/// assert!(sql.contains(r#"AFTER UPDATE ON "app"."users""#));
/// assert!(!sql.contains("password"));
/// # Ok::<(), auditlog::postgres::TriggerError>(())
/// ```
#[derive(Clone, Debug)]
#[must_use = "triggers do nothing until their SQL is run"]
pub struct Triggers {
    model: ModelDescription,
    table: String,
    schema: String,
    columns: Vec<(String, String)>,
    omitted: Vec<String>,
    masked: Vec<(String, Mask)>,
    clear: Vec<String>,
    key: Option<Vec<String>>,
    model_name: Option<String>,
    watch: bool,
    truncate_in_bulk: bool,
    always: bool,
}

impl Triggers {
    /// Begins with a model and its table, `schema.table`, or `table` for one in `public`. Each
    /// field's column has the field's name.
    pub fn new(model: ModelDescription, table: impl Into<String>) -> Self {
        Self {
            model,
            table: table.into(),
            schema: "public".to_owned(),
            columns: Vec::new(),
            omitted: Vec::new(),
            masked: Vec::new(),
            clear: Vec::new(),
            key: None,
            model_name: None,
            watch: false,
            truncate_in_bulk: false,
            always: false,
        }
    }

    /// Begins with a type as its attributes describe it. For the settings of `register_with` too, call
    /// [`new`](Self::new) with [`AuditLog::described`](audit_core::AuditLog::described).
    pub fn of<T: Auditable>(table: impl Into<String>) -> Self {
        Self::new(T::schema().describe(), table)
    }

    /// Sets the schema of the trail's tables (`public` by default).
    pub fn schema(mut self, name: impl Into<String>) -> Self {
        self.schema = name.into();
        self
    }

    /// Names the column of a field.
    pub fn column(mut self, field: impl Into<String>, column: impl Into<String>) -> Self {
        self.columns.push((field.into(), column.into()));
        self
    }

    /// Leaves out a field, such as one that has no column.
    pub fn omit(mut self, field: impl Into<String>) -> Self {
        self.omitted.push(field.into());
        self
    }

    /// Masks a field that the model has in clear.
    pub fn mask(mut self, field: impl Into<String>, mask: Mask) -> Self {
        self.masked.push((field.into(), mask));
        self
    }

    /// Records the column's value of a field that the program records through a function, `Display` or
    /// `Debug`. By default such a field is fully masked.
    pub fn clear(mut self, field: impl Into<String>) -> Self {
        self.clear.push(field.into());
        self
    }

    /// Sets the order of the identity's fields, if it is not the order of the model's fields.
    pub fn key<F: Into<String>>(mut self, fields: impl IntoIterator<Item = F>) -> Self {
        self.key = Some(fields.into_iter().map(Into::into).collect());
        self
    }

    /// Records the rows as objects of a model with another name, such as one for each schema that
    /// has a table of the model: objects of one name and one identity have one history.
    pub fn model_name(mut self, name: impl Into<String>) -> Self {
        self.model_name = Some(name.into());
        self
    }

    /// Makes the triggers fire in sessions with `session_replication_role = replica`, too
    /// (`ENABLE ALWAYS`). Such sessions load rows that are recorded elsewhere: a subscription
    /// copies a table in one when it begins.
    pub fn always(mut self) -> Self {
        self.always = true;
        self
    }

    /// Makes no entries and only notes the written objects, for
    /// [`reconcile`](crate::PostgresStore::reconcile).
    pub fn watch(mut self) -> Self {
        self.watch = true;
        self
    }

    /// Records a TRUNCATE as one entry, like a bulk statement, instead of one for each object: for a table
    /// with too many rows.
    ///
    /// The entry is a deletion of the model without an object. It is in no object's history: in
    /// [`history`](audit_core::history()) and [`as_of`](audit_core::as_of()) the objects still exist.
    pub fn truncate_in_bulk(mut self) -> Self {
        self.truncate_in_bulk = true;
        self
    }

    /// Returns the SQL that installs the triggers.
    ///
    /// Run it after the store has created its tables, as a superuser or as a member of both the role that
    /// owns the trail and the role that owns the table. Run it in one transaction, so that no write is
    /// missed: with `psql --single-transaction`, or in a migration. It may be run again, such as after the
    /// model changed.
    ///
    /// The script checks the table first. It fails with one sentence if a column is missing, if the key
    /// does not identify one row, if another model has its triggers there, or if roles other than the
    /// trail's owner could add functions beside those that the triggers call.
    ///
    /// The triggers run with the rights of the trail's owner, who is granted SELECT on the table for
    /// TRUNCATE.
    ///
    /// # Errors
    /// Returns an error
    /// - if the model lacks a named field, or hides a field that would be recorded in clear,
    /// - if the model has no identity,
    /// - if a name cannot be used in SQL.
    pub fn sql(&self) -> Result<String, TriggerError> {
        let schema = self.named_schema()?;
        let function = self.function()?;
        let (install, advice) = (function.install()?, function.advice());
        Ok(format!("{}\n{install}{advice}", schema.fill(SHARED)))
    }

    /// Returns the SQL that removes the triggers of the table. What they recorded stays.
    ///
    /// # Errors
    /// Returns the errors of [`sql`](Self::sql).
    pub fn drop_sql(&self) -> Result<String, TriggerError> {
        Ok(self.function()?.remove())
    }

    fn named_schema(&self) -> Result<Schema, TriggerError> {
        Schema::named(&self.schema).map_err(|_| TriggerError::name(&self.schema))
    }

    fn function(&self) -> Result<Function, TriggerError> {
        let schema = Ident::new(self.named_schema()?.name())?;
        let given = self.columns.iter().map(|(field, _)| field);
        let masked = self.masked.iter().map(|(field, _)| field);
        let keys = self.key.iter().flatten();
        let named = given.chain(masked).chain(&self.omitted).chain(&self.clear);
        for field in named.chain(keys) {
            self.require(field)?;
        }
        let identity: Vec<String> = self.key.clone().unwrap_or_else(|| {
            let fields = self.model.fields.iter().filter(|field| field.identity);
            fields.map(|field| field.name.clone()).collect()
        });
        if identity.is_empty() {
            return Err(TriggerError::NoIdentity {
                model: self.model.model.clone(),
            });
        }
        for field in &identity {
            self.require_clear(field, "the identity, which is recorded as it is")?;
        }
        let key_columns = identity
            .iter()
            .map(|field| self.column_of(field))
            .collect::<Result<Vec<_>, _>>()?;
        let mut parent = None;
        if let (Some(model), Some(field)) = (&self.model.parent_model, &self.model.parent_key) {
            if self.require(field).is_err() || self.omitted.contains(field) {
                return Err(TriggerError::NoParentKey {
                    model: self.model.model.clone(),
                    field: field.clone(),
                });
            }
            self.require_clear(field, "the parent's key, which is recorded as it is")?;
            parent = Some((model.clone(), self.column_of(field)?));
        }
        let mut recorded = Vec::new();
        for field in &self.model.fields {
            if field.recorded == Recorded::Skipped || self.omitted.contains(&field.name) {
                continue;
            }
            let asked = self
                .masked
                .iter()
                .rev()
                .find(|(name, _)| *name == field.name);
            let clear = self.clear.contains(&field.name);
            if clear && field.recorded != Recorded::Converted {
                self.require_clear(&field.name, "shown")?;
            }
            recorded.push(Column {
                field: field.name.clone(),
                name: self.column_of(&field.name)?,
                path: field.path.as_str().to_owned(),
                key: key(&field.path.field()).into_owned(),
                shown: shown(field, clear, asked.map(|(_, mask)| *mask)),
                level: field.level.map(|level| level as u8),
                ignored: field.ignored,
                loose: field.loose,
                reference: field.reference,
            });
        }
        let name = self.model_name.as_ref().unwrap_or(&self.model.model);
        if name.is_empty() || name.contains('\0') {
            return Err(TriggerError::name(name));
        }
        let recording = |is_on: bool, level: Level| Recording {
            is_on,
            level: level as u8,
        };
        Ok(Function {
            schema,
            table: Table::parse(&self.table)?,
            model: name.clone(),
            version: self.model.schema_version,
            create: recording(self.model.records_create, self.model.create_level),
            update: recording(self.model.records_update, self.model.update_level),
            delete: recording(self.model.records_delete, self.model.delete_level),
            key: key_columns,
            parent,
            columns: recorded,
            watch: self.watch,
            truncate_in_bulk: self.truncate_in_bulk,
            always: self.always,
        })
    }

    fn require(&self, name: &str) -> Result<(), TriggerError> {
        let mut names = self.model.fields.iter().map(|field| field.name.as_str());
        if names.clone().any(|known| known == name) {
            return Ok(());
        }
        Err(TriggerError::UnknownField {
            model: self.model.model.clone(),
            field: name.to_owned(),
            near: audit_core::backend::nearest(name, names.by_ref()).map(str::to_owned),
        })
    }

    /// Refuses a field whose value does not stand in entries as it is.
    fn require_clear(&self, name: &str, wanted: &'static str) -> Result<(), TriggerError> {
        let mut fields = self.model.fields.iter();
        let hidden = fields
            .find(|field| field.name == name)
            .is_some_and(|field| field.recorded != Recorded::Clear)
            || self.masked.iter().any(|(masked, _)| masked == name)
            || self.omitted.iter().any(|omitted| omitted == name);
        if hidden {
            return Err(TriggerError::Hidden {
                model: self.model.model.clone(),
                field: name.to_owned(),
                wanted,
            });
        }
        Ok(())
    }

    fn column_of(&self, field: &str) -> Result<Ident, TriggerError> {
        let given = self.columns.iter().rev().find(|(name, _)| name == field);
        Ident::new(given.map_or(field, |(_, column)| column))
    }
}

/// Returns how the values of a column are shown.
fn shown(field: &FieldDescription, clear: bool, asked: Option<Mask>) -> Shown {
    match (field.recorded, asked, &field.hash_domain) {
        (Recorded::Clear, None, _) => Shown::Clear,
        (Recorded::Converted, None, _) if clear => Shown::Clear,
        (Recorded::Clear, Some(mask), _) | (Recorded::Masked(mask), None, _) => Shown::Masked(mask),
        (Recorded::Hashed, None, Some(domain)) => Shown::Hashed(domain.clone()),
        // Whatever else is hidden shows nothing here.
        _ => Shown::Masked(Mask::All),
    }
}

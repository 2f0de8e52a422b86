//! The static description of an entity type: its names, levels and recorded actions.

use super::schema::FieldSchema;
use crate::level::Level;

/// The static description of an entity type: its stored name, fields, levels and recorded actions. The
/// derive builds it from the attributes.
///
/// # Example: a schema
/// ```
/// use auditlog::prelude::*;
///
/// #[derive(Auditable)]
/// #[audit(model = "invoice", version = 2, levels(delete = "error"), require_reason)]
/// struct Invoice {
///     id: u32,
///     #[audit(label = "Amount in cents")]
///     cents: i64,
/// }
///
/// let schema = Invoice::schema();
/// assert_eq!((schema.name(), schema.type_name(), schema.version()), ("invoice", "Invoice", 2));
/// assert_eq!(schema.levels().delete, Level::Error);
/// assert!(schema.requires_reason() && schema.actions().access);
/// let labels: Vec<&str> = schema.fields().iter().map(|field| field.label()).collect();
/// assert_eq!(labels, ["id", "Amount in cents"]);
/// ```
#[derive(Clone, Copy, Debug)]
pub struct ModelSchema {
    pub(crate) name: &'static str,
    pub(crate) type_name: &'static str,
    pub(crate) version: u32,
    pub(crate) fields: &'static [FieldSchema],
    pub(crate) levels: ActionLevels,
    pub(crate) actions: ActionSet,
    pub(crate) require_reason: bool,
    pub(crate) parent: Option<&'static str>,
    pub(crate) parent_key: Option<&'static str>,
}

impl ModelSchema {
    /// Describes a model; `type_name` is the Rust type's name.
    pub const fn new(
        name: &'static str,
        type_name: &'static str,
        fields: &'static [FieldSchema],
    ) -> Self {
        Self {
            name,
            type_name,
            version: 1,
            fields,
            levels: ActionLevels::DEFAULT,
            actions: ActionSet::ALL,
            require_reason: false,
            parent: None,
            parent_key: None,
        }
    }

    /// Sets the schema version stored with each entry.
    pub const fn with_version(mut self, version: u32) -> Self {
        self.version = version;
        self
    }

    /// Sets the levels of the four actions.
    pub const fn with_levels(mut self, levels: ActionLevels) -> Self {
        self.levels = levels;
        self
    }

    /// Sets which actions are recorded.
    pub const fn with_actions(mut self, actions: ActionSet) -> Self {
        self.actions = actions;
        self
    }

    /// Makes an entry without a reason an error.
    pub const fn requiring_reason(mut self) -> Self {
        self.require_reason = true;
        self
    }

    /// Sets the model of the aggregate root and the field with its key.
    pub const fn with_parent(mut self, model: &'static str, key: &'static str) -> Self {
        self.parent = Some(model);
        self.parent_key = Some(key);
        self
    }

    /// Returns the stored model name.
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// Returns the Rust type's name.
    pub const fn type_name(&self) -> &'static str {
        self.type_name
    }

    /// Returns the schema version stored with each entry (1 by default).
    pub const fn version(&self) -> u32 {
        self.version
    }

    /// Returns the fields in declaration order, including skipped ones.
    pub const fn fields(&self) -> &'static [FieldSchema] {
        self.fields
    }

    /// Returns the field with this stored name.
    pub fn field(&self, name: &str) -> Option<&'static FieldSchema> {
        self.fields.iter().find(|field| field.name == name)
    }

    /// Returns the levels of the four actions.
    pub const fn levels(&self) -> ActionLevels {
        self.levels
    }

    /// Returns which actions are recorded.
    pub const fn actions(&self) -> ActionSet {
        self.actions
    }

    /// Returns whether an entry without a reason is an error.
    pub const fn requires_reason(&self) -> bool {
        self.require_reason
    }

    /// Returns the model name of the aggregate root.
    pub const fn parent(&self) -> Option<&'static str> {
        self.parent
    }
}

/// The level of an entry, by action.
///
/// # Example: a deletion that is an error
/// ```
/// use auditlog::{ActionLevels, Auditable, Level};
///
/// #[derive(Auditable)]
/// #[audit(levels(delete = "error"))]
/// struct User {
///     id: u32,
/// }
///
/// assert_eq!(User::schema().levels().delete, Level::Error);
/// assert_eq!(ActionLevels::DEFAULT.delete, Level::Warning);
/// # let _ = User { id: 1 };
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ActionLevels {
    /// Level of a creation.
    pub create: Level,
    /// Level of an update.
    pub update: Level,
    /// Level of a deletion.
    pub delete: Level,
    /// Level of an access.
    pub access: Level,
    /// Level of a custom action.
    pub custom: Level,
}

impl ActionLevels {
    /// The default levels: info for create, update and custom actions, warning for delete, debug
    /// for access.
    pub const DEFAULT: Self = Self {
        create: Level::Info,
        update: Level::Info,
        delete: Level::Warning,
        access: Level::Debug,
        custom: Level::Info,
    };
}

impl Default for ActionLevels {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// The recorded actions of a model. Custom actions are always recorded.
///
/// # Example: without accesses
/// ```
/// use auditlog::Auditable;
///
/// #[derive(Auditable)]
/// #[audit(actions(create, update, delete))]
/// struct User {
///     id: u32,
/// }
///
/// let actions = User::schema().actions();
/// assert!(actions.update && !actions.access);
/// # let _ = User { id: 1 };
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[expect(
    clippy::struct_excessive_bools,
    reason = "one for each of the four actions"
)]
pub struct ActionSet {
    /// Whether creations are recorded.
    pub create: bool,
    /// Whether updates are recorded.
    pub update: bool,
    /// Whether deletions are recorded.
    pub delete: bool,
    /// Whether accesses are recorded.
    pub access: bool,
}

impl ActionSet {
    /// Every action.
    pub const ALL: Self = Self {
        create: true,
        update: true,
        delete: true,
        access: true,
    };
    /// No action but custom ones.
    pub const NONE: Self = Self {
        create: false,
        update: false,
        delete: false,
        access: false,
    };
}

impl Default for ActionSet {
    fn default() -> Self {
        Self::ALL
    }
}

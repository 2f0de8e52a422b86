//! The settings of a registered type, without its Rust type.

use crate::level::Level;
use crate::value::model::{ActionLevels, ActionSet, ModelSchema};
use crate::value::redaction_rules::Rules;

/// The entries of a model that contain a snapshot of the object, in addition to the changes.
///
/// # Example: every third update
/// ```
/// use auditlog::prelude::*;
///
/// #[derive(Auditable, Clone)]
/// struct Item {
///     id: u32,
///     stock: u32,
/// }
///
/// let audit = auditlog::testing::capture();
/// auditlog::register_with::<Item>(|item| item.snapshot(Every(3)))?;
/// let mut item = Item { id: 1, stock: 0 };
/// auditlog::created(&item).record()?;
/// for _ in 0..3 {
///     auditlog::update(&mut item, |item| item.stock += 1).record()?;
/// }
/// let snapshots: Vec<bool> = audit.entries().iter().map(|entry| entry.snapshot.is_some()).collect();
/// assert_eq!(snapshots, [false, false, false, true]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum SnapshotPolicy {
    /// Never: the changes are sufficient.
    #[default]
    Never,
    /// In each entry of a creation, an update or a deletion.
    Always,
    /// In every nth update of an object, which bounds the number of entries that a
    /// reconstruction reads.
    ///
    /// This process counts entries as it records them, starting from the entries in the store.
    /// With several writing processes or with transactions that are rolled back, a snapshot may
    /// come a few updates late. The first update of an object in this process reads from the
    /// store; the counts of 4,096 objects are cached.
    Every(u32),
}

/// The options of a type that was registered, without the type.
#[derive(Clone, Debug, Default)]
pub(crate) struct Settings {
    pub(crate) rules: Rules,
    pub(crate) labels: Vec<(String, String)>,
    pub(crate) level: Option<Level>,
    pub(crate) actions: Option<ActionSet>,
    pub(crate) snapshot: SnapshotPolicy,
    pub(crate) require_reason: bool,
    pub(crate) require_actor: bool,
}

impl Settings {
    pub(crate) fn levels(&self, schema: &ModelSchema) -> ActionLevels {
        match self.level {
            Some(level) => ActionLevels {
                create: level,
                update: level,
                delete: level,
                access: level,
                custom: level,
            },
            None => schema.levels,
        }
    }
}

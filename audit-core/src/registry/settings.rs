//! The settings of a registered type, without its Rust type.

use crate::level::Level;
use crate::value::model::{ActionLevels, ActionSet, ModelSchema};
use crate::value::redaction_rules::Rules;

/// When entries of a model contain a snapshot of the whole object.
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

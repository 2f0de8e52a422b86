//! Descriptions of registered models as data, for programs without the Rust types.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::settings::Settings;
use crate::level::Level;
use crate::mask::Mask;
use crate::path::Path;
use crate::value::model::{ActionLevels, ActionSet, ModelSchema};
use crate::value::redaction_rules::{FieldPath, Rules, RulesByModel, is_at, rules_of};
use crate::value::schema::{FieldSchema, Placement, Sensitivity};
use crate::value::schema_walk::{Visited, any_field};

/// The description of a model, which can be serialized for a program without the Rust type, such
/// as the command `auditlog triggers`.
///
/// # Example: the models of a log for the command
/// ```
/// use auditlog::{AuditLog, MemoryStore, ModelDescription};
///
/// let log = AuditLog::builder().store(MemoryStore::new()).build();
/// let json = serde_json::to_string(&log.described())?;
/// let read: Vec<ModelDescription> = serde_json::from_str(&json)?;
/// assert_eq!(read, log.described());
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ModelDescription {
    /// The stored name.
    pub model: String,
    /// The schema version stored with each entry.
    pub schema_version: u32,
    /// The level of a creation.
    pub create_level: Level,
    /// The level of an update.
    pub update_level: Level,
    /// The level of a deletion.
    pub delete_level: Level,
    /// Whether creations are recorded.
    pub records_create: bool,
    /// Whether updates are recorded.
    pub records_update: bool,
    /// Whether deletions are recorded.
    pub records_delete: bool,
    /// The model of the aggregate root.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent_model: Option<String>,
    /// The field with the root's key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent_key: Option<String>,
    /// The top-level fields, including those of flattened ones.
    pub fields: Vec<FieldDescription>,
}

/// A top-level field of a [`ModelDescription`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
#[expect(clippy::struct_excessive_bools, reason = "independent flags")]
pub struct FieldDescription {
    /// The stored name.
    pub name: String,
    /// The path of its changes.
    pub path: Path,
    /// The recorded form of its value.
    pub recorded: Recorded,
    /// The domain that separates its tokens from those of other fields, if it is hashed as a whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hash_domain: Option<String>,
    /// The level to which a change of it raises an entry.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub level: Option<Level>,
    /// Whether a change of it alone records no entry.
    #[serde(default, skip_serializing_if = "is_false")]
    pub ignored: bool,
    /// Whether it or a part of it may change without an entry, so that its changes are marked
    /// [`loose`](crate::Change::loose).
    #[serde(default, skip_serializing_if = "is_false")]
    pub loose: bool,
    /// Whether it is the identity or a part of it.
    #[serde(default, skip_serializing_if = "is_false")]
    pub identity: bool,
    /// Whether only the identity of another entity is recorded, as a string.
    #[serde(default, skip_serializing_if = "is_false")]
    pub reference: bool,
}

/// The recorded form of a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Recorded {
    /// The value in clear.
    Clear,
    /// A masked text.
    Masked(#[serde(serialize_with = "write_mask", deserialize_with = "read_mask")] Mask),
    /// A keyed token.
    Hashed,
    /// The value with a part masked, hashed or left out.
    Partial,
    /// The result of a function of the application, or of `Display` or `Debug`. How much it shows
    /// is unknown.
    Converted,
    /// Not recorded.
    Skipped,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "signature that serde requires"
)]
fn is_false(flag: &bool) -> bool {
    !flag
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "signature that serde requires"
)]
fn write_mask<S: Serializer>(mask: &Mask, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(mask.as_str())
}

fn read_mask<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Mask, D::Error> {
    let name = String::deserialize(deserializer)?;
    if name == Mask::Custom.as_str() {
        return Ok(Mask::Custom);
    }
    name.parse().map_err(de::Error::custom)
}

impl ModelSchema {
    /// Returns the description of the model according to its attributes, without the options of
    /// `register_with`, which [`AuditLog::described`](crate::AuditLog::described) includes.
    ///
    /// # Example: the recorded form of each field
    /// ```
    /// use auditlog::{Auditable, Mask, Recorded};
    ///
    /// #[derive(Auditable)]
    /// struct User {
    ///     id: u32,
    ///     #[audit(mask = "last4")]
    ///     phone: String,
    /// }
    ///
    /// let model = User::schema().describe();
    /// assert_eq!(model.model, "User");
    /// let recorded: Vec<_> = model.fields.iter().map(|field| (&*field.name, field.recorded)).collect();
    /// assert_eq!(
    ///     recorded,
    ///     [("id", Recorded::Clear), ("phone", Recorded::Masked(Mask::Last4))]
    /// );
    /// # let _ = User { id: 1, phone: String::new() };
    /// ```
    pub fn describe(&self) -> ModelDescription {
        self.describe_with(&Settings::default(), &RulesByModel::new())
    }

    /// Describes the model under the options of `register_with` for it and for the models inside it.
    pub(crate) fn describe_with(
        &self,
        settings: &Settings,
        rules: &RulesByModel,
    ) -> ModelDescription {
        let ActionLevels {
            create,
            update,
            delete,
            ..
        } = settings.levels(self);
        let actions: ActionSet = settings.actions.unwrap_or(self.actions);
        let mut fields = Vec::new();
        let only = self.fields.len() == 1;
        for field in self.fields {
            add(
                field,
                Outer::NONE,
                only,
                rules,
                &mut Vec::new(),
                &mut fields,
            );
        }
        for field in &mut fields {
            settings.rules.describe(field);
        }
        ModelDescription {
            model: self.name.to_owned(),
            schema_version: self.version,
            create_level: create,
            update_level: update,
            delete_level: delete,
            records_create: actions.create,
            records_update: actions.update,
            records_delete: actions.delete,
            parent_model: self.parent.map(str::to_owned),
            parent_key: self.parent_key.map(str::to_owned),
            fields,
        }
    }
}

/// The settings that a field inherits from the inline or flattened fields that contain it.
#[derive(Clone, Copy, PartialEq)]
struct Outer {
    recorded: Recorded,
    level: Option<Level>,
    ignored: bool,
    loose: bool,
}

impl Outer {
    const NONE: Self = Self {
        recorded: Recorded::Clear,
        level: None,
        ignored: false,
        loose: false,
    };

    fn including(self, field: &FieldSchema) -> Self {
        Self {
            recorded: match self.recorded {
                Recorded::Clear => of_sensitivity(field.sensitivity),
                recorded => recorded,
            },
            level: self.level.max(field.level),
            ignored: self.ignored || field.ignored,
            loose: self.loose || field.may_change_silently(),
        }
    }
}

/// Adds a field, or the fields of an inline or flattened one. Each type is added once, since inline
/// types may contain each other.
fn add(
    field: &FieldSchema,
    outer: Outer,
    only: bool,
    rules: &RulesByModel,
    entered: &mut Vec<(*const FieldSchema, Outer)>,
    fields: &mut Vec<FieldDescription>,
) {
    let inner = field.fields();
    if field.is_inline() && !inner.is_empty() {
        let key = (inner.as_ptr(), outer.including(field));
        if !entered.contains(&key) {
            entered.push(key);
            let first = fields.len();
            for inner in inner {
                add(inner, key.1, false, rules, entered, fields);
            }
            if let Some(rules) = rules_of(rules, inner) {
                let inside = fields[first..].iter_mut();
                inside.for_each(|field| rules.describe(field));
            }
        }
        return;
    }
    let path = match field.placement {
        Placement::Named => Path::of_field(field.name),
        Placement::Indexed(index) => Path::of_index(index),
        Placement::Inline if only => Path::ROOT,
        // A flattened map, whose keys are known only with a value.
        Placement::Inline | Placement::Flattened(_) | Placement::Keys => return,
    };
    // If a part of the value is hidden, the hash covers the shown form only.
    let hashed = outer.recorded == Recorded::Clear
        && field.sensitivity == Sensitivity::Hashed
        && !field.converted
        && field.referenced.is_none()
        && inside(field, rules) == Recorded::Clear;
    let Outer {
        level,
        ignored,
        loose,
        ..
    } = outer.including(field);
    fields.push(FieldDescription {
        name: field.name.to_owned(),
        path,
        recorded: match outer.recorded {
            Recorded::Clear => recorded(field, rules),
            outer => outer,
        },
        hash_domain: hashed.then(|| field.domain.to_owned()),
        level,
        ignored,
        loose: loose || any_field(field.inside(), FieldSchema::may_change_silently),
        identity: field.identity,
        reference: field.referenced.is_some(),
    });
}

fn of_sensitivity(sensitivity: Sensitivity) -> Recorded {
    match sensitivity {
        Sensitivity::Clear => Recorded::Clear,
        Sensitivity::Masked(mask) => Recorded::Masked(mask),
        Sensitivity::Hashed => Recorded::Hashed,
        Sensitivity::Skipped => Recorded::Skipped,
    }
}

/// Returns the recorded form of a field according to its own settings and its type.
fn recorded(field: &FieldSchema, rules: &RulesByModel) -> Recorded {
    let own = of_sensitivity(field.sensitivity);
    if own != Recorded::Clear || field.referenced.is_some() {
        return own;
    }
    inside(field, rules)
}

/// Returns the recorded form of a field's value according to its type.
fn inside(field: &FieldSchema, rules: &RulesByModel) -> Recorded {
    let has_rules =
        |field: &FieldSchema| field.model.is_some_and(|model| rules.contains_key(model));
    let mut field = field;
    let mut visited = Visited::default();
    loop {
        match field.fields() {
            _ if field.converted => return Recorded::Converted,
            // A newtype, which has the form of its content.
            [inner] if inner.is_inline() && visited.enter(field.fields()) => {
                let own = match of_sensitivity(inner.sensitivity) {
                    Recorded::Clear if has_rules(inner) => Recorded::Partial,
                    own => own,
                };
                if own != Recorded::Clear || inner.referenced.is_some() {
                    return own;
                }
                field = inner;
            }
            _ => {
                let hidden = |inner: &FieldSchema| {
                    inner.converted
                        || has_rules(inner)
                        || of_sensitivity(inner.sensitivity) != Recorded::Clear
                };
                // Starts at the map itself, whose keys may have hidden parts too.
                return if any_field(field.inside(), hidden) {
                    Recorded::Partial
                } else {
                    Recorded::Clear
                };
            }
        }
    }
}

impl Rules {
    /// Applies the rules to the description of a top-level field. A rule for a part of the field
    /// makes it partial.
    pub(crate) fn describe(&self, field: &mut FieldDescription) {
        let top = |path: &&FieldPath| is_at(path, &field.name);
        let whole = |path: &FieldPath| path.len() == 1;
        let excluded: Vec<_> = self.exclude.iter().filter(top).collect();
        let included: Option<Vec<_>> = self
            .include
            .as_ref()
            .map(|include| include.iter().filter(top).collect());
        let masked: Vec<_> = self.mask.iter().filter(|(path, _)| top(&path)).collect();
        let left_out =
            excluded.iter().any(|path| whole(path)) || included.as_ref().is_some_and(Vec::is_empty);
        let partial = !excluded.is_empty()
            || included.is_some_and(|included| !included.iter().any(|path| whole(path)));
        let mask = masked.iter().find(|(path, _)| whole(path));
        field.recorded = match (field.recorded, mask) {
            (Recorded::Skipped, _) => Recorded::Skipped,
            _ if left_out => Recorded::Skipped,
            (Recorded::Clear, Some((_, mask))) => Recorded::Masked(*mask),
            // A mask of a masked value shows less than either mask.
            (_, Some(_)) => Recorded::Partial,
            (Recorded::Clear, None) if partial || !masked.is_empty() => Recorded::Partial,
            (recorded, None) => recorded,
        };
    }
}

#[cfg(test)]
mod tests {
    use std::num::Wrapping;
    use std::ops::Range;

    use serde_json::json;

    use super::*;
    use crate::value::AuditValue;
    use crate::value::fields::no_fields;
    use crate::value::sensitive::Sensitive;

    const SECRET: &[FieldSchema] = &[FieldSchema::inline("0", no_fields).with_mask(Mask::Last4)];
    const ADDRESS: &[FieldSchema] = &[
        FieldSchema::new("city", no_fields),
        FieldSchema::new("door_code", no_fields).skipped(),
    ];
    const BIRTHPLACE: &[FieldSchema] = &[FieldSchema::new("city", no_fields)];
    const ENDLESS: &[FieldSchema] = &[FieldSchema::new("next", || ENDLESS)];
    const PAIR: fn() -> &'static [FieldSchema] =
        <(String, Vec<Sensitive<String>>) as AuditValue>::fields;
    const FLAT: &[FieldSchema] = &[FieldSchema::new("flag", no_fields)];
    const FIELDS: &[FieldSchema] = &[
        FieldSchema::new("id", no_fields).identity(),
        FieldSchema::new("email", no_fields).with_mask(Mask::Email),
        FieldSchema::new("token", no_fields).with_hash("User.token"),
        FieldSchema::new("pin", no_fields).skipped(),
        FieldSchema::new("card", || SECRET),
        FieldSchema::new("home", || ADDRESS),
        FieldSchema::new("birthplace", || BIRTHPLACE),
        FieldSchema::flattened("extra", || ADDRESS, no_fields),
        FieldSchema::new("chain", || ENDLESS),
        FieldSchema::new("pair", PAIR),
        FieldSchema::new("span", <Range<Sensitive<u8>> as AuditValue>::fields),
        FieldSchema::new("wrapped", <Wrapping<u8> as AuditValue>::fields),
        FieldSchema::new("shown", no_fields).converted(),
        FieldSchema::flattened("flat", || FLAT, no_fields)
            .ignored()
            .with_level(Level::Error),
        FieldSchema::new("door", || ADDRESS).with_hash("User.door"),
    ];

    #[test]
    fn a_field_with_a_hidden_part_is_not_clear() {
        let described = ModelSchema::new("User", "User", FIELDS).describe();
        let recorded: Vec<_> = described
            .fields
            .iter()
            .map(|field| (field.name.as_str(), field.recorded))
            .collect();
        assert_eq!(
            recorded,
            [
                ("id", Recorded::Clear),
                ("email", Recorded::Masked(Mask::Email)),
                ("token", Recorded::Hashed),
                ("pin", Recorded::Skipped),
                ("card", Recorded::Masked(Mask::Last4)),
                ("home", Recorded::Partial),
                ("birthplace", Recorded::Clear),
                ("city", Recorded::Clear),
                ("door_code", Recorded::Skipped),
                // A recursive type hides nothing by being recursive.
                ("chain", Recorded::Clear),
                ("pair", Recorded::Partial),
                ("span", Recorded::Partial),
                ("wrapped", Recorded::Clear),
                ("shown", Recorded::Converted),
                ("flag", Recorded::Clear),
                ("door", Recorded::Hashed),
            ]
        );
        let flag = &described.fields[14];
        assert_eq!((flag.ignored, flag.level), (true, Some(Level::Error)));
        let loose = described.fields.iter().filter(|field| field.loose);
        let loose: Vec<&str> = loose.map(|field| &*field.name).collect();
        assert_eq!(loose, ["flag"]);
        // The token covers the shown form of a value with a hidden part.
        assert_eq!(described.fields[15].hash_domain, None);
    }

    #[test]
    fn a_description_survives_serialization() {
        let described = ModelSchema::new("User", "User", FIELDS)
            .with_version(3)
            .with_parent("Team", "team_id")
            .describe();
        let json = serde_json::to_value(&described).unwrap();
        assert_eq!(
            json["fields"][1],
            json!({"name": "email", "path": "email", "recorded": {"masked": "email"}})
        );
        assert_eq!(
            json["fields"][2],
            json!({
                "name": "token", "path": "token", "recorded": "hashed",
                "hash_domain": "User.token"
            })
        );
        let read: ModelDescription = serde_json::from_value(json).unwrap();
        assert_eq!(read, described);
    }
}

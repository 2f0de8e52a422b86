//! What `register_with` sets for a type, besides its attributes.

use std::any::Any;
use std::fmt;
use std::marker::PhantomData;
use std::str::FromStr;

use crate::auditable::Auditable;
use crate::error::RegistrationError;
use crate::level::Level;
use crate::mask::Mask;
use crate::rules::Rules;
use crate::schema::{ActionLevels, ActionSet, FieldSchema, ModelSchema};
use crate::suggest;

/// When entries of a model hold a snapshot of the whole object.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum SnapshotPolicy {
    /// Never: the changes say all.
    #[default]
    Never,
    /// In each entry of a creation, an update or a deletion.
    Always,
}

/// Options of a registered type, on top of its attributes.
///
/// A field is named by its stored name, a nested one by its path (`address.street`); an
/// unknown name makes the registration fail.
#[must_use = "options do nothing until they are returned to `register_with`"]
pub struct RegisterOptions<T> {
    pub(crate) set: Settings,
    when: Option<When>,
    errors: Vec<RegistrationError>,
    _type: PhantomData<fn(T)>,
}

/// The options of a type, without the type.
#[derive(Clone, Debug, Default)]
pub(crate) struct Settings {
    pub(crate) rules: Rules,
    pub(crate) labels: Vec<(String, String)>,
    pub(crate) level: Option<Level>,
    pub(crate) actions: Option<ActionSet>,
    pub(crate) snapshot: SnapshotPolicy,
    pub(crate) require_reason: bool,
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

/// The condition of a type, for an object of it.
pub(crate) type When = Box<dyn Fn(&dyn Any) -> bool + Send + Sync>;

impl<T: Auditable + 'static> RegisterOptions<T> {
    pub(crate) fn new() -> Self {
        Self {
            set: Settings::default(),
            when: None,
            errors: Vec::new(),
            _type: PhantomData,
        }
    }

    pub(crate) fn finish(self) -> Result<(Settings, Option<When>), RegistrationError> {
        match self.errors.into_iter().next() {
            Some(error) => Err(error),
            None => Ok((self.set, self.when)),
        }
    }

    /// Leaves a field out of the trail. The identity and the key of the parent stay.
    pub fn exclude(mut self, field: &str) -> Self {
        if let Some(path) = self.find_hidable(field) {
            self.set.rules.exclude.push(path);
        }
        self
    }

    /// Records only these fields.
    pub fn include<'f>(mut self, fields: impl IntoIterator<Item = &'f str>) -> Self {
        for field in fields {
            if let Some(path) = self.find(field) {
                self.set.rules.include.get_or_insert_default().push(path);
            }
        }
        self
    }

    /// Hides a field's value.
    pub fn mask(self, field: &str) -> Self {
        self.mask_as(field, Mask::All)
    }

    /// Masks a field's value in one of the forms of [`Mask`]. The identity and the key of the
    /// parent cannot be masked, since entries are found by them.
    pub fn mask_as(mut self, field: &str, mask: Mask) -> Self {
        if let Some(path) = self.find_hidable(field) {
            self.set.rules.mask.push((path, mask));
        }
        self
    }

    /// Gives a field a display name.
    pub fn label(mut self, field: &str, label: impl Into<String>) -> Self {
        if self.find(field).is_some() {
            self.set.labels.push((field.to_owned(), label.into()));
        }
        self
    }

    /// Records every action of the type at this level, unless a field or the outcome
    /// raises it.
    pub fn level(mut self, level: Level) -> Self {
        self.set.level = Some(level);
        self
    }

    /// Records only these actions, such as `["create", "delete"]`, and custom ones.
    pub fn actions<A: AsRef<str>>(mut self, actions: impl IntoIterator<Item = A>) -> Self {
        let mut set = ActionSet::NONE;
        for action in actions {
            match action.as_ref() {
                "create" => set.create = true,
                "update" => set.update = true,
                "delete" => set.delete = true,
                "access" => set.access = true,
                other => self.errors.push(RegistrationError::UnknownAction {
                    model: T::MODEL.to_owned(),
                    action: other.to_owned(),
                }),
            }
        }
        self.set.actions = Some(set);
        self
    }

    /// Keeps a snapshot of the object in entries.
    pub fn snapshot(mut self, policy: SnapshotPolicy) -> Self {
        self.set.snapshot = policy;
        self
    }

    /// Makes an entry without a reason an error.
    pub fn require_reason(mut self) -> Self {
        self.set.require_reason = true;
        self
    }

    /// Records only objects for which `condition` is true; an update is judged by the new
    /// object, a deletion by the old one.
    pub fn when(mut self, condition: impl Fn(&T) -> bool + Send + Sync + 'static) -> Self {
        let holds = move |object: &dyn Any| object.downcast_ref().is_none_or(&condition);
        self.when = Some(Box::new(holds));
        self
    }

    /// Finds a field that may be hidden: every entry shows what it is found by.
    fn find_hidable(&mut self, field: &str) -> Option<Vec<String>> {
        let path = self.find(field)?;
        let schema = T::schema();
        let shown = path.first().is_some_and(|name| {
            schema.field(name).is_some_and(FieldSchema::is_identity)
                || schema.parent_key == Some(name)
        });
        if shown {
            self.errors.push(RegistrationError::HiddenKey {
                model: T::MODEL.to_owned(),
                field: field.to_owned(),
            });
            return None;
        }
        Some(path)
    }

    /// Finds a field by its path and keeps an error if there is none.
    fn find(&mut self, field: &str) -> Option<Vec<String>> {
        match find_field(T::schema(), field) {
            Ok(path) => Some(path),
            Err(suggestion) => {
                self.errors.push(RegistrationError::UnknownField {
                    model: T::MODEL.to_owned(),
                    field: field.to_owned(),
                    suggestion,
                });
                None
            }
        }
    }
}

impl<T> fmt::Debug for RegisterOptions<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RegisterOptions")
            .field("set", &self.set)
            .finish_non_exhaustive()
    }
}

/// Finds a field by its path; the error is a near name.
pub(crate) fn find_field(schema: &ModelSchema, field: &str) -> Result<Vec<String>, Option<String>> {
    let path = crate::path::Path::from_str(field).map_err(|_| None)?;
    let mut fields = schema.fields;
    let mut found = Vec::new();
    for segment in path.segments() {
        // A rule is for a field, not for one item of a list.
        let crate::path::PathSegment::Name(name) = segment else {
            return Err(None);
        };
        let candidates = visible(fields);
        let Some(field) = candidates.iter().find(|field| field.name == name) else {
            let near = suggest::nearest(&name, candidates.iter().map(|field| field.name));
            return Err(near.map(|near| {
                found.push(near.to_owned());
                found.join(".")
            }));
        };
        fields = field.fields();
        found.push(name);
    }
    if found.is_empty() {
        Err(None)
    } else {
        Ok(found)
    }
}

/// The fields that have a name of their own: those of inline fields stand in their place.
fn visible(fields: &'static [FieldSchema]) -> Vec<&'static FieldSchema> {
    let mut found = Vec::new();
    for field in fields {
        if field.is_inline() {
            found.extend(visible(field.fields()));
        } else {
            found.push(field);
        }
    }
    found
}

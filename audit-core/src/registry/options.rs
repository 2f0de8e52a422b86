//! The options of `register_with`.

use std::any::Any;
use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;
use std::str::FromStr;

use super::settings::{Settings, SnapshotPolicy};
use super::upcast::{Upcast, Upcaster};
use crate::error::RegistrationError;
use crate::level::Level;
use crate::mask::Mask;
use crate::suggest;
use crate::value::auditable::Auditable;
use crate::value::model::{ActionSet, ModelSchema};
use crate::value::redaction_rules::{FieldPath, FieldStep, RulesByModel, is_at, rules_of};
use crate::value::schema::{FieldSchema, Placement};
use crate::value::schema_walk::Visited;

/// The options of a registered type, in addition to its attributes. See
/// [`register_with`](crate::register_with).
///
/// A field is identified by its stored name, a nested one by its path (`address.street`). A map has no
/// step in the path: `homes.city` is the city of each home. An unknown name makes the registration
/// fail, and the error suggests a similar one.
///
/// # Example: the options of one type
/// ```
/// use auditlog::prelude::*;
///
/// #[derive(Auditable)]
/// struct Address {
///     street: String,
///     city: String,
/// }
///
/// #[derive(Auditable)]
/// struct User {
///     id: u32,
///     email: String,
///     address: Address,
/// }
///
/// let audit = auditlog::testing::capture();
/// auditlog::register_with::<User>(|user| {
///     user.mask("address.street")
///         .label("email", "E-mail address")
///         .level(Level::Warning)
///         .snapshot(Always)
/// })?;
///
/// let address = Address { street: "Long Street 17".into(), city: "Mainz".into() };
/// auditlog::created(&User { id: 1, email: "a@example.com".into(), address }).record()?;
/// let entry = audit.last().expect("an entry");
/// assert_eq!(entry.level, Level::Warning);
/// let snapshot = entry.snapshot.expect("a snapshot");
/// assert_eq!(snapshot["address"]["street"], "***");
/// assert_eq!(snapshot["address"]["city"], "Mainz");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "options do nothing until they are returned to `register_with`"]
pub struct RegisterOptions<T> {
    pub(crate) settings: Settings,
    when: Option<When>,
    upcasters: BTreeMap<u32, Upcaster>,
    errors: Vec<RegistrationError>,
    _type: PhantomData<fn(T)>,
}

/// The result of the options of a type.
#[derive(Default)]
pub(crate) struct Finished {
    pub(crate) settings: Settings,
    pub(crate) when: Option<When>,
    pub(crate) upcasters: BTreeMap<u32, Upcaster>,
}

/// The condition under which an object of a type is recorded.
pub(crate) type When = Box<dyn Fn(&dyn Any) -> bool + Send + Sync>;

impl<T: Auditable + 'static> RegisterOptions<T> {
    pub(crate) fn new() -> Self {
        Self {
            settings: Settings::default(),
            when: None,
            upcasters: BTreeMap::new(),
            errors: Vec::new(),
            _type: PhantomData,
        }
    }

    pub(crate) fn finish(self) -> Result<Finished, RegistrationError> {
        match self.errors.into_iter().next() {
            Some(error) => Err(error),
            None => Ok(Finished {
                settings: self.settings,
                when: self.when,
                upcasters: self.upcasters,
            }),
        }
    }

    /// Excludes a field from the trail. The identity and the key of the parent cannot be excluded.
    pub fn exclude(mut self, field: &str) -> Self {
        if let Some(path) = self.find_hidable(field) {
            self.settings.rules.exclude.push(path);
        }
        self
    }

    /// Records only these fields.
    ///
    /// # Example: two fields of many
    /// ```
    /// use auditlog::prelude::*;
    ///
    /// #[derive(Auditable)]
    /// struct User {
    ///     id: u32,
    ///     email: String,
    ///     theme: String,
    /// }
    ///
    /// let audit = auditlog::testing::capture();
    /// auditlog::register_with::<User>(|user| user.include(["id", "email"]))?;
    /// let user = User { id: 1, email: "a@example.com".into(), theme: "dark".into() };
    /// auditlog::created(&user).record()?;
    /// assert!(!audit.entries()[0].changes.contains("theme"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn include<'f>(mut self, fields: impl IntoIterator<Item = &'f str>) -> Self {
        for field in fields {
            if let Some(path) = self.find(field) {
                self.settings
                    .rules
                    .include
                    .get_or_insert_default()
                    .push(path);
            }
        }
        self
    }

    /// Hides a field's value: entries show `***`. The identity and the key of the parent cannot be masked.
    pub fn mask(self, field: &str) -> Self {
        self.mask_as(field, Mask::All)
    }

    /// Masks a field's value with a [`Mask`]. The identity and the key of the parent cannot be
    /// masked, since entries are found by them.
    ///
    /// # Example: the last four digits
    /// ```
    /// use auditlog::{Mask, prelude::*};
    ///
    /// #[derive(Auditable)]
    /// struct Card {
    ///     id: u32,
    ///     number: String,
    /// }
    ///
    /// let audit = auditlog::testing::capture();
    /// auditlog::register_with::<Card>(|card| card.mask_as("number", Mask::Last4))?;
    /// auditlog::created(&Card { id: 1, number: "4111111111111111".into() }).record()?;
    /// assert_eq!(audit.entries()[0].changes["number"].new, Some("****1111".into()));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn mask_as(mut self, field: &str, mask: Mask) -> Self {
        if let Some(path) = self.find_hidable(field) {
            self.settings.rules.mask.push((path, mask));
        }
        self
    }

    /// Sets the display name of a field.
    pub fn label(mut self, field: &str, label: impl Into<String>) -> Self {
        if self.find(field).is_some() {
            self.settings.labels.push((field.to_owned(), label.into()));
        }
        self
    }

    /// Records every action of the type at this level, unless a field or the outcome raises it.
    pub fn level(mut self, level: Level) -> Self {
        self.settings.level = Some(level);
        self
    }

    /// Records only these actions, such as `["create", "delete"]`, and custom ones.
    ///
    /// # Example: deletions alone
    /// ```
    /// use auditlog::{SkipReason, prelude::*};
    ///
    /// #[derive(Auditable)]
    /// struct Session {
    ///     id: u32,
    /// }
    ///
    /// let _audit = auditlog::testing::capture();
    /// auditlog::register_with::<Session>(|session| session.actions(["delete"]))?;
    /// let session = Session { id: 1 };
    /// let receipt = auditlog::created(&session).record()?;
    /// assert_eq!(receipt, Receipt::Skipped(SkipReason::ActionExcluded));
    /// assert!(auditlog::deleted(&session).record()?.is_recorded());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
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
        self.settings.actions = Some(set);
        self
    }

    /// Sets when entries contain a [snapshot](crate::LogEntry::snapshot) of the object:
    /// [`SnapshotPolicy::Never`] by default.
    ///
    /// A snapshot bounds the number of entries that a reconstruction reads, and takes space in every entry
    /// that has one.
    /// `SnapshotPolicy::Every(0)` is an error at registration.
    pub fn snapshot(mut self, policy: SnapshotPolicy) -> Self {
        if policy == SnapshotPolicy::Every(0) {
            let model = T::MODEL.to_owned();
            self.errors
                .push(RegistrationError::SnapshotInterval { model });
        }
        self.settings.snapshot = policy;
        self
    }

    /// Makes an entry without a reason an error when its draft is recorded:
    /// [`Error::ReasonRequired`](crate::Error::ReasonRequired).
    pub fn require_reason(mut self) -> Self {
        self.settings.require_reason = true;
        self
    }

    /// Makes an entry without a known actor an error when its draft is recorded:
    /// [`Error::ActorRequired`](crate::Error::ActorRequired).
    /// [`AuditLogBuilder::require_actor`](crate::AuditLogBuilder::require_actor) sets it for all types.
    pub fn require_actor(mut self) -> Self {
        self.settings.require_actor = true;
        self
    }

    /// Records only objects for which `condition` returns `true`. It is called with the new object
    /// of an update and the old object of a deletion.
    ///
    /// # Example: drafts of a document are not recorded
    /// ```
    /// use auditlog::prelude::*;
    ///
    /// #[derive(Auditable, Clone)]
    /// struct Document {
    ///     id: u32,
    ///     published: bool,
    /// }
    ///
    /// let audit = auditlog::testing::capture();
    /// auditlog::register_with::<Document>(|document| document.when(|document| document.published))?;
    /// let mut document = Document { id: 1, published: false };
    /// auditlog::created(&document).record()?;
    /// assert!(audit.entries().is_empty());
    ///
    /// auditlog::update(&mut document, |document| document.published = true).record()?;
    /// assert_eq!(audit.entries().len(), 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn when(mut self, condition: impl Fn(&T) -> bool + Send + Sync + 'static) -> Self {
        let holds = move |object: &dyn Any| object.downcast_ref().is_none_or(&condition);
        self.when = Some(Box::new(holds));
        self
    }

    /// Sets the function by which [`history`](crate::history()) upgrades entries of a former schema version
    /// to the next: `upcast(1, ..)` leads from version 1 to 2. The current version is that of
    /// `#[audit(version = ..)]`. Stored entries stay unchanged.
    ///
    /// # Example: a renamed field in another unit
    /// ```
    /// use auditlog::prelude::*;
    /// use auditlog::{Change, Changes};
    ///
    /// #[derive(Auditable)]
    /// #[audit(version = 2)]
    /// struct Item {
    ///     id: u32,
    ///     euros: f64,
    /// }
    ///
    /// let audit = auditlog::testing::capture();
    /// auditlog::register_with::<Item>(|item| {
    ///     item.upcast(1, |older| {
    ///         older.rename("cents", "euros");
    ///         older.convert("euros", |cents| cents.as_f64().map_or(cents, |cents| (cents / 100.0).into()));
    ///     })
    /// })?;
    ///
    /// // An entry of version 1, as an older program recorded it.
    /// let mut entry = LogEntry::new("create", "Item", "1", "Item 1");
    /// let cents = Change::new("cents".parse()?, None, Some(250.into()));
    /// entry.changes = Changes::from_iter([cents]);
    /// audit.log().store().append(&[entry])?;
    ///
    /// let history = auditlog::history::<Item>(1)?;
    /// assert_eq!(history.latest().state["euros"], 2.5);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn upcast(
        mut self,
        from: u32,
        step: impl Fn(&mut Upcast<'_>) + Send + Sync + 'static,
    ) -> Self {
        self.upcasters.insert(from, Box::new(step));
        self
    }

    /// Finds a field that may be hidden. Keys may not, since entries are found by them.
    fn find_hidable(&mut self, field: &str) -> Option<FieldPath> {
        let path = self.find(field)?;
        let schema = T::schema();
        let mut keys = schema
            .fields
            .iter()
            .filter(|field| field.identity)
            .map(FieldSchema::name)
            .chain(schema.parent_key);
        let shown = keys.any(|name| is_at(&path, name));
        if shown {
            self.errors.push(RegistrationError::HiddenKey {
                model: T::MODEL.to_owned(),
                field: field.to_owned(),
            });
            return None;
        }
        Some(path)
    }

    /// Finds a field by its path, or notes an error.
    fn find(&mut self, field: &str) -> Option<FieldPath> {
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
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

/// Finds a field by its path. The error is a similar name, if any.
///
/// A map has no step in the path: `homes.city` is the city of each home.
pub(crate) fn find_field(schema: &ModelSchema, field: &str) -> Result<FieldPath, Option<String>> {
    let path = crate::path::Path::from_str(field).map_err(|_| None)?;
    let mut fields = schema.fields;
    let mut found = FieldPath::new();
    for segment in path.segments() {
        // A rule applies to a field, not to one item of a list.
        let crate::path::PathSegment::Name(name) = segment else {
            return Err(None);
        };
        for map in nested_maps(fields) {
            found.push(FieldStep::Key);
            fields = map.inside();
        }
        let candidates = visible(fields);
        let Some(field) = candidates.iter().find(|field| field.name == name) else {
            let near = suggest::nearest(&name, candidates.iter().map(|field| field.name));
            return Err(near.map(|near| {
                found.push(FieldStep::Field(near));
                let names = found.iter().filter_map(|step| match step {
                    FieldStep::Field(name) => Some(*name),
                    FieldStep::Key => None,
                });
                names.collect::<Vec<_>>().join(".")
            }));
        };
        fields = field.inside();
        found.push(FieldStep::Field(field.name));
    }
    if found.is_empty() {
        Err(None)
    } else {
        Ok(found)
    }
}

/// Returns whether the rules of the model, or of a model inside it, exclude or mask a field.
pub(crate) fn is_hidden(schema: &ModelSchema, field: &str, rules: &RulesByModel) -> bool {
    let Ok(path) = find_field(schema, field) else {
        return false;
    };
    let mut fields = schema.fields;
    for (at, step) in path.iter().enumerate() {
        if rules_of(rules, fields).is_some_and(|rules| rules.covers(&path[at..])) {
            return true;
        }
        fields = match step {
            FieldStep::Key => fields.first().map_or(&[][..], FieldSchema::inside),
            FieldStep::Field(name) => visible(fields)
                .into_iter()
                .find(|field| field.name == *name)
                .map_or(&[][..], FieldSchema::inside),
        };
    }
    false
}

/// Returns the descriptions of a map and of the maps directly nested in it.
fn nested_maps(fields: &'static [FieldSchema]) -> Vec<&'static FieldSchema> {
    let mut maps = Vec::new();
    let mut visited = Visited::default();
    let mut fields = fields;
    while let [
        map @ FieldSchema {
            placement: Placement::Keys,
            ..
        },
    ] = fields
        && visited.enter(fields)
    {
        maps.push(map);
        fields = map.inside();
    }
    maps
}

/// Returns the fields with a name in the object, including those of inline and flattened fields,
/// without the items of a tuple and the keys of a flattened map.
fn visible(fields: &'static [FieldSchema]) -> Vec<&'static FieldSchema> {
    fn collect(
        fields: &'static [FieldSchema],
        visited: &mut Visited,
        found: &mut Vec<&'static FieldSchema>,
    ) {
        if !visited.enter(fields) {
            return;
        }
        for field in fields {
            match field.placement {
                Placement::Named => found.push(field),
                Placement::Inline | Placement::Flattened(_) => {
                    collect(field.inside(), visited, found);
                }
                Placement::Indexed(_) | Placement::Keys => {}
            }
        }
    }
    let mut found = Vec::new();
    collect(fields, &mut Visited::default(), &mut found);
    found
}

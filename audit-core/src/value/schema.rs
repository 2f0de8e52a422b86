//! Field schemas: the static description of a type's fields.

use std::fmt;

use serde_json::{Map, Value};

use super::fields::no_fields;
use super::schema_walk::peel_pointers;
pub use super::sensitivity::Sensitivity;
use crate::level::Level;
use crate::mask::Mask;
use crate::path::Segment;

/// The static description of a field of a struct or an enum variant. The derive builds it from the
/// attributes.
///
/// # Example: find the fields that may hold secrets
/// ```
/// use auditlog::{Auditable, Sensitivity};
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
///     #[audit(label = "Home", level = "warning")]
///     address: Address,
/// }
///
/// let address = User::schema().field("address").expect("a field");
/// assert_eq!(address.label(), "Home");
/// assert_eq!(address.level(), Some(auditlog::Level::Warning));
/// let clear = address.fields().iter().filter(|field| field.sensitivity() == Sensitivity::Clear);
/// assert_eq!(clear.map(|field| field.name()).collect::<Vec<_>>(), ["street", "city"]);
/// ```
#[derive(Clone, Copy)]
#[expect(clippy::struct_excessive_bools, reason = "independent flags")]
pub struct FieldSchema {
    pub(crate) name: &'static str,
    pub(crate) placement: Placement,
    pub(crate) label: Option<&'static str>,
    pub(crate) aliases: &'static [&'static str],
    pub(crate) sensitivity: Sensitivity,
    pub(crate) domain: &'static str,
    pub(crate) level: Option<Level>,
    pub(crate) ignored: bool,
    pub(crate) whole: bool,
    /// Whether the value is a set.
    pub(crate) set: bool,
    /// The model whose identity the field is or is a part of.
    pub(crate) model: Option<&'static str>,
    pub(crate) identity: bool,
    pub(crate) converted: bool,
    pub(crate) approximate: bool,
    /// Whether the value is recorded without its type's `AuditValue` (`serde`, `debug`,
    /// `display`), so that what its type hides is in clear.
    pub(crate) bypassed: bool,
    /// Whether the fields of the type do not describe the recorded form, as for a masked or
    /// converted value.
    pub(crate) opaque: bool,
    /// Whether the author declared that the field holds no secret.
    pub(crate) not_secret: bool,
    pub(crate) absent: Absent,
    /// The field's name in the source code, if it is stored under another name.
    pub(crate) source: Option<&'static str>,
    pub(crate) referenced: Option<&'static str>,
    pub(crate) reading: Reading,
    /// For the description of a variant: the key that holds the variant's name, in the same
    /// object or in the enclosing one.
    pub(crate) tag: Option<&'static str>,
    /// Whether the name needs quotes in a path.
    quoted: bool,
    /// Whether the diff may treat the field as a name and a value in clear: a single flag for
    /// most fields, which [`update_plain`](Self::update_plain) sets.
    pub(crate) plain: bool,
    pub(crate) nested: fn() -> &'static [FieldSchema],
    /// For an inline or flattened field: the names of its type's unit variants.
    pub(crate) units: fn() -> &'static [&'static str],
    /// The fields of the type of a map's keys.
    pub(crate) keys: fn() -> &'static [FieldSchema],
    pub(crate) indirection: Indirection,
}

/// The maximum nesting of maps in a type. A deeper type contains nothing but itself.
const MAPS: usize = 64;

/// The indirection between a field and its value that the recorded form does not show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Indirection {
    None,
    /// A pointer whose clones share their target.
    Pointer,
    /// A cell with interior mutability.
    Cell,
}

/// The placement of a field's value in the JSON form of its parent.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Placement {
    /// Under its name, in an object.
    Named,
    /// At an index, in an array (tuple structs).
    Indexed(usize),
    /// As the parent's own value (newtypes, variants of untagged enums).
    Inline,
    /// As members of the parent's object, beside the fields that the function returns
    /// (`flatten`).
    Flattened(fn() -> &'static [FieldSchema]),
    /// Under each key of a map; the schema describes the map's values.
    Keys,
}

/// The rule by which serde deserializes a field from its recorded form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reading {
    /// Under the stored name.
    Stored,
    /// Under another name.
    Under(&'static str),
    /// Not at all: serde uses a default.
    Never,
}

/// The condition under which a field is absent from its object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Absent {
    Never,
    /// Absent if it is null.
    WhenNull,
    /// Absent if a predicate of the application returns `true`.
    Sometimes,
}

impl FieldSchema {
    /// Describes a named field; `nested` returns the fields of its type.
    pub const fn new(name: &'static str, nested: fn() -> &'static [FieldSchema]) -> Self {
        let mut field = Self::word(name, nested);
        field.quoted = !crate::path::is_plain(name);
        field.update_plain()
    }

    /// Describes a named field whose name needs no quotes in a path.
    pub(crate) const fn word(name: &'static str, nested: fn() -> &'static [FieldSchema]) -> Self {
        Self {
            name,
            placement: Placement::Named,
            label: None,
            aliases: &[],
            sensitivity: Sensitivity::Clear,
            domain: "",
            level: None,
            ignored: false,
            whole: false,
            set: false,
            model: None,
            identity: false,
            converted: false,
            approximate: false,
            bypassed: false,
            opaque: false,
            not_secret: false,
            absent: Absent::Never,
            source: None,
            referenced: None,
            reading: Reading::Stored,
            tag: None,
            quoted: false,
            plain: true,
            nested,
            units: || &[],
            keys: no_fields,
            indirection: Indirection::None,
        }
    }

    const fn update_plain(mut self) -> Self {
        self.plain = matches!(self.placement, Placement::Named)
            && matches!(self.sensitivity, Sensitivity::Clear)
            && self.level.is_none()
            && !(self.quoted || self.ignored || self.whole || self.bypassed);
        self
    }

    /// Returns the path segment of a named field.
    #[inline]
    pub(crate) const fn segment(&self) -> Segment<'static> {
        Segment::Declared {
            name: self.name,
            plain: self.plain,
        }
    }

    /// Describes the field at `index` of a tuple struct or variant; `name` is the index as text.
    pub const fn indexed(
        index: usize,
        name: &'static str,
        nested: fn() -> &'static [FieldSchema],
    ) -> Self {
        let mut field = Self::word(name, nested);
        field.placement = Placement::Indexed(index);
        field.update_plain()
    }

    /// Describes a field whose value is recorded as its parent's value, such as that of a newtype.
    pub const fn inline(name: &'static str, nested: fn() -> &'static [FieldSchema]) -> Self {
        let mut field = Self::word(name, nested);
        field.placement = Placement::Inline;
        field.update_plain()
    }

    /// Describes a field whose fields or keys are members of its parent's object, as with serde's
    /// `flatten`; `siblings` returns the fields of the parent.
    pub const fn flattened(
        name: &'static str,
        nested: fn() -> &'static [FieldSchema],
        siblings: fn() -> &'static [FieldSchema],
    ) -> Self {
        let mut field = Self::word(name, nested);
        field.placement = Placement::Flattened(siblings);
        field.update_plain()
    }

    /// Describes the content of a map: `keys` returns the fields of the keys' type; `nested` those
    /// of the values' type, with whether the values are sets.
    pub(crate) const fn keys(
        keys: fn() -> &'static [FieldSchema],
        (nested, set): (fn() -> &'static [FieldSchema], bool),
    ) -> Self {
        let mut field = Self::word("", nested);
        field.set = set;
        field.keys = keys;
        field.placement = Placement::Keys;
        field.update_plain()
    }

    /// Describes the target of a pointer that clones share.
    pub(crate) const fn pointer(nested: fn() -> &'static [FieldSchema]) -> Self {
        let mut field = Self::word("", nested);
        field.indirection = Indirection::Pointer;
        field
    }

    /// Describes the content of a cell with interior mutability.
    pub(crate) const fn cell(nested: fn() -> &'static [FieldSchema]) -> Self {
        let mut field = Self::word("", nested);
        field.indirection = Indirection::Cell;
        field
    }

    /// Sets the display name.
    pub const fn with_label(mut self, label: &'static str) -> Self {
        self.label = Some(label);
        self
    }

    /// Sets the former stored names.
    pub const fn with_aliases(mut self, aliases: &'static [&'static str]) -> Self {
        self.aliases = aliases;
        self
    }

    /// Masks the field.
    pub const fn with_mask(mut self, mask: Mask) -> Self {
        self.sensitivity = Sensitivity::Masked(mask);
        self.update_plain()
    }

    /// Replaces the field's value by a keyed token; `domain` separates it from other fields.
    pub const fn with_hash(mut self, domain: &'static str) -> Self {
        self.sensitivity = Sensitivity::Hashed;
        self.domain = domain;
        self.update_plain()
    }

    /// Marks the field as not recorded.
    pub const fn skipped(mut self) -> Self {
        self.sensitivity = Sensitivity::Skipped;
        self.update_plain()
    }

    /// Raises an entry to at least `level` when the field changes.
    pub const fn with_level(mut self, level: Level) -> Self {
        self.level = Some(level);
        self.update_plain()
    }

    /// Records no entry for a change of this field alone.
    pub const fn ignored(mut self) -> Self {
        self.ignored = true;
        self.update_plain()
    }

    /// Records the complete old and new value for any change inside.
    pub const fn whole(mut self) -> Self {
        self.whole = true;
        self.update_plain()
    }

    /// Declares the value a set, whose members have no order.
    #[doc(hidden)]
    pub const fn as_set(mut self) -> Self {
        self.set = true;
        self
    }

    /// Marks the field as the identity or a part of it.
    pub const fn identity(mut self) -> Self {
        self.identity = true;
        self
    }

    /// Marks the field as the identity of a model or a part of it.
    #[doc(hidden)]
    pub const fn identifying(mut self, model: &'static str) -> Self {
        self.identity = true;
        self.model = Some(model);
        self
    }

    /// Sets the field's name in the source code, if it is stored under another name.
    #[doc(hidden)]
    pub const fn with_source(mut self, name: &'static str) -> Self {
        self.source = Some(name);
        self
    }

    /// Declares that the field is absent when it is null.
    #[doc(hidden)]
    pub const fn skipping_none(mut self) -> Self {
        self.absent = Absent::WhenNull;
        self
    }

    /// Declares that a predicate of the application decides whether the field is absent.
    #[doc(hidden)]
    pub const fn skipping_some(mut self) -> Self {
        self.absent = Absent::Sometimes;
        self
    }

    /// Declares that the value is recorded without its type's `AuditValue`, and so without its masks.
    #[doc(hidden)]
    pub const fn bypassing(mut self) -> Self {
        self.bypassed = true;
        self.update_plain()
    }

    /// Declares that the fields of the type do not describe the recorded form. They still show
    /// whether the value shares cells with its clones.
    #[doc(hidden)]
    pub const fn opaque(mut self) -> Self {
        self.opaque = true;
        self
    }

    /// Declares that the field holds no secret, although its name may look like one to
    /// [`lint`](crate::registry::lint::lint).
    pub const fn not_secret(mut self) -> Self {
        self.not_secret = true;
        self
    }

    /// Declares that the recorded form is made by a function of the application, or by the value's
    /// `Display` or `Debug`.
    pub const fn converted(mut self) -> Self {
        self.converted = true;
        self
    }

    /// Declares that the field has its own equality, as set by `eq` or `tolerance`: values with
    /// different recorded forms may be equal.
    pub const fn approximate(mut self) -> Self {
        self.approximate = true;
        self
    }

    /// Records only the identity of the entities in the field, which are of this model.
    pub const fn referring_to(mut self, model: Option<&'static str>) -> Self {
        self.referenced = model;
        self
    }

    /// Declares that serde deserializes the field under another name than the stored one.
    #[doc(hidden)]
    pub const fn read_under(mut self, name: &'static str) -> Self {
        self.reading = Reading::Under(name);
        self
    }

    /// Declares that serde does not deserialize the field.
    #[doc(hidden)]
    pub const fn unread(mut self) -> Self {
        self.reading = Reading::Never;
        self
    }

    /// Declares that the field describes the variant whose name is the value of the key `tag`.
    #[doc(hidden)]
    pub const fn tagged(mut self, tag: &'static str) -> Self {
        self.tag = Some(tag);
        self
    }

    /// Sets the names of the unit variants of an inline or flattened field's type.
    #[doc(hidden)]
    pub const fn with_units(mut self, units: fn() -> &'static [&'static str]) -> Self {
        self.units = units;
        self
    }

    /// Returns the stored name.
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// Returns the display name, which is the stored name unless one was given.
    pub const fn label(&self) -> &'static str {
        match self.label {
            Some(label) => label,
            None => self.name,
        }
    }

    /// Returns the names under which older entries store this field.
    pub const fn aliases(&self) -> &'static [&'static str] {
        self.aliases
    }

    /// Returns how much of the value is recorded.
    pub const fn sensitivity(&self) -> Sensitivity {
        self.sensitivity
    }

    /// Returns the level an entry is raised to when this field changes.
    pub const fn level(&self) -> Option<Level> {
        self.level
    }

    /// Returns whether a change of this field alone records no entry.
    pub const fn is_ignored(&self) -> bool {
        self.ignored
    }

    /// Returns whether the field is recorded as one old and one new value.
    pub const fn is_whole(&self) -> bool {
        self.whole
    }

    /// Returns whether the field is the identity or a part of it.
    pub const fn is_identity(&self) -> bool {
        self.identity
    }

    /// Returns whether the recorded value is converted from the field's value.
    pub const fn is_converted(&self) -> bool {
        self.converted
    }

    /// Returns whether the field's value may change without a recorded change, because it is
    /// ignored or has its own equality.
    pub(crate) fn may_change_silently(&self) -> bool {
        self.ignored || self.approximate
    }

    /// Returns the model of the entities whose identity alone is recorded.
    pub const fn referenced(&self) -> Option<&'static str> {
        self.referenced
    }

    /// Returns whether the fields of this field's type are members of the parent's object, as
    /// with serde's `flatten`.
    pub const fn is_inline(&self) -> bool {
        matches!(self.placement, Placement::Inline | Placement::Flattened(_))
    }

    /// Returns the fields of this field's type, or for a map or a list those of its values. Empty
    /// for a type without fields.
    pub fn fields(&self) -> &'static [FieldSchema] {
        let mut fields = self.inside();
        for _ in 0..MAPS {
            match fields {
                [
                    values @ Self {
                        placement: Placement::Keys,
                        ..
                    },
                ] => fields = values.inside(),
                fields => return fields,
            }
        }
        &[]
    }

    /// Returns whether the field's type is a map.
    pub(crate) fn holds_map(&self) -> bool {
        matches!(
            self.inside(),
            [Self {
                placement: Placement::Keys,
                ..
            }]
        )
    }

    /// Returns whether the field describes an object's content. A variant of a tagged enum does
    /// if the tag in the object or in the enclosing one has the variant's name.
    pub(crate) fn applies_to(&self, value: &Value, outer: Option<&Map<String, Value>>) -> bool {
        let Some(tag) = self.tag else { return true };
        let own = value.as_object().and_then(|object| object.get(tag));
        own.or_else(|| outer.and_then(|object| object.get(tag)))
            .is_none_or(|name| name == self.name)
    }

    /// Returns the fields of the tuple that an array represents, which may be those of a variant.
    /// Returns `None` for a list, including a list of such tuples.
    pub(crate) fn tuple<'f>(
        fields: &'f [FieldSchema],
        items: &[Value],
        outer: Option<&Map<String, Value>>,
    ) -> Option<&'f [FieldSchema]> {
        let indexed = |field: &&FieldSchema| matches!(field.placement, Placement::Indexed(_));
        let fits = |fields: &[FieldSchema]| {
            let positions = fields.iter().filter(indexed).count();
            let tuple = |item: &Value| item.as_array().is_some_and(|item| item.len() == positions);
            // Serde writes an empty array for a tuple whose fields it all skips.
            let skipped = |field: &FieldSchema| field.sensitivity == Sensitivity::Skipped;
            match positions {
                0 => items.is_empty() && fields.len() > 1 && fields.iter().all(skipped),
                _ => items.len() == positions && !items.iter().all(tuple),
            }
        };
        if fits(fields) {
            return Some(fields);
        }
        let inline = fields.iter().filter(|field| field.is_inline());
        inline
            .filter(|field| field.sensitivity == Sensitivity::Clear)
            .filter(|field| {
                let tag = field.tag.and_then(|tag| outer?.get(tag));
                tag.is_none_or(|name| name == field.name)
            })
            .map(FieldSchema::inside)
            .find(|inner| fits(inner))
    }

    /// Returns the schema one step inside: the fields, or for a map the description of its values.
    pub(crate) fn inside(&self) -> &'static [FieldSchema] {
        if self.bypassed || self.opaque {
            &[]
        } else {
            peel_pointers(self.nested_raw())
        }
    }

    /// Returns the fields of the type of a map's keys.
    pub(crate) fn key_fields(&self) -> &'static [FieldSchema] {
        peel_pointers((self.keys)())
    }

    /// Returns the schema one step inside, with pointers and cells as steps of their own, even if
    /// it does not describe the recorded form.
    pub(crate) fn nested_raw(&self) -> &'static [FieldSchema] {
        (self.nested)()
    }

    /// Returns the fields of the type whose `AuditValue` is bypassed.
    pub(crate) fn bypassed_fields(&self) -> &'static [FieldSchema] {
        if self.bypassed { (self.nested)() } else { &[] }
    }

    /// Returns whether the value is recorded in clear and in the form of its type.
    pub(crate) fn is_recorded_as_typed(&self) -> bool {
        self.sensitivity == Sensitivity::Clear
            && !self.converted
            && !self.bypassed
            && self.referenced.is_none()
    }

    /// Returns the field's name in the source code.
    pub(crate) fn source(&self) -> &'static str {
        self.source.unwrap_or(self.name)
    }
}

impl fmt::Debug for FieldSchema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Without the nested fields: a recursive type would never end.
        f.debug_struct("FieldSchema")
            .field("name", &self.name)
            .field("label", &self.label())
            .field("sensitivity", &self.sensitivity)
            .field("level", &self.level)
            .finish_non_exhaustive()
    }
}

//! What is known of a type before any value is seen.

use std::fmt;

use serde_json::{Map, Value};

use super::fields::no_fields;
use super::visited::behind;
use crate::level::Level;
use crate::mask::Mask;
use crate::path::Segment;

/// What of a field's value may reach the trail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Sensitivity {
    /// The value as it is.
    Clear,
    /// A masked text in place of the value.
    Masked(Mask),
    /// A keyed pseudonym in place of the value: equal inputs give equal tokens.
    Hashed,
    /// Nothing; the field is not recorded at all.
    Skipped,
}

/// One field of a tracked struct or enum variant, as the derive describes it.
#[derive(Clone, Copy)]
#[expect(clippy::struct_excessive_bools, reason = "each is asked on its own")]
pub struct FieldSchema {
    pub(crate) name: &'static str,
    pub(crate) place: Place,
    pub(crate) label: Option<&'static str>,
    pub(crate) aliases: &'static [&'static str],
    pub(crate) sensitivity: Sensitivity,
    pub(crate) domain: &'static str,
    pub(crate) level: Option<Level>,
    pub(crate) ignored: bool,
    pub(crate) whole: bool,
    /// Whether the value is a set.
    pub(crate) set: bool,
    /// The model whose identity the field is, or a part of it.
    pub(crate) model: Option<&'static str>,
    pub(crate) identity: bool,
    pub(crate) converted: bool,
    pub(crate) approximate: bool,
    /// Whether the value is recorded by another way than as its type says (`serde`, `debug`,
    /// `display`): what its type hides is then in clear.
    pub(crate) bypassed: bool,
    /// Whether nothing that is recorded is described by the fields of the type, such as what a
    /// mask hides or a function converts.
    pub(crate) opaque: bool,
    /// Whether the field was looked at and holds no secret.
    pub(crate) not_secret: bool,
    pub(crate) absent: Absent,
    /// The field's name in the program, where it is stored under another one.
    pub(crate) source: Option<&'static str>,
    pub(crate) referenced: Option<&'static str>,
    pub(crate) reading: Reading,
    /// Of a variant's description: the key that holds the variant's name, in the same object or
    /// in the one around it.
    pub(crate) tag: Option<&'static str>,
    /// Whether the field is recorded under its name as it is, and the name is its path: what
    /// most fields are, asked once for all of it.
    pub(crate) plain: bool,
    pub(crate) nested: fn() -> &'static [FieldSchema],
    /// Of a field without a place of its own: the keys that its type's variants without data are.
    pub(crate) units: fn() -> &'static [&'static str],
    /// The fields of a map's keys.
    pub(crate) keys: fn() -> &'static [FieldSchema],
    pub(crate) through: Through,
}

/// How many maps may hold each other before they count as a type that holds nothing but itself.
const MAPS: usize = 64;

/// What stands between a field and what is inside, without a place of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Through {
    Nothing,
    /// A pointer whose clones share what it points to.
    Pointer,
    /// A cell that changes through a shared reference.
    Cell,
}

/// Where a field's value sits in its parent's JSON form.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Place {
    /// Under its name, in an object.
    Named,
    /// At an index, in an array (tuple structs).
    Indexed(usize),
    /// In the parent's own place (newtypes, the variants of untagged enums).
    Inline,
    /// In the parent's object, among the fields that the function returns (`flatten`).
    Flat(fn() -> &'static [FieldSchema]),
    /// Under each key of a map: what the map's type says of its values.
    Keys,
}

/// How serde reads a field back from what is recorded of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reading {
    /// Under the stored name.
    Stored,
    /// Under another name.
    Under(&'static str),
    /// Not at all: serde sets a default.
    Never,
}

/// When a field is left out of its object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Absent {
    Never,
    /// If it is null.
    WhenNull,
    /// If a predicate of the program says so.
    Sometimes,
}

impl FieldSchema {
    /// Describes a named field; `nested` gives the fields of its type.
    pub const fn new(name: &'static str, nested: fn() -> &'static [FieldSchema]) -> Self {
        let mut field = Self::word(name, nested);
        field.plain = crate::path::is_plain(name);
        field
    }

    pub(crate) const fn word(name: &'static str, nested: fn() -> &'static [FieldSchema]) -> Self {
        Self {
            name,
            place: Place::Named,
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
            plain: true,
            nested,
            units: || &[],
            keys: no_fields,
            through: Through::Nothing,
        }
    }

    /// Returns the step that leads to a named field.
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
        field.place = Place::Indexed(index);
        field.plain = false;
        field
    }

    /// Describes a field whose value stands in its parent's place, such as that of a newtype.
    pub const fn inline(name: &'static str, nested: fn() -> &'static [FieldSchema]) -> Self {
        let mut field = Self::word(name, nested);
        field.place = Place::Inline;
        field.plain = false;
        field
    }

    /// Describes a field whose own fields, or whose keys, stand in its parent's object, as with
    /// serde's `flatten`; `siblings` gives the fields of the parent.
    pub const fn flattened(
        name: &'static str,
        nested: fn() -> &'static [FieldSchema],
        siblings: fn() -> &'static [FieldSchema],
    ) -> Self {
        let mut field = Self::word(name, nested);
        field.place = Place::Flat(siblings);
        field.plain = false;
        field
    }

    /// Describes what a map holds: `keys` gives the fields of the keys' type, `nested` those of
    /// the values' type, and whether these are sets.
    pub(crate) const fn keys(
        keys: fn() -> &'static [FieldSchema],
        (nested, set): (fn() -> &'static [FieldSchema], bool),
    ) -> Self {
        let mut field = Self::word("", nested);
        field.set = set;
        field.keys = keys;
        field.place = Place::Keys;
        field.plain = false;
        field
    }

    /// Describes what a pointer that clones share points to.
    pub(crate) const fn pointer(nested: fn() -> &'static [FieldSchema]) -> Self {
        let mut field = Self::word("", nested);
        field.through = Through::Pointer;
        field
    }

    /// Describes what a cell holds that changes through a shared reference.
    pub(crate) const fn cell(nested: fn() -> &'static [FieldSchema]) -> Self {
        let mut field = Self::word("", nested);
        field.through = Through::Cell;
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
        self.plain = false;
        self
    }

    /// Replaces the field's value by a keyed token; `domain` separates it from other fields.
    pub const fn with_hash(mut self, domain: &'static str) -> Self {
        self.sensitivity = Sensitivity::Hashed;
        self.plain = false;
        self.domain = domain;
        self
    }

    /// Marks the field as not recorded.
    pub const fn skipped(mut self) -> Self {
        self.sensitivity = Sensitivity::Skipped;
        self.plain = false;
        self
    }

    /// Raises an entry to at least `level` when the field changes.
    pub const fn with_level(mut self, level: Level) -> Self {
        self.level = Some(level);
        self.plain = false;
        self
    }

    /// Makes a change of this field alone no reason for an entry.
    pub const fn ignored(mut self) -> Self {
        self.ignored = true;
        self.plain = false;
        self
    }

    /// Records the whole value, old and new, whatever changed inside.
    pub const fn whole(mut self) -> Self {
        self.whole = true;
        self.plain = false;
        self
    }

    /// Says that the value is a set, whose members have no order.
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

    /// Gives the field's name in the program, which is stored under another one.
    #[doc(hidden)]
    pub const fn with_source(mut self, name: &'static str) -> Self {
        self.source = Some(name);
        self
    }

    /// Says that the field is left out where it is null.
    #[doc(hidden)]
    pub const fn skipping_none(mut self) -> Self {
        self.absent = Absent::WhenNull;
        self
    }

    /// Says that the field is left out where a predicate of the program says so.
    #[doc(hidden)]
    pub const fn skipping_some(mut self) -> Self {
        self.absent = Absent::Sometimes;
        self
    }

    /// Says that the value is recorded past its own type, whatever that hides.
    #[doc(hidden)]
    pub const fn bypassing(mut self) -> Self {
        self.bypassed = true;
        self.plain = false;
        self
    }

    /// Says that the fields of the type describe nothing that is recorded. They still tell whether
    /// the value shares cells with its clones.
    #[doc(hidden)]
    pub const fn opaque(mut self) -> Self {
        self.opaque = true;
        self
    }

    /// Says that the field holds no secret, whatever its name suggests to
    /// [`lint`](crate::registry::lint::lint).
    pub const fn not_secret(mut self) -> Self {
        self.not_secret = true;
        self
    }

    /// Says that what is recorded is what a function of the program, or the value's `Display` or
    /// `Debug`, makes of the value.
    pub const fn converted(mut self) -> Self {
        self.converted = true;
        self
    }

    /// Says that the field has an equality of its own, as by `eq` or `tolerance`: values that
    /// are recorded in different forms may be equal.
    pub const fn approximate(mut self) -> Self {
        self.approximate = true;
        self
    }

    /// Records only the identity of the entities the field holds, which are of this model.
    pub const fn referring_to(mut self, model: Option<&'static str>) -> Self {
        self.referenced = model;
        self
    }

    /// Says that serde reads the field under another name than it is stored under.
    #[doc(hidden)]
    pub const fn read_under(mut self, name: &'static str) -> Self {
        self.reading = Reading::Under(name);
        self
    }

    /// Says that serde does not read the field.
    #[doc(hidden)]
    pub const fn unread(mut self) -> Self {
        self.reading = Reading::Never;
        self
    }

    /// Says that the field describes the variant whose name stands under the key `tag`.
    #[doc(hidden)]
    pub const fn tagged(mut self, tag: &'static str) -> Self {
        self.tag = Some(tag);
        self
    }

    /// Gives the names of the variants without data of the type of a field that has no place of its
    /// own.
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

    /// Returns the names under which older entries hold this field.
    pub const fn aliases(&self) -> &'static [&'static str] {
        self.aliases
    }

    /// Returns what of the value may reach the trail.
    pub const fn sensitivity(&self) -> Sensitivity {
        self.sensitivity
    }

    /// Returns the level an entry is raised to when this field changes.
    pub const fn level(&self) -> Option<Level> {
        self.level
    }

    /// Returns whether a change of this field alone makes no entry.
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

    /// Returns whether another value is recorded than the field has.
    pub const fn is_converted(&self) -> bool {
        self.converted
    }

    /// Whether the field's value may change without an entry, or count as unchanged by a rule of
    /// its own.
    pub(crate) fn is_loose(&self) -> bool {
        self.ignored || self.approximate
    }

    /// Returns the model of the entities of which only the identity is recorded.
    pub const fn referenced(&self) -> Option<&'static str> {
        self.referenced
    }

    /// Returns whether the fields of this field's type stand in the parent's own object,
    /// as with serde's `flatten`.
    pub const fn is_inline(&self) -> bool {
        matches!(self.place, Place::Inline | Place::Flat(_))
    }

    /// Returns the fields of this field's type, of a map or a list those of its values; empty
    /// for a type without fields.
    pub fn fields(&self) -> &'static [FieldSchema] {
        let mut fields = self.inside();
        for _ in 0..MAPS {
            match fields {
                [
                    values @ Self {
                        place: Place::Keys, ..
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
                place: Place::Keys,
                ..
            }]
        )
    }

    /// Whether the field describes what an object holds. A variant of a tagged enum does where
    /// the tag in the object, or in the one around it, has the variant's name.
    pub(crate) fn applies_to(&self, value: &Value, around: Option<&Map<String, Value>>) -> bool {
        let Some(tag) = self.tag else { return true };
        let own = value.as_object().and_then(|object| object.get(tag));
        own.or_else(|| around.and_then(|object| object.get(tag)))
            .is_none_or(|name| name == self.name)
    }

    /// Returns the fields of the tuple that an array holds, which may be those of a variant;
    /// `None` for a list, also of such tuples.
    pub(crate) fn tuple<'f>(
        fields: &'f [FieldSchema],
        items: &[Value],
        around: Option<&Map<String, Value>>,
    ) -> Option<&'f [FieldSchema]> {
        let indexed = |field: &&FieldSchema| matches!(field.place, Place::Indexed(_));
        let fits = |fields: &[FieldSchema]| {
            let positions = fields.iter().filter(indexed).count();
            let tuple = |item: &Value| item.as_array().is_some_and(|item| item.len() == positions);
            // Serde writes an empty array of a tuple all of whose fields it skips.
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
                let tag = field.tag.and_then(|tag| around?.get(tag));
                tag.is_none_or(|name| name == field.name)
            })
            .map(FieldSchema::inside)
            .find(|inner| fits(inner))
    }

    /// Returns what is one step inside: the fields, or of a map what is under its keys.
    pub(crate) fn inside(&self) -> &'static [FieldSchema] {
        if self.bypassed || self.opaque {
            &[]
        } else {
            behind(self.nested_raw())
        }
    }

    /// Returns the fields of a map's keys.
    pub(crate) fn of_keys(&self) -> &'static [FieldSchema] {
        behind((self.keys)())
    }

    /// Returns what is inside, pointers and cells by themselves, also of a value whose recorded
    /// form the fields do not describe.
    pub(crate) fn nested_raw(&self) -> &'static [FieldSchema] {
        (self.nested)()
    }

    /// Returns the fields of the type past which the value is recorded.
    pub(crate) fn passed_by(&self) -> &'static [FieldSchema] {
        if self.bypassed { (self.nested)() } else { &[] }
    }

    /// Whether the value is recorded in clear and in the form of its type.
    pub(crate) fn is_as_its_type_says(&self) -> bool {
        self.sensitivity == Sensitivity::Clear
            && !self.converted
            && !self.bypassed
            && self.referenced.is_none()
    }

    /// Returns the field's name in the program.
    pub(crate) fn source(&self) -> &'static str {
        self.source.unwrap_or(self.name)
    }
}

impl fmt::Debug for FieldSchema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Not the nested fields: a recursive type would never end.
        f.debug_struct("FieldSchema")
            .field("name", &self.name)
            .field("label", &self.label())
            .field("sensitivity", &self.sensitivity)
            .field("level", &self.level)
            .finish_non_exhaustive()
    }
}

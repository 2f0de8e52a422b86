//! The words of `#[audit(...)]`: the targets and the values of each.

pub(crate) const ALIAS: &str = "alias";
pub(crate) const ACTIONS: &str = "actions";
pub(crate) const BOUND: &str = "bound";
pub(crate) const CRATE: &str = "crate";
pub(crate) const DEBUG: &str = "debug";
pub(crate) const DISPLAY: &str = "display";
pub(crate) const EQ: &str = "eq";
pub(crate) const FLATTEN: &str = "flatten";
pub(crate) const HASH: &str = "hash";
pub(crate) const ID: &str = "id";
pub(crate) const IGNORE: &str = "ignore";
pub(crate) const KEY: &str = "key";
pub(crate) const LABEL: &str = "label";
pub(crate) const LEVEL: &str = "level";
pub(crate) const LEVELS: &str = "levels";
pub(crate) const MASK: &str = "mask";
pub(crate) const MASK_WITH: &str = "mask_with";
pub(crate) const MODEL: &str = "model";
pub(crate) const NOT_SECRET: &str = "not_secret";
pub(crate) const ONLY: &str = "only";
pub(crate) const PARENT: &str = "parent";
pub(crate) const REFERENCE: &str = "reference";
pub(crate) const RENAME: &str = "rename";
pub(crate) const RENAME_ALL: &str = "rename_all";
pub(crate) const RENAME_ALL_FIELDS: &str = "rename_all_fields";
pub(crate) const REPR: &str = "repr";
pub(crate) const REQUIRE_REASON: &str = "require_reason";
pub(crate) const SERDE: &str = "serde";
pub(crate) const SERDE_SKIP: &str = "serde_skip";
pub(crate) const SET: &str = "set";
pub(crate) const SKIP: &str = "skip";
pub(crate) const SKIP_NONE: &str = "skip_none";
pub(crate) const TOLERANCE: &str = "tolerance";
pub(crate) const TRANSPARENT: &str = "transparent";
pub(crate) const VALUE: &str = "value";
pub(crate) const VERSION: &str = "version";
pub(crate) const WHOLE: &str = "whole";
pub(crate) const WITH: &str = "with";

/// The target of an attribute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    Container,
    Variant,
    Field,
}

impl Target {
    /// Returns the target in the words of an error message.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Container => "a type",
            Self::Variant => "a variant",
            Self::Field => "a field",
        }
    }
}

/// The value that a word takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Takes {
    /// Nothing.
    Nothing,
    /// Nothing, or `= true` or `= false`.
    Bool,
    /// `= "text"`.
    Text,
    /// Nothing, or `= "text"`.
    MaybeText,
    /// `= path`, or the path in quotes.
    Path,
    /// `= 3`.
    Number,
    /// `= 1e-9`, or `= "1us"`.
    Float,
    /// `(a, b)`.
    Names,
    /// `= "a"` or `(a, b)`.
    TextOrNames,
    /// `(create = "info", ...)`.
    Levels,
    /// `(Type, key = "field")`.
    Parent,
}

/// A word of the attribute.
#[derive(Debug)]
pub(crate) struct Word {
    pub(crate) name: &'static str,
    pub(crate) takes: Takes,
    /// An example of correct use, for errors.
    pub(crate) example: &'static str,
}

const fn word(name: &'static str, takes: Takes, example: &'static str) -> Word {
    Word {
        name,
        takes,
        example,
    }
}

const CONTAINER: &[Word] = &[
    word(ACTIONS, Takes::Names, "actions(create, update, delete)"),
    word(BOUND, Takes::Text, "bound = \"T: AuditValue\""),
    word(CRATE, Takes::Path, "crate = path::to::auditlog"),
    word(DISPLAY, Takes::Nothing, "display"),
    word(ID, Takes::TextOrNames, "id = \"field\""),
    word(
        LEVELS,
        Takes::Levels,
        "levels(create = \"info\", delete = \"error\")",
    ),
    word(MODEL, Takes::Text, "model = \"name\""),
    word(ONLY, Takes::Names, "only(first, second)"),
    word(
        PARENT,
        Takes::Parent,
        "parent(Company, key = \"company_id\")",
    ),
    word(RENAME_ALL, Takes::Text, "rename_all = \"camelCase\""),
    word(
        RENAME_ALL_FIELDS,
        Takes::Text,
        "rename_all_fields = \"camelCase\"",
    ),
    word(REPR, Takes::Text, "repr = \"{field}\""),
    word(REQUIRE_REASON, Takes::Nothing, "require_reason"),
    word(SERDE, Takes::Nothing, "serde"),
    word(SERDE_SKIP, Takes::Text, "serde_skip = \"record\""),
    word(TRANSPARENT, Takes::Nothing, "transparent"),
    word(VALUE, Takes::Nothing, "value"),
    word(VERSION, Takes::Number, "version = 2"),
];

const VARIANT: &[Word] = &[
    word(ALIAS, Takes::Text, "alias = \"former_name\""),
    word(LABEL, Takes::Text, "label = \"Display name\""),
    word(NOT_SECRET, Takes::Nothing, "not_secret"),
    word(RENAME, Takes::Text, "rename = \"stored_name\""),
    word(RENAME_ALL, Takes::Text, "rename_all = \"camelCase\""),
];

const FIELD: &[Word] = &[
    word(ALIAS, Takes::Text, "alias = \"former_name\""),
    word(DEBUG, Takes::Nothing, "debug"),
    word(DISPLAY, Takes::Nothing, "display"),
    word(EQ, Takes::Path, "eq = path::to::function"),
    word(FLATTEN, Takes::Nothing, "flatten"),
    word(HASH, Takes::Nothing, "hash"),
    word(ID, Takes::Nothing, "id"),
    word(IGNORE, Takes::Nothing, "ignore"),
    word(KEY, Takes::Text, "key = \"field\""),
    word(LABEL, Takes::Text, "label = \"Display name\""),
    word(LEVEL, Takes::Text, "level = \"warning\""),
    word(MASK, Takes::MaybeText, "mask = \"last4\""),
    word(MASK_WITH, Takes::Path, "mask_with = path::to::function"),
    word(NOT_SECRET, Takes::Nothing, "not_secret"),
    word(REFERENCE, Takes::Nothing, "reference"),
    word(RENAME, Takes::Text, "rename = \"stored_name\""),
    word(SERDE, Takes::Bool, "serde"),
    word(SET, Takes::Nothing, "set"),
    word(SKIP, Takes::Bool, "skip = false"),
    word(SKIP_NONE, Takes::Nothing, "skip_none"),
    word(TOLERANCE, Takes::Float, "tolerance = 1e-9"),
    word(WHOLE, Takes::Nothing, "whole"),
    word(WITH, Takes::Path, "with = path::to::function"),
];

/// Returns the words of a target.
pub(crate) fn words(target: Target) -> &'static [Word] {
    match target {
        Target::Container => CONTAINER,
        Target::Variant => VARIANT,
        Target::Field => FIELD,
    }
}

/// Returns the word of this name, if the target has it.
pub(crate) fn find(name: &str, target: Target) -> Option<&'static Word> {
    words(target).iter().find(|word| word.name == name)
}

/// The words that cannot be combined on a field, with the reasons.
pub(crate) const CONTRADICTIONS: &[(&str, &[&str], &str)] = &[
    (SKIP, RECORDING, "a skipped field is not recorded at all"),
    (
        ID,
        &[SKIP, MASK, MASK_WITH, FLATTEN, SKIP_NONE],
        IDENTITY_IS_CLEAR,
    ),
    (
        NOT_SECRET,
        &[MASK, MASK_WITH, HASH, SKIP],
        "what is hidden is a secret",
    ),
    (MASK, &[MASK_WITH, HASH], "a field is redacted in one way"),
    (MASK_WITH, &[HASH], "a field is redacted in one way"),
    (
        MASK_WITH,
        &[SERDE, DISPLAY, DEBUG, WITH, REFERENCE, KEY, SET],
        "the function's result is what is recorded",
    ),
    (
        FLATTEN,
        &[
            MASK, MASK_WITH, HASH, WHOLE, KEY, SET, SERDE, DISPLAY, DEBUG, WITH, REFERENCE, RENAME,
            ALIAS, SKIP_NONE, TOLERANCE,
        ],
        "a flattened field has no path of its own",
    ),
    (
        WHOLE,
        &[KEY, SET],
        "a value recorded whole has no items to match",
    ),
    (
        SERDE,
        &[DISPLAY, DEBUG, WITH, REFERENCE, KEY, SET],
        ONE_FORM,
    ),
    (DISPLAY, &[DEBUG, WITH, REFERENCE, KEY, SET], ONE_FORM),
    (DEBUG, &[WITH, REFERENCE, KEY, SET], ONE_FORM),
    (WITH, &[REFERENCE, KEY, SET], ONE_FORM),
    (REFERENCE, &[KEY, SET], ONE_FORM),
    (KEY, &[SET], "the items of a list are matched in one way"),
    (EQ, &[TOLERANCE], "two values are compared in one way"),
];

pub(crate) const IDENTITY_IS_CLEAR: &str =
    "the identity names the object in every entry, in clear or as the token of `hash`";
const ONE_FORM: &str = "a field is recorded in one form";

/// The words about how a field is recorded, which contradict `skip`.
pub(crate) const RECORDING: &[&str] = &[
    MASK, MASK_WITH, HASH, LEVEL, IGNORE, REFERENCE, KEY, SET, WHOLE, SERDE, DISPLAY, DEBUG, WITH,
    EQ, TOLERANCE, SKIP_NONE, FLATTEN,
];

/// Returns the reason why two words cannot be combined on a field, if they cannot.
pub(crate) fn contradiction(one: &str, other: &str) -> Option<&'static str> {
    CONTRADICTIONS
        .iter()
        .find(|(first, rest, _)| {
            (*first == one && rest.contains(&other)) || (*first == other && rest.contains(&one))
        })
        .map(|(_, _, why)| *why)
}

/// The words of serde's attributes that the derive reads, on a type, a variant or a field.
pub(crate) const SERDE_WORDS: [&str; 16] = [
    "alias",
    "content",
    "flatten",
    "into",
    "rename",
    "rename_all",
    "rename_all_fields",
    "serialize_with",
    "skip",
    "skip_deserializing",
    "skip_serializing",
    "skip_serializing_if",
    "tag",
    "transparent",
    "untagged",
    "with",
];

/// The levels, each with the variant of `Level` it names.
pub(crate) const LEVEL_NAMES: [(&str, &str); 7] = [
    ("debug", "Debug"),
    ("info", "Info"),
    ("warning", "Warning"),
    ("warn", "Warning"),
    ("error", "Error"),
    ("critical", "Critical"),
    ("fatal", "Critical"),
];

/// The masks, each with the variant of `Mask` it names.
pub(crate) const MASK_NAMES: [(&str, &str); 4] = [
    ("all", "All"),
    ("first_half", "FirstHalf"),
    ("last4", "Last4"),
    ("email", "Email"),
];

/// The actions that have a level or can be left out.
pub(crate) const ACTION_NAMES: [&str; 4] = ["create", "update", "delete", "access"];

#[cfg(test)]
mod tests {
    use super::{SERDE_WORDS, Target, words};

    /// The page of the derive.
    const PAGE: &str = include_str!("../ATTRIBUTES.md");

    /// Returns the headings of a level in a part of the page, each with the text below it.
    fn sections<'p>(part: &'p str, level: &str) -> Vec<(&'p str, &'p str)> {
        let mut is_code = false;
        let mut starts = Vec::new();
        let mut at = 0;
        for line in part.split_inclusive('\n') {
            is_code ^= line.starts_with("```");
            match line
                .strip_prefix(level)
                .and_then(|rest| rest.strip_prefix(' '))
            {
                Some(heading) if !is_code => starts.push((at, heading.trim(), at + line.len())),
                _ => {}
            }
            at += line.len();
        }
        let ends = starts.iter().skip(1).map(|(start, ..)| *start);
        let ends = ends.chain([part.len()]);
        let text = |((_, heading, start), end): (&(usize, &'p str, usize), usize)| {
            (*heading, &part[*start..end])
        };
        starts.iter().zip(ends).map(text).collect()
    }

    fn section(heading: &str) -> &'static str {
        let sections = sections(PAGE, "#");
        let found = sections.iter().find(|(found, _)| *found == heading);
        found.unwrap_or_else(|| panic!("no section `{heading}`")).1
    }

    #[test]
    fn the_page_has_a_section_for_each_attribute_of_a_type_and_a_field() {
        for (target, heading) in [
            (Target::Container, "Attributes of a type"),
            (Target::Field, "Attributes of a field"),
        ] {
            let mut sections = sections(section(heading), "##");
            for word in words(target) {
                let begins = |(heading, _): &(&str, &str)| {
                    heading
                        .strip_prefix('`')
                        .and_then(|rest| rest.split_once('`'))
                        .is_some_and(|(name, _)| name == word.name)
                };
                let at = sections.iter().position(begins);
                let at = at.unwrap_or_else(|| panic!("{heading}: no `{}`", word.name));
                let (_, text) = sections.remove(at);
                let form = text.trim_start();
                assert!(form.starts_with(&format!("`{}", word.name)), "{form}");
                assert!(text.contains("Default"), "no default of `{}`", word.name);
            }
            // An attribute that does not exist.
            assert_eq!(sections, [], "{heading}");
        }
    }

    #[test]
    fn the_page_lists_the_attributes_of_a_variant_and_of_serde() {
        let variant = section("Attributes of a variant");
        for word in words(Target::Variant) {
            let link = format!("[`{}`]", word.name);
            assert!(variant.contains(&link), "no {link}");
        }
        let serde = section("serde's attributes");
        for word in SERDE_WORDS {
            assert!(serde.contains(&format!("`{word}`")), "no `{word}`");
        }
    }
}

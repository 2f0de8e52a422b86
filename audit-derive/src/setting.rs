//! The settings in the attributes of a type, a variant and a field.

use proc_macro2::{Literal, TokenStream};
use quote::{ToTokens, quote};
use syn::punctuated::Punctuated;
use syn::{Attribute, ExprPath, Ident, LitInt, LitStr, Token, Type, WherePredicate};

use crate::attr::{self, Entry, Name, Value};
use crate::case::Case;
use crate::errors::Errors;
use crate::suggest;
use crate::symbol::{
    ACTION_NAMES, ACTIONS, ALIAS, BOUND, CRATE, DEBUG, DISPLAY, EQ, FLATTEN, HASH, ID, IGNORE, KEY,
    LABEL, LEVEL, LEVEL_NAMES, LEVELS, MASK, MASK_NAMES, MASK_WITH, MODEL, NOT_SECRET, ONLY,
    PARENT, REFERENCE, RENAME, RENAME_ALL, RENAME_ALL_FIELDS, REPR, REQUIRE_REASON, SERDE,
    SERDE_SKIP, SET, SKIP, SKIP_NONE, TOLERANCE, TRANSPARENT, Target, VALUE, VERSION, WHOLE, WITH,
};

/// The name of a variant of `Level`.
pub(crate) type LevelName = &'static str;

/// The given words with their tokens, for errors about combinations.
#[derive(Default)]
pub(crate) struct Given(Vec<(&'static str, Ident)>);

impl Given {
    /// Returns the token of a given word.
    pub(crate) fn get(&self, word: &str) -> Option<&Ident> {
        self.0
            .iter()
            .find(|(name, _)| *name == word)
            .map(|(_, token)| token)
    }

    /// Returns the words in source order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&'static str, &Ident)> {
        self.0.iter().map(|(name, token)| (*name, token))
    }
}

/// The attributes of a type.
#[expect(clippy::struct_excessive_bools, reason = "one flag for each word")]
#[derive(Default)]
pub(crate) struct ContainerSettings {
    pub(crate) given: Given,
    pub(crate) model: Option<LitStr>,
    pub(crate) repr: Option<LitStr>,
    pub(crate) id: Vec<Name>,
    pub(crate) only: Option<Vec<Name>>,
    pub(crate) rename_all: Option<Case>,
    pub(crate) rename_all_fields: Option<Case>,
    pub(crate) levels: [Option<LevelName>; 4],
    pub(crate) actions: Option<[bool; 3]>,
    pub(crate) version: Option<LitInt>,
    pub(crate) parent: Option<(Type, LitStr)>,
    pub(crate) require_reason: bool,
    pub(crate) transparent: bool,
    pub(crate) value: bool,
    /// The form in which the whole type is recorded: `Form::Serde` or `Form::Display`.
    pub(crate) form: Option<Form>,
    /// Whether fields and variants that serde skips are recorded.
    pub(crate) serde_skip_recorded: bool,
    pub(crate) bound: Option<Punctuated<WherePredicate, Token![,]>>,
    pub(crate) crate_path: Option<ExprPath>,
}

/// The attributes of a variant.
#[derive(Default)]
pub(crate) struct VariantSettings {
    pub(crate) rename: Option<String>,
    pub(crate) rename_all: Option<Case>,
    pub(crate) aliases: Vec<LitStr>,
    pub(crate) label: Option<LitStr>,
    pub(crate) not_secret: bool,
}

/// The form in which a field's value is recorded.
pub(crate) enum Form {
    Serde,
    /// By the function of serde's `with` or `serialize_with`.
    SerdeWith(ExprPath),
    Display,
    Debug,
    With(ExprPath),
    MaskWith(ExprPath),
    Reference,
    Key(LitStr),
    Set,
}

/// The redaction of a field's value.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Redaction {
    None,
    /// By the variant of `Mask` with this name.
    Mask(&'static str),
    Hash,
}

/// The equality of a field that replaces that of its type.
pub(crate) enum Equality {
    Function(ExprPath),
    /// The literal as a float.
    Tolerance(TokenStream),
    /// The literal in nanoseconds.
    TimeTolerance(TokenStream),
}

/// The attributes of a field.
#[expect(clippy::struct_excessive_bools, reason = "one flag for each word")]
pub(crate) struct FieldSettings {
    pub(crate) given: Given,
    pub(crate) id: bool,
    pub(crate) skip: Option<bool>,
    pub(crate) ignore: bool,
    pub(crate) rename: Option<LitStr>,
    pub(crate) aliases: Vec<LitStr>,
    pub(crate) not_secret: bool,
    pub(crate) label: Option<LitStr>,
    pub(crate) redaction: Redaction,
    pub(crate) level: Option<LevelName>,
    pub(crate) form: Option<Form>,
    /// Whether `serde = false` is given: the field has the type's own form despite serde's `with`.
    pub(crate) serde_ignored: bool,
    pub(crate) equality: Option<Equality>,
    pub(crate) whole: bool,
    pub(crate) skip_none: bool,
    pub(crate) flatten: bool,
}

impl ContainerSettings {
    pub(crate) fn read(attrs: &[Attribute], errors: &mut Errors) -> Self {
        let mut found = Self::default();
        for Entry { word, name, value } in attr::read(attrs, Target::Container, errors) {
            match (word.name, value) {
                (MODEL, Value::Text(text)) => found.model = not_empty(text, errors),
                (REPR, Value::Text(text)) => found.repr = Some(text),
                (ID, Value::Names(names)) => found.id = names,
                (ONLY, Value::Names(names)) => found.only = Some(names),
                (RENAME_ALL, Value::Text(text)) => found.rename_all = case(&text, errors),
                (RENAME_ALL_FIELDS, Value::Text(text)) => {
                    found.rename_all_fields = case(&text, errors);
                }
                (LEVELS, Value::Levels(levels)) => found.levels = action_levels(&levels, errors),
                (ACTIONS, Value::Names(names)) => found.actions = Some(actions(&names, errors)),
                (VERSION, Value::Number(number)) => found.version = version(number, errors),
                (PARENT, Value::Parent { model, key }) => found.parent = Some((*model, key)),
                (REQUIRE_REASON, _) => found.require_reason = true,
                (TRANSPARENT, _) => found.transparent = true,
                (VALUE, _) => found.value = true,
                (SERDE, _) => found.form = Some(Form::Serde),
                (DISPLAY, _) => found.form = Some(Form::Display),
                (SERDE_SKIP, Value::Text(text)) => {
                    found.serde_skip_recorded = serde_skip(&text, errors);
                }
                (BOUND, Value::Text(text)) => found.bound = bound(&text, errors),
                (CRATE, Value::Path(path)) => found.crate_path = Some(path),
                _ => {}
            }
            found.given.0.push((word.name, name));
        }
        found
    }
}

impl VariantSettings {
    pub(crate) fn read(attrs: &[Attribute], errors: &mut Errors) -> Self {
        let mut found = Self::default();
        for Entry { word, value, .. } in attr::read(attrs, Target::Variant, errors) {
            match (word.name, value) {
                (RENAME, Value::Text(text)) => {
                    found.rename = not_empty(text, errors).map(|text| text.value());
                }
                (RENAME_ALL, Value::Text(text)) => found.rename_all = case(&text, errors),
                (ALIAS, Value::Text(text)) => found.aliases.extend(not_empty(text, errors)),
                (LABEL, Value::Text(text)) => found.label = not_empty(text, errors),
                (NOT_SECRET, _) => found.not_secret = true,
                _ => {}
            }
        }
        found
    }
}

impl FieldSettings {
    pub(crate) fn read(attrs: &[Attribute], errors: &mut Errors) -> Self {
        let mut found = Self {
            given: Given::default(),
            id: false,
            skip: None,
            ignore: false,
            rename: None,
            aliases: Vec::new(),
            label: None,
            not_secret: false,
            redaction: Redaction::None,
            level: None,
            form: None,
            serde_ignored: false,
            equality: None,
            whole: false,
            skip_none: false,
            flatten: false,
        };
        for Entry { word, name, value } in attr::read(attrs, Target::Field, errors) {
            found.set(word.name, value, errors);
            found.given.0.push((word.name, name));
        }
        found
    }

    fn set(&mut self, word: &str, value: Value, errors: &mut Errors) {
        match (word, value) {
            (ID, _) => self.id = true,
            (SKIP, Value::Bool(skip)) => self.skip = Some(skip),
            (IGNORE, _) => self.ignore = true,
            (RENAME, Value::Text(text)) => self.rename = not_empty(text, errors),
            (ALIAS, Value::Text(text)) => self.aliases.extend(not_empty(text, errors)),
            (LABEL, Value::Text(text)) => self.label = not_empty(text, errors),
            (NOT_SECRET, _) => self.not_secret = true,
            (MASK, Value::Nothing) => self.redaction = Redaction::Mask("All"),
            (MASK, Value::Text(text)) => self.redaction = Redaction::Mask(mask(&text, errors)),
            (MASK_WITH, Value::Path(path)) => {
                self.redaction = Redaction::Mask("Custom");
                self.form = Some(Form::MaskWith(path));
            }
            (HASH, _) => self.redaction = Redaction::Hash,
            (LEVEL, Value::Text(text)) => self.level = level(&text, errors),
            (REFERENCE, _) => self.form = Some(Form::Reference),
            (KEY, Value::Text(text)) => self.form = not_empty(text, errors).map(Form::Key),
            (SET, _) => self.form = Some(Form::Set),
            (SERDE, Value::Bool(false)) => self.serde_ignored = true,
            (SERDE, _) => self.form = Some(Form::Serde),
            (DISPLAY, _) => self.form = Some(Form::Display),
            (DEBUG, _) => self.form = Some(Form::Debug),
            (WITH, Value::Path(path)) => self.form = Some(Form::With(path)),
            (EQ, Value::Path(path)) => self.equality = Some(Equality::Function(path)),
            (TOLERANCE, Value::Float(literal)) => self.equality = tolerance(&literal, errors),
            (WHOLE, _) => self.whole = true,
            (SKIP_NONE, _) => self.skip_none = true,
            (FLATTEN, _) => self.flatten = true,
            _ => {}
        }
    }
}

fn not_empty(text: LitStr, errors: &mut Errors) -> Option<LitStr> {
    if text.value().trim().is_empty() {
        errors.at(&text, "the text is empty");
        return None;
    }
    Some(text)
}

/// Reads `serde_skip = "record"`, the only valid value.
fn serde_skip(text: &LitStr, errors: &mut Errors) -> bool {
    let name = text.value();
    if name != "record" {
        let hint = suggest::hint(&name, ["record"]);
        errors.at(text, format!("unknown value `{name}`{hint}"));
    }
    true
}

fn case(text: &LitStr, errors: &mut Errors) -> Option<Case> {
    let name = text.value();
    let case = Case::from_name(&name);
    if case.is_none() {
        let hint = suggest::hint(&name, Case::NAMES.map(|(known, _)| known));
        errors.at(text, format!("unknown case `{name}`{hint}"));
    }
    case
}

fn level(text: &LitStr, errors: &mut Errors) -> Option<LevelName> {
    let name = text.value();
    let found = LEVEL_NAMES
        .iter()
        .find(|(known, _)| known.eq_ignore_ascii_case(&name));
    if found.is_none() {
        let hint = suggest::hint(&name, ["debug", "info", "warning", "error", "critical"]);
        errors.at(text, format!("unknown level `{name}`{hint}"));
    }
    found.map(|(_, variant)| *variant)
}

fn mask(text: &LitStr, errors: &mut Errors) -> &'static str {
    let name = text.value();
    if let Some((_, variant)) = MASK_NAMES.iter().find(|(known, _)| *known == name) {
        return variant;
    }
    let hint = suggest::hint(&name, MASK_NAMES.map(|(known, _)| known));
    errors.at(text, format!("unknown mask `{name}`{hint}"));
    "All"
}

fn action(
    name: &str,
    names: &[&'static str],
    token: impl ToTokens,
    errors: &mut Errors,
) -> Option<usize> {
    let index = names.iter().position(|other| *other == name);
    if index.is_none() {
        let hint = suggest::hint(name, names.iter().copied());
        errors.at(token, format!("unknown action `{name}`{hint}"));
    }
    index
}

fn action_levels(given: &[(Ident, LitStr)], errors: &mut Errors) -> [Option<LevelName>; 4] {
    let mut levels = [None; 4];
    for (name, text) in given {
        let index = action(&name.to_string(), &ACTION_NAMES, name, errors);
        let level = level(text, errors);
        if let Some(slot) = index.map(|index| &mut levels[index]) {
            if slot.is_some() {
                errors.at(name, format!("`{name}` is given twice"));
            }
            *slot = level;
        }
    }
    levels
}

/// Reads `actions(..)`, which cannot include accesses.
fn actions(given: &[Name], errors: &mut Errors) -> [bool; 3] {
    let mut set = [false; 3];
    for name in given {
        if let Some(slot) =
            action(&name.text, &ACTION_NAMES[..3], name, errors).map(|index| &mut set[index])
        {
            if *slot {
                errors.at(name, format!("`{}` is given twice", name.text));
            }
            *slot = true;
        }
    }
    set
}

fn version(number: LitInt, errors: &mut Errors) -> Option<LitInt> {
    match number.base10_parse::<u32>() {
        Ok(1..) if number.suffix().is_empty() => Some(number),
        _ => {
            errors.at(
                &number,
                "the version is a whole number from 1 to 4294967295",
            );
            None
        }
    }
}

fn bound(text: &LitStr, errors: &mut Errors) -> Option<Punctuated<WherePredicate, Token![,]>> {
    match text.parse_with(Punctuated::parse_terminated) {
        Ok(predicates) => Some(predicates),
        Err(error) => {
            errors.at(text, format!("cannot read the bounds: {error}"));
            None
        }
    }
}

fn tolerance(literal: &syn::Lit, errors: &mut Errors) -> Option<Equality> {
    let (digits, suffix) = match literal {
        syn::Lit::Float(float) => (float.base10_digits(), float.suffix()),
        syn::Lit::Int(int) => (int.base10_digits(), int.suffix()),
        syn::Lit::Str(text) => return time_tolerance(text, errors),
        _ => return None,
    };
    match digits.parse::<f64>() {
        Ok(value) if value.is_finite() && value >= 0.0 && matches!(suffix, "" | "f64") => {
            let mut value = Literal::f64_suffixed(value);
            value.set_span(literal.span());
            Some(Equality::Tolerance(quote!(#value)))
        }
        _ => {
            errors.at(
                literal,
                "the tolerance is a finite number, zero or more, without a suffix",
            );
            None
        }
    }
}

/// The units of a length of time, in nanoseconds.
const TIME_UNITS: [(&str, u64); 7] = [
    ("ns", 1),
    ("us", 1_000),
    ("\u{b5}s", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60_000_000_000),
    ("h", 3_600_000_000_000),
];

fn time_tolerance(text: &LitStr, errors: &mut Errors) -> Option<Equality> {
    let value = text.value();
    let digits = value.trim_start_matches(|c: char| c.is_ascii_digit());
    let (number, unit) = value.split_at(value.len() - digits.len());
    let unit = TIME_UNITS.iter().find(|(name, _)| *name == unit.trim());
    let nanos = unit.and_then(|(_, nanos)| number.parse::<u64>().ok()?.checked_mul(*nanos));
    let Some(nanos) = nanos else {
        errors.at(
            text,
            "the tolerance is a number, or for times a whole number with one of the units \
             `ns`, `us`, `ms`, `s`, `m` and `h`, as in `tolerance = \"1us\"`",
        );
        return None;
    };
    let mut literal = Literal::u64_suffixed(nanos);
    literal.set_span(text.span());
    Some(Equality::TimeTolerance(quote!(#literal)))
}

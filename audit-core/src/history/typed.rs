//! States as objects of a type.

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::exact;
use super::rebuild::Reconstruction;
use crate::error::{Missing, MissingReason, TypedError};
use crate::path::{Path, PathSegment};
use crate::value::member::{Level, Member, member};
use crate::value::schema::{FieldSchema, Place, Reading, Sensitivity};
use crate::value::visited::in_place;

const CONVERTED: &str = "the field is recorded by `display`, `debug` or `with`: \
                         `#[audit(serde)]` records what serde reads";

impl Reconstruction {
    /// Makes an object of the state; `None` if it did not exist. Numbers that are stored as
    /// texts because of their size are read as numbers, and the texts that are recorded of
    /// `OsString` and of the crate `time` as their types have them, but not below
    /// `#[serde(flatten)]` or `#[serde(untagged)]`, where serde reads a value before it knows the
    /// type.
    ///
    /// A field that is marked `#[serde(skip)]` is not recorded either, and gets the default that
    /// serde gives it.
    ///
    /// # Errors
    /// - [`TypedError::Incomplete`] if a part of the state is missing, masked or a token.
    /// - [`TypedError::NotRead`] if a part is recorded that serde does not read.
    /// - [`TypedError::Form`] if the state does not make a `T`.
    pub fn typed<T: DeserializeOwned>(&self) -> Result<Option<T>, TypedError> {
        let obstacle = |part: &&Missing| !self.is_defaulted(part);
        let missing: Vec<Missing> = self.missing.iter().filter(obstacle).cloned().collect();
        if self.exists() && !missing.is_empty() {
            return Err(TypedError::Incomplete { missing });
        }
        let (state, unread) = self.readable.prepare(&self.state);
        let object = self.read(state)?;
        match unread.into_iter().next() {
            Some(path) if self.exists() => {
                let help = match field_at(self.readable.fields(), &path).0 {
                    Some(field) if field.converted => CONVERTED,
                    _ => {
                        "it would set a default; remove `#[serde(skip)]` or \
                         `#[serde(skip_deserializing)]` from the field"
                    }
                };
                Err(TypedError::NotRead { path, help })
            }
            _ => Ok(object),
        }
    }

    /// Makes an object of what the state has, as [`typed`](Self::typed) does of a complete one:
    /// of a masked field the masked text, and of a missing one the default, where the type has
    /// `#[serde(default)]`.
    ///
    /// # Errors
    /// [`TypedError::Form`] if the state does not make a `T`.
    pub fn typed_lossy<T: DeserializeOwned>(&self) -> Result<Option<T>, TypedError> {
        self.read(self.readable.prepare(&self.state).0)
    }

    fn read<T: DeserializeOwned>(&self, state: Value) -> Result<Option<T>, TypedError> {
        if !self.exists() {
            return Ok(None);
        }
        exact::read(state).map(Some).map_err(|(path, source)| {
            let help = self.help(&path, &source);
            TypedError::Form { path, source, help }
        })
    }

    /// Whether serde skips a missing part too, and sets its default.
    fn is_defaulted(&self, part: &Missing) -> bool {
        if part.reason != MissingReason::Skipped {
            return false;
        }
        let (field, inside) = field_at(self.readable.fields(), &part.path);
        match field {
            Some(field) if is_skipped(field) => field.reading == Reading::Never,
            // What has no path of its own: the only field, or one of a tuple in a list.
            _ => {
                let mut skipped = Vec::new();
                skipped_in_place(inside, &mut Vec::new(), &mut skipped);
                let never = |field: &&FieldSchema| field.reading == Reading::Never;
                !skipped.is_empty() && skipped.iter().all(never)
            }
        }
    }

    /// Returns which attribute helps where a value cannot be read.
    fn help(&self, path: &Path, error: &serde_json::Error) -> &'static str {
        if error.to_string().starts_with("missing field") {
            return "`#[serde(default)]` on the field fills in what the trail does not have";
        }
        match field_at(self.readable.fields(), path).0 {
            Some(field) if field.converted => CONVERTED,
            Some(field) if field.referenced.is_some() => {
                "the field is recorded by `#[audit(reference)]`, as a key"
            }
            _ => {
                "if the type changed since, `register_with(|o| o.upcast(..))` reads former entries; \
                 if it is serialized by hand, mark it `#[audit(serde)]`"
            }
        }
    }
}

fn is_skipped(field: &FieldSchema) -> bool {
    field.sensitivity == Sensitivity::Skipped
}

/// Collects the fields of a level that are not recorded, of types that stand in its place too.
fn skipped_in_place(
    level: Level,
    seen: &mut Vec<*const FieldSchema>,
    skipped: &mut Vec<&'static FieldSchema>,
) {
    if seen.contains(&level.as_ptr()) {
        return;
    }
    seen.push(level.as_ptr());
    for field in level {
        if is_skipped(field) {
            skipped.push(field);
        } else if field.is_inline() {
            skipped_in_place(field.inside(), seen, skipped);
        }
    }
}

/// Finds the field that a path leads to, and the fields of what is there.
fn field_at(fields: Level, path: &Path) -> (Option<&'static FieldSchema>, Level) {
    let mut level = fields;
    let mut found = None;
    for segment in path.segments() {
        match segment {
            PathSegment::Name(name) => match member(level, &name) {
                Some(Member::Field(field)) => {
                    found = Some(field);
                    level = field.inside();
                }
                Some(Member::Value(values)) => {
                    found = None;
                    level = values.inside();
                }
                None => return (None, &[]),
            },
            PathSegment::Index(index) => {
                let position = in_place(level, &|field| {
                    matches!(field.place, Place::Indexed(at) if at == index).then_some(field)
                });
                // An item of a list has the fields of its list.
                if let Some(field) = position {
                    found = Some(field);
                    level = field.inside();
                }
            }
            PathSegment::Match { .. } => {}
        }
    }
    (found, level)
}

//! Converts reconstructed states to typed objects.

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::rebuild::Reconstruction;
use super::state_deserializer;
use crate::error::{Missing, MissingReason, TypedError};
use crate::path::{Path, PathSegment};
use crate::value::schema::{FieldSchema, Placement, Reading, Sensitivity};
use crate::value::schema_lookup::{Member, Schema, member};
use crate::value::schema_walk::find_in_object;

const CONVERTED: &str = "the field is recorded by `display`, `debug` or `with`: \
                         `#[audit(serde)]` records the form that serde reads";

impl Reconstruction {
    /// Deserializes the state; `None` if the object did not exist.
    ///
    /// Numbers stored as strings because of their size are read as numbers, and the recorded texts
    /// of `OsString` and of the crate `time` as their types. This does not apply below
    /// `#[serde(flatten)]` and `#[serde(untagged)]`, where serde buffers a value before it knows
    /// the type.
    ///
    /// A field marked `#[serde(skip)]` is not recorded and gets serde's default.
    ///
    /// # Errors
    /// - Returns [`TypedError::Incomplete`] if a part of the state is missing, masked or a token.
    /// - Returns [`TypedError::NotRead`] if serde does not deserialize a recorded part.
    /// - Returns [`TypedError::Form`] if the state cannot be deserialized as a `T`.
    ///
    /// # Example: an object, and a state that is not complete
    /// ```
    /// use auditlog::{TypedError, prelude::*};
    ///
    /// #[derive(Auditable, Deserialize)]
    /// struct User {
    ///     id: u32,
    ///     #[audit(mask)]
    ///     phone: String,
    /// }
    ///
    /// let _audit = auditlog::testing::capture();
    /// auditlog::register::<User>();
    /// auditlog::created(&User { id: 1, phone: "+1555".into() }).record()?;
    ///
    /// let latest = auditlog::history::<User>(1)?.latest();
    /// let error = latest.typed::<User>().map(|_| ()).unwrap_err();
    /// assert!(matches!(error, TypedError::Incomplete { .. }));
    ///
    /// let user: User = latest.typed_lossy()?.expect("it exists");
    /// assert_eq!((user.id, user.phone.as_str()), (1, "***"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn typed<T: DeserializeOwned>(&self) -> Result<Option<T>, TypedError> {
        let obstacle = |part: &&Missing| !self.is_defaulted(part);
        let missing: Vec<Missing> = self.missing.iter().filter(obstacle).cloned().collect();
        if self.exists() && !missing.is_empty() {
            return Err(TypedError::Incomplete { missing });
        }
        let (state, unread) = self.serde_names.prepare(&self.state);
        let object = self.read(state)?;
        match unread.into_iter().next() {
            Some(path) if self.exists() => {
                let help = match field_at(self.serde_names.fields(), &path).0 {
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

    /// Deserializes the state as [`typed`](Self::typed) does, even if it is not complete: a masked
    /// field gets the masked text, and a missing one the default if the type has
    /// `#[serde(default)]`.
    ///
    /// # Errors
    /// - Returns [`TypedError::Incomplete`] if the trail has no part of the state.
    /// - Returns [`TypedError::Form`] if the state cannot be deserialized as a `T`.
    pub fn typed_lossy<T: DeserializeOwned>(&self) -> Result<Option<T>, TypedError> {
        self.read(self.serde_names.prepare(&self.state).0)
    }

    fn read<T: DeserializeOwned>(&self, state: Value) -> Result<Option<T>, TypedError> {
        if !self.exists() {
            return Ok(None);
        }
        if self.is_unknown() {
            let missing = self.missing.clone();
            return Err(TypedError::Incomplete { missing });
        }
        state_deserializer::read(state)
            .map(Some)
            .map_err(|(path, source)| {
                let help = self.help(&path, &source);
                TypedError::Form { path, source, help }
            })
    }

    /// Returns whether serde skips a missing part too and uses its default.
    fn is_defaulted(&self, part: &Missing) -> bool {
        if part.reason != MissingReason::Skipped {
            return false;
        }
        let (field, inside) = field_at(self.serde_names.fields(), &part.path);
        match field {
            Some(field) if is_skipped(field) => field.reading == Reading::Never,
            // A field without its own path: the only field, or one of a tuple in a list.
            _ => {
                let mut skipped = Vec::new();
                skipped_in_object(inside, &mut Vec::new(), &mut skipped);
                let never = |field: &&FieldSchema| field.reading == Reading::Never;
                !skipped.is_empty() && skipped.iter().all(never)
            }
        }
    }

    /// Returns the attribute that helps if a value cannot be deserialized.
    fn help(&self, path: &Path, error: &serde_json::Error) -> &'static str {
        if error.to_string().starts_with("missing field") {
            return "`#[serde(default)]` on the field replaces a value that the trail lacks";
        }
        match field_at(self.serde_names.fields(), path).0 {
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

/// Collects the skipped fields of a schema and of the inline types in it.
fn skipped_in_object(
    schema: Schema,
    seen: &mut Vec<*const FieldSchema>,
    skipped: &mut Vec<&'static FieldSchema>,
) {
    if seen.contains(&schema.as_ptr()) {
        return;
    }
    seen.push(schema.as_ptr());
    for field in schema {
        if is_skipped(field) {
            skipped.push(field);
        } else if field.is_inline() {
            skipped_in_object(field.inside(), seen, skipped);
        }
    }
}

/// Returns the field at a path and the schema of its value.
fn field_at(fields: Schema, path: &Path) -> (Option<&'static FieldSchema>, Schema) {
    let mut schema = fields;
    let mut found = None;
    for segment in path.segments() {
        match segment {
            PathSegment::Name(name) => match member(schema, &name) {
                Some(Member::Field(field)) => {
                    found = Some(field);
                    schema = field.inside();
                }
                Some(Member::Value(values)) => {
                    found = None;
                    schema = values.inside();
                }
                None => return (None, &[]),
            },
            PathSegment::Index(index) => {
                let position = find_in_object(schema, &|field| {
                    matches!(field.placement, Placement::Indexed(at) if at == index)
                        .then_some(field)
                });
                // The schema of a list is that of its items.
                if let Some(field) = position {
                    found = Some(field);
                    schema = field.inside();
                }
            }
            PathSegment::Match { .. } => {}
        }
    }
    (found, schema)
}

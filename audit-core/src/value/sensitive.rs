//! [`Sensitive`], a wrapper of a value that is never recorded in clear.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

use super::AuditValue;
use super::diff::Diff;
use super::schema::FieldSchema;
use super::snapshot::Snapshot;
use crate::mask::Mask;

/// Describes a value that is hidden with any attributes of its field.
pub(crate) const fn hidden_field(nested: fn() -> &'static [FieldSchema]) -> FieldSchema {
    FieldSchema::inline("0", nested)
        .with_mask(Mask::All)
        .opaque()
}

/// A value that is never recorded in clear: changes show `***`, and so does `Debug`.
///
/// `#[audit(mask)]` protects a field; this type protects a value wherever it is used. It does not
/// implement `Serialize`, since `#[audit(serde)]` on an enclosing value would then disclose it. To
/// store the value itself, use [`serialize_exposed`](Self::serialize_exposed) in
/// `#[serde(serialize_with = "..")]`.
///
/// # Example: a change without the value
/// ```
/// use auditlog::{Sensitive, diff};
///
/// let changes = diff(&Sensitive::new("hunter2"), &Sensitive::new("hunter3"));
/// assert_eq!(changes["$"].new, Some("***".into()));
/// assert_eq!(format!("{:?}", Sensitive::new("hunter2")), "Sensitive(***)");
/// ```
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sensitive<T>(T);

impl<T> Sensitive<T> {
    /// Wraps a value.
    pub const fn new(value: T) -> Self {
        Self(value)
    }

    /// Returns the value in clear.
    pub const fn expose(&self) -> &T {
        &self.0
    }

    /// Returns the value in clear.
    pub fn into_inner(self) -> T {
        self.0
    }

    /// Serializes the value in clear, for `#[serde(serialize_with = "..")]`.
    ///
    /// # Errors
    /// Returns the error of the serializer.
    pub fn serialize_exposed<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error>
    where
        T: Serialize,
    {
        self.0.serialize(serializer)
    }
}

impl<T> From<T> for Sensitive<T> {
    fn from(value: T) -> Self {
        Self(value)
    }
}

impl<T> fmt::Debug for Sensitive<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sensitive(***)")
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Sensitive<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        T::deserialize(deserializer).map(Self)
    }
}

impl<T: AuditValue> AuditValue for Sensitive<T> {
    #[inline]
    fn same(&self, other: &Self) -> bool {
        self.0.same(&other.0)
    }

    fn snapshot(&self, cx: &mut Snapshot<'_>) -> Value {
        if cx.is_capturing() {
            return cx.capture_secret(&mut |cx| self.0.snapshot(cx), &mut |cx| cx.hidden());
        }
        cx.hidden()
    }

    fn diff(&self, _: &Self, cx: &mut Diff<'_>) {
        cx.hidden();
    }

    fn fields() -> &'static [FieldSchema] {
        const { &[hidden_field(T::fields)] }
    }
}

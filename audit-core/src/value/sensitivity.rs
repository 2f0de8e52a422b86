//! The part of a field that is recorded.

use crate::mask::Mask;

/// The part of a field's value that is recorded.
///
/// # Example: four fields
/// ```
/// use auditlog::{Auditable, Mask, Sensitivity};
///
/// #[derive(Auditable)]
/// struct User {
///     id: u32,
///     #[audit(mask = "last4")]
///     phone: String,
///     #[audit(hash)]
///     email: String,
///     #[audit(skip)]
///     password_hash: String,
/// }
///
/// let fields = User::schema().fields().iter();
/// let found: Vec<Sensitivity> = fields.map(|field| field.sensitivity()).collect();
/// assert_eq!(
///     found,
///     [
///         Sensitivity::Clear,
///         Sensitivity::Masked(Mask::Last4),
///         Sensitivity::Hashed,
///         Sensitivity::Skipped,
///     ]
/// );
/// # let _ = User { id: 1, phone: String::new(), email: String::new(), password_hash: String::new() };
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Sensitivity {
    /// The value in clear.
    Clear,
    /// A masked text in place of the value.
    Masked(Mask),
    /// A keyed pseudonym in place of the value: equal inputs give equal tokens.
    Hashed,
    /// Nothing: the field is not recorded.
    Skipped,
}

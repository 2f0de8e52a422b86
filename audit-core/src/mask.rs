//! Masks of secrets.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use serde_json::Value;

/// The form in which a masked field shows its value.
///
/// A null stays a null, since the absence of a value is not a secret. Every other value becomes a
/// string. A list or a struct becomes a single string, so that its size is hidden too.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Mask {
    /// Hides everything: `***`.
    #[default]
    All,
    /// Hides the first half, with one `*` for each character. A single character is hidden.
    FirstHalf,
    /// Shows `****` and the last four characters; only `****` for a text of fewer than eight.
    Last4,
    /// Shows the first character and the domain of an e-mail address: `a***@example.com`.
    ///
    /// Other texts are hidden as `***`. A domain consists of ASCII letters, digits, `-` and at
    /// least one `.`, so that a password that contains `@` is not shown.
    Email,
    /// The result of the application's function (`mask_with`).
    Custom,
}

/// The text of [`Mask::All`].
pub(crate) const HIDDEN: &str = "***";

impl Mask {
    /// Returns the name, as in `mask = "..."` of the derive.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::FirstHalf => "first_half",
            Self::Last4 => "last4",
            Self::Email => "email",
            Self::Custom => "custom",
        }
    }

    /// Masks a text.
    ///
    /// # Example: the forms
    /// ```
    /// use auditlog::Mask;
    ///
    /// assert_eq!(Mask::All.apply("secret"), "***");
    /// assert_eq!(Mask::FirstHalf.apply("secret"), "***ret");
    /// assert_eq!(Mask::Last4.apply("+15551234567"), "****4567");
    /// assert_eq!(Mask::Last4.apply("4567"), "****");
    /// assert_eq!(Mask::Email.apply("alice@example.com"), "a***@example.com");
    /// ```
    pub fn apply(self, text: &str) -> String {
        match self {
            Self::All | Self::Custom => HIDDEN.to_owned(),
            Self::FirstHalf => {
                let length = text.chars().count();
                let hidden = length.div_ceil(2);
                let mut masked = "*".repeat(hidden);
                masked.extend(text.chars().skip(hidden));
                masked
            }
            Self::Last4 => {
                let length = text.chars().count();
                let mut masked = "****".to_owned();
                if length >= 8 {
                    masked.extend(text.chars().skip(length - 4));
                }
                masked
            }
            Self::Email => match text.rsplit_once('@') {
                Some((local, domain)) if is_local_part(local) && is_domain(domain) => {
                    let mut rest = local.chars();
                    let first = rest.next().filter(|_| rest.next().is_some());
                    format!(
                        "{}{HIDDEN}@{domain}",
                        first.map_or(String::new(), String::from)
                    )
                }
                _ => HIDDEN.to_owned(),
            },
        }
    }

    /// Masks a value: null stays null, every other value becomes a masked string.
    pub(crate) fn apply_to_value(self, value: Value) -> Value {
        match (self, value) {
            (_, Value::Null) => Value::Null,
            (Self::Custom, value) => value,
            (mask, value @ (Value::Array(_) | Value::Object(_))) => {
                drop(value);
                Value::String(match mask {
                    Self::Last4 => "****".to_owned(),
                    _ => HIDDEN.to_owned(),
                })
            }
            // A half of `true` would disclose it.
            (_, Value::Bool(_)) => Value::String(HIDDEN.to_owned()),
            (mask, value) => Value::String(mask.apply(&scalar_text(&value))),
        }
    }
}

// These two functions agree with the function `audit_mask` of the PostgreSQL triggers.

fn is_local_part(text: &str) -> bool {
    let other = |c: char| c <= ' ' || "\u{7f}@<>()[]\",;:\\".contains(c);
    !text.is_empty() && !text.contains(other)
}

fn is_domain(text: &str) -> bool {
    let label = |label: &str| {
        !label.is_empty() && label.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
    };
    text.contains('.') && text.split('.').all(label)
}

/// Returns a string itself, or the JSON of another scalar.
pub(crate) fn scalar_text(value: &Value) -> Cow<'_, str> {
    match value {
        Value::String(text) => Cow::Borrowed(text),
        other => Cow::Owned(other.to_string()),
    }
}

impl fmt::Display for Mask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Mask {
    type Err = ParseMaskError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        [Self::All, Self::FirstHalf, Self::Last4, Self::Email]
            .into_iter()
            .find(|mask| mask.as_str() == text)
            .ok_or_else(|| ParseMaskError {
                text: text.to_owned(),
            })
    }
}

/// The error of parsing a text that is not the name of a mask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParseMaskError {
    text: String,
}

impl fmt::Display for ParseMaskError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "unknown mask `{}`; expected all, first_half, last4 or email",
            self.text.escape_debug()
        )
    }
}

impl std::error::Error for ParseMaskError {}

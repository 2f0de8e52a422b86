//! Actions and their outcomes.

use std::borrow::Cow;
use std::convert::Infallible;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::parsed;

/// The action on an object.
///
/// # Example: the four actions, and one of an application
/// ```
/// use auditlog::Action;
///
/// assert_eq!(Action::from("update"), Action::Update);
/// assert_eq!(Action::from("approved"), Action::Custom("approved".into()));
/// assert_eq!(Action::Update.verb(), "updated");
/// assert_eq!(Action::Delete, "delete");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Action {
    /// The object was created.
    Create,
    /// The object was updated.
    Update,
    /// The object was deleted.
    Delete,
    /// The object was read.
    Access,
    /// Another action, by name.
    Custom(Cow<'static, str>),
}

impl Action {
    /// Returns the action with this name: one of the four, or a custom one.
    ///
    /// # Example: without an allocation
    /// ```
    /// use auditlog::Action;
    ///
    /// const APPROVED: &str = "approved";
    ///
    /// assert_eq!(Action::named(APPROVED).as_str(), "approved");
    /// assert_eq!(Action::named("delete"), Action::Delete);
    /// ```
    pub fn named(name: impl Into<Cow<'static, str>>) -> Self {
        let name = name.into();
        Self::built_in(&name).unwrap_or(Self::Custom(name))
    }

    fn built_in(name: &str) -> Option<Self> {
        match name {
            "create" => Some(Self::Create),
            "update" => Some(Self::Update),
            "delete" => Some(Self::Delete),
            "access" => Some(Self::Access),
            _ => None,
        }
    }

    /// Returns the name, as `Display` prints it and entries store it.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Create => "create",
            Self::Update => "update",
            Self::Delete => "delete",
            Self::Access => "access",
            Self::Custom(name) => name,
        }
    }

    /// Returns the past participle: `created`, `updated`, `deleted`, `accessed` or the custom name.
    pub fn verb(&self) -> &str {
        match self {
            Self::Create => "created",
            Self::Update => "updated",
            Self::Delete => "deleted",
            Self::Access => "accessed",
            Self::Custom(name) => name,
        }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl AsRef<str> for Action {
    fn as_ref(&self) -> &str {
        self.as_str()
    }
}

impl PartialEq<str> for Action {
    fn eq(&self, name: &str) -> bool {
        self.as_str() == name
    }
}

impl PartialEq<&str> for Action {
    fn eq(&self, name: &&str) -> bool {
        self.as_str() == *name
    }
}

impl From<&str> for Action {
    fn from(name: &str) -> Self {
        Self::built_in(name).unwrap_or_else(|| Self::Custom(name.to_owned().into()))
    }
}

impl From<String> for Action {
    fn from(name: String) -> Self {
        Self::named(name)
    }
}

impl FromStr for Action {
    type Err = Infallible;

    fn from_str(name: &str) -> Result<Self, Infallible> {
        Ok(name.into())
    }
}

impl Serialize for Action {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Action {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        parsed::deserialize(deserializer, "the name of an action")
    }
}

/// The outcome of an action.
///
/// # Example: names
/// ```
/// use auditlog::Outcome;
///
/// assert_eq!("Denied".parse::<Outcome>()?, Outcome::Denied);
/// assert_eq!(Outcome::default().to_string(), "success");
/// # Ok::<(), auditlog::ParseOutcomeError>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Outcome {
    /// The action succeeded.
    #[default]
    Success,
    /// The action failed. Recorded at level error or higher.
    Failure,
    /// The action was denied. Recorded at level warning or higher.
    Denied,
}

impl Outcome {
    /// Returns the name, as `Display` prints it and entries store it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Failure => "failure",
            Self::Denied => "denied",
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Outcome {
    type Err = ParseOutcomeError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        [Self::Success, Self::Failure, Self::Denied]
            .into_iter()
            .find(|outcome| outcome.as_str().eq_ignore_ascii_case(text))
            .ok_or_else(|| ParseOutcomeError {
                text: text.to_owned(),
            })
    }
}

/// The error of parsing a text that is not the name of an outcome.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParseOutcomeError {
    text: String,
}

impl fmt::Display for ParseOutcomeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "unknown outcome `{}`; expected success, failure or denied",
            self.text.escape_debug()
        )
    }
}

impl std::error::Error for ParseOutcomeError {}

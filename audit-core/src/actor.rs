//! Who did it.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Who did what an entry tells of.
///
/// # Example: a person, a service, and one for the other
/// ```
/// use audit_core::{Actor, ActorKind};
///
/// let alice = Actor::from("alice");
/// assert_eq!(alice.kind, ActorKind::User);
/// let job = Actor::service("billing").on_behalf_of("alice");
/// assert_eq!(job.to_string(), "billing on behalf of alice");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Actor {
    // In the order of the names, which is that of the canonical form.
    /// The name as it was at the time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub display: Option<String>,
    /// The stable id, by which entries are found.
    pub id: String,
    /// What kind of actor it is.
    #[serde(default)]
    pub kind: ActorKind,
    /// The id of whoever the actor acted for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_behalf_of: Option<String>,
}

/// What kind of actor did it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum ActorKind {
    /// A person.
    #[default]
    User,
    /// Another program.
    Service,
    /// The program itself.
    System,
}

impl ActorKind {
    /// Returns the name as entries store it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Service => "service",
            Self::System => "system",
        }
    }
}

impl fmt::Display for ActorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl Actor {
    /// Makes an actor of an id and a kind.
    pub fn new(id: impl Into<String>, kind: ActorKind) -> Self {
        Self {
            id: id.into(),
            kind,
            display: None,
            on_behalf_of: None,
        }
    }

    /// Makes a person.
    pub fn user(id: impl Into<String>) -> Self {
        Self::new(id, ActorKind::User)
    }

    /// Makes another program.
    pub fn service(id: impl Into<String>) -> Self {
        Self::new(id, ActorKind::Service)
    }

    /// Makes the program itself, under a name such as that of the job.
    pub fn system(id: impl Into<String>) -> Self {
        Self::new(id, ActorKind::System)
    }

    /// Sets the name as people read it.
    pub fn display(mut self, name: impl Into<String>) -> Self {
        self.display = Some(name.into());
        self
    }

    /// Sets whom the actor acts for.
    pub fn on_behalf_of(mut self, id: impl Into<String>) -> Self {
        self.on_behalf_of = Some(id.into());
        self
    }

    /// Returns the name, or the id where there is none.
    pub fn name(&self) -> &str {
        self.display.as_deref().unwrap_or(&self.id)
    }
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.on_behalf_of {
            Some(other) => write!(f, "{} on behalf of {other}", self.name()),
            None => f.pad(self.name()),
        }
    }
}

impl From<&str> for Actor {
    fn from(id: &str) -> Self {
        Self::user(id)
    }
}

impl From<String> for Actor {
    fn from(id: String) -> Self {
        Self::user(id)
    }
}

impl From<&String> for Actor {
    fn from(id: &String) -> Self {
        Self::user(id)
    }
}

impl From<uuid::Uuid> for Actor {
    fn from(id: uuid::Uuid) -> Self {
        Self::user(id.to_string())
    }
}

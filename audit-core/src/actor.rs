//! Actors: the users, services and systems that act.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The user, service or system that performed an action.
///
/// Entries are found by [`id`](Self::id), so use a stable id, such as a primary key, and set the
/// [`display`](Self::display) name for people to read. An unknown actor is `None` in
/// [`LogEntry::actor`](crate::LogEntry#structfield.actor), not a system actor.
///
/// # Example: a user, and a service on behalf of a user
/// ```
/// use auditlog::{Actor, ActorKind};
///
/// let alice = Actor::from("alice");
/// assert_eq!(alice.kind, ActorKind::User);
/// let named = Actor::user("17").display("Alice");
/// assert_eq!((named.id.as_str(), named.name()), ("17", "Alice"));
/// let job = Actor::service("billing").on_behalf_of("alice");
/// assert_eq!(job.to_string(), "billing on behalf of alice");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Actor {
    // In the order of the keys, as the canonical form requires.
    /// The display name at that time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub display: Option<String>,
    /// The stable id, by which entries are found.
    pub id: String,
    /// The kind of actor.
    #[serde(default)]
    pub kind: ActorKind,
    /// The id of the actor on whose behalf this one acted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_behalf_of: Option<String>,
}

/// The kind of an actor.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum ActorKind {
    /// A person.
    #[default]
    User,
    /// Another application.
    Service,
    /// The application itself.
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
    /// Creates an actor from an id and a kind.
    pub fn new(id: impl Into<String>, kind: ActorKind) -> Self {
        Self {
            id: id.into(),
            kind,
            display: None,
            on_behalf_of: None,
        }
    }

    /// Creates a user.
    pub fn user(id: impl Into<String>) -> Self {
        Self::new(id, ActorKind::User)
    }

    /// Creates a service.
    pub fn service(id: impl Into<String>) -> Self {
        Self::new(id, ActorKind::Service)
    }

    /// Creates a system actor, with an id such as the name of a job.
    pub fn system(id: impl Into<String>) -> Self {
        Self::new(id, ActorKind::System)
    }

    /// Sets the display name.
    pub fn display(mut self, name: impl Into<String>) -> Self {
        self.display = Some(name.into());
        self
    }

    /// Sets the id of the actor on whose behalf this one acts.
    pub fn on_behalf_of(mut self, id: impl Into<String>) -> Self {
        self.on_behalf_of = Some(id.into());
        self
    }

    /// Returns the display name, or the id if the display name is unset.
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

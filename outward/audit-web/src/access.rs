//! The reader of a request, and what the reader may see.

use audit_core::backend::is_misleading;
use audit_core::{Actor, Filter, Query};

/// The reader of a request, and what the reader may see.
///
/// # Example: a clerk of one company
/// ```
/// use audit_core::{Actor, ObjectRef, Query};
/// use audit_web::Access;
///
/// let company = Query::new().parent(ObjectRef::new("Company", "7"));
/// let access = Access::reader(Actor::user("alice")).scope(company).hide_values();
/// # let _ = access;
/// ```
#[derive(Clone, Debug)]
#[must_use = "the closure of `authorize` returns it"]
pub struct Access {
    /// The permissions, or why the request is refused.
    pub(crate) grant: Result<Grant, Denial>,
}

/// Why a request is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Denial {
    /// The reader may not see the trail.
    NoAccess,
    /// The service has named a reader without an id, so that views would be anonymous.
    Unnamed,
    /// The `Host` header does not name this machine.
    Host,
}

/// The rights of a reader: identity, scope, values and exports.
#[derive(Clone, Debug)]
pub(crate) struct Grant {
    pub(crate) reader: Actor,
    pub(crate) scope: Query,
    pub(crate) values: Values,
    pub(crate) may_export: bool,
}

/// Whether a reader sees the values of changes and states.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Values {
    Shown,
    Hidden,
}

impl Access {
    /// Refuses the request: the response has status 403 and nothing of the trail.
    pub fn denied() -> Self {
        Self::refused(Denial::NoAccess)
    }

    pub(crate) fn refused(denial: Denial) -> Self {
        Self { grant: Err(denial) }
    }

    /// Lets a reader see every entry with its values, and export nothing.
    ///
    /// The id of the actor names the reader in the record of each view, so it must not be empty. The
    /// viewer refuses each request of a reader whose id is empty or has no visible character, with
    /// status 500 and a line in the log.
    pub fn reader(actor: impl Into<Actor>) -> Self {
        let reader = actor.into();
        let is_invisible = |c: char| c.is_whitespace() || is_misleading(c);
        if reader.id.chars().all(is_invisible) {
            return Self::refused(Denial::Unnamed);
        }
        Self {
            grant: Ok(Grant {
                reader,
                scope: Query::new(),
                values: Values::Shown,
                may_export: false,
            }),
        }
    }

    /// Restricts the reader to the entries that a query matches. A second call restricts further.
    ///
    /// Only the conditions of the query apply. They are part of every query before it runs: an entry
    /// outside the scope is neither shown nor counted, and a link to it leads to the same
    /// page as a link to an entry that does not exist. The history of an object, with its states and
    /// versions, consists of the entries inside the scope.
    pub fn scope(mut self, query: Query) -> Self {
        if let Ok(grant) = &mut self.grant {
            let former = std::mem::take(&mut grant.scope);
            grant.scope = if *former.filter() == Filter::default() && former.check().is_ok() {
                query.without_limits()
            } else {
                former.any_of([query])
            };
        }
        self
    }

    /// Hides the values of changes, states and additional data.
    ///
    /// The reader sees who did what to which object, when and why, and which top-level fields
    /// changed. Searching in values and exporting are errors. The object's text, the reason, the
    /// actor and the ids remain visible.
    pub fn hide_values(mut self) -> Self {
        if let Ok(grant) = &mut self.grant {
            grant.values = Values::Hidden;
        }
        self
    }

    /// Lets the reader export the entries that a search finds, as CSV or JSON lines.
    pub fn allow_export(mut self) -> Self {
        if let Ok(grant) = &mut self.grant {
            grant.may_export = true;
        }
        self
    }
}

impl Denial {
    /// Logs what the service must change, if the reader can do nothing about the refusal.
    pub(crate) fn log(self) {
        if self == Self::Unnamed {
            log::error!(
                target: "auditlog::web",
                "a request was refused: its reader has no id, so its view would be anonymous; give \
                 `Access::reader` the id of the signed-in user, and return `Access::denied()` \
                 without one"
            );
        }
    }
}

impl Grant {
    /// Returns whether the reader may see every entry.
    pub(crate) fn is_unrestricted(&self) -> bool {
        *self.scope.filter() == Filter::default() && self.scope.check().is_ok()
    }

    pub(crate) fn hides_values(&self) -> bool {
        self.values == Values::Hidden
    }

    pub(crate) fn may_export(&self) -> bool {
        self.may_export && !self.hides_values()
    }
}

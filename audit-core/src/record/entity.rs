//! Objects of any type, as drafts see them.

use serde_json::Value;

use crate::entry::ObjectRef;
use crate::registry::Registration;
use crate::value::auditable::Auditable;
use crate::value::repr::Repr;
use crate::value::shared_fields::SharedFields;
use crate::value::snapshot::Snapshot;

/// An object of any type, so that what makes an entry is compiled once.
pub(super) trait Entity {
    fn admitted(&self, registration: &Registration) -> bool;
    /// Whether entries name the object or its parent by a token.
    fn hashes_keys(&self) -> bool;
    fn pk(&self) -> String;
    fn write_repr(&self, repr: &mut Repr<'_>);
    fn root(&self) -> Option<ObjectRef>;
    fn record(&self, cx: &mut Snapshot<'_>) -> Value;
}

impl<T: Auditable + 'static> Entity for T {
    fn admitted(&self, registration: &Registration) -> bool {
        registration.admits(self.entity())
    }

    fn hashes_keys(&self) -> bool {
        T::HASHES_KEYS
    }

    fn pk(&self) -> String {
        self.object_pk()
    }

    fn write_repr(&self, repr: &mut Repr<'_>) {
        self.repr_into(repr);
    }

    fn root(&self) -> Option<ObjectRef> {
        self.parent()
    }

    fn record(&self, cx: &mut Snapshot<'_>) -> Value {
        self.snapshot(cx)
    }
}

/// An object that shares some fields with a later state of itself, as it was.
pub(super) struct Former<'o> {
    pub(super) old: &'o dyn Entity,
    pub(super) before: &'o SharedFields,
}

impl Entity for Former<'_> {
    fn admitted(&self, registration: &Registration) -> bool {
        self.old.admitted(registration)
    }

    fn hashes_keys(&self) -> bool {
        self.old.hashes_keys()
    }

    fn pk(&self) -> String {
        self.before.key().to_owned()
    }

    fn write_repr(&self, repr: &mut Repr<'_>) {
        self.old.write_repr(repr);
    }

    fn root(&self) -> Option<ObjectRef> {
        self.old.root()
    }

    fn record(&self, cx: &mut Snapshot<'_>) -> Value {
        let mut snapshot = self.old.record(cx);
        self.before.restore(&mut snapshot);
        snapshot
    }
}

//! A user that tests of recording and registration use.

use auditlog::prelude::*;
use auditlog::testing;

#[derive(Auditable, Clone, Debug, PartialEq)]
#[audit(repr = "{name}")]
pub(crate) struct User {
    pub(crate) id: u64,
    pub(crate) name: String,
    pub(crate) email: String,
    #[audit(level = "critical")]
    pub(crate) admin: bool,
    #[audit(ignore)]
    pub(crate) seen: u32,
    pub(crate) address: Address,
}

#[derive(Auditable, Clone, Debug, PartialEq)]
pub(crate) struct Address {
    pub(crate) street: String,
    pub(crate) city: String,
}

pub(crate) fn bob() -> User {
    User {
        id: 42,
        name: "bob".into(),
        email: "bob@example.com".into(),
        admin: false,
        seen: 0,
        address: Address {
            street: "Long Street 1".into(),
            city: "Mainz".into(),
        },
    }
}

pub(crate) fn captured() -> testing::Capture {
    let audit = testing::capture();
    auditlog::register::<User>();
    audit
}

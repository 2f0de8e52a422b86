//! A user with masked fields, and two entries about it.

use auditlog::prelude::*;
use auditlog::testing;

#[derive(Auditable, Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct User {
    pub(crate) id: u32,
    pub(crate) email: String,
    #[audit(mask = "last4")]
    pub(crate) phone: String,
    pub(crate) address: Address,
    pub(crate) card: Option<Card>,
    pub(crate) cards: Vec<Card>,
}

#[derive(Auditable, Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Address {
    pub(crate) city: String,
    #[audit(skip)]
    #[serde(default)]
    pub(crate) note: String,
}

#[derive(Auditable, Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Card {
    #[audit(mask)]
    pub(crate) number: String,
}

pub(crate) fn user() -> User {
    User {
        id: 1,
        email: "e1".into(),
        phone: "+49 111 2222".into(),
        address: Address {
            city: "Bonn".into(),
            note: String::new(),
        },
        card: None,
        cards: Vec::new(),
    }
}

pub(crate) fn lived() -> (testing::Capture, User) {
    let audit = testing::capture();
    auditlog::register::<User>();
    let mut user = user();
    auditlog::created(&user)
        .actor("alice")
        .record()
        .expect("recorded");
    auditlog::update(&mut user, |user| {
        user.phone = "+49 111 3333".into();
        user.email = "e2".into();
    })
    .actor("bob")
    .record()
    .expect("recorded");
    (audit, user)
}

//! Derives, registers, records and queries with the embedded store.
//!
//! `cargo run --example quickstart --features sqlite` leaves the trail `audit.db` in this folder.

use std::collections::BTreeSet;

use auditlog::prelude::*;

#[derive(Auditable, Clone, Serialize, Deserialize)]
#[audit(repr = "{username}")]
struct User {
    id: u64, // a field called `id` is the identity
    username: String,
    #[audit(mask = "last4")]
    phone: String, // recorded as ****4567
    #[audit(skip)]
    password_hash: String, // never recorded
    address: Address,        // changes inside are recorded as `address.city`
    roles: BTreeSet<String>, // members added and removed
}

#[derive(Auditable, Clone, Serialize, Deserialize)]
struct Address {
    street: String,
    city: String,
}

fn main() -> auditlog::Result<()> {
    let store = SqliteStore::open("audit.db")?;
    AuditLog::builder().store(store).install()?;
    auditlog::register::<User>();

    let _context = auditlog::context().actor("alice").enter();
    let mut user = User {
        id: 42,
        username: "bob".into(),
        phone: "+1 555 123 4567".into(),
        password_hash: "$argon2id$...".into(),
        address: Address {
            street: "Long Street 17".into(),
            city: "Mainz".into(),
        },
        roles: BTreeSet::from(["staff".into()]),
    };
    auditlog::created(&user).record()?;
    auditlog::update(&mut user, |user| {
        user.phone = "+1 555 765 4321".into();
        user.address.city = "Bonn".into();
        user.roles.insert("admin".into());
    })
    .reason("ticket 4711")
    .record()?;

    for entry in LogEntry::objects().object::<User>(42).all()? {
        println!("{entry}");
        for change in &entry.changes {
            println!("    {change}");
        }
    }
    Ok(())
}

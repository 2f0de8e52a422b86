//! The main job on the embedded store: derive, register, record, read back.
//!
//! `cargo run --example quickstart --features sqlite`

use std::collections::BTreeSet;

use auditlog::prelude::*;

#[derive(Auditable, Clone, Serialize, Deserialize)]
#[audit(repr = "{username}")]
struct User {
    id: u64,
    username: String,
    email: String,
    #[audit(mask = "last4")]
    phone: String,
    #[audit(skip)]
    password_hash: String,
    address: Address,
    roles: BTreeSet<String>,
}

#[derive(Auditable, Clone, Serialize, Deserialize)]
struct Address {
    street: String,
    city: String,
}

fn main() -> auditlog::Result<()> {
    let folder = std::env::temp_dir().join(format!("auditlog-quickstart-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a temporary folder");
    let file = folder.join("audit.db");

    AuditLog::builder()
        .store(SqliteStore::open(&file)?)
        .install()?;
    auditlog::register::<User>();

    let _who = auditlog::context()
        .actor("alice")
        .correlation_id("req-1")
        .enter();
    let mut user = User {
        id: 42,
        username: "bob".into(),
        email: "bob@old.example".into(),
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
        user.email = "bob@new.example".into();
        user.phone = "+1 555 765 4321".into();
        user.address.city = "Bonn".into();
        user.roles.insert("admin".into());
    })
    .reason("ticket 4711")
    .record()?;
    auditlog::deleted(&user).record()?;

    for log in LogEntry::objects().all()? {
        println!(
            "{}: {}: {} by {}",
            log.timestamp,
            log.action,
            log.object_repr,
            log.actor()
        );
        for change in &log.changes {
            println!("    {change}");
        }
    }

    // What this program promises, checked.
    let entries = LogEntry::objects().object::<User>(42).all()?;
    assert_eq!(entries.len(), 3);
    let update = &entries[1];
    assert_eq!(update.actor(), "alice");
    assert_eq!(update.reason.as_deref(), Some("ticket 4711"));
    assert_eq!(update.changes["address.city"].new, Some("Bonn".into()));
    assert_eq!(update.changes["phone"].new, Some("****4321".into()));
    assert_eq!(update.changes["roles['admin']"].old, None);
    assert_eq!(LogEntry::objects().changed("password_hash").count()?, 0);
    let text = std::fs::read(&file).expect("the file");
    assert!(
        !text.windows(7).any(|bytes| bytes == b"argon2i"),
        "a skipped field is in the file"
    );

    std::fs::remove_dir_all(&folder).expect("the temporary folder");
    Ok(())
}

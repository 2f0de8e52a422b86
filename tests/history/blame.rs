//! Who set each part of an object last.

use std::collections::BTreeMap;

use auditlog::prelude::*;
use auditlog::testing;

use crate::order::{Order, live};
use crate::user::{User, lived};

#[test]
fn blame_names_the_last_to_set_each_part() {
    let audit = testing::capture().at("2026-01-01T00:00:00Z");
    live(&audit);
    let history = auditlog::history::<Order>(7).expect("a history");
    let blame: BTreeMap<String, String> = history
        .blame()
        .into_iter()
        .map(|part| (part.path.to_string(), part.entry.actor().to_owned()))
        .collect();
    let expected = [
        ("id", "user-0"),
        ("items", "user-0"),
        ("items[sku='C']", "user-2"),
        ("labels", "user-0"),
        ("notes", "user-3"),
        ("payment", "user-3"),
        ("seen", "user-0"),
        ("status", "user-1"),
        ("total", "user-0"),
    ];
    let expected = expected.map(|(path, actor)| (path.to_owned(), actor.to_owned()));
    assert_eq!(blame, BTreeMap::from(expected));
}

#[test]
fn what_a_snapshot_was_the_first_to_show_is_its_entrys() {
    let (_audit, mut user) = lived();
    // Somebody writes past the trail.
    user.email = "z".into();
    user.address.city = "Ulm".into();
    auditlog::context()
        .actor("auditor")
        .scope(|| auditlog::baseline::<User>([&user]))
        .expect("recorded");
    let history = auditlog::history::<User>(1).expect("readable");
    let who = |path: &str| {
        let blame = history.blame();
        let part = blame.iter().find(|part| part.path == path);
        part.map(|part| part.entry.actor().to_owned())
    };
    assert_eq!(who("email").as_deref(), Some("auditor"));
    assert_eq!(who("address.city").as_deref(), Some("auditor"));
    assert_eq!(who("phone").as_deref(), Some("bob"));
    assert_eq!(who("id").as_deref(), Some("alice"));
}

#[test]
fn blame_of_a_big_map_takes_time_in_proportion() {
    use std::collections::BTreeMap;

    #[derive(Auditable, Clone)]
    struct Stock {
        id: u32,
        counts: BTreeMap<u32, u64>,
    }

    let _audit = testing::capture();
    auditlog::register::<Stock>();
    let mut stock = Stock {
        id: 1,
        counts: BTreeMap::new(),
    };
    auditlog::created(&stock).record().expect("recorded");
    auditlog::update(&mut stock, |stock| {
        stock.counts = (0..20_000).map(|key| (key, 1)).collect();
    })
    .record()
    .expect("recorded");
    let history = auditlog::history::<Stock>(1).expect("readable");
    assert_eq!(history.blame().len(), 20_002);
}

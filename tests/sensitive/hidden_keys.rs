//! Keys of objects and of maps that hide something.

use auditlog::Sensitive;
use auditlog::prelude::*;

#[test]
fn a_key_that_hides_something_inside_is_refused() {
    #[derive(Auditable)]
    struct Key {
        tenant: u32,
        #[audit(mask)]
        number: String,
    }
    #[derive(Auditable)]
    enum Either {
        Number(u32),
        Hidden(#[audit(hash)] String),
    }
    #[derive(Auditable)]
    struct Account {
        id: Key,
    }
    #[derive(Auditable)]
    struct Composite {
        #[audit(id)]
        tenant: u32,
        #[audit(id)]
        key: (u32, Option<Either>),
    }
    #[derive(Auditable)]
    struct Wrapped {
        id: Option<Sensitive<String>>,
    }
    #[derive(Auditable)]
    struct Team {
        id: u32,
    }
    #[derive(Auditable)]
    #[audit(parent(Team, key = "team"))]
    struct Member {
        id: u32,
        team: Sensitive<String>,
    }
    #[derive(Auditable)]
    #[audit(parent(Team, key = "team"))]
    struct Renamed {
        id: u32,
        #[audit(rename = "team_key")]
        team: Key,
    }
    let log = AuditLog::builder().build();
    let refusals = [
        (log.try_register::<Account>(), "`Account.id`"),
        (log.try_register::<Composite>(), "`Composite.key`"),
        (log.try_register::<Wrapped>(), "`Wrapped.id`"),
        (log.try_register::<Member>(), "`Member.team`"),
        (log.try_register::<Renamed>(), "`Renamed.team_key`"),
    ];
    for (refused, field) in refusals {
        let error = refused.expect_err(field).to_string();
        assert!(error.contains(field), "{error}");
    }
    assert!(log.try_register::<Team>().is_ok());
    let constructed = (Either::Number(1), Either::Hidden(String::new()));
    drop(constructed);
}

#[test]
fn a_map_with_hidden_keys_is_recorded() {
    use std::collections::{BTreeMap, HashMap};

    #[derive(Auditable, Clone)]
    struct Sessions {
        id: u32,
        by_token: BTreeMap<Sensitive<String>, u32>,
        unordered: HashMap<Sensitive<String>, u32>,
    }
    let sessions = |tokens: &[(&str, u32)]| {
        let entries = tokens
            .iter()
            .map(|(token, seen)| (Sensitive::new((*token).to_owned()), *seen));
        Sessions {
            id: 1,
            by_token: entries.clone().collect(),
            unordered: entries.collect(),
        }
    };
    let versions = [
        sessions(&[]),
        sessions(&[("hunter2", 1)]),
        sessions(&[("hunter3", 1)]),
        sessions(&[("hunter3", 1), ("hunter4", 2), ("hunter5", 1)]),
        sessions(&[("hunter5", 1), ("hunter4", 2), ("hunter3", 3)]),
        sessions(&[("hunter4", 2)]),
    ];
    let log = AuditLog::builder().build();
    log.register::<Sessions>();
    for old in &versions {
        for new in &versions {
            let changes = auditlog::diff(old, new);
            let mut state = auditlog::snapshot(old);
            changes.apply(&mut state).expect("the changes fit");
            assert_eq!(state, auditlog::snapshot(new), "{changes}");
            log.updated(old, new).record().expect("a receipt");
        }
    }
    for entry in log.query().all().expect("entries") {
        let line = entry.to_canonical_json().expect("a form");
        assert!(!line.contains("hunter"), "{line}");
    }
    let replaced = log.updated(&versions[1], &versions[2]);
    assert!(replaced.entry().is_some(), "another key is a change");
}

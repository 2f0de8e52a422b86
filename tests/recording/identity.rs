//! The identity of an object: one that is missing, and one that changes.

use std::time::{Duration, SystemTime};

use auditlog::backend::IntoPending as _;
use auditlog::prelude::*;
use auditlog::{Error, Flow, SkipReason, Tracked, testing};
use futures::executor::block_on;
use serde_json::json;

#[derive(Auditable, Clone, Debug, PartialEq)]
struct Account {
    #[audit(id)]
    login: String,
    #[audit(level = "error")]
    role: String,
    #[audit(mask = "last4")]
    phone: String,
}

fn account(login: &str, role: &str) -> Account {
    Account {
        login: login.into(),
        role: role.into(),
        phone: "0171 555 4567".into(),
    }
}

#[derive(Auditable, Clone)]
struct User {
    id: Option<i64>,
    name: String,
}

#[derive(Auditable, Clone)]
struct Tag {
    id: String,
    uses: u32,
}

#[derive(Auditable, Clone)]
#[audit(id(tenant, code))]
struct Rate {
    tenant: Option<i64>,
    code: String,
    percent: u32,
}

fn user(id: Option<i64>) -> User {
    User {
        id,
        name: "ann".into(),
    }
}

fn rate(tenant: Option<i64>, code: &str) -> Rate {
    Rate {
        tenant,
        code: code.into(),
        percent: 1,
    }
}

fn captured() -> testing::Capture {
    let audit = testing::capture();
    auditlog::register::<Account>();
    auditlog::register::<User>();
    auditlog::register::<Tag>();
    auditlog::register::<Rate>();
    audit
}

fn is_refused<T: std::fmt::Debug>(result: Result<T, Error>, model: &str) {
    match result {
        Err(Error::NoKey { model: refused, .. }) => assert_eq!(refused, model),
        other => panic!("a `{model}` without a key: {other:?}"),
    }
}

#[test]
fn an_object_without_a_key_is_refused_however_it_is_recorded() {
    let audit = captured();
    let none = user(None);
    is_refused(auditlog::created(&none).record(), "User");
    is_refused(auditlog::deleted(&none).record(), "User");
    is_refused(auditlog::accessed(&none).record(), "User");
    is_refused(auditlog::custom("approved", &none).record(), "User");
    is_refused(auditlog::updated(&none, &user(Some(5))).record(), "User");
    is_refused(auditlog::updated(&user(Some(5)), &none).record(), "User");
    is_refused(auditlog::created(&none).submit().wait(), "User");
    is_refused(auditlog::created(&none).into_pending(), "User");
    is_refused(auditlog::created(&none).into_entry(), "User");
    is_refused(
        auditlog::created_many([&user(Some(1)), &none]).record(),
        "User",
    );
    is_refused(auditlog::baseline::<User>([none.clone()]), "User");
    let mut unit = auditlog::unit();
    unit.created(&user(Some(1))).deleted(&none);
    is_refused(unit.into_pending(), "User");

    let mut tracked = Tracked::new(none);
    tracked.id = Some(5);
    is_refused(tracked.record(), "User");
    tracked.discard();

    is_refused(
        auditlog::created(&Tag {
            id: String::new(),
            uses: 1,
        })
        .record(),
        "Tag",
    );
    for blank in [" ", "\t\n"] {
        let tag = Tag {
            id: blank.into(),
            uses: 1,
        };
        is_refused(auditlog::created(&tag).record(), "Tag");
    }
    for part in [
        rate(None, ""),
        rate(None, "a"),
        rate(Some(1), ""),
        rate(Some(1), " "),
    ] {
        is_refused(auditlog::created(&part).record(), "Rate");
    }
    assert!(audit.entries().is_empty());
    let message = auditlog::created(&user(None)).record().unwrap_err();
    assert_eq!(
        message.to_string(),
        "the create of a `User` without a key cannot be recorded: its identity is unset or blank; record the object after the insert that assigns the key"
    );
}

#[test]
fn what_is_not_recorded_needs_no_key() {
    let _audit = testing::capture();
    auditlog::register::<User>();
    let none = user(None);
    let receipt = auditlog::disabled(|| auditlog::created(&none).record()).unwrap();
    assert_eq!(receipt, Receipt::Skipped(SkipReason::Disabled));
}

#[test]
fn entries_without_a_key_are_in_no_history() {
    let audit = captured();
    auditlog::created(&user(Some(5))).record().unwrap();
    auditlog::bulk::<User>("update")
        .affected(3)
        .record()
        .unwrap();
    auditlog::event("login").record().unwrap();
    let none = auditlog::history::<User>("").unwrap();
    assert_eq!(none.entries().len(), 0);
    assert!(!none.latest().exists());
    assert!(
        !auditlog::as_of::<User>("", SystemTime::now())
            .unwrap()
            .exists()
    );
    assert!(
        block_on(auditlog::history_async::<User>(""))
            .unwrap()
            .entries()
            .is_empty()
    );
    assert!(
        !block_on(auditlog::as_of_async::<User>("", SystemTime::now()))
            .unwrap()
            .exists()
    );
    let states = auditlog::objects_as_of::<User>(SystemTime::now()).unwrap();
    let keys: Vec<String> = states
        .map(|state| state.unwrap().object.object_pk)
        .collect();
    assert_eq!(keys, ["5"]);
    let all = audit.log().histories(audit.log().query()).unwrap();
    assert_eq!(all.count(), 1);
}

/// What an identity change from `one` to `two` must leave, whichever way it was recorded.
fn ends_and_begins(audit: &testing::Capture) -> [LogEntry; 2] {
    let entries: Vec<LogEntry> = audit
        .entries()
        .into_iter()
        .filter(|entry| entry.counterpart.is_some())
        .collect();
    let [ended, begun] = <[LogEntry; 2]>::try_from(entries).expect("two entries");
    assert_eq!((&ended.action, &*ended.object_pk), (&Action::Delete, "one"));
    assert_eq!((&begun.action, &*begun.object_pk), (&Action::Create, "two"));
    assert_eq!(
        ended.counterpart.as_ref().unwrap().to_string(),
        "Account two"
    );
    assert_eq!(
        begun.counterpart.as_ref().unwrap().to_string(),
        "Account one"
    );
    assert_eq!(ended.timestamp, begun.timestamp);
    assert!(ended.id < begun.id);
    assert_eq!(ended.reason, begun.reason);
    assert_eq!(ended.actor, begun.actor);
    assert_eq!(ended.additional_data, begun.additional_data);
    assert_eq!(ended.changes["phone"].old, Some("****4567".into()));
    assert_eq!(begun.changes["phone"].new, Some("****4567".into()));

    let one = auditlog::history::<Account>("one").unwrap();
    assert!(!one.latest().exists());
    assert_eq!(one.at_version(1).unwrap().state["role"], "x");
    let two = auditlog::history::<Account>("two").unwrap();
    assert_eq!(
        two.latest().state,
        json!({"login": "two", "role": "y", "phone": "****4567"})
    );
    assert!(two.blame().iter().all(|part| part.entry.id == begun.id));
    let back = one.undo(ended.id).unwrap();
    assert_eq!(back.changes["$"].new.as_ref().unwrap()["role"], "x");
    let now = auditlog::objects_as_of::<Account>(SystemTime::now()).unwrap();
    assert_eq!(now.count(), 1);
    [ended, begun]
}

fn rename(account: &mut Account) {
    account.login = "two".into();
    account.role = "y".into();
}

fn begun() -> (testing::Capture, Account) {
    let audit = captured();
    let one = account("one", "x");
    auditlog::created(&one).record().unwrap();
    (audit, one)
}

#[test]
fn a_changed_identity_is_an_end_and_a_beginning() {
    let (audit, mut one) = begun();
    let draft = auditlog::update(&mut one, rename)
        .reason("married")
        .actor("ann")
        .extra("ticket", 4711);
    assert_eq!(draft.entries().count(), 2);
    assert_eq!(draft.entry().unwrap().object_pk, "two");
    let receipt = draft.record().unwrap();
    let [ended, begun] = ends_and_begins(&audit);
    assert_eq!(receipt, Receipt::Recorded(begun.id));
    assert_eq!(ended.reason.as_deref(), Some("married"));
    assert_eq!(ended.actor.as_ref().unwrap().id, "ann");
    assert_eq!(ended.additional_data["ticket"], 4711);
    // `role` asks for an error, whatever the action.
    assert_eq!((ended.level, begun.level), (Level::Error, Level::Error));
    let read = LogEntry::from_json(&ended.to_canonical_json().unwrap()).unwrap();
    assert_eq!(read, ended);
}

#[test]
fn levels_are_those_of_the_two_actions() {
    let (audit, mut one) = begun();
    let draft = auditlog::update(&mut one, |account| account.login = "two".into());
    draft.record().unwrap();
    let levels: Vec<Level> = audit.entries().iter().map(|entry| entry.level).collect();
    assert_eq!(levels, [Level::Info, Level::Warning, Level::Info]);
    audit.clear();
    let draft = auditlog::update(&mut one, |account| account.login = "three".into());
    draft.outcome(Outcome::Failure).record().unwrap();
    assert!(
        audit
            .entries()
            .iter()
            .all(|entry| entry.level == Level::Error)
    );
    // A failed operation changed nothing.
    assert!(
        !auditlog::history::<Account>("three")
            .unwrap()
            .latest()
            .exists()
    );
}

#[test]
fn a_submitted_identity_change_has_the_new_entry_in_its_receipt() {
    let (audit, mut one) = begun();
    let ticket = auditlog::update(&mut one, rename).submit();
    let receipt = ticket.wait().unwrap();
    let [_, begun] = ends_and_begins(&audit);
    assert_eq!(receipt, Receipt::Recorded(begun.id));
}

#[test]
fn many_drafts_and_units_and_pending_entries_hold_both() {
    let (audit, one) = begun();
    let mut two = one.clone();
    rename(&mut two);
    let other = account("other", "x");
    let receipts = auditlog::record_all([
        auditlog::created(&other),
        auditlog::updated(&one, &two),
        auditlog::deleted(&other),
    ]);
    let receipts = receipts.unwrap();
    let [_, begun] = ends_and_begins(&audit);
    assert_eq!(receipts.len(), 3);
    assert_eq!(receipts[1], Receipt::Recorded(begun.id));

    let mut unit = auditlog::unit();
    unit.updated(&one, &two).created(&other);
    assert_eq!(unit.entries().count(), 3);
    let pending = unit.into_pending().unwrap();
    let [ended, begun, _] = pending.entries() else {
        panic!("three entries");
    };
    assert!(ended.transaction_id.is_some());
    assert_eq!(ended.transaction_id, begun.transaction_id);
    let id = begun.id;
    let receipts = pending.confirm();
    assert_eq!(receipts.len(), 2);
    assert_eq!(receipts[0], Receipt::Recorded(id));

    let pending = auditlog::updated(&one, &two).into_pending().unwrap();
    assert_eq!(pending.entries().len(), 2);
    assert!(pending.confirm().is_recorded());
}

#[test]
fn a_tracked_object_goes_on_under_its_new_key() {
    let (audit, one) = begun();
    let mut tracked = Tracked::new(one);
    rename(&mut tracked);
    tracked.record().unwrap();
    ends_and_begins(&audit);
    tracked.role = "z".into();
    tracked.record().unwrap();
    let latest = auditlog::history::<Account>("two").unwrap().latest();
    assert_eq!(latest.state["role"], "z");
}

#[test]
fn a_transaction_keeps_or_drops_both() {
    let (audit, one) = begun();
    let mut two = one.clone();
    rename(&mut two);
    let failed: Result<(), Error> = auditlog::transaction(|| {
        auditlog::updated(&one, &two).record()?;
        Err(Error::ShutDown)
    });
    assert!(failed.is_err());
    assert_eq!(audit.entries().len(), 1);
    auditlog::transaction(|| auditlog::updated(&one, &two).record()).unwrap();
    let [ended, begun] = ends_and_begins(&audit);
    assert!(ended.transaction_id.is_some());
    assert_eq!(ended.transaction_id, begun.transaction_id);
}

#[test]
fn hooks_and_levels_take_both_or_neither() {
    let rename_under = |log: &AuditLog| {
        log.register::<Account>();
        let mut one = account("one", "x");
        let draft = log.update(&mut one, |account| account.login = "two".into());
        (draft.record().unwrap(), log.query().count().unwrap())
    };
    for vetoed in ["create", "delete"] {
        let log = AuditLog::builder()
            .before(move |entry| {
                if entry.action.as_str() == vetoed {
                    Flow::Veto
                } else {
                    Flow::Continue
                }
            })
            .build();
        let (receipt, count) = rename_under(&log);
        assert_eq!(receipt, Receipt::Skipped(SkipReason::Vetoed));
        assert_eq!(count, 0);
    }
    let log = AuditLog::builder().min_level(Level::Warning).build();
    assert_eq!(rename_under(&log).1, 2);
    let log = AuditLog::builder().min_level(Level::Error).build();
    let (receipt, count) = rename_under(&log);
    assert_eq!(receipt, Receipt::Skipped(SkipReason::BelowLevel));
    assert_eq!(count, 0);
}

#[test]
fn a_part_of_an_identity_change_cannot_be_recorded() {
    let (audit, one) = begun();
    let mut two = one.clone();
    rename(&mut two);
    let changed = |result: Result<(), Error>| {
        let error = result.unwrap_err();
        assert!(matches!(error, Error::IdentityChanged { .. }), "{error}");
    };
    let draft = || auditlog::updated(&one, &two);
    changed(draft().only(["role"]).record().map(drop));
    changed(draft().changes(auditlog::Changes::new()).record().map(drop));
    changed(draft().into_entry().map(drop));
    assert_eq!(draft().into_pending().unwrap().entries().len(), 2);
    assert_eq!(audit.entries().len(), 1);
}

#[test]
fn snapshots_of_both_sides_are_taken_where_they_are_asked_for() {
    let audit = testing::capture();
    let registered = auditlog::register_with::<Account>(|options| options.snapshot(Always));
    registered.unwrap();
    let mut one = account("one", "x");
    auditlog::update(&mut one, rename).record().unwrap();
    let [ended, begun] = <[LogEntry; 2]>::try_from(audit.entries()).expect("two entries");
    assert_eq!(ended.snapshot.unwrap()["login"], "one");
    assert_eq!(begun.snapshot.unwrap()["login"], "two");
}

#[test]
fn a_composite_identity_changes_by_a_part() {
    let audit = captured();
    auditlog::created(&rate(Some(1), "a|b")).record().unwrap();
    let draft = auditlog::updated(&rate(Some(1), "a|b"), &rate(Some(2), "a|b"));
    draft.record().unwrap();
    let last = audit.last().unwrap();
    assert_eq!(last.object_pk, "2|a\\|b");
    assert_eq!(last.counterpart.unwrap().object_pk, "1|a\\|b");
}

/// Each account as the trail has it now, by key, where its history has no break.
fn roles(keys: [&str; 3]) -> [Option<String>; 3] {
    keys.map(|key| {
        let history = auditlog::history::<Account>(key).unwrap();
        assert!(history.breaks().is_empty(), "{key}: {:?}", history.breaks());
        let latest = history.latest();
        let now = SystemTime::now() + Duration::from_secs(1);
        let alone = auditlog::as_of::<Account>(key, now).unwrap();
        assert_eq!(alone.state, latest.state, "{key}");
        assert_eq!(history.as_of(now).state, latest.state, "{key}");
        let versions = history.versions().count();
        assert_eq!(
            history.blame_at(versions).unwrap().is_empty(),
            !latest.exists()
        );
        latest.state["role"].as_str().map(str::to_owned)
    })
}

fn three() -> [Account; 3] {
    let all = [("1", "x"), ("2", "y"), ("3", "z")].map(|(login, role)| account(login, role));
    auditlog::created_many(&all).record().unwrap();
    all
}

#[test]
fn objects_swap_their_keys_in_one_batch() {
    let _audit = captured();
    let [one, two, _] = three();
    let swapped = [
        auditlog::updated(&one, &account("2", "x")),
        auditlog::updated(&two, &account("1", "y")),
    ];
    auditlog::record_all(swapped).unwrap();
    let expected = [Some("y".into()), Some("x".into()), Some("z".into())];
    assert_eq!(roles(["1", "2", "3"]), expected);
    let states = auditlog::objects_as_of::<Account>(SystemTime::now()).unwrap();
    assert_eq!(states.count(), 3);
}

#[test]
fn objects_move_up_by_one_key_in_a_transaction() {
    let _audit = captured();
    let all = three();
    let moved = auditlog::transaction(|| {
        for (old, key) in all.iter().zip(["2", "3", "4"]) {
            auditlog::updated(old, &account(key, &old.role)).record()?;
        }
        Ok::<(), Error>(())
    });
    moved.unwrap();
    let expected = [Some("x".into()), Some("y".into()), Some("z".into())];
    assert_eq!(roles(["2", "3", "4"]), expected);
    assert_eq!(roles(["1", "2", "3"])[0], None);
}

#[test]
fn a_key_that_is_taken_and_given_up_in_one_batch_is_free() {
    let _audit = captured();
    let one = account("1", "x");
    auditlog::created(&one).record().unwrap();
    let there_and_back = [
        auditlog::updated(&one, &account("2", "x")),
        auditlog::updated(&account("2", "x"), &account("3", "x")),
    ];
    auditlog::record_all(there_and_back).unwrap();
    assert_eq!(roles(["1", "2", "3"]), [None, None, Some("x".into())]);
}

#[test]
fn going_back_to_where_an_object_was_not_takes_it_with_what_is_masked() {
    let _audit = captured();
    let one = account("1", "x");
    auditlog::created(&one).record().unwrap();
    auditlog::deleted(&one).record().unwrap();
    auditlog::created(&one).record().unwrap();
    let history = auditlog::history::<Account>("1").unwrap();
    let back = history.revert_to(2).unwrap();
    let mut state = history.latest().state;
    back.apply(&mut state).unwrap();
    assert!(state.is_null());
    assert_eq!(back["$"].redaction, Some(auditlog::Redaction::Partial));
}

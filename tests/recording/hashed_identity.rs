//! An identity that is a secret: entries name the object by a token.

use auditlog::prelude::*;
use auditlog::{Error, ObjectRef, Query, RegistrationError, assert_audited, testing};
use chrono::{DateTime, Utc};
use serde_json::json;

#[derive(Auditable, Clone)]
struct Session {
    #[audit(id, hash)]
    token: String,
    user: String,
}

#[derive(Auditable, Clone)]
#[audit(id(tenant, code))]
struct Invitation {
    tenant: u32,
    #[audit(hash)]
    code: String,
    uses: u32,
}

#[derive(Auditable, Clone)]
#[audit(parent(Session, key = "session"))]
struct Visit {
    id: u32,
    #[audit(hash)]
    session: String,
    page: String,
}

#[derive(Auditable, Clone)]
#[audit(parent(Invitation, key = "invitation"))]
struct Guest {
    id: u32,
    #[audit(hash)]
    invitation: String,
}

#[derive(Auditable, Clone)]
#[expect(clippy::vec_box, reason = "a reference behind a pointer")]
struct Request {
    id: u32,
    #[audit(reference)]
    session: Option<Session>,
    #[audit(reference)]
    others: Vec<Box<Session>>,
}

const SECRET: &str = "s3cr3t|token";
const OTHER: &str = "s3cr3t\\other";

fn session(token: &str) -> Session {
    Session {
        token: token.into(),
        user: "ann".into(),
    }
}

fn keyed(keys: &[(u32, u8)]) -> AuditLog {
    let builder = AuditLog::builder();
    let log = keys.iter().fold(builder, |builder, (version, byte)| {
        builder.hash_key(*version, [*byte; 32])
    });
    let log = log.build();
    log.register::<Session>();
    log.register::<Invitation>();
    log.register::<Visit>();
    log.register::<Guest>();
    log.register::<Request>();
    log
}

fn recorded_key(log: &AuditLog, token: &str) -> String {
    log.created(&session(token)).record().expect("recorded");
    let newest = log.query().newest_first().first().expect("readable");
    newest.expect("an entry").object_pk
}

fn is_token(text: &str, version: &str) -> bool {
    text.strip_prefix(version)
        .is_some_and(|hex| hex.len() == 32 && hex.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

/// Asserts that no entry has one of the keys anywhere.
fn assert_hidden(log: &AuditLog) {
    for entry in log.query().all().expect("readable") {
        let json = entry.to_canonical_json().expect("JSON");
        for text in [json, format!("{entry} {entry:?}")] {
            assert!(!text.contains("s3cr3t"), "{text}");
        }
    }
}

#[test]
fn entries_have_the_token_in_place_of_the_key() {
    let log = keyed(&[(1, 7)]);
    let draft = log.created(&session(SECRET));
    assert!(!format!("{draft:?}").contains("s3cr3t"));
    let receipt = draft.record().expect("recorded");
    assert!(!format!("{receipt:?}").contains("s3cr3t"));
    let entry = log.query().first().expect("readable").expect("an entry");
    assert!(is_token(&entry.object_pk, "h1:"), "{}", entry.object_pk);
    assert_eq!(entry.object_repr, format!("Session {}", entry.object_pk));
    // A text has the same token as the field.
    assert_eq!(entry.changes["token"].new, Some(json!(entry.object_pk)));
    assert_hidden(&log);
}

#[test]
fn the_token_is_stable() {
    // docs/format.md: HMAC-SHA256 over `Session.token`, a zero byte and `"abc"`, cut to 128 bits.
    let log = keyed(&[(1, 7)]);
    assert_eq!(
        recorded_key(&log, "abc"),
        "h1:1133c72c3c5d18ef7798197b950a7319"
    );
    assert_eq!(
        recorded_key(&keyed(&[(1, 7)]), "abc"),
        recorded_key(&log, "abc")
    );
    assert_ne!(
        recorded_key(&keyed(&[(1, 8)]), "abc"),
        recorded_key(&log, "abc")
    );
}

#[test]
fn the_object_is_found_by_its_key_and_by_its_token() {
    let log = keyed(&[(1, 7)]);
    let stored = recorded_key(&log, SECRET);
    recorded_key(&log, OTHER);
    let mut changed = session(SECRET);
    let draft = log.update(&mut changed, |session| session.user = "bob".into());
    draft.record().expect("recorded");
    for key in [SECRET, &stored] {
        let history = log.history::<Session>(key).expect("readable");
        assert_eq!(history.entries().len(), 2);
        assert_eq!(history.object().object_pk, stored);
        assert!(!format!("{history:?}").contains("s3cr3t"));
        let state = log
            .as_of::<Session>(key, DateTime::<Utc>::MAX_UTC)
            .expect("readable");
        assert_eq!(state.state["user"], "bob");
        // Of another log than the current one.
        let query = log.query().object::<Session>(key);
        assert!(!format!("{query:?} {query}").contains("s3cr3t"));
        assert_eq!(query.count().expect("readable"), 2);
    }
    let _entered = log.enter();
    assert_eq!(
        auditlog::history::<Session>(SECRET)
            .expect("readable")
            .entries()
            .len(),
        2
    );
    assert_eq!(
        Query::new()
            .object::<Session>(SECRET)
            .count()
            .expect("readable"),
        2
    );
    assert_eq!(ObjectRef::of::<Session>(SECRET).object_pk, stored);
    assert_eq!(session(SECRET).object_pk(), stored);
}

#[test]
fn a_key_in_the_form_of_a_token_is_hashed() {
    let log = keyed(&[(1, 7)]);
    let key = format!("h1:{}", "0".repeat(32));
    assert_ne!(recorded_key(&log, &key), key);
    let visit = Visit {
        id: 1,
        session: key.clone(),
        page: String::new(),
    };
    let draft = log.created(&visit);
    let parent = draft.entry().expect("an entry").parent.clone();
    assert_ne!(parent.expect("a parent").object_pk, key);
}

#[test]
fn an_empty_key_is_missing() {
    let log = keyed(&[(1, 7)]);
    let error = log.created(&session("")).record().expect_err("no key");
    assert!(matches!(error, Error::NoKey { .. }), "{error}");
}

#[test]
fn a_part_of_a_composite_key_is_hashed() {
    let log = keyed(&[(1, 7)]);
    let invitation = Invitation {
        tenant: 3,
        code: SECRET.into(),
        uses: 0,
    };
    log.created(&invitation).record().expect("recorded");
    let entry = log.query().first().expect("readable").expect("an entry");
    let (tenant, code) = entry.object_pk.split_once('|').expect("two parts");
    assert_eq!(tenant, "3");
    assert!(is_token(code, "h1:"), "{code}");
    for key in ["3|s3cr3t\\|token", &entry.object_pk] {
        let history = log.history::<Invitation>(key).expect("readable");
        assert_eq!(history.entries().len(), 1, "{key}");
    }
    let guest = Guest {
        id: 1,
        invitation: "3|s3cr3t\\|token".into(),
    };
    let not_a_key = Guest {
        id: 2,
        invitation: SECRET.replace('|', ""),
    };
    let parents = [guest, not_a_key].map(|guest| {
        log.created(&guest).record().expect("recorded");
        let newest = log.query().newest_first().first().expect("readable");
        newest
            .expect("an entry")
            .parent
            .expect("a parent")
            .object_pk
    });
    assert_eq!(parents[0], entry.object_pk);
    assert!(is_token(&parents[1], "h1:"), "{}", parents[1]);
    assert_hidden(&log);
}

#[test]
fn children_and_references_name_the_object_by_its_token() {
    let log = keyed(&[(1, 7)]);
    let stored = recorded_key(&log, SECRET);
    let visit = Visit {
        id: 1,
        session: SECRET.into(),
        page: "/".into(),
    };
    log.created(&visit).record().expect("recorded");
    let root = ObjectRef::new("Session", &*stored);
    let query = log.query().parent(root.clone());
    assert_eq!(query.count().expect("readable"), 2);
    let entered = log.enter();
    let query = log.query().parent(ObjectRef::of::<Session>(SECRET));
    assert_eq!(query.count().expect("readable"), 2);
    let query = log.query().parent(ObjectRef::new("Session", SECRET));
    assert_eq!(query.count().expect("readable"), 0, "it hashes nothing");
    drop(entered);

    let request = |token: &str| Request {
        id: 1,
        session: Some(session(token)),
        others: vec![Box::new(session(token))],
    };
    let (old, new) = (request(SECRET), request(OTHER));
    let draft = log.updated(&old, &new);
    let changes = &draft.entry().expect("an entry").changes;
    assert_eq!(changes["session"].old, Some(json!(stored)));
    assert_eq!(changes["others"].old, Some(json!([stored])));
    draft.record().expect("recorded");
    assert!(log.updated(&old, &old).entry().is_none());
    assert_hidden(&log);
}

#[test]
fn a_changed_key_names_both_objects_by_their_tokens() {
    let log = keyed(&[(1, 7)]);
    let mut tracked = log.track(session(SECRET));
    tracked.token = OTHER.into();
    assert!(!format!("{tracked:?}").contains("s3cr3t"));
    let saved: Result<(), Error> = tracked.save(|_| Ok(()));
    saved.expect("recorded");
    let entries = log.query().all().expect("readable");
    let [ended, begun] = entries.as_slice() else {
        panic!("{entries:?}");
    };
    let counterpart = |entry: &LogEntry| entry.counterpart.clone().expect("the other one");
    assert_eq!(counterpart(ended).object_pk, begun.object_pk);
    assert_eq!(counterpart(begun).object_pk, ended.object_pk);
    assert_hidden(&log);
}

#[test]
fn a_tracked_object_that_was_not_saved_is_reported_by_its_token() {
    let log = keyed(&[(1, 7)]);
    let stored = session(SECRET);
    let stored = {
        let _entered = log.enter();
        stored.object_pk()
    };
    let mut tracked = log.track(session(SECRET));
    tracked.user = "bob".into();
    drop(tracked);
    let unrecorded = format!("{:?}", log.stats());
    assert!(!unrecorded.contains("s3cr3t"), "{unrecorded}");
    assert!(is_token(&stored, "h1:"));
}

#[test]
fn the_lowest_version_of_the_key_names_objects() {
    let first = keyed(&[(1, 7)]);
    let stored = recorded_key(&first, SECRET);
    // With a new version an object keeps its history.
    let both = keyed(&[(2, 8), (1, 7)]);
    assert_eq!(recorded_key(&both, SECRET), stored);
    let entry = both.query().first().expect("readable").expect("an entry");
    let of_field = entry.changes["token"].new.clone().expect("a token");
    assert!(is_token(of_field.as_str().expect("a text"), "h2:"));
    assert_eq!(
        both.history::<Session>(SECRET)
            .expect("readable")
            .entries()
            .len(),
        1
    );
    // Without the former one it begins another one, and the former one is found by its token.
    let second = keyed(&[(2, 8)]);
    assert!(is_token(&recorded_key(&second, SECRET), "h2:"));
    assert_eq!(
        first
            .history::<Session>(&stored)
            .expect("readable")
            .entries()
            .len(),
        1
    );
}

#[test]
fn a_log_without_a_hash_key_refuses_the_type() {
    let log = AuditLog::builder().build();
    let no_key = |model: &str| {
        Err(RegistrationError::NoHashKey {
            model: model.to_owned(),
        })
    };
    assert_eq!(log.try_register::<Session>(), no_key("Session"));
    assert_eq!(log.try_register::<Invitation>(), no_key("Invitation"));
    assert_eq!(log.try_register::<Visit>(), no_key("Visit"));
    assert_eq!(
        log.register_with::<Session>(|options| options),
        no_key("Session")
    );
    assert!(!log.is_registered::<Session>());
}

#[test]
fn tests_name_the_object_by_its_key() {
    let audit = testing::capture();
    auditlog::register::<Session>();
    auditlog::created(&session(SECRET))
        .actor("ann")
        .record()
        .expect("recorded");
    assert_audited!(audit, create Session (SECRET) by "ann");
    let _one = audit.matching().object::<Session>(SECRET).one();
}

//! Each question people ask is answered through an index, and in its order.

mod scratch;

use audit_core::{ObjectRef, Query, Store};
use audit_sqlite::SqliteStore;
use audit_testkit::entries;
use uuid::Uuid;

#[expect(
    clippy::needless_pass_by_value,
    reason = "queries are written in place"
)]
fn assert_plan(query: Query, index: &str) {
    let store = SqliteStore::open(scratch::file("audit.db")).unwrap();
    let sample = entries(200, 1);
    store.append(&sample).unwrap();
    let cursor = store.find(&query.clone().limit(1)).unwrap().next;
    for query in [query.clone(), query.clone().newest_first()] {
        let queries = [
            Some(query.clone()),
            cursor.map(|cursor| query.after(cursor)),
        ];
        for query in queries.into_iter().flatten() {
            let plan = store.explain(&query).unwrap();
            let text = plan.join("\n");
            assert!(plan.iter().any(|step| step.contains(index)), "{text}");
            for step in &plan {
                let scans = step.starts_with("SCAN") && !step.contains("USING");
                assert!(!scans, "{text}");
                // Entries of one microsecond are put in the order of their ids.
                let sorts = step.contains("TEMP B-TREE")
                    && !step.contains("LAST TERM")
                    && !step.contains("RIGHT PART");
                assert!(!sorts, "{text}");
            }
        }
    }
}

#[test]
fn an_objects_history() {
    let query = Query::new().model_name("User").object_pk(7);
    assert_plan(query, "audit_entry_object (model=? AND object_pk=?");
}

#[test]
fn an_actors_day() {
    let query = Query::new()
        .actor("alice")
        .since(
            "2026-01-01T00:00:00Z"
                .parse::<chrono::DateTime<chrono::Utc>>()
                .unwrap(),
        )
        .until(
            "2026-01-02T00:00:00Z"
                .parse::<chrono::DateTime<chrono::Utc>>()
                .unwrap(),
        );
    assert_plan(query, "audit_entry_actor (actor=? AND ts>? AND ts<?");
}

#[test]
fn a_models_latest() {
    let query = Query::new().model_name("User").newest_first().limit(50);
    assert_plan(query, "audit_entry_model (model=?");
}

#[test]
fn a_correlation_id() {
    assert_plan(
        Query::new().correlation_id("req-1"),
        "audit_entry_correlation (correlation_id=?",
    );
}

#[test]
fn a_changed_field() {
    assert_plan(Query::new().changed("email"), "PRIMARY KEY (field=?");
    assert_plan(
        Query::new().changed("address.city").model_name("User"),
        "PRIMARY KEY (field=?",
    );
}

#[test]
fn a_changed_field_of_one_object() {
    let query = Query::new()
        .model_name("User")
        .object_pk(7)
        .changed("email");
    assert_plan(query, "audit_entry_object (model=? AND object_pk=?");
}

#[test]
fn a_time_range() {
    let since: chrono::DateTime<chrono::Utc> = "2026-01-01T00:00:00Z".parse().unwrap();
    let query = Query::new()
        .since(since)
        .until(since + chrono::TimeDelta::days(1));
    assert_plan(query, "audit_entry_time (ts>? AND ts<?");
}

#[test]
fn everything_in_order() {
    assert_plan(Query::new(), "audit_entry_time");
}

#[test]
fn an_aggregate() {
    let query = Query::new().parent(ObjectRef::new("Company", "1"));
    assert_plan(
        query.clone(),
        "audit_entry_parent (parent_model=? AND parent_pk=?",
    );
    assert_plan(query, "audit_entry_object (model=? AND object_pk=?");
}

#[test]
fn all_objects_of_a_model() {
    let store = SqliteStore::open(scratch::file("audit.db")).unwrap();
    store.append(&entries(200, 1)).unwrap();
    let after = ObjectRef::new("User", "7");
    let time: chrono::DateTime<chrono::Utc> = "2026-01-01T00:00:00Z".parse().unwrap();
    let users = Query::new().model_name("User");
    let within = "model=? AND object_pk>?";
    for (query, after, steps) in [
        (users.clone(), None, vec![within]),
        (users.clone().until(time), None, vec![within]),
        (users.until(time), Some(&after), vec![within]),
        (Query::new(), Some(&after), vec![within, "model>?"]),
    ] {
        let plan = store.explain_objects(&query, after).unwrap().join("\n");
        for step in steps {
            assert!(
                plan.contains(&format!("audit_entry_object ({step}")),
                "{plan}"
            );
        }
        // What is sorted is sorted again for each answer.
        assert!(!plan.contains("TEMP B-TREE"), "{plan}");
    }
}

#[test]
fn a_transaction() {
    assert_plan(
        Query::new().transaction(Uuid::from_u64_pair(7, 1)),
        "audit_entry_transaction (transaction_id=?",
    );
}

/// The conditions next to a group lead to an index as they do without it.
#[test]
fn groups_beside_plain_conditions() {
    let either = |query: Query| {
        query
            .any_of([
                Query::new().action("update"),
                Query::new().changed("email").actor("alice"),
            ])
            .not(Query::new().correlation_id("req-1"))
    };
    let object = Query::new().model_name("User").object_pk(7);
    assert_plan(
        either(object),
        "audit_entry_object (model=? AND object_pk=?",
    );
    assert_plan(
        either(Query::new().model_name("User")),
        "audit_entry_model (model=?",
    );
    assert_plan(
        either(Query::new().changed("email")),
        "PRIMARY KEY (field=?",
    );
    assert_plan(
        either(Query::new().parent(ObjectRef::new("Company", "1"))),
        "audit_entry_parent (parent_model=? AND parent_pk=?",
    );
}

/// A group with one alternative is as good as its conditions.
#[test]
fn conditions_in_parentheses() {
    let object = Query::new().model_name("User").object_pk(7);
    assert_plan(
        Query::new().any_of([object]),
        "audit_entry_object (model=? AND object_pk=?",
    );
}

/// Alternatives that each have an index are read through it and put in order.
#[test]
fn alternatives_with_an_index_each() {
    let store = SqliteStore::open(scratch::file("audit.db")).unwrap();
    store.append(&entries(200, 1)).unwrap();
    let actors = ["alice", "bob"].map(|actor| Query::new().actor(actor));
    let query = Query::new().any_of(actors);
    let plan = store.explain(&query).unwrap().join("\n");
    assert!(plan.contains("audit_entry_actor (actor=?"), "{plan}");
}

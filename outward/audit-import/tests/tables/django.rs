//! Tables of django-auditlog and django-simple-history.

use audit_core::Action;
use audit_import::LossKind;
use serde_json::json;

use crate::database::{Database, LOG_ENTRIES};

#[test]
fn a_log_entry_is_imported_completely() {
    let database = Database::new(LOG_ENTRIES);
    database.run(
        r#"INSERT INTO auditlog_logentry VALUES
        (1, '7', 7, 'seven', 9, '2024-02-29 10:00:00', NULL, 5, 'unix:', '{"imported": 1, "a": 2}', '[1]', 'c-1',
         '{"a": ["x"], "b": {"type": "m2m", "operation": "add", "objects": ["same", "same"]}, "n": [null, 123456789012345678901]}', '', 70000);"#,
    );
    let entries = database.entries();
    let entry = &entries[0];
    assert_eq!(entry.action, Action::named("action 9"));
    assert_eq!(entry.model, "content_type 5");
    assert_eq!(entry.remote_addr, None);
    assert_eq!(entry.changes["n"].new, Some(json!("123456789012345678901")));
    assert_eq!(entry.changes["b['same']"].new, Some(json!("same")));
    assert_eq!(
        entry.additional_data["imported"],
        json!({
            "additional_data": 1, "changes": {"a": ["x"], "b": ["same", "same"]}, "format": "django-auditlog",
            "id": "1", "object_id": 7, "remote_addr": "unix:", "remote_port": 70000, "serialized_data": [1],
            "table": "auditlog_logentry"
        })
    );
    assert_eq!(entry.additional_data["a"], 2);
    assert_eq!(
        database.losses(),
        [
            LossKind::NotAnAddress,
            LossKind::UnknownShape,
            LossKind::SameMembers,
            LossKind::ModelName
        ]
    );
}

#[test]
fn a_history_without_its_model_table_is_read_by_its_columns() {
    let database = Database::new(
        r#"CREATE TABLE "shop_historicalitem" ("code" varchar(40) NOT NULL, "owner_id" integer NULL, "history_id" integer PRIMARY KEY,
            "history_date" datetime NOT NULL, "history_type" varchar(1) NOT NULL, "history_user_id" integer NULL);
        CREATE INDEX a ON shop_historicalitem (owner_id);
        CREATE INDEX b ON shop_historicalitem (code);
        INSERT INTO shop_historicalitem VALUES ('x', 1, 1, '2024-02-29 10:00:00', '+', 5), ('x', 2, 2, '2024-02-29 10:00:00', '~', NULL);"#,
    );
    let entries = database.entries();
    assert_eq!(
        (entries[1].model.as_str(), entries[1].object_pk.as_str()),
        ("shop.item", "x")
    );
    assert_eq!(entries[0].actor(), "5");
    assert_eq!(entries[1].changes["owner_id"].old, Some(json!(1)));
}

#[test]
fn renamed_and_inherited_histories_find_their_models() {
    let own = r#""history_id" integer PRIMARY KEY, "history_date" datetime, "history_type" varchar(1), "history_user" char(32)"#;
    let database = Database::new(&format!(
        r"CREATE TABLE django_content_type (id integer PRIMARY KEY, app_label varchar(100), model varchar(100));
        INSERT INTO django_content_type VALUES (1, 'lab', 'person'), (2, 'lab', 'historicalperson'),
            (3, 'lab', 'place'), (4, 'lab', 'cafe'), (5, 'lab', 'historicalcafe');
        CREATE TABLE people (key char(32) PRIMARY KEY, name varchar(9), home_id bigint REFERENCES lab_place (id));
        CREATE TABLE people_friends (id integer PRIMARY KEY, from_person_id char(32) REFERENCES people (key), to_person_id char(32) REFERENCES people (key));
        CREATE TABLE lab_place (id integer PRIMARY KEY, name varchar(9));
        CREATE TABLE lab_cafe (place_ptr_id bigint PRIMARY KEY REFERENCES lab_place (id), seats integer);
        CREATE TABLE trail (key char(32), name varchar(9), home_id bigint, {own});
        CREATE TABLE lab_historicalperson_friends (id bigint, from_person_id char(32), to_person_id char(32), history_id integer, m2m_history_id integer PRIMARY KEY);
        CREATE TABLE lab_historicalcafe (place_ptr_id bigint, id bigint, name varchar(9), seats integer, {own});
        INSERT INTO trail VALUES ('77b04384ded84aa4bab2c2cff8da5625', 'a', NULL, 1, '2024-02-29 10:00:00', '+', NULL),
            ('77b04384ded84aa4bab2c2cff8da5625', 'a', 1, 2, '2024-02-29 11:00:00', '~', 'dc6a935363144c9fbd3269b2cf7951af');
        INSERT INTO lab_historicalperson_friends VALUES (1, '77b04384ded84aa4bab2c2cff8da5625', 'f036a99036bb44c18e1b85ba1f015440', 2, 1);
        INSERT INTO lab_historicalcafe VALUES (1, 1, 'c', 3, 1, '2024-02-29 12:00:00', '+', NULL);"
    ));
    let entries = database.entries();
    let objects: Vec<&str> = entries
        .iter()
        .map(|entry| entry.object_repr.as_str())
        .collect();
    let person = "lab.person 77b04384-ded8-4aa4-bab2-c2cff8da5625";
    assert_eq!(objects, [person, person, "lab.cafe 1"]);
    assert_eq!(entries[1].actor(), "dc6a9353-6314-4c9f-bd32-69b2cf7951af");
    assert_eq!(
        entries[1].changes.to_string(),
        "home: null -> 1\nfriends['f036a990-36bb-44c1-8e1b-85ba1f015440']: added \"f036a990-36bb-44c1-8e1b-85ba1f015440\""
    );
    assert_eq!(
        entries[2].snapshot,
        Some(json!({"id": 1, "name": "c", "place_ptr": 1, "seats": 3}))
    );
}

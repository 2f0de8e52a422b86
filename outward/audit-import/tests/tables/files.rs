//! Files: detection, several libraries in one, repeated imports, and hostile texts.

use std::path::Path;

use audit_core::{MemoryStore, Query, Store};
use audit_import::{Format, Import, ImportError, detect};
use proptest::prelude::*;

use crate::database::{AUDITS, Database, LOG_ENTRIES, audit, log_entry};

#[test]
fn a_file_without_audit_tables_is_an_error() {
    let nothing = Database::new("CREATE TABLE t (a)");
    assert_eq!(detect(nothing.path()).expect("a database"), []);
    let error = Import::open(nothing.path()).unwrap_err();
    assert!(matches!(error, ImportError::NothingFound { .. }), "{error}");

    let text = nothing.folder.path().join("text");
    std::fs::write(
        &text,
        "no database, but long enough to have a header of SQLite".repeat(20),
    )
    .expect("a file");
    assert!(matches!(detect(&text), Err(ImportError::Open { .. })));
    assert!(matches!(
        detect(Path::new("/nowhere/at/all")),
        Err(ImportError::Open { .. })
    ));

    let audits = Database::new(AUDITS);
    let error = Import::open(audits.path()).and_then(|import| import.format(Format::PaperTrail));
    let error = error.unwrap_err().to_string();
    assert!(
        error.ends_with("app.sqlite3 has no audit tables of paper-trail"),
        "{error}"
    );
}

#[test]
fn a_repeated_import_adds_only_new_rows() {
    let database = Database::new(AUDITS);
    database.run(&audit(1, "create", "{}", "'2024-02-29 10:00:00'"));
    let store = MemoryStore::new();
    store.append(&database.entries()).expect("kept");
    database.run(&audit(2, "update", "{}", "'2024-02-29 10:00:00'"));
    // Another library's table, with rows of the same time.
    database.run(LOG_ENTRIES);
    database.run(&log_entry(1, 0, "{}"));
    store.append(&database.entries()).expect("kept");
    store.append(&database.entries()).expect("kept");
    assert_eq!(store.count(&Query::new()).expect("a number"), 3);
}

#[test]
fn two_libraries_in_one_file_are_read_by_time() {
    let database = Database::new(AUDITS);
    database.run(LOG_ENTRIES);
    database.run(&audit(1, "create", "{}", "'2024-02-29 09:00:00'"));
    database.run(&audit(2, "update", "{}", "'2024-02-29 11:00:00'"));
    database.run(&log_entry(1, 1, "{}"));
    assert_eq!(
        detect(database.path()).expect("a database"),
        [Format::Audited, Format::DjangoAuditlog]
    );
    let models: Vec<String> = database
        .entries()
        .into_iter()
        .map(|entry| entry.model)
        .collect();
    assert_eq!(models, ["Ticket", "shop.item", "Ticket"]);
    let one =
        Import::open(database.path()).and_then(|import| import.format(Format::DjangoAuditlog));
    assert_eq!(
        one.expect("a table").entries().expect("readable").count(),
        1
    );
}

#[test]
fn a_table_without_row_ids_is_rejected() {
    let database = Database::new(&AUDITS.replace("DATETIME);", "DATETIME) WITHOUT ROWID;"));
    let error = Import::open(database.path()).unwrap_err();
    assert!(matches!(error, ImportError::Unsupported { .. }), "{error}");
}

#[test]
fn a_program_may_write_while_its_table_is_read() {
    let database = Database::new(AUDITS);
    database.run("PRAGMA journal_mode = WAL");
    for id in 1..=600 {
        database.run(&audit(id, "update", "{}", "'2024-02-29 10:00:00'"));
    }
    let import = Import::open(database.path()).expect("audit tables");
    let mut entries = import.entries().expect("readable");
    assert!(entries.next().is_some_and(|entry| entry.is_ok()));
    database.run(&audit(601, "update", "{}", "'2024-02-29 10:00:00'"));
    assert_eq!(entries.flatten().count(), 599);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_text_in_a_changes_column_panics(
        texts in proptest::collection::vec("(?s)(---\n)?[\\[\\]{}\",:a-z0-9!&* \n'|-]{0,40}", 1..6),
        any in "(?s).{0,40}",
    ) {
        let database = Database::new(AUDITS);
        database.run(LOG_ENTRIES);
        for (id, text) in texts.iter().chain([&any]).filter(|text| !text.contains('\0')).enumerate() {
            let id = i64::try_from(id).expect("few");
            database.run(&audit(id, "update", text, "'2024-02-29 10:00:00'"));
            database.run(&log_entry(id, 1, text));
        }
        for row in database.read() {
            match row {
                Ok(entry) => prop_assert!(entry.to_canonical_json().is_ok()),
                Err(error) => prop_assert!(error.concerns_one_row(), "{}", error),
            }
        }
    }
}

#[test]
fn a_column_can_be_mapped_to_a_field() {
    let database = Database::new(AUDITS);
    database
        .run("ALTER TABLE audits ADD COLUMN remote TEXT; ALTER TABLE audits ADD COLUMN why TEXT;");
    database.run(&audit(
        1,
        "update",
        r#"{"a":[1,2]}"#,
        "'2024-02-29 10:00:00'",
    ));
    database.run("UPDATE audits SET remote = '192.0.2.7', why = 'ticket 7'");
    let plain = database.entries().remove(0);
    assert_eq!((plain.remote_addr, plain.reason.as_deref()), (None, None));
    let import = Import::open(database.path())
        .and_then(|import| import.column("remote", "remote_addr"))
        .and_then(|import| import.column("why", "reason"))
        .expect("columns");
    let entry = import.entries().expect("readable").next();
    let entry = entry.expect("a row").expect("an entry");
    assert_eq!(entry.remote_addr, "192.0.2.7".parse().ok());
    assert_eq!(entry.reason.as_deref(), Some("ticket 7"));
    assert!(entry.additional_data["imported"].get("remote").is_none());
    for (column, part, said) in [
        ("nowhere", "reason", "has a column `nowhere`"),
        ("why", "because", "expected one of correlation_id, reason"),
    ] {
        let error = Import::open(database.path()).and_then(|import| import.column(column, part));
        let error = error.unwrap_err().to_string();
        assert!(error.contains(said), "{error}");
    }
}

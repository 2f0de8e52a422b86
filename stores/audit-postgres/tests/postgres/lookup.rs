//! Reads of a store by other means than a query, and the report about its tables.

use audit_core::{Follow, LogEntry, Query, Store, TrailStore};
use audit_postgres::{Roles, SCHEMA_VERSION};
use audit_testkit::entries;
use chrono::{Months, Utc};
use futures::executor::block_on;
use uuid::Uuid;

use crate::Test;
use crate::export::exported;
use crate::scratch::{Scratch, Sql, sorted};

pub(crate) const TESTS: &[Test] = tests![
    entries_are_found_by_id_prefix,
    models_are_listed_once,
    info_has_versions_and_sizes,
    a_read_only_role_can_look_up_everything,
];

fn entries_are_found_by_id_prefix(scratch: &Scratch) {
    let store = scratch.store();
    let mut sample: Vec<LogEntry> = ["a0", "a1", "b0"]
        .into_iter()
        .map(|action| LogEntry::new(action, "User", "1", "bob"))
        .collect();
    sample[0].id = Uuid::from_u128(0xa000_0000 << 96 | 1);
    sample[1].id = Uuid::from_u128(0xa100_0000 << 96 | 2);
    sample[2].id = Uuid::from_u128(0xb000_0000 << 96 | 3);
    store.append(&sample).unwrap();
    let found = |prefix: &str, limit| store.with_id_prefix(prefix, limit).unwrap();
    assert_eq!(found("a", 9), sample[..2]);
    assert_eq!(found("A1", 9), sample[1..2]);
    assert_eq!(found("a1000000-00", 9), sample[1..2]);
    assert_eq!(found("", 9), sample);
    assert_eq!(found("", 2), sample[..2]);
    assert_eq!(found("c", 9), []);
    assert_eq!(found("%", 9), []);
    assert_eq!(found(&sample[2].id.to_string(), 9), sample[2..]);
    let ends = |suffix: &str, limit| store.with_id_suffix(suffix, limit).unwrap();
    assert_eq!(ends("2", 9), sample[1..2]);
    assert_eq!(ends("0-0000-000000000003", 9), sample[2..]);
    assert_eq!(
        ends(&sample[2].id.to_string().to_uppercase(), 9),
        sample[2..]
    );
    for nothing in ["", "-", "%", "5", &"0".repeat(33)] {
        assert_eq!(ends(nothing, 9), [], "{nothing}");
    }
    let ids = [sample[2].id, Uuid::nil(), sample[0].id];
    let expected = [sample[2].clone(), sample[0].clone()];
    assert_eq!(store.by_ids(&ids).unwrap(), expected);
    block_on(async {
        assert_eq!(store.by_ids_async(&ids).await.unwrap(), expected);
        let found = store.with_id_prefix_async("a", 1).await.unwrap();
        assert_eq!(found, sample[..1]);
        let found = store.with_id_suffix_async("2", 9).await.unwrap();
        assert_eq!(found, sample[1..2]);
    });
    store.close().unwrap();
}

fn models_are_listed_once(scratch: &Scratch) {
    let store = scratch.store();
    assert_eq!(store.models().unwrap(), [""; 0]);
    let long = "x".repeat(3000);
    let invalid = ["a\0b", "a\u{1}b", "a\0", &long];
    let plain = ["User", "", "Invoice", "User", ""];
    let sample: Vec<_> = plain
        .iter()
        .chain(&invalid)
        .map(|model| LogEntry::new("update", *model, "1", "x"))
        .collect();
    store.append(&sample).unwrap();
    let mut expected = ["", "Invoice", "User", "a\0", "a\0b", "a\u{1}b", &long];
    expected.sort_unstable();
    assert_eq!(store.models().unwrap(), expected);
    block_on(async { assert_eq!(store.models_async().await.unwrap(), expected) });
    store.close().unwrap();
}

fn info_has_versions_and_sizes(scratch: &Scratch) {
    let store = scratch.store();
    let sql = scratch.sql();
    let mut sample = entries(300, 1);
    let now = chrono::DateTime::<Utc>::from(std::time::SystemTime::now());
    for (number, entry) in sample.iter_mut().enumerate() {
        // Of this month, and of long ago, for which there is no partition.
        let millis = if number < 100 {
            7
        } else {
            now.timestamp_millis()
        };
        let high = (millis.cast_unsigned() << 16) | 0x7000;
        entry.id = Uuid::from_u64_pair(high, (0b10 << 62) | number as u64);
    }
    store.append(&sample).unwrap();
    sql.run("ANALYZE audit_entry").unwrap();
    let info = store.info().unwrap();
    assert_eq!(info.schema_version, SCHEMA_VERSION);
    assert_eq!(info.server_version, sql.value("SHOW server_version"));
    assert_eq!(info.variant, None, "a server of PostgreSQL's own");
    assert_eq!(info.partitions.len(), 4);
    assert_eq!(info.missing_partitions, [""; 0]);
    assert_eq!(info.rest_entries, 100);
    assert_eq!(info.entries_estimate, 300);
    assert_eq!(info.owner, sql.value("SELECT current_user"));
    assert_eq!(info.may_change, [""; 0]);
    assert_eq!(info.unguarded, [""; 0]);
    assert!(info.indexes.contains(&"audit_entry_object".to_owned()));
    let size = |function: &str| {
        let sizes = format!(
            "SELECT sum({function}(inhrelid)) FROM pg_inherits \
             WHERE inhparent = 'audit_entry'::regclass"
        );
        sql.value(&sizes).parse::<u64>().unwrap()
    };
    assert_eq!(info.table_bytes, size("pg_table_size"));
    assert_eq!(info.index_bytes, size("pg_indexes_size"));

    let next = (now + Months::new(1))
        .format("audit_entry_%Y_%m")
        .to_string();
    sql.run(&format!(
        "DROP TABLE {next}; DROP INDEX audit_entry_actor; \
         GRANT DELETE ON audit_entry TO PUBLIC; \
         ALTER TABLE audit_entry_rest DISABLE TRIGGER audit_entry_keep_all"
    ))
    .unwrap();
    let info = store.info().unwrap();
    assert_eq!(info.missing_partitions, [next]);
    assert_eq!(info.partitions.len(), 3);
    assert!(!info.indexes.contains(&"audit_entry_actor".to_owned()));
    assert_eq!(info.may_change, ["PUBLIC"]);
    assert_eq!(info.unguarded, ["audit_entry_rest"]);
    // With few entries the server reads the table; by an index it would be another one.
    let by_object = Query::new().model_name("User").object_pk("1");
    let plan = store.explain_indexed(&by_object).unwrap().join("\n");
    assert!(!plan.contains("Seq Scan"), "{plan}");
    assert!(plan.contains("object_pk"), "{plan}");
    store.close().unwrap();
}

/// Makes roles of a test's own, and returns the names of the owner, the writer and the reader.
fn roles(scratch: &Scratch, sql: &Sql) -> [String; 3] {
    let names = ["o", "w", "r"].map(|role| format!("{}_{role}", scratch.schema));
    let script = Roles::new(&scratch.schema)
        .owner(&names[0])
        .writer(&names[1])
        .reader(&names[2])
        .sql()
        .unwrap();
    sql.run(&script).unwrap();
    names
}

fn a_read_only_role_can_look_up_everything(scratch: &Scratch) {
    let store = scratch.store();
    let sample = sorted(entries(50, 4));
    store.append(&sample).unwrap();
    let sql = scratch.sql();
    let names = roles(scratch, &sql);
    let options = scratch.options().read_only();
    let reader = options
        .connect(&scratch.with_option("role", &names[2]))
        .unwrap();
    assert_eq!(reader.with_id_prefix("", 99).unwrap().len(), 50);
    assert_eq!(reader.by_ids(&[sample[7].id]).unwrap(), sample[7..8]);
    assert!(!reader.models().unwrap().is_empty());
    let info = reader.info().unwrap();
    assert_eq!(info.owner, names[0]);
    assert_eq!(info.may_change, [""; 0]);
    assert_eq!(info.unguarded, [""; 0]);
    reader.position().unwrap();
    assert_eq!(exported(&reader, &Query::new()).unwrap().len(), 50);
    assert!(reader.check().unwrap().is_ok());
    reader.explain_indexed(&Query::new()).unwrap();
    // A role that may only write gets the code of a missing privilege.
    let options = scratch.options().migrate(false);
    let writer = options
        .connect(&scratch.with_option("role", &names[1]))
        .unwrap();
    let error = writer.models().unwrap_err();
    assert_eq!(audit_postgres::sqlstate(&error), Some("42501"), "{error}");
    for store in [reader, writer, store] {
        store.close().unwrap();
    }
    sql.run(&format!("DROP SCHEMA {} CASCADE", scratch.schema))
        .unwrap();
    let names = names.join(", ");
    sql.run(&format!("DROP OWNED BY {names}; DROP ROLE {names}"))
        .unwrap();
}

//! Failures of the disk and the file have their own errors, and acknowledged entries stay.

#[path = "scratch/filling.rs"]
mod filling;
mod scratch;

use std::fs;
use std::io;
use std::path::Path;

use audit_core::{Query, Store, StoreError};
use audit_sqlite::{APPLICATION_ID, SCHEMA_VERSION, SqliteStore, rusqlite::Connection};
use audit_testkit::entries;

use self::filling::{assert_stored, fill};

/// The same `SQLITE_FULL` from a limit of SQLite's own, wherever the tests run.
#[test]
fn a_file_at_its_limit_is_full_and_works_again_after_a_purge() {
    let file = scratch::file("audit.db");
    let store = SqliteStore::options()
        .max_bytes(1 << 20)
        .open(&file)
        .unwrap();
    let acknowledged = fill(&store, 1);
    assert_stored(&store, &acknowledged);
    let batch = entries(2_000, 2);
    let error = store.append(&batch).unwrap_err();
    assert!(matches!(error, StoreError::Full { .. }), "{error:?}");
    assert_stored(&store, &acknowledged);

    let middle = acknowledged[acknowledged.len() / 2].timestamp;
    assert!(store.purge(&Query::new().until(middle)).unwrap() > 0);
    let mut left: Vec<_> = acknowledged
        .into_iter()
        .filter(|e| e.timestamp >= middle)
        .collect();
    store.append(&batch[..50]).unwrap();
    left.extend_from_slice(&batch[..50]);
    assert_stored(&store, &left);
    assert!(fs::metadata(&file).unwrap().len() <= 1 << 20);
}

#[test]
fn a_store_for_reading_only_reads() {
    let file = scratch::file("audit.db");
    let options = SqliteStore::options().read_only();
    let error = options.open(&file).unwrap_err();
    assert!(
        matches!(&error, StoreError::Io { source, .. } if source.kind() == io::ErrorKind::NotFound),
        "{error:?}"
    );
    assert!(!file.exists());

    let writing = SqliteStore::open(&file).unwrap();
    let sample = entries(30, 1);
    writing.append(&sample[..10]).unwrap();
    let reading = options.open(&file).unwrap();
    assert_stored(&reading, &sample[..10]);
    writing.append(&sample[10..]).unwrap();
    assert_stored(&reading, &sample);
    for refused in [
        reading.append(&sample),
        reading.append(&[]),
        reading
            .purge(&Query::new().until(sample[3].timestamp))
            .map(|_| ()),
    ] {
        assert!(
            matches!(refused, Err(StoreError::ReadOnly { .. })),
            "{refused:?}"
        );
    }
    reading.flush().unwrap();
}

fn assert_foreign(file: &Path, found: &str) {
    let before = fs::read(file).unwrap();
    for opened in [
        SqliteStore::open(file),
        SqliteStore::options().read_only().open(file),
    ] {
        let error = opened.unwrap_err();
        assert!(matches!(&error, StoreError::Foreign { .. }), "{error:?}");
        assert!(error.to_string().contains(found), "{error}");
    }
    assert_eq!(
        fs::read(file).unwrap(),
        before,
        "a foreign file was changed"
    );
}

#[test]
fn a_text_file_is_foreign() {
    let file = scratch::file("notes.txt");
    for text in ["x", "hello world\n", &"a longer text\n".repeat(1000)] {
        fs::write(&file, text).unwrap();
        assert_foreign(&file, "not an SQLite database");
    }
}

#[test]
fn another_programs_database_is_foreign() {
    let folder = scratch::folder();
    for (name, sql, found) in [
        ("a.db", "CREATE TABLE customers (id)", "holds `customers`"),
        (
            "b.db",
            "PRAGMA application_id = 252006674",
            "application id 252006674",
        ),
        (
            "c.db",
            "PRAGMA application_id = 5; CREATE TABLE audit_entry (id)",
            "application id 5 that holds `audit_entry`",
        ),
        (
            "d.db",
            "PRAGMA journal_mode = WAL; CREATE VIEW v AS SELECT 1",
            "holds `v`",
        ),
    ] {
        let file = folder.join(name);
        Connection::open(&file).unwrap().execute_batch(sql).unwrap();
        assert_foreign(&file, found);
    }
}

#[test]
fn an_empty_file_becomes_a_store() {
    let file = scratch::file("audit.db");
    fs::write(&file, "").unwrap();
    let error = SqliteStore::options().read_only().open(&file).unwrap_err();
    assert!(matches!(error, StoreError::Foreign { .. }), "{error:?}");
    let store = SqliteStore::open(&file).unwrap();
    store.append(&entries(3, 1)).unwrap();
    store.close().unwrap();
    let connection = Connection::open(&file).unwrap();
    let pragma = |name: &str| -> i64 {
        connection
            .query_row(&format!("PRAGMA {name}"), [], |row| row.get(0))
            .unwrap()
    };
    assert_eq!(pragma("application_id"), i64::from(APPLICATION_ID));
    assert_eq!(pragma("user_version"), i64::from(SCHEMA_VERSION));
    assert_eq!(pragma("auto_vacuum"), 2);
}

#[test]
fn a_later_schema_is_left_alone() {
    let file = scratch::file("audit.db");
    SqliteStore::open(&file).unwrap().close().unwrap();
    Connection::open(&file)
        .unwrap()
        .execute_batch("PRAGMA user_version = 99")
        .unwrap();
    for opened in [
        SqliteStore::open(&file),
        SqliteStore::options().read_only().open(&file),
    ] {
        let error = opened.unwrap_err();
        assert!(
            matches!(
                error,
                StoreError::NewerSchema {
                    found: 99,
                    supported: SCHEMA_VERSION,
                    ..
                }
            ),
            "{error:?}"
        );
    }
}

#[test]
fn a_path_that_is_none_says_why() {
    let folder = scratch::folder();
    let kind = |path: &Path, create| match SqliteStore::options()
        .create(create)
        .open(path)
        .unwrap_err()
    {
        StoreError::Io { source, .. } => source.kind(),
        other => panic!("{other:?}"),
    };
    assert_eq!(
        kind(&folder.join("no").join("audit.db"), true),
        io::ErrorKind::NotFound
    );
    assert_eq!(
        kind(&folder.join("audit.db"), false),
        io::ErrorKind::NotFound
    );
    assert!(!folder.join("audit.db").exists());
    let error = SqliteStore::open(&folder).unwrap_err();
    assert!(matches!(error, StoreError::Foreign { .. }), "{error:?}");
    for (path, said) in [
        (":memory:", "MemoryStore"),
        ("", "the path of the store: it is empty"),
        (
            folder.join("no/audit.db").to_str().unwrap(),
            "/no does not exist",
        ),
    ] {
        let error = SqliteStore::open(path).unwrap_err();
        assert!(error.to_string().contains(said), "{error}");
    }
}

#[test]
fn the_url_of_a_database_is_refused_and_not_shown() {
    for (path, said) in [
        ("postgres://ann:s3cret@h/db", "PostgresStore::connect"),
        ("POSTGRESQL://h/s3cret", "PostgresStore::connect"),
        ("postgres:/h/s3cret", "PostgresStore::connect"),
        ("host=db password=s3cret", "PostgresStore::connect"),
        ("dbname=s3cret", "PostgresStore::connect"),
        ("mysql://ann:s3cret@h/db", "audit_sqlx::mysql"),
        ("mariadb://s3cret@h/db", "audit_sqlx::mysql"),
        ("sqlite://s3cret.db", "the path of the file alone"),
        ("sqlite:s3cret.db", "the path of the file alone"),
        ("file:s3cret.db?mode=ro", "the path of the file alone"),
        ("jdbc:sqlite:s3cret.db", "the path of the file alone"),
        ("mongodb://ann:s3cret@h/db", "`mongodb:`; name a file"),
    ] {
        for create in [true, false] {
            let options = SqliteStore::options().create(create);
            let error = options.open(path).unwrap_err();
            let StoreError::Io { source, .. } = &error else {
                panic!("{path}: {error:?}");
            };
            assert_eq!(source.kind(), io::ErrorKind::InvalidInput, "{path}");
            assert!(error.to_string().contains(said), "{path}: {error}");
            assert!(
                !format!("{error} {error:?}").contains("s3cret"),
                "{error:?}"
            );
        }
        assert!(!Path::new(path).exists(), "{path}");
    }
}

#[test]
fn a_path_is_a_path_whatever_it_is_called() {
    let folder = scratch::folder();
    for name in [
        "file:x.db?mode=memory",
        "a'b.db",
        "ü \u{1F980}.db",
        "-x.db",
        "host=x.db",
    ] {
        let file = folder.join(name);
        let store = SqliteStore::open(&file).unwrap();
        store.append(&entries(1, 1)).unwrap();
        store.close().unwrap();
        assert!(file.exists(), "{name}");
    }
}

#[test]
fn a_closed_store_says_so() {
    let store = SqliteStore::open(scratch::file("audit.db")).unwrap();
    let other = store.clone();
    store.append(&entries(1, 1)).unwrap();
    store.close().unwrap();
    for refused in [
        other.append(&entries(1, 2)),
        other.find(&Query::new()).map(|_| ()),
        other.count(&Query::new()).map(|_| ()),
        other.check().map(|_| ()),
        other
            .purge(&Query::new().until(chrono::DateTime::UNIX_EPOCH))
            .map(|_| ()),
        other.close(),
    ] {
        assert!(matches!(refused, Err(StoreError::Closed)), "{refused:?}");
    }
}

/// A damaged byte causes an error or missing entries, and no panic.
#[test]
fn a_damaged_file_is_an_error_at_most() {
    let folder = scratch::folder();
    let file = folder.join("audit.db");
    let store = SqliteStore::open(&file).unwrap();
    store.append(&entries(60, 1)).unwrap();
    store.close().unwrap();
    let sound = fs::read(&file).unwrap();
    let damaged = folder.join("damaged.db");
    let mut noticed = 0;
    for step in 0..300 {
        let mut bytes = sound.clone();
        let start = step * 7919 % bytes.len();
        let length = [1, 16, 512][step % 3].min(bytes.len() - start);
        bytes[start..start + length]
            .iter_mut()
            .for_each(|byte| *byte ^= 0x55);
        for suffix in ["-wal", "-shm"] {
            let _ = fs::remove_file(folder.join(format!("damaged.db{suffix}")));
        }
        fs::write(&damaged, bytes).unwrap();
        let outcome = SqliteStore::open(&damaged).and_then(|store| {
            store.find(&Query::new())?;
            store.find(&Query::new().changed("email").newest_first())?;
            store.append(&entries(2, 2))?;
            let sound = store.check()?.is_ok();
            store.close()?;
            Ok(sound)
        });
        noticed += usize::from(!matches!(outcome, Ok(true)));
    }
    assert!(noticed > 100, "{noticed} of 300 were noticed");
}

#[test]
fn debug_output_names_the_file_and_no_more() {
    let file = scratch::file("audit.db");
    let store = SqliteStore::open(&file).unwrap();
    let mut entry = entries(1, 1).remove(0);
    entry.object_repr = "a secret".to_owned();
    store.append(&[entry]).unwrap();
    let text = format!("{store:?}");
    assert!(text.contains("audit.db") && text.contains("Full"), "{text}");
    assert!(!text.contains("secret"));
}

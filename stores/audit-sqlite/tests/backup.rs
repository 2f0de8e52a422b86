//! `SqliteStore::backup`.

mod scratch;

use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};

use audit_core::{Query, Store, StoreError};
use audit_sqlite::SqliteStore;
use audit_testkit::entries;

#[test]
fn a_backup_has_everything_while_others_write() {
    let file = scratch::file("audit.db");
    let folder = file.parent().unwrap();
    let store = SqliteStore::open(&file).unwrap();
    store.append(&entries(1_000, 1)).unwrap();
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut seed = 2;
            while !done.load(Ordering::Relaxed) {
                store.append(&entries(10, seed)).unwrap();
                seed += 1;
            }
        });
        for number in 0..3 {
            let copy = folder.join(format!("copy-{number}.db"));
            let before = store.count(&Query::new()).unwrap();
            store.backup(&copy).unwrap();
            let copy = SqliteStore::open(&copy).unwrap();
            let check = copy.check().unwrap();
            assert!(check.is_ok() && check.entries >= before, "{check:?}");
            assert_eq!(check.entries % 10, 0);
        }
        done.store(true, Ordering::Relaxed);
    });
}

#[test]
fn a_backup_replaces_nothing_and_leaves_nothing_behind() {
    let file = scratch::file("audit.db");
    let folder = file.parent().unwrap();
    let store = SqliteStore::open(&file).unwrap();
    store.append(&entries(10, 1)).unwrap();
    let copy = folder.join("copy.db");
    fs::write(&copy, "a note").unwrap();
    let error = store.backup(&copy).unwrap_err();
    assert!(matches!(error, StoreError::Io { .. }), "{error}");
    assert_eq!(fs::read_to_string(&copy).unwrap(), "a note");
    store.backup(folder.join("none/copy.db")).unwrap_err();
    store.backup(folder.join("second.db")).unwrap();
    let mut names: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|name| name.unwrap().file_name().into_string().unwrap())
        .filter(|name| !name.starts_with("audit.db"))
        .collect();
    names.sort();
    assert_eq!(names, ["copy.db", "second.db"]);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = fs::metadata(folder.join("second.db"))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}

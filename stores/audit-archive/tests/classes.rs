//! The archive stores the retention classes: an archiver that forgets them cannot put entries into another class.

#[allow(dead_code, reason = "other test programs need the rest")]
mod scratch;

use std::collections::BTreeMap;

use audit_archive::{ArchiveOptions, ArchiveStore, Archiver, Error, RunReport, verify};
use audit_core::{LogEntry, MemoryStore, Store};

use self::scratch::Folder;

fn options() -> ArchiveOptions {
    ArchiveOptions::new().create(true).holder("test")
}

struct Trail {
    folder: Folder,
    store: MemoryStore,
}

impl Trail {
    /// Appends an entry of each model, and archives both.
    fn run(&self, options: ArchiveOptions) -> Result<RunReport, Error> {
        for model in ["Payment", "Login"] {
            let entry = LogEntry::new("create", model, "1", "bob");
            self.store.append(&[entry]).expect("appended");
        }
        let archiver = Archiver::new(self.store.clone(), self.folder.location());
        archiver.options(options).run_once()
    }

    fn classes(&self) -> BTreeMap<String, String> {
        let archive = ArchiveStore::open(self.folder.location()).expect("an archive");
        archive.status().expect("a status").classes
    }

    /// Returns the count of the files of a class.
    fn files_of(&self, class: &str) -> usize {
        let files = self.folder.files().into_keys();
        let prefix = format!("v1/class={class}/");
        files
            .filter(|name| name.starts_with(&prefix) && name.ends_with(".parquet"))
            .count()
    }
}

fn trail() -> Trail {
    Trail {
        folder: Folder::new(),
        store: MemoryStore::new(),
    }
}

#[test]
fn a_run_without_classes_uses_those_of_the_archive() {
    let trail = trail();
    trail
        .run(options().class("Payment", "ten-years"))
        .expect("a run");
    trail.run(options()).expect("a run");
    assert_eq!(
        (trail.files_of("ten-years"), trail.files_of("default")),
        (2, 2)
    );
    let expected = BTreeMap::from([("Payment".to_owned(), "ten-years".to_owned())]);
    assert_eq!(trail.classes(), expected);
    assert!(
        verify(&trail.folder.location())
            .expect("verified")
            .is_clean()
    );
}

#[test]
fn a_run_with_other_classes_is_an_error_until_they_are_changed() {
    let trail = trail();
    trail
        .run(options().class("Payment", "ten-years"))
        .expect("a run");
    let before = trail.folder.objects();
    for other in [
        options().class("Payment", "one-year"),
        options().class("Login", "one-year"),
        options()
            .class("Payment", "ten-years")
            .class("Login", "one-year"),
    ] {
        let error = trail.run(other).expect_err("other classes");
        assert!(matches!(error, Error::OtherClasses { .. }), "{error}");
    }
    let error = trail.run(options().class("Payment", "one-year"));
    let text = error.expect_err("other classes").to_string();
    assert!(
        text.contains("`ten-years`") && text.contains("`one-year`"),
        "{text}"
    );
    assert_eq!(trail.folder.objects(), before, "nothing was written");

    let changed = options().class("Login", "one-year").change_classes(true);
    trail.run(changed).expect("a run");
    assert_eq!(trail.files_of("one-year"), 1);
    let expected = BTreeMap::from([("Login".to_owned(), "one-year".to_owned())]);
    assert_eq!(trail.classes(), expected);
    trail.run(options()).expect("a run");
    assert_eq!(trail.files_of("one-year"), 2);
    trail
        .run(options().change_classes(true))
        .expect("a run without classes");
    assert_eq!(trail.classes(), BTreeMap::new());
    assert!(
        verify(&trail.folder.location())
            .expect("verified")
            .is_clean()
    );
}

#[test]
fn other_changes_of_the_archive_keep_its_classes() {
    let trail = trail();
    for _ in 0..2 {
        trail
            .run(options().class("Payment", "ten-years"))
            .expect("a run");
    }
    let archiver = Archiver::new(MemoryStore::new(), trail.folder.location());
    let archiver = archiver.options(options().compact_files(2));
    assert_eq!(archiver.compact().expect("compacted").replaced, 4);
    let later = "2100-01-01".parse().expect("a date");
    let expired = archiver.expire("default", later, "policy 7");
    assert_eq!(expired.expect("expired").entries, 2);
    assert_eq!(trail.classes().len(), 1);
    assert!(
        verify(&trail.folder.location())
            .expect("verified")
            .is_clean()
    );
}

#[test]
fn changed_classes_are_stored_without_new_entries() {
    let (folder, store) = (Folder::new(), scratch::trail(20, 95));
    let run = |options: ArchiveOptions| {
        let archiver = Archiver::new(store.clone(), folder.location()).options(options);
        archiver.run_once().expect("a run")
    };
    run(ArchiveOptions::new().create(true).class("User", "five"));
    let changed = ArchiveOptions::new()
        .class("User", "seven")
        .change_classes(true);
    assert_eq!(run(changed.clone()).entries, 0);
    let archive = ArchiveStore::open(folder.location()).expect("an archive");
    let status = archive.status().expect("a status");
    assert_eq!(status.classes["User"], "seven");
    run(changed);
    let same = archive.status().expect("a status");
    assert_eq!(same.manifest, status.manifest);
    assert!(verify(&folder.location()).expect("verified").is_clean());
}

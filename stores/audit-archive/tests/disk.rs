//! An archive on a disk that is full, and has space again. Root may mount one; elsewhere the test is reported as
//! ignored.

#[allow(dead_code, reason = "other test programs need the rest")]
mod scratch;

use std::fs;

use audit_archive::{ArchiveOptions, Archiver, Error, Location, Verifier};
use audit_testbed::SmallDisk;
use libtest_mimic::{Arguments, Trial};

use self::scratch::{Folder, append, trail};

fn main() {
    let arguments = Arguments::from_args();
    let folder = Folder::new();
    let is_missing = SmallDisk::mount(&folder.file("probe"), "size=64k").is_none();
    let required = std::env::var("CI").is_ok_and(|ci| ci == "true");
    let test = Trial::test("a_full_disk_is_an_error_and_the_next_run_continues", || {
        a_full_disk_is_an_error_and_the_next_run_continues();
        Ok(())
    });
    let trials = vec![test.with_ignored_flag(is_missing && !required)];
    libtest_mimic::run(&arguments, trials).exit();
}

fn a_full_disk_is_an_error_and_the_next_run_continues() {
    let (folder, store) = (Folder::new(), trail(200, 141));
    let disk = SmallDisk::mount(&folder.file("disk"), "size=4m").expect("a small disk");
    let location = Location::folder(disk.folder().join("archive")).expect("a location");
    let options = ArchiveOptions::new()
        .create(true)
        .segment_entries(50)
        .compact_files(2);
    let archiver = Archiver::new(store.clone(), location.clone()).options(options);
    assert_eq!(archiver.run_once().expect("a run").entries, 200);
    let verified = || {
        let found = Verifier::new(&location).against(&store).run();
        let found = found.expect("verified");
        assert!(found.is_clean(), "{:#?}", found.findings);
        found.entries
    };

    append(&store, 200, 142);
    let ballast = disk.folder().join("ballast");
    // A write of more bytes than are free writes those that fit.
    fs::write(&ballast, vec![1; 8 << 20]).expect_err("a full disk");
    for operation in ["run", "compact"] {
        let error = match operation {
            "run" => archiver.run_once().map(drop),
            _ => archiver.compact().map(drop),
        };
        let error = error.expect_err("a full disk");
        let is_full = error.to_string().contains("No space left on device");
        assert!(
            is_full && matches!(error, Error::Objects { .. }),
            "{operation}: {error}"
        );
        assert!(error.is_transient());
        assert_eq!(verified(), 200, "{operation}");
    }

    fs::remove_file(&ballast).expect("removed");
    assert_eq!(archiver.run_once().expect("a run").entries, 200);
    assert_eq!(verified(), 400);
    assert!(archiver.compact().expect("compacted").replaced > 0);
    assert_eq!(verified(), 400);
}

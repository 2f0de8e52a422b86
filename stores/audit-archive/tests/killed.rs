//! An archiver and a compaction that are killed at random moments, in a process of their own.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use audit_archive::{ArchiveOptions, ArchiveStore, Archiver, Location, Verifier, verify};
use audit_core::{Query, Store};
use audit_sqlite::SqliteStore;

/// The folder of the trail and the archive, in the environment of the child.
const FOLDER: &str = "AUDIT_ARCHIVE_TEST_FOLDER";
/// Whether the child compacts, too, in its environment.
const COMPACTS: &str = "AUDIT_ARCHIVE_TEST_COMPACTS";
/// The line that the child prints first.
const STARTED: &str = "the child archives";
const KILLS: usize = 50;
/// How long a child may take for the manifests of a round.
const PROGRESS_LIMIT: Duration = Duration::from_secs(30);

fn options() -> ArchiveOptions {
    ArchiveOptions::new()
        .create(true)
        .holder("killed")
        .segment_entries(40)
        .compact_files(2)
        .grace(Duration::ZERO)
}

/// The child process: archives until it is killed.
#[test]
fn child() {
    let Some(folder) = std::env::var_os(FOLDER) else {
        return;
    };
    let folder = std::path::PathBuf::from(folder);
    let store = SqliteStore::open(folder.join("audit.db")).expect("a store");
    let location = Location::folder(folder.join("archive")).expect("a location");
    let archiver = Archiver::new(store, location).options(options());
    println!("\n{STARTED}");
    let compacts = std::env::var_os(COMPACTS).is_some();
    loop {
        archiver.run_once().expect("a run");
        if compacts {
            archiver.compact().expect("compacted");
        }
    }
}

fn manifests(folder: &Path) -> usize {
    let entries = std::fs::read_dir(folder.join("archive/manifest"));
    entries.map_or(0, Iterator::count)
}

/// Kills archivers of a growing trail, and returns how many entries it has.
fn kill(folder: &Path, store: &SqliteStore, seed: u64, compacts: bool) -> u64 {
    let mut random = fastrand::Rng::with_seed(seed);
    let mut entries = 0;
    for round in 0..KILLS {
        let sample = audit_testkit::entries(130, 1_000 + round as u64);
        store.append(&sample).expect("appended");
        entries += sample.len() as u64;
        let mut child = Command::new(std::env::current_exe().expect("this program"));
        if compacts {
            child.env(COMPACTS, "");
        }
        let mut child = child
            .args(["--exact", "child", "--nocapture"])
            .env(FOLDER, folder)
            .stdout(Stdio::piped())
            .spawn()
            .expect("a child");
        let output = BufReader::new(child.stdout.take().expect("its output"));
        let mut lines = output.lines().map_while(Result::ok);
        assert!(lines.any(|line| line == STARTED), "the child did not begin");
        // A round has four segments, each with a manifest.
        let enough = manifests(folder) + random.usize(..=4);
        let deadline = Instant::now() + PROGRESS_LIMIT;
        while manifests(folder) < enough && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(1));
        }
        std::thread::sleep(Duration::from_micros(random.u64(..20_000)));
        child.kill().expect("killed");
        let status = child.wait().expect("ended");
        assert!(!status.success(), "the child ended by itself: {status}");
    }
    entries
}

#[test]
fn an_archiver_that_is_killed_anywhere_archives_each_entry_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = SqliteStore::open(folder.path().join("audit.db")).expect("a store");
    let entries = kill(folder.path(), &store, 51, false);
    let location = Location::folder(folder.path().join("archive")).expect("a location");
    let interrupted = verify(&location).expect("verified");
    assert!(interrupted.is_clean(), "{:#?}", interrupted.findings);
    assert!(interrupted.manifests > 50, "{interrupted:?}");

    Archiver::new(store.clone(), location.clone())
        .options(options())
        .run_once()
        .expect("a run");
    let found = Verifier::new(&location)
        .against(&store)
        .run()
        .expect("verified");
    assert!(found.is_clean(), "{:#?}", found.findings);
    assert_eq!(found.entries, entries);
    assert_eq!(found.orphans, [""; 0], "each file has a manifest");
    let archive = ArchiveStore::open(location).expect("an archive");
    assert_eq!(archive.count(&Query::new()).expect("a count"), entries);
}

#[test]
fn a_compaction_that_is_killed_anywhere_does_not_harm_the_archive() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = SqliteStore::open(folder.path().join("audit.db")).expect("a store");
    let entries = kill(folder.path(), &store, 52, true);
    let location = Location::folder(folder.path().join("archive")).expect("a location");
    let against = || {
        let found = Verifier::new(&location).against(&store).run();
        let found = found.expect("verified");
        assert!(found.is_clean(), "{:#?}", found.findings);
        found
    };
    let interrupted = against();
    let archiver = Archiver::new(store.clone(), location.clone()).options(options());
    archiver.run_once().expect("a run");
    archiver.compact().expect("compacted");
    let found = against();
    assert_eq!(found.entries, entries);
    assert_eq!((found.orphans.len(), found.replaced), (0, 0));
    assert!(interrupted.manifests > 60, "{interrupted:?}");
    let archive = ArchiveStore::open(location.clone()).expect("an archive");
    assert_eq!(archive.count(&Query::new()).expect("a count"), entries);
}

//! An archiver and a compaction that are killed at random moments, in a process of their own. After each kill the
//! archive is verified, and at the end DuckDB counts each entry once.
//!
//! DuckDB is that of the virtual environment of `tests/engines/main.rs`: the variable `AUDITLOG_TEST_ENGINES`, else
//! `target/engines`. Without it, its tests are reported as ignored, and fail with `CI=true`.

use std::env;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use audit_archive::{ArchiveOptions, ArchiveStore, Archiver, Error, Location, Verifier, verify};
use audit_core::{Query, Store};
use audit_sqlite::SqliteStore;
use libtest_mimic::{Arguments, Failed, Trial};
use tempfile::TempDir;

/// The folder of the trail and the archive, in the environment of the child.
const FOLDER: &str = "AUDIT_ARCHIVE_TEST_FOLDER";
/// Whether the child compacts, too, in its environment.
const COMPACTS: &str = "AUDIT_ARCHIVE_TEST_COMPACTS";
/// The line that the child prints first.
const STARTED: &str = "the child archives";
const KILLS: usize = 50;
/// How long a child may take for the manifests of a round.
const PROGRESS_LIMIT: Duration = Duration::from_secs(30);
/// Prints the count of rows, and that of different ids.
const COUNT: &str = "import sys, duckdb
files = sys.argv[1] + '/v1/*/*/*.parquet'
print(*duckdb.execute('SELECT count(*), count(DISTINCT id) FROM read_parquet(?)', [files]).fetchone())";

fn main() {
    if let Some(folder) = env::var_os(FOLDER) {
        child(&PathBuf::from(folder));
    }
    let python = python();
    if python.is_none() {
        eprintln!("DuckDB is missing: see tests/engines/main.rs");
    }
    let is_missing = python.is_none();
    let required = env::var("CI").is_ok_and(|ci| ci == "true");
    let mut trials = Vec::new();
    for (name, seed, compacts) in [("archiver", 51, false), ("compaction", 52, true)] {
        let killed = Arc::new(OnceLock::new());
        let killed_once = move || {
            let killed: &Killed = killed.get_or_init(|| Killed::new(seed, compacts));
            (killed.archive(), killed.entries)
        };
        let (counted, python) = (killed_once.clone(), python.clone());
        let trial = Trial::test(
            format!("duckdb_counts_each_entry_of_a_killed_{name}_once"),
            move || {
                let python = python.ok_or("the virtual environment with DuckDB is missing")?;
                let (archive, entries) = counted();
                let found = count(&python, &archive)?;
                assert_eq!(found, format!("{entries} {entries}"));
                Ok(())
            },
        );
        trials.push(trial.with_ignored_flag(is_missing && !required));
        trials.push(Trial::test(
            format!("a_killed_{name}_leaves_each_entry_in_the_archive_once"),
            move || {
                let (archive, entries) = killed_once();
                let archive = Location::folder(archive).expect("a location");
                let archive = ArchiveStore::open(archive).expect("an archive");
                assert_eq!(archive.count(&Query::new()).expect("a count"), entries);
                Ok(())
            },
        ));
    }
    libtest_mimic::run(&Arguments::from_args(), trials).exit();
}

/// Returns the interpreter of the virtual environment with DuckDB.
fn python() -> Option<PathBuf> {
    let folder = env::var_os("AUDITLOG_TEST_ENGINES").map(PathBuf::from);
    let folder = folder.or_else(|| {
        let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent()?;
        Some(target.join("engines"))
    })?;
    let python = folder.join("bin/python");
    python.is_file().then_some(python)
}

/// Counts the rows and the different ids of an archive with DuckDB.
fn count(python: &Path, archive: &Path) -> Result<String, Failed> {
    let output = Command::new(python)
        .args(["-c", COUNT])
        .arg(archive)
        .output()?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned().into());
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

fn options() -> ArchiveOptions {
    ArchiveOptions::new()
        .create(true)
        .holder("killed")
        .segment_entries(40)
        .compact_files(2)
        .grace(Duration::ZERO)
}

/// The child process: archives until it is killed.
fn child(folder: &Path) -> ! {
    let store = SqliteStore::open(folder.join("audit.db")).expect("a store");
    let location = Location::folder(folder.join("archive")).expect("a location");
    let archiver = Archiver::new(store, location).options(options());
    println!("\n{STARTED}");
    let compacts = env::var_os(COMPACTS).is_some();
    loop {
        archiver.run_once().expect("a run");
        if compacts {
            archiver.compact().expect("compacted");
        }
    }
}

/// An archive whose archivers were killed, and the last run after it.
struct Killed {
    folder: TempDir,
    entries: u64,
}

impl Killed {
    fn new(seed: u64, compacts: bool) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let store = SqliteStore::open(folder.path().join("audit.db")).expect("a store");
        let entries = kill(folder.path(), &store, seed, compacts);
        let location = Location::folder(folder.path().join("archive")).expect("a location");
        let interrupted = verify(&location).expect("verified");
        assert!(interrupted.manifests > 50, "{interrupted:?}");

        let archiver = Archiver::new(store.clone(), location.clone()).options(options());
        archiver.run_once().expect("a run");
        if compacts {
            archiver.compact().expect("compacted");
        }
        let found = Verifier::new(&location).against(&store).run();
        let found = found.expect("verified");
        assert!(found.is_clean(), "{:#?}", found.findings);
        assert_eq!(found.entries, entries);
        // A compaction deletes the files of interrupted writes.
        let orphans = found.orphans.iter();
        let orphans = orphans.filter(|path| compacts || !path.contains('#'));
        assert_eq!(orphans.count(), 0, "each file has a manifest");
        assert_eq!(found.replaced, 0);
        Self { folder, entries }
    }

    fn archive(&self) -> PathBuf {
        self.folder.path().join("archive")
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
        check(folder, store, round);
    }
    entries
}

/// Verifies an archive after a kill.
fn check(folder: &Path, store: &SqliteStore, round: usize) {
    let location = Location::folder(folder.join("archive")).expect("a location");
    match Verifier::new(&location).against(store).run() {
        Ok(found) => assert!(found.is_clean(), "kill {round}: {:#?}", found.findings),
        Err(Error::NoArchive { .. }) if manifests(folder) == 0 => {}
        Err(error) => panic!("kill {round}: {error}"),
    }
}

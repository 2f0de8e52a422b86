//! Checkpoints: archives are opened by the last one, and it never changes an answer.

#[allow(dead_code, reason = "other test programs need the rest")]
#[path = "scratch/faulty.rs"]
mod faulty;
#[allow(dead_code, reason = "other test programs need the rest")]
#[path = "scratch/rewrite.rs"]
mod rewrite;
#[allow(dead_code, reason = "other test programs need the rest")]
mod scratch;

use std::fs;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use audit_archive::{
    ArchiveOptions, ArchiveStore, Archiver, Error, FindingKind, Pruner, Verification, verify,
};
use audit_core::{MemoryStore, Query, Store};
use chrono::{DateTime, TimeDelta, Utc};

use self::faulty::{Fault, Faulty, Operation};
use self::rewrite::rewrite_object;
use self::scratch::{Folder, append, trail};

fn options() -> ArchiveOptions {
    ArchiveOptions::new()
        .create(true)
        .holder("test")
        .segment_entries(1)
}

fn run(store: &MemoryStore, folder: &Folder) {
    let archiver = Archiver::new(store.clone(), folder.location()).options(options());
    archiver.run_once().expect("a run");
}

/// Returns an archive of 100 manifests, and its checkpoint after all of them.
fn archived(seed: u64) -> (Folder, MemoryStore) {
    let (folder, store) = (Folder::new(), trail(99, seed));
    run(&store, &folder);
    assert_eq!(checkpoints(&folder), ["checkpoint/00000100.json"]);
    (folder, store)
}

fn checkpoints(folder: &Folder) -> Vec<String> {
    let names = folder.objects().into_keys();
    names
        .filter(|name| name.starts_with("checkpoint/"))
        .collect()
}

fn verified(folder: &Folder) -> Verification {
    verify(&folder.location()).expect("verified")
}

fn count(folder: &Folder) -> u64 {
    let archive = ArchiveStore::open(folder.location()).expect("an archive");
    archive.count(&Query::new()).expect("a count")
}

#[test]
fn an_archive_is_opened_by_its_last_checkpoint() {
    let (folder, store) = archived(501);
    append(&store, 30, 502);
    run(&store, &folder);
    let read = Arc::new(Mutex::new(Vec::new()));
    let reads = Arc::clone(&read);
    let location = Faulty::location(folder.path(), move |_, operation, name| {
        if operation == Operation::Get && name.starts_with("manifest/") {
            reads.lock().expect("a list").push(name.to_owned());
        }
        Fault::Nothing
    });
    let archive = ArchiveStore::open(location).expect("an archive");
    // That of the checkpoint, and those after it.
    let mut read = read.lock().expect("a list").clone();
    read.sort();
    let expected: Vec<_> = (100..=130)
        .map(|number| format!("manifest/{number:08}.json"))
        .collect();
    assert_eq!(read, expected);

    let found = archive.find(&Query::new()).expect("found").entries;
    assert_eq!(found, store.find(&Query::new()).expect("found").entries);
    let first = folder
        .objects()
        .remove("manifest/00000001.json")
        .expect("a manifest");
    let first = audit_sql::hex(&audit_sql::checksum(&first));
    let all = ArchiveStore::open(folder.location().at_least(1, first)).expect("an archive");
    assert_eq!(
        archive.status().expect("a status"),
        all.status().expect("a status")
    );
    assert!(verified(&folder).is_clean());
}

#[test]
fn the_last_two_checkpoints_stay() {
    let (folder, store) = archived(503);
    let mut expected = vec!["checkpoint/00000100.json".to_owned()];
    for round in 1..=3 {
        append(&store, 100, 503 + round);
        run(&store, &folder);
        expected.push(format!("checkpoint/{:08}.json", 100 + 100 * round));
        let kept = expected.len().saturating_sub(2);
        assert_eq!(checkpoints(&folder), expected[kept..]);
    }
    assert_eq!(count(&folder), 399);
    assert!(verified(&folder).is_clean());
}

/// Archivers that begin from a checkpoint write the same ones as one that has read all manifests, also with
/// compactions and files that expire; `verify` compares them.
#[test]
fn checkpoints_have_what_all_manifests_have() {
    let (folder, store) = (Folder::new(), MemoryStore::new());
    let days = Arc::new(AtomicI64::new(0));
    let today = Arc::clone(&days);
    let clock = move || -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::days(today.load(Ordering::Relaxed))
    };
    let options = options()
        .clock(clock)
        .compact_files(2)
        .grace(Duration::from_secs(7 * 24 * 3600));
    let mut deleted = [0; 5];
    for (round, deleted) in deleted.iter_mut().enumerate() {
        append(&store, 110, 510 + round as u64);
        let archiver = Archiver::new(store.clone(), folder.location()).options(options.clone());
        archiver.run_once().expect("a run");
        *deleted = archiver.compact().expect("compacted").deleted;
        if round == 2 {
            let before = "9999-12-31".parse().expect("a date");
            let expired = archiver
                .expire("default", before, "a test")
                .expect("expired");
            assert!(expired.files > 0);
        }
        days.fetch_add(20, Ordering::Relaxed);
        let found = verified(&folder);
        assert_eq!(found.findings, []);
        assert!(checkpoints(&folder).len() <= 2);
    }
    // The round after deletes replaced files; `expire` has deleted those of the third one.
    let has_deleted = deleted.map(|deleted| deleted > 0);
    assert_eq!(has_deleted, [false, true, true, false, true]);
    assert_eq!(count(&folder), 2 * 110);
}

#[test]
fn a_damaged_checkpoint_changes_no_answer_and_is_found() {
    let (folder, store) = archived(520);
    append(&store, 10, 521);
    let path = folder.file("checkpoint/00000100.json");
    let bytes = fs::read(&path).expect("a checkpoint");
    let mut random = fastrand::Rng::with_seed(520);
    for _ in 0..6 {
        let mut flipped = bytes.clone();
        flipped[random.usize(..bytes.len())] ^= 1 << random.u32(..8);
        fs::write(&path, flipped).expect("written");
        assert_eq!(count(&folder), 99);
        let found = verified(&folder);
        let [finding] = &*found.findings else {
            panic!("{:?}", found.findings);
        };
        assert_eq!(finding.kind, FindingKind::WrongCheckpoint);
        assert_eq!(finding.path, "checkpoint/00000100.json");
    }
    run(&store, &folder);
    assert_eq!(count(&folder), 109);
    fs::remove_file(&path).expect("removed");
    assert_eq!(count(&folder), 109);
    assert!(verified(&folder).is_clean());
}

/// A copy of the bucket that lacks the last manifests: the checkpoint is evidence of them.
#[test]
fn a_checkpoint_after_a_lost_manifest_is_a_lost_tail() {
    let (folder, store) = archived(530);
    fs::remove_file(folder.file("manifest/00000100.json")).expect("removed");
    let objects = folder.objects();
    let location = folder.location();
    let archiver = Archiver::new(store.clone(), folder.location()).options(options());
    let errors = [
        archiver.run_once().err(),
        ArchiveStore::open(folder.location()).err(),
        Pruner::new(&store, &location).run().err(),
    ];
    for error in errors {
        let error = error.expect("a lost tail");
        assert!(
            matches!(error, Error::LostTail { number: 99, .. }),
            "{error}"
        );
        assert!(
            error.to_string().contains("checkpoint/00000100.json"),
            "{error}"
        );
    }
    assert_eq!(folder.objects(), objects);
    let found = verified(&folder);
    let kinds: Vec<_> = found.findings.iter().map(|finding| finding.kind).collect();
    assert_eq!(kinds, [FindingKind::LostTail]);
}

#[test]
fn another_manifest_than_that_of_the_checkpoint_is_an_error() {
    let (folder, _) = archived(540);
    let (other, _) = archived(541);
    let manifest = other
        .objects()
        .remove("manifest/00000100.json")
        .expect("a manifest");
    fs::write(folder.file("manifest/00000100.json"), manifest).expect("written");
    let error = ArchiveStore::open(folder.location()).expect_err("another manifest");
    assert!(matches!(error, Error::Corrupt { .. }), "{error}");
    assert!(
        error.to_string().contains("manifest/00000100.json"),
        "{error}"
    );
    assert!(!verified(&folder).is_clean());
}

#[test]
fn a_checkpoint_of_another_archive_is_not_used() {
    let (folder, _) = archived(542);
    let (other, _) = archived(543);
    let name = "checkpoint/00000100.json";
    let checkpoint = other.objects().remove(name).expect("a checkpoint");
    fs::write(folder.file(name), checkpoint).expect("written");
    assert_eq!(count(&folder), 99);
    assert_eq!(verified(&folder).findings.len(), 1);
}

#[test]
fn a_refused_checkpoint_is_no_error() {
    let (folder, store) = (Folder::new(), trail(120, 550));
    let location = Faulty::location(folder.path(), |_, operation, name| {
        if operation == Operation::Put && name.starts_with("checkpoint/") {
            Fault::Refused
        } else {
            Fault::Nothing
        }
    });
    let archiver = Archiver::new(store.clone(), location).options(options());
    assert_eq!(archiver.run_once().expect("a run").entries, 120);
    assert!(checkpoints(&folder).is_empty());
    assert!(verified(&folder).is_clean());
    // The next one writes it.
    append(&store, 1, 551);
    run(&store, &folder);
    assert_eq!(checkpoints(&folder), ["checkpoint/00000122.json"]);
}

/// Its checksum is right, as of a checkpoint that another program has written.
#[test]
fn a_checkpoint_that_contradicts_its_manifest_is_not_used() {
    let (folder, store) = archived(560);
    let name = "checkpoint/00000100.json";
    let bytes = fs::read(folder.file(name)).expect("a checkpoint");
    for (from, to) in [
        ("\"last\":99", "\"last\":98"),
        ("\"position\":\"", "\"position\":\"1"),
        ("\"classes\":{}", "\"classes\":{\"User\":\"short\"}"),
    ] {
        rewrite_object(&folder, name, from, to);
        assert_eq!(count(&folder), 99, "{to}");
        run(&store, &folder);
        assert!(!verified(&folder).is_clean(), "{to}");
        fs::write(folder.file(name), &bytes).expect("written");
        assert!(verified(&folder).is_clean(), "{to}");
    }
}

/// The hot store still has entries of files that were replaced longer ago than a checkpoint describes.
#[test]
fn a_prune_finds_the_files_of_a_compaction_before_the_checkpoint() {
    let (folder, store) = (Folder::new(), trail(20, 570));
    let days = Arc::new(AtomicI64::new(0));
    let today = Arc::clone(&days);
    let clock = move || DateTime::UNIX_EPOCH + TimeDelta::days(today.load(Ordering::Relaxed));
    let options = options().clock(clock).compact_files(2);
    let archiver = || Archiver::new(store.clone(), folder.location()).options(options.clone());
    archiver().run_once().expect("a run");
    let compacted = archiver().compact().expect("compacted");
    assert!(compacted.replaced > 0 && compacted.deleted == 0);
    days.store(60, Ordering::Relaxed);
    append(&store, 100, 571);
    archiver().run_once().expect("a run");
    let last = checkpoints(&folder).pop().expect("a checkpoint");
    let checkpoint = folder.objects().remove(&last).expect("a checkpoint");
    let text = String::from_utf8(checkpoint).expect("UTF-8");
    assert!(text.contains("\"replaced\":{}"), "{text}");

    let location = folder.location();
    let report = Pruner::new(&store, &location).run().expect("pruned");
    assert_eq!((report.removed, report.unverified), (119, 0));
    let report = Pruner::new(&store, &location).run().expect("pruned");
    assert_eq!(report.removed, 0);
    assert_eq!(count(&folder), 120);
}

/// A clock that was a year ahead, before or after a compaction, must not shorten the grace of replaced files.
#[test]
fn a_wrong_clock_does_not_shorten_the_grace() {
    for jumps_first in [true, false] {
        let (folder, store) = (Folder::new(), trail(20, 580));
        let start = Utc::now();
        let right = options()
            .clock(move || start + TimeDelta::days(10))
            .compact_files(2)
            .grace(Duration::from_secs(7 * 24 * 3600));
        let wrong = options().clock(move || start + TimeDelta::days(365));
        let archiver = |options: &ArchiveOptions| {
            Archiver::new(store.clone(), folder.location()).options(options.clone())
        };
        let jump = || {
            append(&store, 1, 581);
            archiver(&wrong).run_once().expect("a run");
        };
        archiver(&right).run_once().expect("a run");
        if jumps_first {
            jump();
        }
        let compacted = archiver(&right).compact().expect("compacted");
        assert!(compacted.replaced > 0 && compacted.deleted == 0);
        if !jumps_first {
            jump();
        }
        append(&store, 120, 582);
        archiver(&right).run_once().expect("a run");
        assert_eq!(checkpoints(&folder).len(), 1);
        let none = right.clone().compact_files(1_000);
        assert_eq!(archiver(&none).compact().expect("compacted").deleted, 0);
        let later = none.clone().clock(move || start + TimeDelta::days(20));
        assert!(archiver(&later).compact().expect("compacted").deleted > 0);
    }
}

#[test]
fn a_checkpoint_that_cannot_be_fetched_changes_no_answer() {
    let (folder, _) = archived(590);
    for fault in [Fault::Refused, Fault::Before, Fault::Hang] {
        let location = Faulty::location(folder.path(), move |_, operation, name| match operation {
            Operation::Get if name.starts_with("checkpoint/") => fault,
            _ => Fault::Nothing,
        });
        let location = location.time_limit(Duration::from_millis(300));
        let archive = ArchiveStore::open(location).expect("an archive");
        assert_eq!(archive.count(&Query::new()).expect("a count"), 99);
    }
}

#[test]
fn manifests_with_nine_digits_follow_those_with_eight() {
    let (folder, store) = archived(600);
    for name in folder.objects().into_keys() {
        if name.starts_with("manifest/") && name != "manifest/00000100.json" {
            fs::remove_file(folder.file(&name)).expect("removed");
        }
    }
    let hash = |name: &str| {
        let bytes = fs::read(folder.file(name)).expect("a manifest");
        audit_sql::hex(&audit_sql::checksum(&bytes))
    };
    let before = hash("manifest/00000100.json");
    for of in ["manifest", "checkpoint"] {
        let last = format!("{of}/99999999.json");
        let path = folder.file(&format!("{of}/00000100.json"));
        fs::rename(path, folder.file(&last)).expect("renamed");
        rewrite_object(&folder, &last, "\"number\":100", "\"number\":99999999");
    }
    let after = hash("manifest/99999999.json");
    rewrite_object(&folder, "checkpoint/99999999.json", &before, &after);
    for added in 1..=2 {
        append(&store, 1, 600 + added);
        run(&store, &folder);
        let remote = Faulty::location(folder.path(), |_, _, _| Fault::Nothing);
        let archive = ArchiveStore::open(remote).expect("an archive");
        assert_eq!(archive.count(&Query::new()).expect("a count"), 99 + added);
    }
    assert!(folder.file("manifest/100000001.json").exists());
}

#[test]
fn a_location_that_requires_a_manifest_writes_few_checkpoints() {
    let (folder, store) = archived(620);
    let first = folder
        .objects()
        .remove("manifest/00000001.json")
        .expect("a manifest");
    let first = audit_sql::hex(&audit_sql::checksum(&first));
    for seed in 621..624 {
        append(&store, 1, seed);
        let location = folder.location().at_least(1, first.clone());
        let archiver = Archiver::new(store.clone(), location).options(options());
        archiver.run_once().expect("a run");
        assert_eq!(checkpoints(&folder), ["checkpoint/00000100.json"]);
    }
}

#[test]
fn a_checkpoint_of_a_later_format_is_no_finding() {
    let (folder, _) = archived(630);
    rewrite_object(
        &folder,
        "checkpoint/00000100.json",
        "\"format\":1",
        "\"format\":2",
    );
    assert_eq!(count(&folder), 99);
    assert!(verified(&folder).is_clean());
}

/// Another archiver has worked since the idle one read the archive, and what it wrote is lost.
#[test]
fn an_idle_archiver_finds_a_lost_tail() {
    let (folder, store) = (Folder::new(), trail(50, 640));
    let idle = Archiver::new(store.clone(), folder.location()).options(options().holder("idle"));
    idle.run_once().expect("a run");
    append(&store, 70, 641);
    run(&store, &folder);
    for number in 52..=121 {
        let name = format!("manifest/{number:08}.json");
        fs::remove_file(folder.file(&name)).expect("removed");
    }
    append(&store, 10, 642);
    let objects = folder.objects();
    let error = idle.run_once().expect_err("a lost tail");
    assert!(
        matches!(error, Error::LostTail { number: 51, .. }),
        "{error}"
    );
    assert_eq!(folder.objects(), objects);
}

/// Files are only replaced, removed and deleted if all manifests exist.
#[test]
fn a_gap_before_the_checkpoint_stops_compactions_and_removals() {
    let (folder, store) = archived(650);
    fs::remove_file(folder.file("manifest/00000050.json")).expect("removed");
    assert_eq!(count(&folder), 99);
    let options = options().compact_files(2).grace(Duration::ZERO);
    let archiver = Archiver::new(store, folder.location()).options(options);
    let before = "2000-01-01".parse().expect("a date");
    for error in [
        archiver.compact().err(),
        archiver.expire("default", before, "a test").err(),
    ] {
        let error = error.expect("a gap");
        assert!(matches!(error, Error::Gap { number: 50 }), "{error}");
    }
}

/// A manifest after a missing one is not reported for the files that the missing one has added.
#[test]
fn a_compaction_after_a_lost_manifest_is_no_finding() {
    let (folder, store) = archived(660);
    let archiver = Archiver::new(store, folder.location()).options(options().compact_files(2));
    assert!(archiver.compact().expect("compacted").replaced > 0);
    fs::remove_file(folder.file("manifest/00000050.json")).expect("removed");
    let found = verified(&folder).findings;
    let kinds: Vec<_> = found.iter().map(|finding| finding.kind).collect();
    assert_eq!(kinds, [FindingKind::MissingManifest], "{found:?}");
}

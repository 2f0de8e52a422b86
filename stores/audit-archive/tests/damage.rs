//! Damaged, missing and foreign archives: reads are exact or errors, and nothing is written.

#[allow(dead_code, reason = "other test programs need the rest")]
mod scratch;

use std::fs;

use audit_archive::{ArchiveOptions, ArchiveStore, Archiver, Error, Location, Pruner, verify};
use audit_core::{Follow, LogEntry, MemoryStore, Position, Query, Store, StoreError, TrailStore};

use self::scratch::{Folder, append, trail};

fn options() -> ArchiveOptions {
    ArchiveOptions::new()
        .create(true)
        .holder("test")
        .segment_entries(100)
}

fn archive(folder: &Folder, store: &MemoryStore) -> Result<u64, Error> {
    let archiver = Archiver::new(store.clone(), folder.location()).options(options());
    archiver.run_once().map(|report| report.entries)
}

fn archived(n: usize, seed: u64) -> (Folder, MemoryStore) {
    let (folder, store) = (Folder::new(), trail(n, seed));
    assert_eq!(archive(&folder, &store).expect("a run"), n as u64);
    (folder, store)
}

/// Queries that read different columns.
fn queries(store: &MemoryStore) -> Vec<Query> {
    let newest = store
        .find(&Query::new().newest_first())
        .expect("found")
        .entries;
    let with_actor = newest.iter().find_map(|entry| entry.actor.clone());
    let object = newest
        .iter()
        .find(|entry| !entry.object_pk.is_empty())
        .expect("an object");
    vec![
        Query::new().limit(20),
        Query::new().newest_first().limit(20),
        Query::new()
            .model_name(&*object.model)
            .object_pk(&*object.object_pk),
        Query::new().actor(with_actor.expect("an actor").id),
        Query::new().changed("email"),
        Query::new().action("update"),
    ]
}

/// Flips bits everywhere in the files. Each query returns the entries of the hot store or an error that names
/// the damaged object; a query that reads the damaged part never returns other entries.
#[test]
fn a_query_of_a_damaged_file_is_exact_or_an_error() {
    // Larger than the end of a file that is read at once.
    let (folder, store) = (Folder::new(), trail(2_500, 101));
    let archiver = Archiver::new(store.clone(), folder.location());
    let options = options().segment_entries(1_250);
    archiver.options(options).run_once().expect("a run");
    let queries = queries(&store);
    let expected: Vec<_> = queries
        .iter()
        .map(|query| {
            (
                store.find(query).expect("found").entries,
                store.count(query).expect("a count"),
            )
        })
        .collect();
    let mut random = fastrand::Rng::with_seed(101);
    let (mut exact, mut errors) = (0, 0);
    for (name, bytes) in folder.files() {
        let count = if name.ends_with(".filter") { 4 } else { 16 };
        for _ in 0..count {
            let mut flipped = bytes.clone();
            flipped[random.usize(..bytes.len())] ^= 1 << random.u32(..8);
            fs::write(folder.file(&name), &flipped).expect("written");
            let archive = ArchiveStore::open(folder.location()).expect("an archive");
            for (query, (entries, number)) in queries.iter().zip(&expected) {
                let found = archive.find(query).map(|page| page.entries);
                let counted = archive.count(query);
                for error in [found.as_ref().err(), counted.as_ref().err()]
                    .into_iter()
                    .flatten()
                {
                    errors += 1;
                    assert!(matches!(error, StoreError::Corrupt { .. }), "{error:?}");
                    assert!(error.to_string().contains(&name), "{name}: {error}");
                }
                if let Ok(found) = found {
                    exact += 1;
                    assert!(found == *entries, "{query} after damage of {name}");
                }
                if let Ok(counted) = counted {
                    assert_eq!(counted, *number, "{query} after damage of {name}");
                }
            }
        }
        fs::write(folder.file(&name), &bytes).expect("written");
    }
    assert!(exact > 0 && errors > 0, "{exact} exact, {errors} errors");
}

#[test]
fn a_missing_or_truncated_file_is_an_error_that_names_it() {
    let (folder, _) = archived(50, 102);
    for (name, bytes) in folder.files() {
        for damage in [None, Some(0), Some(1), Some(bytes.len() - 1)] {
            match damage {
                Some(length) => fs::write(folder.file(&name), &bytes[..length]).expect("written"),
                None => fs::remove_file(folder.file(&name)).expect("removed"),
            }
            let archive = ArchiveStore::open(folder.location()).expect("an archive");
            let error = archive.find(&Query::new().actor("ann")).err();
            let error = error
                .or_else(|| archive.find(&Query::new()).err())
                .expect("damaged");
            assert!(
                matches!(error, StoreError::Corrupt { .. }),
                "{damage:?}: {error:?}"
            );
            assert!(error.to_string().contains(&name), "{damage:?}: {error}");
        }
        fs::write(folder.file(&name), &bytes).expect("written");
    }
}

/// A volume that is not mounted is an empty or missing folder.
#[test]
fn only_an_archiver_with_create_begins_an_archive() {
    let (folder, store) = (Folder::new(), trail(5, 103));
    for path in [folder.path().to_owned(), folder.file("not/mounted")] {
        let location = Location::folder(&path).expect("a location");
        let errors = [
            Archiver::new(store.clone(), location.clone())
                .run_once()
                .err(),
            ArchiveStore::open(location.clone()).err(),
            Pruner::new(&store, &location).run().err(),
            verify(&location).err(),
        ];
        for error in errors {
            let error = error.expect("no archive");
            assert!(matches!(error, Error::NoArchive { .. }), "{error}");
            assert!(error.to_string().contains("mounted"), "{error}");
        }
    }
    assert!(folder.objects().is_empty());
    assert!(!folder.file("not").exists());

    let location = Location::folder(folder.file("new/archive")).expect("a location");
    let archiver = Archiver::new(store.clone(), location.clone()).options(options());
    assert_eq!(archiver.run_once().expect("a run").entries, 5);
    // The option is not needed again.
    append(&store, 5, 104);
    assert_eq!(
        Archiver::new(store, location)
            .run_once()
            .expect("a run")
            .entries,
        5
    );
}

#[test]
fn a_volume_that_disappears_stops_the_archiver() {
    let (folder, store) = archived(50, 105);
    let archiver = Archiver::new(store.clone(), folder.location()).options(options());
    assert_eq!(archiver.run_once().expect("a run").entries, 0);
    append(&store, 10, 106);
    fs::rename(folder.file("manifest"), folder.file("unmounted")).expect("renamed");
    let objects = folder.objects();
    let error = archiver.run_once().expect_err("no archive");
    assert!(
        matches!(error, Error::LostTail { number: 2, .. }),
        "{error}"
    );
    // Plans are evidence of an archive, so none is created.
    let error = archiver.run_once().expect_err("no archive");
    assert!(
        matches!(error, Error::LostTail { number: 0, .. }),
        "{error}"
    );
    assert_eq!(folder.objects(), objects);
    fs::rename(folder.file("unmounted"), folder.file("manifest")).expect("renamed");
    assert_eq!(archiver.run_once().expect("a run").entries, 10);
}

#[test]
fn a_lost_tail_is_not_written_again() {
    let (folder, store) = archived(250, 107);
    for number in [3, 4] {
        fs::remove_file(folder.file(&format!("manifest/{number:08}.json"))).expect("removed");
    }
    let objects = folder.objects();
    let location = folder.location();
    let errors = [
        archive(&folder, &store).err(),
        ArchiveStore::open(location.clone()).err(),
        Pruner::new(&store, &location).run().err(),
    ];
    for error in errors {
        let error = error.expect("a lost tail");
        assert!(
            matches!(error, Error::LostTail { number: 2, .. }),
            "{error}"
        );
        assert!(
            error.to_string().contains("plan/0000000000000201.json"),
            "{error}"
        );
    }
    assert_eq!(folder.objects(), objects);

    // One lost manifest is archived again with the same files, unless the caller requires it.
    let (folder, store) = archived(250, 107);
    let found = verify(&folder.location()).expect("verified");
    let last = found.last.expect("a manifest");
    fs::remove_file(folder.file("manifest/00000004.json")).expect("removed");
    let files = folder.files();
    let pinned = folder.location().at_least(last.0, &*last.1);
    let run = Archiver::new(store.clone(), pinned.clone()).run_once();
    assert!(
        matches!(run, Err(Error::LostTail { number: 3, .. })),
        "{run:?}"
    );
    let open = ArchiveStore::open(pinned.clone());
    assert!(matches!(open, Err(Error::LostTail { .. })), "{open:?}");
    assert_eq!(archive(&folder, &store).expect("a run"), 50);
    assert_eq!(folder.files(), files);
    let open = ArchiveStore::open(pinned);
    assert!(
        matches!(open, Err(Error::LostTail { .. })),
        "another manifest: {open:?}"
    );
}

#[test]
fn a_gap_after_the_manifests_that_a_reader_has_is_an_error() {
    let (folder, store) = archived(50, 108);
    let reader = ArchiveStore::open(folder.location()).expect("an archive");
    for seed in [109, 110] {
        append(&store, 10, seed);
        archive(&folder, &store).expect("a run");
    }
    let third = folder.file("manifest/00000003.json");
    let bytes = fs::read(&third).expect("a manifest");
    fs::remove_file(&third).expect("removed");
    let error = reader.count(&Query::new()).expect_err("a gap");
    assert!(error.to_string().contains("manifest 3"), "{error}");
    fs::write(&third, bytes).expect("written");
    assert_eq!(reader.count(&Query::new()).expect("a count"), 70);
}

/// All entries up to the archive's position have left both trails, so their positions do not differ.
#[test]
fn another_trail_is_an_error_without_its_old_entries() {
    let (folder, store) = archived(50, 111);
    let other = trail(60, 112);
    let old = other.committed_after(&Position::START, 50).expect("read");
    let exact: Vec<_> = old
        .entries
        .iter()
        .map(|stored| (stored.id(), audit_sql::checksum(stored.bytes())))
        .collect();
    assert_eq!(other.purge_exact(&exact).expect("purged"), 50);
    let objects = folder.objects();
    let error = archive(&folder, &other).expect_err("another trail");
    assert!(matches!(error, Error::OtherTrail { .. }), "{error}");
    assert_eq!(folder.objects(), objects);

    // A purge by time may have removed the newest archived entry of the same trail.
    store.purge(&Query::new()).expect("purged");
    store
        .append(&[LogEntry::new("create", "Note", "1", "later")])
        .expect("appended");
    let error = archive(&folder, &store).expect_err("purged");
    assert!(error.to_string().contains("adopt"), "{error}");
    let adopting = Archiver::new(store.clone(), folder.location()).options(options().adopt(true));
    assert_eq!(adopting.run_once().expect("a run").entries, 1);
    assert_eq!(archive(&folder, &store).expect("a run"), 0);
}

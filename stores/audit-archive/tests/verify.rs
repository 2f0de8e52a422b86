//! Verification: a flipped byte in any object is found and named, as are missing, truncated and
//! exchanged objects.

#[allow(dead_code, reason = "other test programs need the rest")]
mod scratch;

use std::fs;

use audit_archive::{ArchiveOptions, Archiver, Error, FindingKind, Verification, Verifier, verify};
use audit_core::{MemoryStore, Query, Store};

use self::scratch::{Folder, append, trail};

fn archived(seed: u64) -> (Folder, MemoryStore) {
    let (folder, store) = (Folder::new(), trail(250, seed));
    archive(&folder, &store);
    (folder, store)
}

fn archive(folder: &Folder, store: &MemoryStore) {
    let archiver = Archiver::new(store.clone(), folder.location());
    let options = ArchiveOptions::new()
        .create(true)
        .holder("test")
        .segment_entries(100);
    archiver.options(options).run_once().expect("a run");
}

fn verified(folder: &Folder) -> Verification {
    verify(&folder.location()).expect("verified")
}

fn kinds(found: &Verification) -> Vec<(FindingKind, &str)> {
    let findings = found.findings.iter();
    findings
        .map(|finding| (finding.kind, &*finding.path))
        .collect()
}

/// Flips bits at random positions of every object that counts, and at its first and last bytes.
#[test]
fn a_flipped_bit_anywhere_is_found_and_named() {
    let (folder, _) = archived(31);
    let mut random = fastrand::Rng::with_seed(31);
    let mut flips = 0;
    for (name, bytes) in folder.objects() {
        if ["lease/", "plan/", "probe/"]
            .iter()
            .any(|folder| name.starts_with(folder))
        {
            continue;
        }
        let mut positions: Vec<usize> = (0..24).map(|_| random.usize(..bytes.len())).collect();
        positions.extend([0, 1, bytes.len() / 2, bytes.len() - 2, bytes.len() - 1]);
        for at in positions {
            let mut flipped = bytes.clone();
            flipped[at] ^= 1 << random.u32(..8);
            fs::write(folder.file(&name), &flipped).expect("written");
            let found = verified(&folder);
            let named = found.findings.iter().any(|finding| finding.path == name);
            assert!(named, "byte {at} of {name}: {:#?}", found.findings);
            flips += 1;
        }
        fs::write(folder.file(&name), &bytes).expect("written");
    }
    assert!(flips > 200, "{flips} flips");
    assert!(verified(&folder).is_clean());
}

#[test]
fn a_damaged_object_does_not_hide_the_others() {
    let (folder, _) = archived(32);
    let files = folder.files();
    let parquet: Vec<&String> = files
        .keys()
        .filter(|name| name.ends_with(".parquet"))
        .collect();
    assert!(parquet.len() >= 3);
    fs::write(folder.file(parquet[0]), "PAR1").expect("written");
    fs::remove_file(folder.file(parquet[1])).expect("removed");
    fs::write(folder.file("manifest/00000002.json"), "{}").expect("written");
    let found = verified(&folder);
    let kinds = kinds(&found);
    assert!(
        kinds.contains(&(FindingKind::DamagedManifest, "manifest/00000002.json")),
        "{kinds:?}"
    );
    // Only the damaged manifest names these files.
    assert!(found.orphans.contains(parquet[0]) || found.orphans.contains(parquet[1]));
    assert_eq!(found.manifests, 4);
    assert!(found.entries > 0);
}

#[test]
fn missing_objects_are_named() {
    let (folder, _) = archived(33);
    for (name, bytes) in folder.objects() {
        let kind = match name.split_once('/').map(|(folder, _)| folder) {
            Some("v1") => FindingKind::MissingFile,
            // A missing last manifest is a lost tail, see below.
            Some("manifest") if !name.ends_with("4.json") => FindingKind::MissingManifest,
            _ => continue,
        };
        fs::remove_file(folder.file(&name)).expect("removed");
        let found = verified(&folder);
        assert!(
            kinds(&found).contains(&(kind, &*name)),
            "{name}: {:#?}",
            found.findings
        );
        fs::write(folder.file(&name), bytes).expect("written");
    }
}

#[test]
fn a_lost_tail_is_found() {
    let (folder, store) = archived(34);
    let (number, hash) = verified(&folder).last.expect("manifests");
    assert_eq!(number, 4);
    let location = folder.location().at_least(number, &*hash);
    let pinned = || verify(&location).expect("verified");
    assert!(pinned().is_clean());
    append(&store, 10, 35);
    archive(&folder, &store);
    assert!(pinned().is_clean(), "the archive has grown");
    fs::remove_file(folder.file("manifest/00000005.json")).expect("removed");
    assert!(pinned().is_clean(), "its segment is archived again");
    fs::remove_file(folder.file("manifest/00000004.json")).expect("removed");
    let found = pinned();
    for name in ["manifest/00000004.json", "plan/0000000000000251.json"] {
        let lost = (FindingKind::LostTail, name);
        assert!(
            kinds(&found).contains(&lost),
            "{name}: {:#?}",
            found.findings
        );
    }
    let found = verified(&folder);
    let is_file = |path: &str| path.ends_with(".parquet");
    assert!(
        kinds(&found).iter().any(|(_, path)| is_file(path)),
        "{:#?}",
        found.findings
    );
}

#[test]
fn exchanged_objects_are_found() {
    let (folder, store) = archived(36);
    let other = Folder::new();
    archive(&other, &store);
    let name = "manifest/00000002.json";
    fs::copy(other.file(name), folder.file(name)).expect("copied");
    let found = verified(&folder);
    assert!(
        kinds(&found).contains(&(FindingKind::BrokenChain, name)),
        "{:#?}",
        found.findings
    );

    let files: Vec<String> = other.files().into_keys().collect();
    fs::copy(other.file(&files[0]), other.file(&files[2])).expect("copied");
    let found = verified(&other);
    assert!(kinds(&found).contains(&(FindingKind::DamagedFile, &*files[2])));
}

#[test]
fn a_later_format_is_an_error_and_no_finding() {
    let (folder, _) = archived(37);
    let name = folder.file("manifest/00000001.json");
    let text = fs::read_to_string(&name).expect("a manifest");
    let members = text[79..].replacen("\"format\":1", "\"format\":9", 1);
    let checksum = audit_sql::checksum(members.as_bytes());
    let digits: Vec<String> = checksum.iter().map(|byte| format!("{byte:02x}")).collect();
    let checksum = digits.concat();
    fs::write(&name, format!("{{\"checksum\":\"{checksum}\",{members}")).expect("written");
    let error = verify(&folder.location()).expect_err("a later format");
    assert!(
        matches!(error, Error::NewerFormat { found: 9, .. }),
        "{error}"
    );
}

#[test]
fn the_hot_store_is_compared_as_far_as_it_still_has_the_entries() {
    let (folder, store) = archived(38);
    let location = folder.location();
    let against = |store: &MemoryStore| {
        Verifier::new(&location)
            .against(store)
            .run()
            .expect("verified")
    };
    assert!(against(&store).is_clean());
    append(&store, 5, 39);
    assert!(
        against(&store).is_clean(),
        "later entries are not archived yet"
    );
    store
        .purge(&Query::new().model_name("User"))
        .expect("purged");
    assert!(against(&store).is_clean(), "purged entries are not missing");
    let other = trail(250, 40);
    let found = Verifier::new(&location).against(&other).run();
    assert!(
        matches!(found, Err(Error::Store(_))),
        "another trail: {found:?}"
    );
}

#[test]
fn an_archive_must_exist() {
    let folder = Folder::new();
    let error = verify(&folder.location()).expect_err("no archive");
    assert!(matches!(error, Error::NoArchive { .. }), "{error}");
}

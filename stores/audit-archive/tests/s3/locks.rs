//! Locks, policies and clients that refuse operations.

use std::sync::Arc;
use std::time::Duration;

use audit_archive::object_store::aws::S3ConditionalPut;
use audit_archive::object_store::path::Path;
use audit_archive::object_store::{
    Error as Objects, ObjectStoreExt as _, PutMode, PutOptions, PutPayload,
};
use audit_archive::{ArchiveStore, Archiver, Error, Location};
use audit_core::{Query, Store};
use chrono::NaiveDate;

use crate::scratch::{append, trail};
use crate::{Bucket, archiver, options, verified};

fn later() -> NaiveDate {
    NaiveDate::from_ymd_opt(2100, 1, 1).expect("a date")
}

pub(crate) fn put_if_absent_is_honoured_and_required() {
    let bucket = Bucket::new("absent");
    let objects = bucket.objects();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let once = Path::from("once");
    let put = |bytes: &'static [u8]| {
        let options = PutOptions::from(PutMode::Create);
        let put = objects.put_opts(&once, PutPayload::from_static(bytes), options);
        runtime.block_on(put)
    };
    put(b"1").expect("written");
    let error = put(b"2").expect_err("it exists");
    assert!(matches!(error, Objects::AlreadyExists { .. }), "{error}");
    let found = runtime.block_on(async { objects.get(&Path::from("once")).await?.bytes().await });
    assert_eq!(&found.expect("an object")[..], b"1");

    // A client without conditional puts.
    let disabled = bucket
        .builder()
        .with_conditional_put(S3ConditionalPut::Disabled);
    let disabled = Arc::new(disabled.build().expect("a store"));
    let location = Location::new(disabled, "trails/disabled").expect("a location");
    let error = archiver(&trail(5, 161), &location)
        .run_once()
        .expect_err("no put-if-absent");
    assert!(matches!(error, Error::NoConditionalPut { .. }), "{error}");
}

/// A bucket with Object Lock has versions: a deletion adds a marker, and the locked version stays.
pub(crate) fn locked_versions_stay() {
    let lock = [("x-amz-bucket-object-lock-enabled", "true")];
    let bucket = Bucket::with("locked", &lock);
    let (location, store) = (bucket.location(), trail(250, 162));
    let archiver = archiver(&store, &location);
    archiver.run_once().expect("a run");
    assert_eq!(verified(&location, &store).entries, 250);
    // An administrator locks the files.
    let files = versions(&bucket);
    let hold = "<LegalHold><Status>ON</Status></LegalHold>";
    for (path, _) in &files {
        let (status, text) = bucket.send("PUT", &format!("{path}?legal-hold"), &[], hold);
        assert_eq!(status, 200, "{text}");
    }
    let expired = archiver.expire("default", later(), "policy 7");
    let expired = expired.expect("expired");
    assert_eq!((expired.entries, expired.files), (250, files.len() as u64));
    let found = verified(&location, &store);
    assert_eq!((found.files, found.orphans.len()), (0, 0));

    assert_eq!(versions(&bucket), files);
    for (path, version) in files {
        let path = format!("{path}?versionId={version}");
        let (status, text) = bucket.send("DELETE", &path, &[], "");
        assert_eq!(status, 403, "{path}: {text}");
    }
}

/// Returns the paths and the ids of the versions of Parquet files.
fn versions(bucket: &Bucket) -> Vec<(String, String)> {
    let (_, text) = bucket.send("GET", "?versions", &[], "");
    let versions = text.split("<Version>").skip(1).map(|version| {
        let value = |name: &str| {
            let (_, rest) = version.split_once(&format!("<{name}>"))?;
            Some(rest.split_once('<')?.0.to_owned())
        };
        let key = value("Key").expect("a key").replace('=', "%3D");
        (format!("/{key}"), value("VersionId").expect("an id"))
    });
    versions
        .filter(|(path, _)| path.ends_with(".parquet"))
        .collect()
}

pub(crate) fn a_policy_without_deletions() {
    let bucket = Bucket::new("kept");
    let (location, store) = (bucket.location(), trail(250, 163));
    let options = options().grace(Duration::ZERO);
    let archiver = Archiver::new(store.clone(), location.clone()).options(options);
    archiver.run_once().expect("a run");
    bucket.deny("s3:DeleteObject", "");
    let done = archiver.compact().expect("compacted");
    assert_eq!((done.deleted, done.refused), (0, done.replaced * 2));
    assert!(done.refused > 0);
    assert_eq!(verified(&location, &store).entries, 250);

    let error = archiver
        .expire("default", later(), "policy 7")
        .expect_err("denied");
    let is_denied = matches!(&error, Error::Objects { source, .. }
        if matches!(**source, Objects::PermissionDenied { .. }));
    assert!(
        is_denied && error.to_string().contains("class=default"),
        "{error}"
    );
    let found = verified(&location, &store);
    assert_eq!((found.files, found.entries), (0, 0));
    let archive = ArchiveStore::open(location.clone()).expect("an archive");
    assert_eq!(archive.count(&Query::new()).expect("a count"), 0);

    append(&store, 10, 164);
    assert_eq!(archiver.run_once().expect("a run").entries, 10);
    bucket.permit();
    let expired = archiver.expire("default", later(), "policy 7");
    assert!(expired.expect("expired").deleted > done.refused);
    let found = verified(&location, &store);
    assert_eq!(
        (found.files, found.orphans.len(), found.replaced),
        (0, 0, 0)
    );
}

pub(crate) fn a_policy_without_manifests() {
    let bucket = Bucket::new("denied");
    let (location, store) = (bucket.location(), trail(150, 165));
    let archiver = archiver(&store, &location);
    archiver.run_once().expect("a run");
    append(&store, 100, 166);
    bucket.deny("s3:PutObject", "trails/billing/manifest/");
    let error = archiver.run_once().expect_err("denied");
    assert!(
        error.to_string().contains("manifest/00000004.json"),
        "{error}"
    );
    assert_eq!(verified(&location, &store).entries, 150);
    bucket.permit();
    assert_eq!(archiver.run_once().expect("a run").entries, 100);
    let found = verified(&location, &store);
    assert_eq!((found.entries, found.orphans.len()), (250, 0));
}

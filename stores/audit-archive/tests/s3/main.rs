//! An archive in a bucket of a server that speaks the protocol of S3. Without `moto_server` these tests are reported
//! as ignored, and with `CI=true` they fail.

mod faults;
#[allow(dead_code, reason = "other test programs need the rest")]
#[path = "../scratch/faulty.rs"]
mod faulty;
mod life;
mod locks;
#[allow(dead_code, reason = "other test programs need the rest")]
#[path = "../scratch/mod.rs"]
mod scratch;

use std::env;
use std::process::{Command, exit};
use std::sync::Arc;

use audit_archive::object_store::ObjectStore;
use audit_archive::object_store::aws::AmazonS3Builder;
use audit_archive::{ArchiveOptions, Archiver, Location, Verification, Verifier};
use audit_core::{MemoryStore, Query, Store};
use audit_testbed::{S3Server, send};
use libtest_mimic::{Arguments, Trial};

/// The URL of the server, in the environment of the process that runs the tests.
const SERVER: &str = "AUDIT_ARCHIVE_TEST_S3";

fn main() {
    let arguments = Arguments::from_args();
    let has_server = env::var_os(SERVER).is_some();
    if !has_server && !arguments.list && S3Server::can_start() {
        exit(with_server());
    }
    let required = env::var("CI").is_ok_and(|ci| ci == "true");
    let tests: [(&str, fn()); 11] = [
        (
            "an_archive_lives_in_a_bucket",
            life::an_archive_lives_in_a_bucket,
        ),
        (
            "two_archivers_write_each_entry_once",
            life::two_archivers_write_each_entry_once,
        ),
        (
            "a_bucket_that_is_missing_or_of_others",
            life::a_bucket_that_is_missing_or_of_others,
        ),
        (
            "a_gap_is_an_error_until_it_is_filled",
            life::a_gap_is_an_error_until_it_is_filled,
        ),
        (
            "put_if_absent_is_honoured_and_required",
            locks::put_if_absent_is_honoured_and_required,
        ),
        ("locked_versions_stay", locks::locked_versions_stay),
        (
            "a_policy_without_deletions",
            locks::a_policy_without_deletions,
        ),
        (
            "a_policy_without_manifests",
            locks::a_policy_without_manifests,
        ),
        ("credentials_that_expire", faults::credentials_that_expire),
        (
            "a_slow_store_and_one_that_never_responds",
            faults::a_slow_store_and_one_that_never_responds,
        ),
        ("each_third_request_fails", faults::each_third_request_fails),
    ];
    let trials = tests.map(|(name, test)| {
        let trial = Trial::test(name, move || {
            test();
            Ok(())
        });
        trial.with_ignored_flag(!has_server && !required)
    });
    libtest_mimic::run(&arguments, trials.into()).exit();
}

/// Runs the tests in a process whose environment names a server, and returns its exit code.
fn with_server() -> i32 {
    let server = S3Server::start().expect("a server");
    let status = Command::new(env::current_exe().expect("this program"))
        .args(env::args_os().skip(1))
        .envs(server.settings())
        .env(SERVER, server.url())
        .status();
    status.expect("the tests run").code().unwrap_or(101)
}

/// A bucket of a test's own.
struct Bucket {
    /// The URL of the bucket at the server.
    url: String,
    name: &'static str,
}

impl Bucket {
    fn new(name: &'static str) -> Self {
        Self::with(name, &[])
    }

    fn with(name: &'static str, headers: &[(&str, &str)]) -> Self {
        let server = env::var(SERVER).expect("`moto_server` is installed");
        Self::at(&server, name, headers)
    }

    fn at(server: &str, name: &'static str, headers: &[(&str, &str)]) -> Self {
        let bucket = Self {
            url: format!("{server}/{name}"),
            name,
        };
        assert_eq!(bucket.send("PUT", "", headers, "").0, 200);
        bucket
    }

    /// Returns the location of an archive, as a user names it.
    fn location(&self) -> Location {
        let url = format!("s3://{}/trails/billing", self.name);
        Location::parse(&url).expect("a location")
    }

    /// Returns the object store, as a program makes it.
    fn objects(&self) -> Arc<dyn ObjectStore> {
        let store = self.builder().build().expect("a store");
        Arc::new(store)
    }

    fn builder(&self) -> AmazonS3Builder {
        // Chooses the implementation of TLS, which a program does that makes clients itself.
        self.location();
        let (endpoint, _) = self.url.rsplit_once('/').expect("a URL");
        AmazonS3Builder::from_env()
            .with_endpoint(endpoint)
            .with_bucket_name(self.name)
            .with_disable_bulk_delete(true)
    }

    /// Sends a request as an administrator, and returns the status and the body.
    fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> (u16, String) {
        let url = format!("{}{path}", self.url);
        // The server does not compare signatures, and refuses objects to anonymous clients.
        let signature = "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/s3/aws4_request, \
                         SignedHeaders=host, Signature=0";
        let headers = [headers, &[("authorization", signature)]].concat();
        send(method, &url, &headers, body).expect("a response")
    }

    /// Denies some actions on the objects with a prefix.
    fn deny(&self, action: &str, prefix: &str) {
        let name = self.name;
        let policy = format!(
            "{{\"Version\":\"2012-10-17\",\"Statement\":[{{\"Effect\":\"Deny\",\"Principal\":\"*\",\
             \"Action\":\"{action}\",\"Resource\":\"arn:aws:s3:::{name}/{prefix}*\"}}]}}"
        );
        let (status, text) = self.send("PUT", "?policy", &[], &policy);
        assert!((200..300).contains(&status), "{status}: {text}");
    }

    fn permit(&self) {
        let (status, text) = self.send("DELETE", "?policy", &[], "");
        assert!((200..300).contains(&status), "{status}: {text}");
    }
}

fn options() -> ArchiveOptions {
    ArchiveOptions::new()
        .create(true)
        .holder("test")
        .segment_entries(100)
        .compact_files(2)
}

fn archiver(store: &MemoryStore, location: &Location) -> Archiver<MemoryStore> {
    Archiver::new(store.clone(), location.clone()).options(options())
}

/// Verifies an archive against its hot store.
#[track_caller]
fn verified(location: &Location, store: &MemoryStore) -> Verification {
    let found = Verifier::new(location).against(store).run();
    let found = found.expect("verified");
    assert!(found.is_clean(), "{:#?}", found.findings);
    found
}

fn exported(store: &dyn Store) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = |text: &str| {
        lines.push(text.to_owned());
        Ok(())
    };
    store.export(&Query::new(), &mut line).expect("exported");
    lines
}

//! Compares a committed picture with the one that a test makes.

use std::path::Path;
use std::{env, fs};

/// Fails unless a file has this content, or writes it if `AUDITLOG_PICTURES` is `write`.
pub(crate) fn check(file: &Path, content: &str) {
    if env::var("AUDITLOG_PICTURES").is_ok_and(|mode| mode == "write") {
        fs::write(file, content).expect("the picture is written");
    }
    let committed = fs::read_to_string(file).unwrap_or_default();
    let mut lines = committed.lines().zip(content.lines());
    let different = lines.find(|(committed, made)| committed != made);
    assert!(
        committed == content,
        "{} is not what its source makes; run this test with AUDITLOG_PICTURES=write: {different:#?}",
        file.display()
    );
}

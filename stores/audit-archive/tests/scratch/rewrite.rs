//! Manifests that another program could have written.

use std::fs;

use crate::scratch::Folder;

/// Replaces a part of a manifest, and gives it the right checksum.
pub(crate) fn rewrite(folder: &Folder, number: u64, from: &str, to: &str) {
    let path = folder.file(&format!("manifest/{number:08}.json"));
    let text = fs::read_to_string(&path).expect("a manifest");
    // The checksum and its quotes take 79 bytes.
    let members = text[79..].replacen(from, to, 1);
    assert_ne!(members, text[79..], "{from}");
    let checksum = audit_sql::hex(&audit_sql::checksum(members.as_bytes()));
    let text = format!("{{\"checksum\":\"{checksum}\",{members}");
    fs::write(&path, text).expect("written");
}

//! Manifests and checkpoints that another program could have written.

use std::fs;

use crate::scratch::Folder;

/// Replaces a part of a manifest, and gives it the right checksum.
pub(crate) fn rewrite(folder: &Folder, number: u64, from: &str, to: &str) {
    rewrite_object(folder, &format!("manifest/{number:08}.json"), from, to);
}

/// Replaces a part of a manifest or checkpoint, and gives it the right checksum.
pub(crate) fn rewrite_object(folder: &Folder, name: &str, from: &str, to: &str) {
    let path = folder.file(name);
    let text = fs::read_to_string(&path).expect("an object");
    // The checksum and its quotes take 79 bytes.
    let members = text[79..].replacen(from, to, 1);
    assert_ne!(members, text[79..], "{from}");
    let checksum = audit_sql::hex(&audit_sql::checksum(members.as_bytes()));
    let text = format!("{{\"checksum\":\"{checksum}\",{members}");
    fs::write(&path, text).expect("written");
}

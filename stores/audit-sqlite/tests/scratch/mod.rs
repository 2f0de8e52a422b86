//! Folders for the files of a test, under Cargo's own temporary folder.

use std::path::PathBuf;

/// Returns an empty folder of the test that asks: of its thread's name.
pub(crate) fn folder() -> PathBuf {
    let test = std::thread::current()
        .name()
        .unwrap_or("main")
        .replace("::", "-");
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR"))
        .join(env!("CARGO_CRATE_NAME"))
        .join(test);
    match std::fs::remove_dir_all(&folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => panic!("{error}"),
        _ => std::fs::create_dir_all(&folder).unwrap(),
    }
    folder
}

/// Returns a path in an empty folder of the test that asks.
pub(crate) fn file(name: &str) -> PathBuf {
    folder().join(name)
}

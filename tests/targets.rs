//! Each file with tests in this folder is a target of the package, whose manifest lists them.

use std::fs;
use std::path::Path;

#[test]
fn the_manifest_lists_each_file_once() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let manifest = fs::read_to_string(folder.join("Cargo.toml")).expect("the manifest");
    let mut listed: Vec<_> = manifest
        .lines()
        .filter_map(|line| line.strip_prefix("path = \"")?.strip_suffix('"'))
        .map(|path| folder.join(path))
        .collect();
    listed.sort();
    let mut found: Vec<_> = fs::read_dir(folder)
        .expect("the folder of the tests")
        .map(|entry| entry.expect("an entry of the folder").path())
        .map(|path| {
            if path.is_dir() {
                path.join("main.rs")
            } else {
                path
            }
        })
        .filter(|path| path.is_file() && path.extension().is_some_and(|end| end == "rs"))
        .collect();
    found.sort();
    assert_eq!(listed, found);
}

//! Folders and trails for the tests of the archive.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use audit_archive::Location;
use audit_core::{LogEntry, MemoryStore, Store};

/// Returns a store with `n` entries of a seed.
pub(crate) fn trail(n: usize, seed: u64) -> MemoryStore {
    let store = MemoryStore::new();
    append(&store, n, seed);
    store
}

pub(crate) fn append(store: &dyn Store, n: usize, seed: u64) -> Vec<LogEntry> {
    let entries = audit_testkit::entries(n, seed);
    store.append(&entries).expect("appended");
    entries
}

/// The bytes of the objects in a folder, by name.
pub(crate) fn objects(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut objects = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(&next).expect("a folder") {
            let path = entry.expect("an entry of the folder").path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(folder).expect("below it");
                let name = name.to_str().expect("UTF-8").to_owned();
                objects.insert(name, fs::read(&path).expect("a file"));
            }
        }
    }
    objects
}

/// The objects below `v1/`.
pub(crate) fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut objects = objects(folder);
    objects.retain(|name, _| name.starts_with("v1/"));
    objects
}

/// A folder that is removed at the end.
pub(crate) struct Folder(tempfile::TempDir);

impl Folder {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().expect("a folder"))
    }

    /// Copies the folder.
    pub(crate) fn copy(&self) -> Self {
        let copy = Self::new();
        for (name, bytes) in self.objects() {
            let path = copy.file(&name);
            fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
            fs::write(path, bytes).expect("written");
        }
        copy
    }

    pub(crate) fn location(&self) -> Location {
        Location::folder(self.path()).expect("a location")
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.path().join(name)
    }

    pub(crate) fn objects(&self) -> BTreeMap<String, Vec<u8>> {
        objects(self.path())
    }

    pub(crate) fn files(&self) -> BTreeMap<String, Vec<u8>> {
        files(self.path())
    }
}

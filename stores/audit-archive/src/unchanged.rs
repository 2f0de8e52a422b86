//! Whether the manifests in a folder of this machine are those that were read: two reads of a disk by another thread
//! take longer than a page of a hot store.

use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime};

use crate::location::Location;
use crate::manifest::{FOLDER, name};

/// How old the last change of a file must be: a later one in the same unit of the file system's clock would not be
/// found.
const AGE: Duration = Duration::from_secs(2);

/// The manifests of a folder, as of before they were read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Unchanged {
    number: u64,
    folder: Identity,
    last: Identity,
}

/// What a file system changes when a file, or the list of files in a folder, changes.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Identity {
    device: u64,
    inode: u64,
    length: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Unchanged {
    /// Returns the state of the manifests up to a number, which is the last one; `None` if there are more, if the
    /// location is not a folder, or if it has changed within the last two seconds.
    pub(crate) fn of(location: &Location, number: u64) -> Option<Self> {
        let root = location.folder.as_deref()?;
        let is_last = matches!(
            fs::symlink_metadata(root.join(name(number.checked_add(1)?))),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound
        );
        let folder = Identity::of(&root.join(FOLDER))?;
        let last = Identity::of(&root.join(name(number)))?;
        is_last.then_some(Self {
            number,
            folder,
            last,
        })
    }

    /// Returns whether a later change has another identity.
    pub(crate) fn is_old(&self) -> bool {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        let limit = now.unwrap_or_default().saturating_sub(AGE).as_secs();
        let is_before = |identity: &Identity| {
            u64::try_from(identity.changed.0).is_ok_and(|seconds| seconds < limit)
        };
        is_before(&self.folder) && is_before(&self.last)
    }
}

impl Identity {
    #[cfg(unix)]
    fn of(path: &Path) -> Option<Self> {
        use std::os::unix::fs::MetadataExt as _;

        let found = fs::metadata(path).ok()?;
        Some(Self {
            device: found.dev(),
            inode: found.ino(),
            length: found.size(),
            modified: (found.mtime(), found.mtime_nsec()),
            changed: (found.ctime(), found.ctime_nsec()),
        })
    }

    /// Other systems do not report when a file was changed.
    #[cfg(not(unix))]
    fn of(_: &Path) -> Option<Self> {
        None
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn a_change_of_the_last_manifest_and_a_newer_one_are_found() {
        let folder = tempfile::tempdir().expect("a folder");
        let location = Location::folder(folder.path()).expect("a location");
        let write = |number, text: &str| {
            fs::write(folder.path().join(name(number)), text).expect("written");
        };
        fs::create_dir(folder.path().join(FOLDER)).expect("a folder");
        assert_eq!(Unchanged::of(&location, 1), None);
        write(1, "a");
        let first = Unchanged::of(&location, 1).expect("a manifest");
        assert!(!first.is_old(), "changed within two seconds");
        assert_eq!(Unchanged::of(&location, 1).as_ref(), Some(&first));
        write(1, "aa");
        assert_ne!(Unchanged::of(&location, 1), Some(first));
        write(2, "b");
        assert_eq!(Unchanged::of(&location, 1), None);
        fs::remove_dir_all(folder.path().join(FOLDER)).expect("removed");
        assert_eq!(Unchanged::of(&location, 2), None);
    }
}

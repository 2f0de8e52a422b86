//! The identity of the open file, and the creation of a new one.

use std::fs::Metadata;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use audit_core::StoreError;

/// Identifies the open file, to detect one that replaced it.
///
/// Only the metadata of the path is read: opening and closing the file outside SQLite would release
/// the locks of every connection of this process.
#[derive(Debug)]
pub(crate) struct OpenFile {
    path: PathBuf,
    /// `None` where the system has no inodes.
    id: Option<FileId>,
    /// Whether the last check found another file, or none, at the path.
    moved: AtomicBool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct FileId {
    device: u64,
    inode: u64,
}

impl FileId {
    #[cfg(unix)]
    #[expect(clippy::unnecessary_wraps, reason = "not every system has inodes")]
    fn of(metadata: &Metadata) -> Option<Self> {
        use std::os::unix::fs::MetadataExt;
        Some(Self {
            device: metadata.dev(),
            inode: metadata.ino(),
        })
    }

    #[cfg(not(unix))]
    fn of(_: &Metadata) -> Option<Self> {
        None
    }
}

impl OpenFile {
    /// Records which file is at a path that a connection has open.
    pub(crate) fn at(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            id: std::fs::metadata(path).ok().as_ref().and_then(FileId::of),
            moved: AtomicBool::new(false),
        }
    }

    /// Returns whether the last check found it moved.
    pub(crate) fn was_moved(&self) -> bool {
        self.moved.load(Ordering::Relaxed)
    }

    /// Returns an error if the open file is no longer at its path.
    ///
    /// # Errors
    /// Returns [`StoreError::Io`] with what happened to it.
    pub(crate) fn check(&self) -> Result<(), StoreError> {
        let Some(id) = self.id else {
            return Ok(());
        };
        let what = match std::fs::metadata(&self.path) {
            Ok(there) if FileId::of(&there) == Some(id) => {
                self.moved.store(false, Ordering::Relaxed);
                return Ok(());
            }
            Ok(_) => "another file replaced it while the store was open",
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                "it was deleted or moved while the store was open"
            }
            // The path cannot be read, which does not mean that the file was moved.
            Err(_) => return Ok(()),
        };
        self.moved.store(true, Ordering::Relaxed);
        Err(StoreError::Io {
            location: self.path.display().to_string(),
            source: Arc::new(io::Error::new(
                io::ErrorKind::NotFound,
                format!("{what}; entries are refused until the store is opened again"),
            )),
        })
    }
}

/// Creates an empty file with permissions, if it is missing. Failures show when SQLite opens it.
///
/// The file is created under another name and closed before it gets its own: no other handle of it
/// may be closed while SQLite holds locks on it.
#[cfg(unix)]
pub(crate) fn create(path: &Path, mode: u32) {
    use std::fs::OpenOptions;
    use std::os::unix::fs::OpenOptionsExt;
    use std::sync::atomic::AtomicU64;

    static NUMBER: AtomicU64 = AtomicU64::new(0);

    if path.symlink_metadata().is_ok() {
        return;
    }
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let mut name = path.as_os_str().to_owned();
    name.push(format!("-new-{}-{number}", std::process::id()));
    let name = PathBuf::from(name);
    let new = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(&name);
    if new.map(drop).is_err() {
        return;
    }
    // Fails if another process was first, and where a file has one name only.
    let linked = std::fs::hard_link(&name, path);
    if linked.is_err() && path.symlink_metadata().is_err() {
        let renamed = std::fs::rename(&name, path);
        log::debug!("{}: {linked:?}, {renamed:?}", path.display());
    }
    if let Err(error) = std::fs::remove_file(&name)
        && error.kind() != io::ErrorKind::NotFound
    {
        log::warn!("{} could not be removed: {error}", name.display());
    }
}

/// Leaves the creation to SQLite: permissions are those of the folder.
#[cfg(not(unix))]
pub(crate) fn create(_: &Path, _: u32) {}

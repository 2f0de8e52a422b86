//! Which file is open, and how a new one is made.

use std::fs::Metadata;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use audit_core::StoreError;

/// Identifies the open file, to detect another one in its place.
///
/// The file is looked at by its path alone: to open and close it by other means than SQLite
/// would take away the locks of every connection of this process.
#[derive(Debug)]
pub(crate) struct OpenFile {
    path: PathBuf,
    /// `None` where the system has no inodes.
    id: Option<FileId>,
    /// Whether it was found to be gone from its place.
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
    /// Takes down which file is at a path, when a connection has it open.
    pub(crate) fn at(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            id: std::fs::metadata(path).ok().as_ref().and_then(FileId::of),
            moved: AtomicBool::new(false),
        }
    }

    /// Returns whether it was found to be moved before.
    pub(crate) fn was_moved(&self) -> bool {
        self.moved.load(Ordering::Relaxed)
    }

    /// Returns an error if the open file is no longer at its path.
    ///
    /// # Errors
    /// [`StoreError::Io`], which says what happened to it.
    pub(crate) fn check(&self) -> Result<(), StoreError> {
        let Some(id) = self.id else {
            return Ok(());
        };
        let what = match std::fs::metadata(&self.path) {
            Ok(there) if FileId::of(&there) == Some(id) => {
                self.moved.store(false, Ordering::Relaxed);
                return Ok(());
            }
            Ok(_) => "another file was put in its place while it was open",
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                "it was deleted or moved while it was open"
            }
            // The path cannot be looked at, which says nothing about the file.
            Err(_) => return Ok(()),
        };
        self.moved.store(true, Ordering::Relaxed);
        Err(StoreError::Io {
            location: self.path.display().to_string(),
            source: Arc::new(io::Error::new(
                io::ErrorKind::NotFound,
                format!("{what}; no entry is written from now on until the store is opened again"),
            )),
        })
    }
}

/// Makes an empty file with permissions, if there is none. What goes wrong shows when SQLite
/// opens it.
///
/// The file is made under another name and closed before it has its own, since no other handle
/// of it may be closed while SQLite has locks on it.
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

/// Leaves it to SQLite: permissions are those of the folder.
#[cfg(not(unix))]
pub(crate) fn create(_: &Path, _: u32) {}

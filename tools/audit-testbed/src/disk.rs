//! A small file system to fill.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A small file system in memory, until it is dropped. Root may mount one, on Linux.
///
/// # Example: two megabytes, where that is permitted
/// ```
/// use audit_testbed::SmallDisk;
///
/// let folder = std::env::temp_dir().join(format!("audit-doc-{}", std::process::id()));
/// if let Some(disk) = SmallDisk::mount(&folder, "size=2m") {
///     assert!(std::fs::write(disk.folder().join("large"), vec![1; 3 << 20]).is_err());
/// }
/// ```
#[derive(Debug)]
pub struct SmallDisk {
    folder: PathBuf,
}

impl SmallDisk {
    /// Mounts one in a folder that is made for it, with options of `tmpfs` such as `size=4m`;
    /// `None` where that is not permitted.
    pub fn mount(folder: &Path, options: &str) -> Option<Self> {
        fs::create_dir(folder).ok()?;
        let disk = Self {
            folder: folder.to_owned(),
        };
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", options, "tmpfs"])
            .arg(folder)
            .output();
        mounted
            .is_ok_and(|output| output.status.success())
            .then_some(disk)
    }

    /// Returns where it is mounted.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Mounts it anew with options such as `ro`, and returns whether that went well.
    #[must_use = "where it could not be mounted it is as before"]
    pub fn remount(&self, options: &str) -> bool {
        let status = Command::new("mount")
            .args(["-o", &format!("remount,{options}")])
            .arg(&self.folder)
            .status();
        status.is_ok_and(|status| status.success())
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // One that could not be mounted is a folder only.
        let _unmounted = Command::new("umount").arg("-l").arg(&self.folder).output();
        let _removed = fs::remove_dir(&self.folder);
    }
}

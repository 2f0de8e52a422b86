//! Servers of a test's own: their programs, ports and users.

use std::env;
use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Finds a program on the path.
pub(crate) fn program(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path)
        .map(|folder| folder.join(name))
        .find(|file| file.is_file())
}

/// Returns a port on which nothing listens.
pub(crate) fn free_port() -> Option<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).ok()?;
    Some(listener.local_addr().ok()?.port())
}

/// The user whose processes a server's are, since it refuses to be root's.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Owner {
    user: u32,
    group: u32,
}

impl Owner {
    /// Finds another user if this one is root, whose the folder then is: the first of some
    /// names.
    pub(crate) fn needed(folder: &Path, names: &[&str]) -> Option<Self> {
        #[cfg(unix)]
        {
            use std::os::unix::fs::MetadataExt as _;
            if fs::metadata(folder).ok()?.uid() != 0 {
                return None;
            }
            let users = fs::read_to_string("/etc/passwd").ok()?;
            names.iter().find_map(|name| {
                let line = users
                    .lines()
                    .find(|line| line.split(':').next() == Some(name))?;
                let mut numbers = line.split(':').skip(2).map(str::parse);
                Some(Self {
                    user: numbers.next()?.ok()?,
                    group: numbers.next()?.ok()?,
                })
            })
        }
        #[cfg(not(unix))]
        {
            let _ = (folder, names);
            None
        }
    }

    /// Gives a file to the user, who alone may read it.
    pub(crate) fn own(self, path: &Path) -> Option<()> {
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            let mode = if path.is_dir() { 0o700 } else { 0o600 };
            fs::set_permissions(path, fs::Permissions::from_mode(mode)).ok()?;
            std::os::unix::fs::chown(path, Some(self.user), Some(self.group)).ok()?;
        }
        #[cfg(not(unix))]
        let _ = path;
        Some(())
    }

    /// Makes the user's a process that is about to be started.
    pub(crate) fn run_as(self, command: &mut Command) {
        #[cfg(unix)]
        {
            use std::os::unix::process::CommandExt as _;
            command.uid(self.user).gid(self.group);
        }
        #[cfg(not(unix))]
        let _ = command;
    }
}

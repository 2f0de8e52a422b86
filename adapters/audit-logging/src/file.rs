//! The log file.

use std::fs::{File, Metadata, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::rotation::Rotation;
use crate::time::Instant;

/// A log file that is written line by line, straight to the system, and put aside in time.
#[derive(Debug)]
pub(crate) struct LogFile {
    /// Absolute, since the program may change its folder.
    path: PathBuf,
    file: File,
    size: u64,
    /// Which file is open, where others may put it aside.
    followed: Option<FileId>,
    rotation: Option<Rotation>,
    /// When the present file was begun, as `Rotation::period` says it.
    period: String,
    /// Whether the last line lacks its end.
    broken_line: bool,
}

/// Why a log file could not be opened.
#[derive(Debug)]
pub(crate) enum OpenError {
    /// Another process writes to it.
    InUse,
    /// The error of the system.
    Io(io::Error),
}

impl From<io::Error> for OpenError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl LogFile {
    /// Opens a file to write at its end. Nothing is cut off yet: see [`truncate`](Self::truncate).
    ///
    /// A shared file is not rotated.
    pub(crate) fn open(
        path: &Path,
        rotation: Option<Rotation>,
        shared: bool,
        now: Instant,
        utc: bool,
    ) -> Result<Self, OpenError> {
        let path = std::path::absolute(path)?;
        let lock = match (shared, rotation) {
            (true, _) => Lock::Nothing,
            (false, None) => Lock::Shared,
            (false, Some(_)) => Lock::Exclusive,
        };
        let rotation = rotation.filter(|_| !shared);
        let file = open_locked(&path, lock)?;
        let metadata = file.metadata()?;
        let mut period = String::new();
        if let Some(rotation) = rotation {
            if !metadata.is_file() {
                return Err(OpenError::Io(io::Error::new(
                    io::ErrorKind::InvalidInput,
                    "only a regular file can be rotated",
                )));
            }
            period = rotation.period(match metadata.modified() {
                Ok(modified) if metadata.len() > 0 => Instant::from_system(modified, utc),
                _ => now,
            });
        }
        Ok(Self {
            path,
            file,
            size: metadata.len(),
            followed: shared.then(|| FileId::of(&metadata)).flatten(),
            rotation,
            period,
            broken_line: false,
        })
    }

    /// Throws away what an earlier run wrote.
    pub(crate) fn truncate(&mut self, now: Instant) -> io::Result<()> {
        // Through a second handle, since one that appends may not be allowed to truncate.
        OpenOptions::new()
            .write(true)
            .truncate(true)
            .open(&self.path)?;
        self.begin(now);
        Ok(())
    }

    fn begin(&mut self, now: Instant) {
        self.size = 0;
        self.broken_line = false;
        self.period = self
            .rotation
            .map(|rotation| rotation.period(now))
            .unwrap_or_default();
    }

    /// Writes a line, to a new file if it is time for one.
    pub(crate) fn write_line(&mut self, line: &[u8], now: Instant) -> io::Result<()> {
        // A file that cannot be put aside or opened again is no reason to lose the line.
        let rotated = self
            .follow()
            .and_then(|()| self.rotate_before(line.len(), now));
        if self.broken_line {
            self.write(b"\n")?;
        }
        self.write(line)?;
        rotated
    }

    fn rotate_before(&mut self, line: usize, now: Instant) -> io::Result<()> {
        match self.rotation {
            Some(rotation) if rotation.is_due(self.size, &self.period, line, now) => {
                let tidied = rotation.put_aside(&self.path, &self.period);
                // Even where tidying up failed, the present file may be gone from its place.
                if tidied.is_ok() || !self.path.try_exists()? {
                    self.reopen(now)?;
                }
                tidied
            }
            _ => Ok(()),
        }
    }

    /// Opens the new file after the present one was put aside.
    fn reopen(&mut self, now: Instant) -> io::Result<()> {
        match open_locked(&self.path, Lock::Exclusive) {
            Ok(file) => {
                self.file = file;
                self.begin(now);
                Ok(())
            }
            // A process that began in between has the file: as with a shared one, no line is
            // lost, and one of the two rotates.
            Err(OpenError::InUse) => {
                self.rotation = None;
                self.file = open_at_end(&self.path)?;
                self.begin(now);
                self.followed = FileId::of(&self.file.metadata()?);
                Err(io::Error::other(
                    "another process writes to it; this one no longer rotates it",
                ))
            }
            Err(OpenError::Io(error)) => Err(error),
        }
    }

    /// Opens the file at the path if that is no longer the one that is open.
    fn follow(&mut self) -> io::Result<()> {
        let Some(open) = &self.followed else {
            return Ok(());
        };
        let there = match std::fs::metadata(&self.path) {
            Ok(metadata) => FileId::of(&metadata),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(error),
        };
        if there.as_ref() == Some(open) {
            return Ok(());
        }
        let file = open_at_end(&self.path)?;
        let metadata = file.metadata()?;
        self.followed = FileId::of(&metadata);
        self.size = metadata.len();
        self.broken_line = false;
        self.file = file;
        Ok(())
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        let mut rest = bytes;
        while !rest.is_empty() {
            match self.file.write(rest) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => {
                    let (written, after) = rest.split_at(count);
                    self.size = self
                        .size
                        .saturating_add(u64::try_from(count).unwrap_or(u64::MAX));
                    self.broken_line = !written.ends_with(b"\n");
                    rest = after;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    pub(crate) fn sync(&self) -> io::Result<()> {
        match self.file.sync_all() {
            // Pipes and devices have nothing to sync.
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => Ok(()),
            other => other,
        }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

fn open_at_end(path: &Path) -> io::Result<File> {
    OpenOptions::new().append(true).create(true).open(path)
}

/// What a process holds of a file against others.
#[derive(Clone, Copy, Debug)]
enum Lock {
    Nothing,
    Shared,
    Exclusive,
}

/// How often a file is opened that others put aside at the same moment.
const ATTEMPTS: usize = 16;

/// Opens a file and locks it where the system has locks that bind only those who ask for them:
/// those of Windows would keep others from reading it.
fn open_locked(path: &Path, lock: Lock) -> Result<File, OpenError> {
    let mut file = open_at_end(path)?;
    for _ in 0..ATTEMPTS {
        if !cfg!(unix) || !file.metadata()?.is_file() {
            return Ok(file);
        }
        let locked = match lock {
            Lock::Nothing => return Ok(file),
            Lock::Shared => file.try_lock_shared(),
            Lock::Exclusive => file.try_lock(),
        };
        match locked {
            Err(TryLockError::WouldBlock) => return Err(OpenError::InUse),
            // Some file systems have none.
            Err(TryLockError::Error(_)) => return Ok(file),
            Ok(()) => {}
        }
        // It may have been put aside between the two calls.
        let there = std::fs::metadata(path).ok();
        if there.as_ref().and_then(FileId::of) == FileId::of(&file.metadata()?) {
            return Ok(file);
        }
        file = open_at_end(path)?;
    }
    Err(OpenError::InUse)
}

/// What tells a file from all others, under whatever name.
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

#[cfg(test)]
mod tests {
    use std::fs;
    use std::time::{Duration, SystemTime};

    use super::*;

    struct Directory(PathBuf);

    impl Directory {
        fn new(name: &str) -> Self {
            let path =
                std::env::temp_dir().join(format!("audit-logging-{}-{name}", std::process::id()));
            fs::create_dir_all(&path).unwrap();
            Self(path)
        }

        fn log(&self) -> PathBuf {
            self.0.join("app.log")
        }

        /// Every file's name and content, in the order of names.
        fn files(&self) -> Vec<(String, String)> {
            let mut files: Vec<_> = fs::read_dir(&self.0)
                .unwrap()
                .map(|file| {
                    let path = file.unwrap().path();
                    (
                        path.file_name().unwrap().to_str().unwrap().to_owned(),
                        fs::read_to_string(path).unwrap(),
                    )
                })
                .collect();
            files.sort();
            files
        }
    }

    impl Drop for Directory {
        fn drop(&mut self) {
            fs::remove_dir_all(&self.0).unwrap();
        }
    }

    fn at(text: &str) -> Instant {
        Instant::parse(text)
    }

    fn pairs(files: &[(String, String)]) -> Vec<(&str, &str)> {
        files
            .iter()
            .map(|(name, text)| (&**name, &**text))
            .collect()
    }

    #[test]
    fn by_size_the_newest_old_file_is_number_one() {
        let directory = Directory::new("size");
        let now = at("2026-01-31T12:00:00Z");
        let rotation = Some(Rotation::size(8).keep(2));
        let mut log = LogFile::open(&directory.log(), rotation, false, now, true).unwrap();
        for line in [
            "a1\n",
            "a2\n",
            "b1\n",
            "b2\n",
            "c1\n",
            "longer than all\n",
            "e1\n",
        ] {
            log.write_line(line.as_bytes(), now).unwrap();
        }
        assert_eq!(
            pairs(&directory.files()),
            [
                ("app.log", "e1\n"),
                ("app.log.1", "longer than all\n"),
                ("app.log.2", "c1\n")
            ]
        );
        drop(log);
        // The next run counts what is there already.
        let mut log = LogFile::open(&directory.log(), rotation, false, now, true).unwrap();
        log.write_line(b"e2 e3\n", now).unwrap();
        assert_eq!(
            pairs(&directory.files()),
            [
                ("app.log", "e2 e3\n"),
                ("app.log.1", "e1\n"),
                ("app.log.2", "longer than all\n")
            ]
        );
    }

    #[test]
    fn without_keep_every_file_stays_and_with_none_only_the_present_one() {
        let directory = Directory::new("keep");
        let now = at("2026-01-31T12:00:00Z");
        let mut log =
            LogFile::open(&directory.log(), Some(Rotation::size(1)), false, now, true).unwrap();
        for number in 0..12 {
            log.write_line(format!("{number}\n").as_bytes(), now)
                .unwrap();
        }
        assert_eq!(directory.files().len(), 12);
        assert_eq!(
            fs::read_to_string(directory.0.join("app.log.11")).unwrap(),
            "0\n"
        );

        let directory = Directory::new("keep-none");
        let rotation = Some(Rotation::size(1).keep(0));
        let mut log = LogFile::open(&directory.log(), rotation, false, now, true).unwrap();
        for number in 0..3 {
            log.write_line(format!("{number}\n").as_bytes(), now)
                .unwrap();
        }
        assert_eq!(pairs(&directory.files()), [("app.log", "2\n")]);
    }

    #[test]
    fn by_day_and_hour_the_name_tells_the_period() {
        let directory = Directory::new("day");
        let first = at("2026-01-30T23:59:59Z");
        let rotation = Some(Rotation::daily().keep(2));
        let mut log = LogFile::open(&directory.log(), rotation, false, first, true).unwrap();
        fs::write(directory.0.join("app.log.notes"), "not ours\n").unwrap();
        for (time, line) in [
            ("2026-01-30T23:59:59Z", "a\n"),
            ("2026-01-31T00:00:00Z", "b\n"),
            ("2026-01-31T23:00:00Z", "b\n"),
            ("2026-02-03T10:00:00Z", "c\n"),
            // A clock that was put back starts nothing.
            ("2026-01-01T10:00:00Z", "c\n"),
            ("2026-02-04T10:00:00Z", "d\n"),
        ] {
            log.write_line(line.as_bytes(), at(time)).unwrap();
        }
        assert_eq!(
            pairs(&directory.files()),
            [
                ("app.log", "d\n"),
                ("app.log.2026-01-31", "b\nb\n"),
                ("app.log.2026-02-03", "c\nc\n"),
                ("app.log.notes", "not ours\n"),
            ]
        );

        let directory = Directory::new("hour");
        let mut log = LogFile::open(
            &directory.log(),
            Some(Rotation::hourly()),
            false,
            first,
            true,
        )
        .unwrap();
        // Somebody has this name already: nothing is written over.
        fs::write(directory.0.join("app.log.2026-01-30_23"), "other\n").unwrap();
        log.write_line(b"a\n", first).unwrap();
        log.write_line(b"b\n", at("2026-01-31T00:00:00Z")).unwrap();
        assert_eq!(
            pairs(&directory.files()),
            [
                ("app.log", "b\n"),
                ("app.log.2026-01-30_23", "other\n"),
                ("app.log.2026-01-30_23.1", "a\n"),
            ]
        );
    }

    #[test]
    fn a_file_of_yesterday_is_put_aside_by_the_next_run() {
        let directory = Directory::new("restart");
        fs::write(directory.log(), "old\n").unwrap();
        let yesterday = SystemTime::UNIX_EPOCH + Duration::from_secs(3600);
        File::options()
            .write(true)
            .open(directory.log())
            .unwrap()
            .set_modified(yesterday)
            .unwrap();
        let now = at("1970-01-02T00:00:01Z");
        let mut log =
            LogFile::open(&directory.log(), Some(Rotation::daily()), false, now, true).unwrap();
        log.write_line(b"new\n", now).unwrap();
        assert_eq!(
            pairs(&directory.files()),
            [("app.log", "new\n"), ("app.log.1970-01-01", "old\n")]
        );
    }

    #[test]
    fn a_line_survives_a_rotation_that_fails() {
        let directory = Directory::new("blocked");
        let now = at("2026-01-31T12:00:00Z");
        let rotation = Some(Rotation::size(1).keep(1));
        // The name is as long as names may be: `.1` behind it makes one that is too long.
        let path = directory.0.join("a".repeat(255));
        let mut log = LogFile::open(&path, rotation, false, now, true).unwrap();
        log.write_line(b"a\n", now).unwrap();
        log.write_line(b"b\n", now).unwrap_err();
        log.write_line(b"c\n", now).unwrap_err();
        assert_eq!(fs::read_to_string(&path).unwrap(), "a\nb\nc\n");
    }

    #[test]
    fn what_a_larger_keep_left_goes() {
        let directory = Directory::new("smaller-keep");
        let now = at("2026-01-31T12:00:00Z");
        let mut log =
            LogFile::open(&directory.log(), Some(Rotation::size(1)), false, now, true).unwrap();
        for number in 0..8 {
            log.write_line(format!("{number}\n").as_bytes(), now)
                .unwrap();
        }
        drop(log);
        // Of another program, whose names have the date.
        fs::write(directory.0.join("app.log.20260131"), "other\n").unwrap();
        for (keep, line, left) in [
            (4, "a\n", vec!["a\n", "7\n", "6\n", "5\n", "4\n"]),
            (1, "b\n", vec!["b\n", "a\n"]),
            (0, "c\n", vec!["c\n"]),
        ] {
            let rotation = Some(Rotation::size(1).keep(keep));
            let mut log = LogFile::open(&directory.log(), rotation, false, now, true).unwrap();
            log.write_line(line.as_bytes(), now).unwrap();
            let files = directory.files();
            let (other, ours): (Vec<_>, Vec<_>) =
                files.iter().partition(|(_, text)| text == "other\n");
            assert_eq!(other.len(), 1);
            let ours: Vec<_> = ours.iter().map(|(_, text)| &**text).collect();
            assert_eq!(ours, left, "keep({keep})");
        }

        for name in ["2026-01-28", "2026-01-29", "2026-01-29.1", "2026-01-30"] {
            fs::write(directory.0.join(format!("app.log.{name}")), "old\n").unwrap();
        }
        let rotation = Some(Rotation::daily().keep(0));
        let mut log = LogFile::open(&directory.log(), rotation, false, now, true).unwrap();
        log.write_line(b"d\n", at("2099-02-01T12:00:00Z")).unwrap();
        assert_eq!(
            pairs(&directory.files()),
            [("app.log", "d\n"), ("app.log.20260131", "other\n")]
        );
    }

    #[test]
    fn a_folder_named_like_an_old_file_stays_and_stops_nothing() {
        let now = at("2026-01-31T12:00:00Z");
        let names = |directory: &Directory| {
            let entries = fs::read_dir(&directory.0).unwrap();
            let mut names: Vec<_> = entries
                .map(|entry| entry.unwrap().file_name().into_string().unwrap())
                .collect();
            names.sort();
            names
        };

        let directory = Directory::new("folder-size");
        for folder in ["app.log.1", "app.log.3"] {
            fs::create_dir_all(directory.0.join(folder).join("x")).unwrap();
        }
        let rotation = Some(Rotation::size(1).keep(2));
        let mut log = LogFile::open(&directory.log(), rotation, false, now, true).unwrap();
        for line in [b"a\n", b"b\n", b"c\n", b"d\n"] {
            log.write_line(line, now).unwrap();
        }
        let read = |name: &str| fs::read_to_string(directory.0.join(name)).unwrap();
        assert_eq!(
            names(&directory),
            [
                "app.log",
                "app.log.1",
                "app.log.2",
                "app.log.3",
                "app.log.4"
            ]
        );
        assert_eq!(
            [read("app.log"), read("app.log.2"), read("app.log.4")],
            ["d\n", "c\n", "b\n"]
        );

        let directory = Directory::new("folder-day");
        // The folder is the oldest of all.
        fs::create_dir_all(directory.0.join("app.log.2026-01-01").join("x")).unwrap();
        for day in ["2026-01-02", "2026-01-03", "2026-01-04"] {
            fs::write(directory.0.join(format!("app.log.{day}")), "old\n").unwrap();
        }
        let rotation = Some(Rotation::daily().keep(2));
        let mut log = LogFile::open(&directory.log(), rotation, false, now, true).unwrap();
        log.write_line(b"a\n", now).unwrap();
        log.write_line(b"b\n", at("2026-02-01T12:00:00Z")).unwrap();
        assert_eq!(
            names(&directory),
            [
                "app.log",
                "app.log.2026-01-01",
                "app.log.2026-01-04",
                "app.log.2026-01-31"
            ]
        );
    }

    #[cfg(unix)]
    #[test]
    fn one_of_two_that_write_to_a_file_may_not_rotate_it() {
        let directory = Directory::new("in-use");
        let now = at("2026-01-31T12:00:00Z");
        let open = |rotation: Option<Rotation>, shared| {
            LogFile::open(&directory.log(), rotation, shared, now, true)
        };
        let rotation = Some(Rotation::size(1).keep(1));
        let mut first = open(rotation, false).unwrap();
        assert!(matches!(open(rotation, false), Err(OpenError::InUse)));
        assert!(matches!(open(None, false), Err(OpenError::InUse)));
        let mut shared = open(rotation, true).unwrap();
        shared.write_line(b"a\n", now).unwrap();
        first.write_line(b"b\n", now).unwrap();
        first.write_line(b"c\n", now).unwrap();
        // The first has put the file aside; the lock is on the new one.
        assert!(matches!(open(rotation, false), Err(OpenError::InUse)));
        shared.write_line(b"d\n", now).unwrap();
        assert_eq!(
            pairs(&directory.files()),
            [("app.log", "c\nd\n"), ("app.log.1", "a\nb\n")]
        );
        drop(first);
        let plain = open(None, false).unwrap();
        open(None, false).unwrap();
        assert!(matches!(open(rotation, false), Err(OpenError::InUse)));
        drop(plain);
        open(rotation, false).unwrap();
    }

    #[test]
    fn a_file_that_somebody_else_moved_is_made_again() {
        let directory = Directory::new("moved");
        let now = at("2026-01-31T12:00:00Z");
        let mut log =
            LogFile::open(&directory.log(), Some(Rotation::size(1)), false, now, true).unwrap();
        log.write_line(b"a\n", now).unwrap();
        fs::remove_file(directory.log()).unwrap();
        log.write_line(b"b\n", now).unwrap();
        assert_eq!(pairs(&directory.files()), [("app.log", "b\n")]);
    }
}

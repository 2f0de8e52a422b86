//! The log file.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::rotation::Rotation;
use crate::time::Instant;

/// A log file that is written line by line, straight to the system, and put aside in time.
#[derive(Debug)]
pub(crate) struct LogFile {
    path: PathBuf,
    file: File,
    size: u64,
    rotation: Option<Rotation>,
    /// When the present file was begun, as `Rotation::period` says it.
    period: String,
    /// Whether the last line lacks its end.
    broken_line: bool,
}

impl LogFile {
    /// Opens a file to write at its end. Nothing is cut off yet: see [`truncate`](Self::truncate).
    pub(crate) fn open(
        path: &Path,
        rotation: Option<Rotation>,
        now: Instant,
        utc: bool,
    ) -> io::Result<Self> {
        let file = open_at_end(path)?;
        let metadata = file.metadata()?;
        let mut period = String::new();
        if let Some(rotation) = rotation {
            if !metadata.is_file() {
                return Err(io::Error::new(
                    io::ErrorKind::InvalidInput,
                    "only a regular file can be rotated",
                ));
            }
            period = rotation.period(match metadata.modified() {
                Ok(modified) if metadata.len() > 0 => Instant::from_system(modified, utc),
                _ => now,
            });
        }
        Ok(Self {
            path: path.to_owned(),
            file,
            size: metadata.len(),
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
        // A file that cannot be put aside is no reason to lose the line.
        let rotated = self.rotate_before(line.len(), now);
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
                    self.file = open_at_end(&self.path)?;
                    self.begin(now);
                }
                tidied
            }
            _ => Ok(()),
        }
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
        let mut log = LogFile::open(&directory.log(), rotation, now, true).unwrap();
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
        let mut log = LogFile::open(&directory.log(), rotation, now, true).unwrap();
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
        let mut log = LogFile::open(&directory.log(), Some(Rotation::size(1)), now, true).unwrap();
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
        let mut log = LogFile::open(&directory.log(), rotation, now, true).unwrap();
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
        let mut log = LogFile::open(&directory.log(), rotation, first, true).unwrap();
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
        let mut log =
            LogFile::open(&directory.log(), Some(Rotation::hourly()), first, true).unwrap();
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
        let mut log = LogFile::open(&directory.log(), Some(Rotation::daily()), now, true).unwrap();
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
        let mut log = LogFile::open(&directory.log(), rotation, now, true).unwrap();
        log.write_line(b"a\n", now).unwrap();
        // A directory with something in it cannot be replaced by a file.
        let blocker = directory.0.join("app.log.1");
        fs::create_dir_all(blocker.join("x")).unwrap();
        log.write_line(b"b\n", now).unwrap_err();
        assert_eq!(fs::read_to_string(directory.log()).unwrap(), "a\nb\n");
        fs::remove_dir_all(&blocker).unwrap();
        log.write_line(b"c\n", now).unwrap();
        assert_eq!(
            pairs(&directory.files()),
            [("app.log", "c\n"), ("app.log.1", "a\nb\n")]
        );
    }

    #[test]
    fn a_file_that_somebody_else_moved_is_made_again() {
        let directory = Directory::new("moved");
        let now = at("2026-01-31T12:00:00Z");
        let mut log = LogFile::open(&directory.log(), Some(Rotation::size(1)), now, true).unwrap();
        log.write_line(b"a\n", now).unwrap();
        fs::remove_file(directory.log()).unwrap();
        log.write_line(b"b\n", now).unwrap();
        assert_eq!(pairs(&directory.files()), [("app.log", "b\n")]);
    }
}

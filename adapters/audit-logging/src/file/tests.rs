//! Rotation, locks and reopened files, with the time given.

use std::fs::{self, File};
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
fn by_size_the_newest_old_file_has_number_one() {
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
    // The next run includes the size of the existing file.
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
fn without_keep_all_files_stay_and_with_zero_only_the_current_one() {
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
fn by_day_and_hour_the_name_has_the_period() {
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
        // A clock that was set back does not start a file.
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
    // The name is taken: no file is replaced.
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
fn the_next_run_rotates_the_file_of_yesterday() {
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
    // The name has the maximum length, so with `.1` it is too long.
    let path = directory.0.join("a".repeat(255));
    let mut log = LogFile::open(&path, rotation, false, now, true).unwrap();
    log.write_line(b"a\n", now).unwrap();
    log.write_line(b"b\n", now).unwrap_err();
    log.write_line(b"c\n", now).unwrap_err();
    assert_eq!(fs::read_to_string(&path).unwrap(), "a\nb\nc\n");
}

#[test]
fn a_smaller_keep_removes_older_files() {
    let directory = Directory::new("smaller-keep");
    let now = at("2026-01-31T12:00:00Z");
    let mut log =
        LogFile::open(&directory.log(), Some(Rotation::size(1)), false, now, true).unwrap();
    for number in 0..8 {
        log.write_line(format!("{number}\n").as_bytes(), now)
            .unwrap();
    }
    drop(log);
    // A file of another program that puts the date into names.
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
        let (other, ours): (Vec<_>, Vec<_>) = files.iter().partition(|(_, text)| text == "other\n");
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
fn a_folder_named_like_an_old_file_stays_and_is_skipped() {
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
    // The folder has the oldest period.
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
fn a_file_with_two_writers_cannot_be_rotated() {
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
    // The first writer has rotated the file and locks the new one.
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
fn a_file_that_another_process_removed_is_created_again() {
    let directory = Directory::new("moved");
    let now = at("2026-01-31T12:00:00Z");
    let mut log =
        LogFile::open(&directory.log(), Some(Rotation::size(1)), false, now, true).unwrap();
    log.write_line(b"a\n", now).unwrap();
    fs::remove_file(directory.log()).unwrap();
    log.write_line(b"b\n", now).unwrap();
    assert_eq!(pairs(&directory.files()), [("app.log", "b\n")]);
}

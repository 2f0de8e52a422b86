//! `JsonLinesSink`: its output, flushing and write errors.

use std::fs;
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use audit_core::{JsonLinesSink, LogEntry, Sink, SinkError};

/// A writer that accepts `capacity` bytes in pieces of at most `piece` and then fails.
#[derive(Clone)]
struct Narrow(Arc<Mutex<State>>);

struct State {
    bytes: Vec<u8>,
    capacity: usize,
    piece: usize,
    flushes: usize,
}

impl Narrow {
    fn new(capacity: usize, piece: usize) -> Self {
        Self(Arc::new(Mutex::new(State {
            bytes: Vec::new(),
            capacity,
            piece,
            flushes: 0,
        })))
    }

    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().bytes.clone()).unwrap()
    }
}

impl Write for Narrow {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut state = self.0.lock().unwrap();
        let count = bytes.len().min(state.piece).min(state.capacity);
        if count == 0 {
            return Err(io::ErrorKind::StorageFull.into());
        }
        state.capacity -= count;
        state.bytes.extend_from_slice(&bytes[..count]);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.lock().unwrap().flushes += 1;
        Ok(())
    }
}

fn entry(pk: &str) -> LogEntry {
    LogEntry::new("update", "User", pk, "line one\nline two")
}

fn temp_file(name: &str) -> PathBuf {
    std::env::temp_dir().join(format!("audit-core-{}-{name}.jsonl", std::process::id()))
}

#[test]
fn each_entry_is_one_flushed_line() {
    let writer = Narrow::new(usize::MAX, 7);
    let sink = JsonLinesSink::new(writer.clone());
    let entries = [entry("1"), entry("2")];
    for entry in &entries {
        sink.emit(entry).unwrap();
    }
    let lines: Vec<LogEntry> = writer
        .text()
        .lines()
        .map(|line| LogEntry::from_json(line).unwrap())
        .collect();
    assert_eq!(lines, entries);
    assert_eq!(writer.0.lock().unwrap().flushes, 2);
}

#[test]
fn an_incomplete_line_is_terminated_before_the_next_one() {
    for capacity in [1, 10, 100] {
        let writer = Narrow::new(capacity, 16);
        let sink = JsonLinesSink::new(writer.clone());
        let error = sink.emit(&entry("1")).unwrap_err();
        assert!(
            matches!(&error, SinkError::Io { source, .. } if source.kind() == io::ErrorKind::StorageFull),
            "{error:?}"
        );
        // Still full: not even the end of the broken line finds capacity.
        sink.emit(&entry("2")).unwrap_err();
        writer.0.lock().unwrap().capacity = usize::MAX;
        let (third, fourth) = (entry("3"), entry("4"));
        sink.emit(&third).unwrap();
        sink.emit(&fourth).unwrap();

        let text = writer.text();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 3, "{text}");
        assert_eq!(lines[0].len(), capacity);
        assert_eq!(LogEntry::from_json(lines[1]).unwrap(), third);
        assert_eq!(LogEntry::from_json(lines[2]).unwrap(), fourth);
    }
}

#[test]
fn a_write_that_failed_at_once_leaves_no_empty_line() {
    let writer = Narrow::new(0, 16);
    let sink = JsonLinesSink::new(writer.clone());
    sink.emit(&entry("1")).unwrap_err();
    writer.0.lock().unwrap().capacity = usize::MAX;
    sink.emit(&entry("2")).unwrap();
    assert_eq!(writer.text().lines().count(), 1);
}

#[test]
fn threads_do_not_mix_lines() {
    let writer = Narrow::new(usize::MAX, 11);
    let sink = JsonLinesSink::new(writer.clone());
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let sink = &sink;
            scope.spawn(move || {
                for number in 0..25 {
                    sink.emit(&entry(&format!("{thread}-{number}"))).unwrap();
                }
            });
        }
    });
    let text = writer.text();
    assert_eq!(text.lines().count(), 100);
    for line in text.lines() {
        LogEntry::from_json(line).unwrap();
    }
}

#[test]
fn create_truncates_and_append_continues_after_a_crash() {
    let path = temp_file("append");
    fs::write(&path, "old\n").unwrap();
    let first = entry("1");
    JsonLinesSink::create(&path)
        .unwrap()
        .sync(true)
        .emit(&first)
        .unwrap();
    assert_eq!(
        fs::read_to_string(&path).unwrap(),
        first.to_canonical_json().expect("a form") + "\n"
    );

    fs::OpenOptions::new()
        .append(true)
        .open(&path)
        .unwrap()
        .write_all(br#"{"action":"upd"#)
        .unwrap();
    let second = entry("2");
    let sink = JsonLinesSink::append(&path).unwrap();
    sink.emit(&second).unwrap();
    sink.flush().unwrap();
    let text = fs::read_to_string(&path).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(
        lines,
        [
            &*first.to_canonical_json().expect("a form"),
            r#"{"action":"upd"#,
            &*second.to_canonical_json().expect("a form")
        ]
    );
    fs::remove_file(&path).unwrap();
}

#[test]
fn the_error_of_opening_has_the_file_name() {
    let path = temp_file("nowhere").join("trail.jsonl");
    for error in [
        JsonLinesSink::create(&path).unwrap_err(),
        JsonLinesSink::append(&path).unwrap_err(),
    ] {
        assert!(error.to_string().contains("trail.jsonl"), "{error}");
        assert!(std::error::Error::source(&error).is_some());
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_an_error_each_time_and_a_device_needs_no_sync() {
    let full = JsonLinesSink::append("/dev/full").unwrap();
    for _ in 0..2 {
        let error = full.emit(&entry("1")).unwrap_err();
        assert!(
            error.to_string().starts_with("writing to /dev/full: "),
            "{error}"
        );
    }
    let null = JsonLinesSink::append("/dev/null").unwrap().sync(true);
    null.emit(&entry("1")).unwrap();
    null.flush().unwrap();
}

//! Several processes with one log file; a process that changes its working directory.

#![cfg(unix)]

mod scratch;

use std::collections::HashSet;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use audit_logging::{BasicConfig, Level, LoggingError, Rotation, basic_config, info};

use crate::scratch::{CHILD, Directory, in_child};

/// The number of lines that each of two processes writes.
const LINES: usize = 10_000;

fn config(folder: &str) -> BasicConfig {
    basic_config()
        .level(Level::Info)
        .format("{message}")
        .filename(Path::new(folder).join("app.log"))
        .utc(true)
}

/// A second process, which runs `test` as a child with an argument `<role>:<folder>`.
struct Second(Child);

impl Second {
    fn start(test: &str, argument: &str) -> Self {
        let child = Command::new(std::env::current_exe().unwrap())
            .args([test, "--exact", "--nocapture"])
            .env(CHILD, argument)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        Self(child)
    }

    /// Waits for the line that reports that the process has started.
    fn wait_for(&mut self, text: &str) {
        let mut lines = BufReader::new(self.0.stdout.take().unwrap()).lines();
        assert!(lines.any(|line| line.unwrap().ends_with(text)));
        self.0.stdout = None;
    }

    fn end(mut self) {
        drop(self.0.stdin.take());
        assert!(self.0.wait().unwrap().success());
    }
}

fn write_lines(name: &str) {
    for number in 0..LINES {
        info!("{name} {number} {}", ".".repeat(number % 60));
    }
}

/// Asserts that each line of both processes is complete and in one file once.
fn assert_complete(directory: &Directory) {
    let mut lines = HashSet::new();
    for file in fs::read_dir(&directory.0).unwrap() {
        for line in fs::read_to_string(file.unwrap().path()).unwrap().lines() {
            assert!(lines.insert(line.to_owned()), "twice: {line}");
        }
    }
    for name in ["first", "second"] {
        for number in 0..LINES {
            let line = format!("{name} {number} {}", ".".repeat(number % 60));
            assert!(lines.remove(&line), "missing: {line}");
        }
    }
    assert!(lines.is_empty(), "broken: {lines:?}");
}

#[test]
fn a_second_process_on_a_rotated_file_gets_an_error_with_its_path() {
    let directory = Directory::new();
    in_child(directory.as_str(), |argument| {
        if let Some(folder) = argument.strip_prefix("hold:") {
            config(folder).rotate(Rotation::size(100)).init()?;
            println!("ready");
            std::io::stdin().read_line(&mut String::new())?;
            return Ok(());
        }
        let mut first = Second::start(
            "a_second_process_on_a_rotated_file_gets_an_error_with_its_path",
            &format!("hold:{argument}"),
        );
        first.wait_for("ready");
        let rotating = || config(argument).rotate(Rotation::size(100));
        for config in [rotating(), rotating().append(false), config(argument)] {
            let error = config.init().unwrap_err();
            assert!(matches!(error, LoggingError::InUse { .. }), "{error}");
            let text = error.to_string();
            assert!(
                text.contains("app.log") && text.contains("shared"),
                "{text}"
            );
        }
        first.end();
        rotating().init()?;
        Ok(())
    });
}

#[test]
fn a_shared_file_is_reopened_after_another_process_rotates_it() {
    let directory = Directory::new();
    in_child(directory.as_str(), |argument| {
        if let Some(folder) = argument.strip_prefix("second:") {
            config(folder).shared().init()?;
            println!("ready");
            write_lines("second");
            return Ok(());
        }
        config(argument).rotate(Rotation::size(20_000)).init()?;
        let mut second = Second::start(
            "a_shared_file_is_reopened_after_another_process_rotates_it",
            &format!("second:{argument}"),
        );
        second.wait_for("ready");
        write_lines("first");
        second.end();
        Ok(())
    });
    assert!(fs::read_dir(&directory.0).unwrap().count() > 10);
    assert_complete(&directory);
}

#[test]
fn two_processes_share_a_file_that_neither_rotates() {
    let directory = Directory::new();
    in_child(directory.as_str(), |argument| {
        let (folder, name) = match argument.strip_prefix("second:") {
            Some(folder) => (folder, "second"),
            None => (argument, "first"),
        };
        config(folder)
            .rotate(Rotation::size(1000))
            .shared()
            .init()?;
        if name == "second" {
            println!("ready");
            write_lines(name);
            return Ok(());
        }
        let mut second = Second::start(
            "two_processes_share_a_file_that_neither_rotates",
            &format!("second:{folder}"),
        );
        second.wait_for("ready");
        write_lines(name);
        second.end();
        Ok(())
    });
    assert_eq!(fs::read_dir(&directory.0).unwrap().count(), 1);
    assert_complete(&directory);
}

#[test]
fn a_relative_path_survives_a_change_of_the_working_directory() {
    let directory = Directory::new();
    in_child(directory.as_str(), |directory| {
        let (begin, other) = (
            Path::new(directory).join("begin"),
            Path::new(directory).join("other"),
        );
        fs::create_dir_all(begin.join("logs"))?;
        fs::create_dir_all(other.join("logs"))?;
        std::env::set_current_dir(&begin)?;
        let handle = basic_config()
            .level(Level::Info)
            .format("{message}")
            .filename("logs/app.log")
            .append(false)
            .rotate(Rotation::size(30).keep(3))
            .init()?;
        info!("before ..................");
        std::env::set_current_dir(&other)?;
        info!("after, one ..............");
        info!("after, two ..............");
        handle.flush()?;
        std::io::stdout().flush()?;
        Ok(())
    });
    assert_eq!(
        fs::read_dir(directory.0.join("other/logs"))
            .unwrap()
            .count(),
        0
    );
    for (name, line) in [("app.log", "after, two"), ("app.log.1", "after, one")] {
        let text = directory.read(&format!("begin/logs/{name}"));
        assert!(text.starts_with(line), "{name}: {text}");
    }
}

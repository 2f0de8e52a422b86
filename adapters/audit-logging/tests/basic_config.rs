//! Output of `basic_config()` on the streams and in the files.
//!
//! A logger can be set once in a process, so each case runs in its own process.

mod scratch;

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use audit_core::{Actor, LogEntry, LogSink, Sink};
use audit_logging::{
    BasicConfig, Level, LoggingError, Rotation, Stream, basic_config, critical, debug, error, info,
    warn, warning,
};
use serde_json::{Value, json};

use crate::scratch::{CHILD, Directory, in_child};

fn five_calls() {
    debug!("one");
    info!("two");
    warning!("three");
    error!("four");
    critical!("five");
}

#[test]
fn each_level_filters_as_in_python() {
    let lines = [
        "DEBUG:basic_config:one\n",
        "INFO:basic_config:two\n",
        "WARNING:basic_config:three\n",
        "ERROR:basic_config:four\n",
        "CRITICAL:basic_config:five\n",
    ];
    for (position, level) in Level::ALL.into_iter().enumerate() {
        let printed = in_child(level.as_str(), |level| {
            basic_config().level(level.parse()?).init()?;
            five_calls();
            log::trace!("never");
            Ok(())
        });
        assert_eq!(printed.stderr, lines[position..].concat(), "{level}");
        assert_eq!(printed.stdout, "");
    }
}

#[test]
fn the_default_is_warnings_on_standard_error() {
    let printed = in_child("", |_| {
        basic_config().init()?;
        five_calls();
        Ok(())
    });
    assert_eq!(
        printed.stderr,
        "WARNING:basic_config:three\nERROR:basic_config:four\nCRITICAL:basic_config:five\n"
    );
}

#[test]
fn enabled_agrees_with_what_is_printed() {
    in_child("", |_| {
        basic_config()
            .level(Level::Critical)
            .target("noisy", Level::Info)
            .init()?;
        assert!(log::log_enabled!(log::Level::Error));
        assert!(!log::log_enabled!(log::Level::Warn));
        assert!(log::log_enabled!(target: "noisy::x", log::Level::Info));
        assert!(!log::log_enabled!(target: "noisy::x", log::Level::Debug));
        assert_eq!(log::max_level(), log::LevelFilter::Info);
        Ok(())
    });
}

#[test]
fn stdout_format_and_date() {
    let printed = in_child("", |_| {
        basic_config()
            .level(Level::Info)
            .stream(Stream::Stdout)
            .format("{{{asctime}}} [{levelname:<8}] {levelno} {name} {filename}: {message}")
            .datefmt("%Y-%m-%dT%H:%MZ")
            .utc(true)
            .init()?;
        info!(target: "shop", "größe {}", 7);
        critical!(target: "shop", free = 0; "full");
        Ok(())
    });
    assert_eq!(printed.stderr, "");
    let lines: Vec<&str> = printed.stdout.lines().collect();
    assert_eq!(lines.len(), 2);
    for (line, end) in lines.into_iter().zip([
        "} [INFO    ] 20 shop basic_config.rs: größe 7",
        "} [CRITICAL] 50 shop basic_config.rs: full",
    ]) {
        assert_eq!(&line[18..], end);
        let date: String = line[..18]
            .chars()
            .map(|c| if c.is_ascii_digit() { '0' } else { c })
            .collect();
        assert_eq!(date, "{0000-00-00T00:00Z");
    }
}

#[test]
fn the_default_date_is_that_of_python() {
    let printed = in_child("", |_| {
        basic_config().format("{asctime}").init()?;
        warn!("");
        Ok(())
    });
    let date: String = printed
        .stderr
        .chars()
        .map(|c| if c.is_ascii_digit() { '0' } else { c })
        .collect();
    assert_eq!(date, "0000-00-00 00:00:00,000\n");
}

#[test]
fn per_target_levels() {
    let printed = in_child("", |_| {
        basic_config()
            .level(Level::Warning)
            .target("shop", Level::Debug)
            .target("shop::db", Level::Error)
            .target("alarm", Level::Critical)
            .format("{name} {levelname}")
            .init()?;
        for target in ["shop", "shop::cart", "shop::db", "shopping", "alarm"] {
            debug!(target: target, "");
            warn!(target: target, "");
            error!(target: target, "");
            critical!(target: target, "");
        }
        Ok(())
    });
    assert_eq!(
        printed.stderr,
        "shop DEBUG\nshop WARNING\nshop ERROR\nshop CRITICAL\n\
         shop::cart DEBUG\nshop::cart WARNING\nshop::cart ERROR\nshop::cart CRITICAL\n\
         shop::db ERROR\nshop::db CRITICAL\n\
         shopping WARNING\nshopping ERROR\nshopping CRITICAL\n\
         alarm CRITICAL\n"
    );
}

#[test]
fn a_target_in_braces_is_an_ordinary_name() {
    let printed = in_child("", |_| {
        basic_config().init()?;
        warn!(target: "{", "a");
        warn!(target: "{}", "b");
        warn!(target: "{shop}", "c");
        Ok(())
    });
    assert_eq!(
        printed.stderr,
        "WARNING:{:a\nWARNING:{}:b\nWARNING:{shop}:c\n"
    );
}

/// Returns a file that contained `old` after a run that exits without flushing.
fn file_after(config: impl FnOnce(BasicConfig) -> BasicConfig) -> String {
    let directory = Directory::new();
    fs::write(directory.0.join("app.log"), "old\n").unwrap();
    let printed = in_child(directory.as_str(), |directory| {
        config(basic_config().filename(Path::new(directory).join("app.log"))).init()?;
        warn!("new");
        std::process::exit(0);
    });
    assert_eq!(printed.stderr, "");
    directory.read("app.log")
}

#[test]
fn lines_are_appended_to_a_file() {
    assert_eq!(
        file_after(|config| config),
        "old\nWARNING:basic_config:new\n"
    );
}

#[test]
fn without_append_a_file_is_truncated() {
    assert_eq!(
        file_after(|config| config.append(false)),
        "WARNING:basic_config:new\n"
    );
}

#[test]
fn rotation_keeps_as_many_files_as_set() {
    let directory = Directory::new();
    in_child(directory.as_str(), |directory| {
        basic_config()
            .filename(Path::new(directory).join("app.log"))
            .format("{message}")
            .rotate(Rotation::size(10).keep(2))
            .init()?;
        for number in 0..9 {
            error!("line{number}");
        }
        Ok(())
    });
    let mut names: Vec<_> = fs::read_dir(&directory.0)
        .unwrap()
        .map(|file| file.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(names, ["app.log", "app.log.1", "app.log.2"]);
    assert_eq!(directory.read("app.log"), "line8\n");
    assert_eq!(directory.read("app.log.2"), "line6\n");
}

#[test]
fn json_lines_have_the_key_values() {
    let printed = in_child("", |_| {
        basic_config().level(Level::Debug).json().utc(true).init()?;
        info!(
            target: "shop",
            port = 8080, ratio = 0.5, open = true, user = "ann \"x\"\n", level = "mine",
            list:? = [1, 2], missing = f64::NAN, port = 1;
            "two\nlines"
        );
        critical!("five");
        let mut entry = LogEntry::new("delete", "User", "42", "bob");
        entry.level = Level::Warning;
        entry.actor = Some(Actor::from("alice"));
        LogSink::new().emit(&entry)?;
        Ok(())
    });
    let lines: Vec<Value> = printed
        .stderr
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines.len(), 3);
    let mut first = lines[0].clone();
    let timestamp = first["timestamp"].take();
    assert!(timestamp.as_str().unwrap().ends_with('Z'));
    assert!(first["lineno"].take().as_u64().is_some());
    assert_eq!(
        first,
        json!({
            "timestamp": null, "level": "INFO", "name": "shop", "message": "two\nlines",
            "module": "basic_config", "filename": "basic_config.rs", "lineno": null,
            "port": 8080, "ratio": 0.5, "open": true, "user": "ann \"x\"\n", "_level": "mine",
            "list": "[1, 2]", "missing": "NaN",
        })
    );
    assert_eq!(lines[1]["level"], "CRITICAL");
    assert_eq!(lines[2]["level"], "WARNING");
    assert_eq!(lines[2]["name"], "auditlog::User");
    assert_eq!(lines[2]["message"], "alice deleted User 42 (bob)");
    assert_eq!(lines[2]["object_pk"], "42");
}

#[test]
fn entries_print_at_their_level() {
    let printed = in_child("", |_| {
        basic_config().level(Level::Critical).init()?;
        for level in Level::ALL {
            let mut entry = LogEntry::new("update", "User", "42", "bob");
            entry.level = level;
            LogSink::new().emit(&entry)?;
        }
        Ok(())
    });
    assert_eq!(
        printed.stderr,
        "CRITICAL:auditlog::User:(unknown) updated User 42 (bob)\n"
    );
}

#[test]
fn a_second_init_is_an_error_and_changes_nothing() {
    let directory = Directory::new();
    let printed = in_child(directory.as_str(), |directory| {
        let path = Path::new(directory).join("app.log");
        let handle = basic_config().filename(&path).init()?;
        warn!("first");
        let again = basic_config()
            .filename(&path)
            .append(false)
            .level(Level::Debug)
            .init();
        assert!(matches!(again, Err(LoggingError::AlreadySet)), "{again:?}");
        assert_eq!(log::max_level(), log::LevelFilter::Warn);
        drop(handle.clone());
        warn!("second");
        handle.flush()?;
        Ok(())
    });
    assert_eq!(printed.stderr, "");
    assert_eq!(
        directory.read("app.log"),
        "WARNING:basic_config:first\nWARNING:basic_config:second\n"
    );
}

#[test]
fn a_logger_of_another_crate_is_an_error() {
    struct Other;

    impl log::Log for Other {
        fn enabled(&self, _: &log::Metadata<'_>) -> bool {
            true
        }
        fn log(&self, _: &log::Record<'_>) {}
        fn flush(&self) {}
    }

    in_child("", |_| {
        log::set_logger(&Other)?;
        log::set_max_level(log::LevelFilter::Error);
        let error = basic_config().level(Level::Debug).init().unwrap_err();
        assert!(matches!(error, LoggingError::AlreadySet));
        assert_eq!(log::max_level(), log::LevelFilter::Error);
        Ok(())
    });
}

#[test]
fn after_an_error_a_logger_can_be_set_up() {
    let directory = Directory::new();
    let printed = in_child(directory.as_str(), |directory| {
        let missing = Path::new(directory).join("missing").join("app.log");
        let file = Path::new(directory).join("app.log");
        let cases = [
            (
                basic_config().format("{levlname}"),
                "did you mean `levelname`?",
            ),
            (basic_config().format("{message"), "is malformed"),
            (
                basic_config().datefmt("%Q"),
                "`%Q` is not a strftime format",
            ),
            (basic_config().filename(&missing), "missing"),
            (basic_config().filename(directory), "directory"),
            (
                basic_config().filename(&file).stream(Stream::Stderr),
                "choose one",
            ),
            (basic_config().rotate(Rotation::daily()), "add `filename`"),
            (
                basic_config().filename(&file).rotate(Rotation::size(0)),
                "at 0 bytes",
            ),
        ];
        for (config, part) in cases {
            let error = config.init().unwrap_err();
            assert!(error.to_string().contains(part), "{error}");
            let error = audit_core::Error::from(error);
            assert!(matches!(error, audit_core::Error::Logging { .. }));
        }
        basic_config().init()?;
        warn!("at last");
        Ok(())
    });
    assert_eq!(printed.stderr, "WARNING:basic_config:at last\n");
}

#[test]
fn init_converts_to_the_error_of_the_core_and_the_handle_can_be_dropped() {
    fn main() -> audit_core::Result<()> {
        basic_config().level(Level::Debug).init()?;
        info!("still here");
        Ok(())
    }

    let printed = in_child("", |_| Ok(main()?));
    assert_eq!(printed.stderr, "INFO:basic_config:still here\n");
}

#[test]
fn a_value_may_log_while_it_is_printed() {
    struct Talkative;

    impl std::fmt::Display for Talkative {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            warn!("inner");
            f.write_str("outer")
        }
    }

    let printed = in_child("", |_| {
        basic_config().format("{message}").init()?;
        warn!("{Talkative}");
        Ok(())
    });
    assert_eq!(printed.stderr, "inner\nouter\n");
}

#[test]
fn lines_of_threads_do_not_mix() {
    let directory = Directory::new();
    in_child(directory.as_str(), |directory| {
        basic_config()
            .filename(Path::new(directory).join("app.log"))
            .format("{message}")
            .init()?;
        std::thread::scope(|scope| {
            for thread in 0..4 {
                scope.spawn(move || {
                    for _ in 0..100 {
                        error!("{}", thread.to_string().repeat(200));
                    }
                });
            }
        });
        Ok(())
    });
    let text = directory.read("app.log");
    assert_eq!(text.lines().count(), 400);
    for line in text.lines() {
        assert_eq!(line.len(), 200);
        assert!(line.bytes().all(|byte| byte == line.as_bytes()[0]));
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_failed_write_is_reported_on_standard_error() {
    let printed = in_child("", |_| {
        let handle = basic_config().filename("/dev/full").append(false).init()?;
        warn!("lost");
        handle.flush()?;
        println!("alive");
        Ok(())
    });
    assert_eq!(printed.stdout, "alive\n");
    assert!(
        printed
            .stderr
            .starts_with("auditlog: failed to write a log line to /dev/full: "),
        "{}",
        printed.stderr
    );
    assert_eq!(printed.stderr.lines().count(), 1);
}

#[test]
fn a_closed_stream_does_not_end_the_program() {
    if std::env::var_os(CHILD).is_some() {
        in_child("", |_| {
            basic_config().init()?;
            for _ in 0..1000 {
                warn!("into a closed pipe");
            }
            println!("alive");
            Ok(())
        });
    }
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args([
            "a_closed_stream_does_not_end_the_program",
            "--exact",
            "--nocapture",
        ])
        .env(CHILD, "")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stderr.take());
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    assert!(
        String::from_utf8(output.stdout)
            .unwrap()
            .ends_with("alive\n")
    );
}

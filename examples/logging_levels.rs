//! The five levels, printed and filtered as by Python's `logging`.
//!
//! ```python
//! logging.basicConfig(level=logging.DEBUG)
//! logging.debug("cache is warm")
//! logging.info("alice logged in")
//! logging.warning("disk is nearly full")
//! logging.error("disk is full")
//! logging.critical("shutting down")
//! ```
//!
//! A program has one logger, so the example starts itself once for each level, looks at what
//! comes out, and then prints it as `basicConfig(level=logging.DEBUG)` would.
//!
//! Run it with `cargo run --example logging_levels --features logging`.

use std::error::Error;
use std::fs;
use std::process::Command;

use auditlog::logging::{basic_config, debug, error, info, warning};
use auditlog::{AuditLog, Level, LogSink, MemoryStore};

const LINES: [&str; 5] = [
    "DEBUG:logging_levels:cache is warm",
    "INFO:logging_levels:alice logged in",
    "WARNING:logging_levels:disk is nearly full",
    "ERROR:logging_levels:disk is full",
    "CRITICAL:logging_levels:shutting down",
];

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    if let (Some(level), Some(file)) = (arguments.next(), arguments.next()) {
        return Ok(log_to_file(level.parse()?, &file)?);
    }

    let program = std::env::current_exe()?;
    let file = std::env::temp_dir().join(format!("logging_levels-{}.log", std::process::id()));
    for (position, level) in Level::ALL.into_iter().enumerate() {
        let status = Command::new(&program)
            .arg(level.as_str())
            .arg(&file)
            .status()?;
        let text = fs::read_to_string(&file)?;
        fs::remove_file(&file)?;
        assert!(status.success());
        // Python prints from the level up, and so do we.
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines, LINES[position..], "level {level}");
        println!("level {level:<8} lets through {} of 5", lines.len());
    }

    basic_config().level(Level::Debug).init()?;
    five_calls();

    // With a `LogSink` each audit entry is a line at its own level, too.
    AuditLog::builder()
        .store(MemoryStore::new())
        .sink(LogSink::new())
        .install()?;
    auditlog::event("login_failed")
        .actor("mallory")
        .level(Level::Warning)
        .record()?;

    // A logger is set once: the second time is an error, and no panic.
    let again = basic_config().init();
    assert!(again.is_err());
    Ok(())
}

fn log_to_file(level: Level, file: &str) -> auditlog::Result<()> {
    basic_config().level(level).filename(file).init()?;
    five_calls();
    Ok(())
}

fn five_calls() {
    debug!("cache is warm");
    info!("alice logged in");
    warning!("disk is nearly full");
    error!("disk is full");
    // `log` has no such macro: this one is ours.
    auditlog::critical!("shutting down");
}

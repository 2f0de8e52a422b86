//! One record is one line, regardless of its texts.

mod scratch;

use std::path::Path;

use audit_core::{Actor, LogEntry};
use audit_logging::{Level, basic_config, critical, warning};

use crate::scratch::{Directory, in_child};

/// Line ends, control characters and bidirectional controls.
const FORGING: [char; 15] = [
    '\n', '\r', '\0', '\u{8}', '\u{1b}', '\u{7f}', '\u{85}', '\u{9b}', '\u{2028}', '\u{2029}',
    '\u{61c}', '\u{200f}', '\u{202a}', '\u{202e}', '\u{2067}',
];

fn log_each() {
    for c in FORGING {
        let forged = format!("x{c}CRITICAL:root:the trail was wiped");
        warning!("{forged}");
        warning!("failed: {}", std::io::Error::other(forged.clone()));
        warning!(target: &*forged, "of a target");
        critical!("{forged}");
        critical!(target: "root", key = &*forged; "{}", forged);
    }
}

fn in_a_file(json: bool) -> String {
    let directory = Directory::new();
    in_child(directory.as_str(), |directory| {
        let config = basic_config()
            .level(Level::Warning)
            .filename(Path::new(directory).join("app.log"));
        let config = if json {
            config.json()
        } else {
            config.format("{levelname}:{name}:{message}{threadName:.0}")
        };
        config.init()?;
        log_each();
        Ok(())
    });
    directory.read("app.log")
}

fn assert_no_forging(text: &str) {
    let raw = text.replace('\n', "");
    assert!(!raw.contains(FORGING), "{raw:?}");
    assert_eq!(text.lines().count(), FORGING.len() * 5);
}

#[test]
fn text_lines_cannot_be_forged() {
    let text = in_a_file(false);
    assert_no_forging(&text);
    let begins = |line: &str| line.starts_with("WARNING:") || line.starts_with("CRITICAL:");
    assert!(text.lines().all(begins), "{text}");
    assert!(text.contains("WARNING:lines:x\\nCRITICAL:root:the trail was wiped\n"));
    assert!(text.contains("\nWARNING:x\\u{202e}CRITICAL:root:the trail was wiped:of a target\n"));
}

#[test]
fn json_lines_cannot_be_forged_and_keep_the_text() {
    let text = in_a_file(true);
    assert_no_forging(&text);
    let messages: Vec<String> = text
        .lines()
        .map(|line| {
            let object: serde_json::Value = serde_json::from_str(line).unwrap();
            object["message"].as_str().unwrap().to_owned()
        })
        .collect();
    for (five, c) in messages.chunks(5).zip(FORGING) {
        assert_eq!(five[0], format!("x{c}CRITICAL:root:the trail was wiped"));
    }
}

#[test]
fn an_entry_prints_as_one_line() {
    for c in FORGING {
        let mut entry = LogEntry::new(
            format!("upd{c}ate").as_str(),
            "User",
            "42",
            format!("bo{c}b"),
        );
        entry.actor = Some(Actor::from(format!("ali{c}ce")));
        let text = entry.to_string();
        assert!(!text.contains(FORGING), "{text:?}");
    }
}

#[test]
fn the_driver_stays_at_info_at_debug() {
    let printed = in_child("", |_| {
        basic_config().level(Level::Debug).init()?;
        log::debug!(target: "tokio_postgres::query", "executing statement s1 with parameters: [..]");
        log::info!(target: "tokio_postgres::connection", "NOTICE: relation exists");
        log::debug!("own");
        Ok(())
    });
    assert_eq!(
        printed.stderr,
        "INFO:tokio_postgres::connection:NOTICE: relation exists\nDEBUG:lines:own\n"
    );
}

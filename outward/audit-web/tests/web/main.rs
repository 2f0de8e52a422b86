//! Requests into the viewer, and pages out of it.

use std::sync::{Mutex, MutexGuard, PoisonError};

mod access;
mod checks;
mod exports;
mod filters;
mod hostile;
mod languages;
mod limits;
mod links;
mod live;
mod load;
mod pages;
mod records;
mod sample;
mod scope;
mod timeline;

/// Keeps the lines that the viewer logs.
struct Lines(Mutex<Vec<String>>);

impl Lines {
    fn lock(&self) -> MutexGuard<'_, Vec<String>> {
        // A test panics if it does not find a line.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

static LINES: Lines = Lines(Mutex::new(Vec::new()));

impl log::Log for Lines {
    fn enabled(&self, metadata: &log::Metadata<'_>) -> bool {
        metadata.target() == "auditlog::web"
    }

    fn log(&self, record: &log::Record<'_>) {
        if self.enabled(record.metadata()) {
            let line = format!("{} {}", record.level(), record.args());
            self.lock().push(line);
        }
    }

    fn flush(&self) {}
}

/// Keeps lines from now on.
fn keep_lines() {
    // Another test may have set the logger.
    log::set_logger(&LINES).ok();
    log::set_max_level(log::LevelFilter::Info);
}

/// Returns the line that contains a text.
fn logged(text: &str) -> String {
    let lines = LINES.lock();
    let line = lines.iter().find(|line| line.contains(text));
    line.unwrap_or_else(|| panic!("{text} is not in {lines:?}"))
        .clone()
}

/// Nothing of a viewer compiles without a decision about who may see the trail.
#[test]
fn a_viewer_without_protection_does_not_compile() {
    let cases = trybuild::TestCases::new();
    cases.compile_fail("tests/ui/unprotected.rs");
    cases.pass("tests/ui/protected.rs");
}

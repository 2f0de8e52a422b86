//! Any text: reading it as a path does not panic, and what reads is canonical.

#![no_main]

use audit_core::Path;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let path: Path = match text.parse() {
        Ok(path) => path,
        Err(error) => {
            assert!(error.column() <= text.chars().count() + 1);
            return;
        }
    };
    assert_eq!(path, *text);
    let again: Path = path.as_str().parse().expect("a path's text is a path");
    assert_eq!(again.as_str(), path.as_str());
    assert_eq!(Path::from_segments(&path.segments()), path);
    assert!(path.is_within(&path) && path.cmp(&again).is_eq());
    let _ = path.field();
});

//! Any JSON: reading it as changes and as a state, and everything that changes do, does not
//! panic; what was refused left the state as it was, and what applied can be undone.

#![no_main]

use audit_core::Changes;
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

fuzz_target!(|text: &str| {
    let mut parts = text.splitn(3, '\n');
    let mut read = || parts.next().and_then(|part| serde_json::from_str::<Changes>(part).ok());
    let (Some(first), next) = (read(), read().unwrap_or_default()) else {
        return;
    };
    let stored = serde_json::to_string(&first).expect("what was read can be stored");
    assert_eq!(serde_json::from_str::<Changes>(&stored).expect("and read again"), first);

    let inverse = first.invert();
    let _ = (first.compose(&next), next.compose(&first), first.compose(&inverse));
    let _ = (first.to_json_patch(), first.to_string(), format!("{first:?}"));

    let state = parts.next().and_then(|part| serde_json::from_str::<Value>(part).ok());
    let mut state = state.unwrap_or_default();
    let before = state.clone();
    let fitted = first.rebase(&state);
    match first.apply(&mut state) {
        Ok(()) => {
            assert!(fitted.conflicts.is_empty() && fitted.done.is_empty());
            let mut again = before.clone();
            fitted.changes.apply(&mut again).expect("what was fitted applies");
            assert_eq!(again, state);
        }
        Err(error) => {
            assert_eq!(state, before);
            assert!(!error.conflicts().is_empty() && !error.to_string().is_empty());
            let _ = fitted.changes.apply(&mut state);
        }
    }
});

//! Ctrl-C, which commands check between two steps.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use std::{process, thread};

use crate::error::Error;
use crate::exit::Exit;

static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// Handles Ctrl-C and the termination signal: the first is noted, the second ends the program.
pub(crate) fn watch() -> Result<(), Error> {
    ctrlc::set_handler(|| {
        if INTERRUPTED.swap(true, Ordering::SeqCst) {
            process::exit(Exit::Interrupted.code().into());
        }
    })
    .map_err(Error::Signals)
}

/// Notes Ctrl-C, and lets a pager in the foreground handle it.
pub(crate) fn leave() -> Result<(), Error> {
    ctrlc::set_handler(|| INTERRUPTED.store(true, Ordering::SeqCst)).map_err(Error::Signals)
}

/// Returns whether Ctrl-C was pressed.
pub(crate) fn is_requested() -> bool {
    INTERRUPTED.load(Ordering::SeqCst)
}

/// Waits, at most until Ctrl-C is pressed.
pub(crate) fn wait(time: Duration) {
    let end = Instant::now() + time;
    while !is_requested() {
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return;
        }
        thread::sleep(left.min(Duration::from_millis(50)));
    }
}

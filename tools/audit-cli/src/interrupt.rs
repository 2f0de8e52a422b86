//! Ctrl-C, noticed between two steps of what is being done.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use std::{process, thread};

use crate::error::Error;
use crate::exit::Exit;

static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// Watches for Ctrl-C and the signal to end; from here on only the second of them ends the
/// program at once.
pub(crate) fn watch() -> Result<(), Error> {
    ctrlc::set_handler(|| {
        if INTERRUPTED.swap(true, Ordering::SeqCst) {
            process::exit(Exit::Interrupted.code().into());
        }
    })
    .map_err(Error::Signals)
}

/// Notices Ctrl-C, but leaves it to a program in the foreground to end.
pub(crate) fn leave() -> Result<(), Error> {
    ctrlc::set_handler(|| INTERRUPTED.store(true, Ordering::SeqCst)).map_err(Error::Signals)
}

/// Returns whether there was one.
pub(crate) fn is_requested() -> bool {
    INTERRUPTED.load(Ordering::SeqCst)
}

/// Waits, but no longer than until there is one.
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

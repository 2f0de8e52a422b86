//! Progress of long commands, on standard error if that is a terminal.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Shows the progress of an operation on entries; `total` is `None` if unknown.
pub(crate) fn bar(total: Option<u64>, operation: &'static str) -> ProgressBar {
    // Hidden unless standard error is a terminal.
    let target = ProgressDrawTarget::stderr_with_hz(10);
    let (bar, template) = match total {
        Some(total) => (
            ProgressBar::with_draw_target(Some(total), target),
            "{msg} {human_pos} of {human_len} entries [{bar:30}] {per_sec}, {eta} left",
        ),
        None => (
            ProgressBar::with_draw_target(None, target),
            "{msg} {human_pos} entries, {per_sec}",
        ),
    };
    let style = ProgressStyle::with_template(template)
        .unwrap_or_else(|_| ProgressStyle::default_bar())
        .progress_chars("=> ");
    bar.set_style(style);
    bar.set_message(operation);
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}

/// Shows that an operation of unknown length continues.
#[cfg(feature = "archive")]
pub(crate) fn spinner(operation: &'static str) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr_with_hz(10));
    let style = ProgressStyle::with_template("{spinner} {msg}, {elapsed}")
        .unwrap_or_else(|_| ProgressStyle::default_spinner());
    bar.set_style(style);
    bar.set_message(operation);
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}

/// Returns whether progress is shown.
pub(crate) fn is_visible() -> bool {
    std::io::IsTerminal::is_terminal(&std::io::stderr())
}

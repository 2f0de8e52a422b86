//! How far a long command is: on the error output, and only on a terminal.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Shows how many of so many entries are done; of an unknown number without one.
pub(crate) fn bar(total: Option<u64>, what: &'static str) -> ProgressBar {
    // Hidden where the error output is no terminal.
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
    bar.set_message(what);
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}

/// Returns whether anybody sees it.
pub(crate) fn is_seen() -> bool {
    std::io::IsTerminal::is_terminal(&std::io::stderr())
}

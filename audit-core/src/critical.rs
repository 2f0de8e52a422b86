//! The macro `critical!`, and logging of the audit log's own failures.

use std::sync::atomic::{AtomicBool, Ordering};

use log::Level;

/// Logs a message at [`Level::Critical`](crate::Level::Critical).
///
/// `log` has no level above `Error`, so the record has that level and the key-value
/// `severity = "CRITICAL"`, by which `auditlog::logging` prints and filters it. The syntax is that
/// of the macros of `log`; the calling crate need not depend on `log`. Line breaks, control
/// characters and bidirectional formatting characters are escaped in the message, so that it
/// stays on one line with every logger.
///
/// # Example: with and without a target and key-values
/// ```
/// use auditlog::critical;
///
/// let disk = "/dev/sda1";
/// critical!("{disk} is full");
/// critical!(target: "storage", "{} is full", disk);
/// critical!(free = 0, disk; "no space left");
/// critical!(target: "storage", free = 0, disk:?; "no space left on {disk}");
/// ```
#[macro_export]
macro_rules! critical {
    (target: $target:expr, $($key:tt $(:$capture:tt)? $(= $value:expr)?),+; $($message:tt)+) => {
        $crate::__private::log::error!(
            target: $target,
            severity = "CRITICAL",
            $($key $(:$capture)? $(= $value)?),+;
            "{}", $crate::__private::OneLine(::core::format_args!($($message)+))
        )
    };
    (target: $target:expr, $($message:tt)+) => {
        $crate::__private::log::error!(
            target: $target,
            severity = "CRITICAL";
            "{}", $crate::__private::OneLine(::core::format_args!($($message)+))
        )
    };
    ($($key:tt $(:$capture:tt)? $(= $value:expr)?),+; $($message:tt)+) => {
        $crate::__private::log::error!(
            severity = "CRITICAL",
            $($key $(:$capture)? $(= $value)?),+;
            "{}", $crate::__private::OneLine(::core::format_args!($($message)+))
        )
    };
    ($($message:tt)+) => {
        $crate::__private::log::error!(
            severity = "CRITICAL";
            "{}", $crate::__private::OneLine(::core::format_args!($($message)+))
        )
    };
}

/// Logs a message through `log`, or prints it to standard error if no logger is set.
pub(crate) fn log_or_print(level: Level, message: &str) {
    if log::max_level() == log::LevelFilter::Off {
        eprintln!("auditlog: {message}");
    } else {
        log::log!(target: "auditlog", level, "{message}");
    }
}

/// Logs a message through `log`, or prints it to standard error the first time if no logger is
/// set. `printed` is the flag of one kind of message.
pub(crate) fn log_or_print_once(printed: &AtomicBool, level: Level, message: &str) {
    if log::max_level() != log::LevelFilter::Off || !printed.swap(true, Ordering::Relaxed) {
        log_or_print(level, message);
    }
}

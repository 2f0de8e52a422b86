//! Prints errors and warnings on standard error.

use std::fmt::Write as _;
use std::io::{self, IsTerminal, Write};

use anstyle::{AnsiColor, Style};
use serde_json::json;
use unicode_width::UnicodeWidthStr;

use crate::error::Error;
use crate::exit::Exit;
use crate::output::{self, When};
use crate::text;

/// Prints an error: the message, the position, and a hint.
pub(crate) fn print(error: &Error, json: bool, colour: When) {
    let message = if json {
        let column = error.excerpt().map(|(_, column)| column);
        json_line(
            error.exit(),
            &error.to_string(),
            column,
            error.hint().as_deref(),
        )
    } else {
        let coloured = output::is_coloured(colour, io::stderr().is_terminal());
        let style = if coloured {
            AnsiColor::Red.on_default().bold()
        } else {
            Style::new()
        };
        lines(error, style)
    };
    write(&message);
}

/// Writes to standard error, without the passwords of URLs.
fn write(message: &str) {
    // If standard error is closed, only the exit code reports the error.
    let _lost = io::stderr().write_all(text::without_passwords(message).as_bytes());
}

/// Prints an error as a warning.
pub(crate) fn warn(error: &Error) {
    let message = text::safe(&error.to_string()).into_owned();
    write(&format!("warning: {message}\n"));
}

/// Prints a warning.
#[cfg(feature = "archive")]
pub(crate) fn warning(message: &str) {
    write(&format!("warning: {}\n", text::safe(message)));
}

/// The maximum number of damaged rows that are listed.
const MAX_DAMAGED: usize = 20;

/// Lists the damaged rows that were skipped, and returns whether there are any.
pub(crate) fn damaged(rows: &[String]) -> bool {
    for row in rows.iter().take(MAX_DAMAGED) {
        write(&format!(
            "warning: the store is damaged: {}\n",
            text::safe(row)
        ));
    }
    if rows.len() > MAX_DAMAGED {
        let more = text::thousands((rows.len() - MAX_DAMAGED) as u64);
        write(&format!("warning: and {more} more such rows\n"));
    }
    if !rows.is_empty() {
        write("hint: run `auditlog doctor` for details; all other entries were read\n");
    }
    !rows.is_empty()
}

/// Prints invalid arguments as JSON.
pub(crate) fn print_usage(error: &clap::Error) {
    let text = error.to_string();
    // The first line has the fault, the others the correction.
    let (message, rest) = text.split_once('\n').unwrap_or((&text, ""));
    let message = message.trim_start_matches("error: ");
    let hint = Some(rest.trim()).filter(|hint| !hint.is_empty());
    write(&json_line(Exit::Usage, message, None, hint));
}

/// Prints invalid arguments as text.
pub(crate) fn print_usage_lines(error: &clap::Error) {
    let message = error.render();
    let coloured = output::is_coloured(When::Auto, io::stderr().is_terminal());
    write(&if coloured {
        message.ansi().to_string()
    } else {
        message.to_string()
    });
}

fn json_line(exit: Exit, message: &str, column: Option<usize>, hint: Option<&str>) -> String {
    let error = json!({
        "error": message,
        "column": column,
        "hint": hint,
        "kind": exit.name(),
        "exit": exit.code(),
    });
    format!("{}\n", text::safe_json(&error.to_string()))
}

fn lines(error: &Error, style: Style) -> String {
    let message: Vec<_> = error
        .to_string()
        .lines()
        .map(|line| text::safe(line).into_owned())
        .collect();
    let mut lines = format!("{style}error{style:#}: {}\n", message.join("\n"));
    // Writing to a `String` cannot fail.
    if let Some((query, column)) = error.excerpt() {
        let before: String = query.chars().take(column.saturating_sub(1)).collect();
        let indent = " ".repeat(text::safe(&before).width());
        let _ok = writeln!(
            lines,
            "  {}\n  {indent}{style}^{style:#}",
            text::safe(query)
        );
    }
    if let Some(hint) = error.hint() {
        let _ok = writeln!(lines, "hint: {}", text::safe(&hint));
    }
    lines
}

//! Text lines after a format such as `{levelname}:{name}:{message}`.

use std::fmt::{self, Write};
use std::path::Path;
use std::str::FromStr;

use audit_core::Level;
use audit_core::backend::OneLineWriter;
use log::Record;

use crate::error::LoggingError;
use crate::field::Field;
use crate::time::{Instant, TimeFormat};

/// A parsed format.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Template {
    pieces: Vec<Piece>,
}

#[derive(Clone, Debug, PartialEq)]
enum Piece {
    Text(String),
    Field(Field, Option<Padding>),
}

impl Field {
    /// Writes the field with line ends and other forging characters escaped.
    fn write(self, out: &mut String, line: &Line<'_, '_>) -> fmt::Result {
        let record = line.record;
        if self == Self::Thread {
            return write_thread_number(out);
        }
        let out = &mut OneLineWriter(out);
        match self {
            Self::Asctime => line.time_format.write(out, line.now),
            Self::Levelname => out.write_str(line.level.as_str()),
            Self::Levelno => write!(out, "{}", line.level as u8),
            Self::Name => out.write_str(record.target()),
            Self::Message => out.write_fmt(*record.args()),
            Self::Module => out.write_str(record.module_path().unwrap_or_default()),
            Self::Filename => out.write_str(file_name(record)),
            Self::Pathname => out.write_str(record.file().unwrap_or_default()),
            Self::Lineno => write!(out, "{}", record.line().unwrap_or_default()),
            Self::Process => write!(out, "{}", std::process::id()),
            Self::Thread => Ok(()),
            Self::ThreadName => out.write_str(std::thread::current().name().unwrap_or_default()),
        }
    }
}

/// The input of a line.
pub(crate) struct Line<'r, 'a> {
    pub(crate) record: &'r Record<'a>,
    pub(crate) level: Level,
    pub(crate) now: Instant,
    pub(crate) time_format: &'r TimeFormat,
}

impl Template {
    pub(crate) fn write(&self, out: &mut String, line: &Line<'_, '_>) -> fmt::Result {
        for piece in &self.pieces {
            match piece {
                Piece::Text(text) => out.push_str(text),
                Piece::Field(field, None) => field.write(out, line)?,
                Piece::Field(field, Some(padding)) => {
                    let mut text = String::new();
                    field.write(&mut text, line)?;
                    padding.write(out, &text);
                }
            }
        }
        Ok(())
    }
}

impl FromStr for Template {
    type Err = LoggingError;

    fn from_str(format: &str) -> Result<Self, LoggingError> {
        let malformed = |reason| LoggingError::MalformedFormat {
            format: format.to_owned(),
            reason,
        };
        let mut pieces = Vec::new();
        let mut text = String::new();
        let mut rest = format;
        while let Some(at) = rest.find(['{', '}']) {
            let (before, from) = rest.split_at(at);
            text.push_str(before);
            if let Some(after) = from.strip_prefix("{{") {
                text.push('{');
                rest = after;
            } else if let Some(after) = from.strip_prefix("}}") {
                text.push('}');
                rest = after;
            } else if let Some(after) = from.strip_prefix('{') {
                let (placeholder, after) = after
                    .split_once('}')
                    .ok_or_else(|| malformed("a `{` is not closed; write `{{` for a brace"))?;
                let (name, spec) = match placeholder.split_once(':') {
                    Some((name, spec)) => (name, Some(spec)),
                    None => (placeholder, None),
                };
                let field = Field::named(name).ok_or_else(|| LoggingError::UnknownPlaceholder {
                    name: name.to_owned(),
                    suggestion: Field::suggestion(name),
                })?;
                let padding = match spec {
                    Some(spec) => Padding::parse(spec, field.is_number()).ok_or_else(|| {
                        malformed("after `:` only fill, alignment, width and precision are supported, as in `{levelname:<8}`")
                    })?,
                    None => None,
                };
                if !text.is_empty() {
                    pieces.push(Piece::Text(std::mem::take(&mut text)));
                }
                pieces.push(Piece::Field(field, padding));
                rest = after;
            } else {
                return Err(malformed("a `}` has no `{`; write `}}` for a brace"));
            }
        }
        text.push_str(rest);
        if pieces.is_empty() {
            return Err(malformed(if text.contains("%(") {
                "placeholders are written `{message}`, not `%(message)s`"
            } else {
                "it has no placeholder, so every line would be the same"
            }));
        }
        if !text.is_empty() {
            pieces.push(Piece::Text(text));
        }
        Ok(Self { pieces })
    }
}

/// Padding and truncation of a field: `[[fill]align][0][width][.precision]`, as in Python.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Padding {
    fill: char,
    align: Align,
    width: usize,
    precision: Option<usize>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Align {
    Left,
    Right,
    Centre,
}

impl Padding {
    /// Rejects larger widths as typing errors.
    const MAX_WIDTH: usize = 1000;

    /// Returns `None` for a malformed text, and `Some(None)` for one that pads nothing.
    #[expect(clippy::option_option, reason = "malformed and empty differ")]
    fn parse(spec: &str, is_number: bool) -> Option<Option<Self>> {
        let align = |c| match c {
            '<' => Some(Align::Left),
            '>' => Some(Align::Right),
            '^' => Some(Align::Centre),
            _ => None,
        };
        let mut chars = spec.chars();
        let (first, second) = (chars.next(), chars.next());
        let (fill, given, mut rest) = match (first, second.and_then(align), first.and_then(align)) {
            (Some(fill), Some(align), _) => (fill, Some(align), chars.as_str()),
            (Some(sign), None, Some(align)) => (' ', Some(align), &spec[sign.len_utf8()..]),
            _ => (' ', None, spec),
        };
        let mut padding = Self {
            fill,
            align: given.unwrap_or(if is_number { Align::Right } else { Align::Left }),
            width: 0,
            precision: None,
        };
        if given.is_none()
            && is_number
            && let Some(after) = rest.strip_prefix('0')
        {
            padding.fill = '0';
            rest = after;
        }
        let kind = if is_number { 'd' } else { 's' };
        rest = rest.strip_suffix(kind).unwrap_or(rest);
        let (width, precision) = match rest.split_once('.') {
            // A number has no precision.
            Some(_) if is_number => return None,
            Some((width, precision)) => (width, Some(number(precision)?)),
            None => (rest, None),
        };
        if !width.is_empty() {
            padding.width = number(width)?;
        }
        padding.precision = precision;
        Some((padding.width > 0 || precision.is_some()).then_some(padding))
    }

    fn write(self, line: &mut String, text: &str) {
        let end = self
            .precision
            .and_then(|count| text.char_indices().nth(count))
            .map_or(text.len(), |(end, _)| end);
        let text = &text[..end];
        let missing = self.width.saturating_sub(text.chars().count());
        let before = match self.align {
            Align::Left => 0,
            Align::Right => missing,
            Align::Centre => missing / 2,
        };
        line.extend(std::iter::repeat_n(self.fill, before));
        line.push_str(text);
        line.extend(std::iter::repeat_n(self.fill, missing - before));
    }
}

fn number(text: &str) -> Option<usize> {
    // `parse` accepts a sign.
    if !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    text.parse()
        .ok()
        .filter(|number| *number <= Padding::MAX_WIDTH)
}

/// Returns the last part of the path of the source file.
pub(crate) fn file_name<'a>(record: &Record<'a>) -> &'a str {
    record
        .file()
        .and_then(|file| Path::new(file).file_name()?.to_str())
        .unwrap_or_default()
}

fn write_thread_number(line: &mut String) -> fmt::Result {
    // The number of a `ThreadId` is only in its `Debug` form, `ThreadId(1)`.
    let start = line.len();
    write!(line, "{:?}", std::thread::current().id())?;
    let digits: String = line[start..].chars().filter(char::is_ascii_digit).collect();
    line.truncate(start);
    line.push_str(&digits);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(format: &str) -> String {
        let template: Template = format.parse().unwrap();
        let mut line = String::new();
        template
            .write(
                &mut line,
                &Line {
                    record: &Record::builder()
                        .level(log::Level::Warn)
                        .target("shop::db")
                        .module_path(Some("shop::db::pool"))
                        .file(Some("src/db/pool.rs"))
                        .line(Some(42))
                        .args(format_args!("größer"))
                        .build(),
                    level: Level::Warning,
                    now: Instant::at_epoch(),
                    time_format: &TimeFormat::new(None, true).unwrap(),
                },
            )
            .unwrap();
        line
    }

    fn error(format: &str) -> String {
        format.parse::<Template>().unwrap_err().to_string()
    }

    #[test]
    fn every_placeholder() {
        assert_eq!(
            line(
                "{asctime} {levelname} {levelno} {name} {message} {module} {filename} {pathname} {lineno}"
            ),
            "1970-01-01 00:00:00,000 WARNING 30 shop::db größer shop::db::pool pool.rs src/db/pool.rs 42"
        );
        assert_eq!(line("{process}"), std::process::id().to_string());
        assert!(line("{thread}").parse::<u64>().is_ok());
        assert!(line("{threadName}").contains("every_placeholder"));
    }

    #[test]
    fn braces_and_padding_as_in_python() {
        assert_eq!(line("{{{message}}}"), "{größer}");
        assert_eq!(line("[{levelname:<9}]"), "[WARNING  ]");
        assert_eq!(line("[{levelname:9}]"), "[WARNING  ]");
        assert_eq!(line("[{levelname:*^10s}]"), "[*WARNING**]");
        assert_eq!(line("[{message:>7}]"), "[ größer]");
        assert_eq!(line("[{levelname:.4}]"), "[WARN]");
        assert_eq!(line("[{levelname:>6.4}]"), "[  WARN]");
        assert_eq!(line("[{lineno:5}]"), "[   42]");
        assert_eq!(line("[{lineno:04d}]"), "[0042]");
        assert_eq!(line("[{lineno:<4}]"), "[42  ]");
        assert_eq!(line("[{name:}]"), "[shop::db]");
    }

    #[test]
    fn errors_name_the_fault() {
        assert_eq!(
            error("{levelnam} {message}"),
            "the format has an unknown placeholder `levelnam`; did you mean `levelname`?"
        );
        assert!(error("{level}").ends_with("did you mean `levelname`?"));
        assert!(error("{Target}").ends_with("did you mean `name`?"));
        assert!(error("{}").contains("the placeholders are `asctime`, `levelname`"));
        assert!(error("{message").contains("not closed"));
        assert!(error("message}").contains("no `{`"));
        assert!(error("%(message)s").contains("not `%(message)s`"));
        assert!(error("hello").contains("no placeholder"));
        for format in [
            "{message:x}",
            "{message:+5}",
            "{lineno:.2}",
            "{name:99999999999999999999}",
        ] {
            assert!(error(format).contains("after `:`"), "{format}");
        }
    }
}

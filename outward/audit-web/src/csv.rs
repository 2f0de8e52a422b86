//! Rows of CSV (RFC 4180) that no spreadsheet reads as formulas.

use std::borrow::Cow;

use audit_core::LogEntry;
use audit_core::backend::table;
use csv::{Terminator, Writer, WriterBuilder};

/// The byte order mark, without which Excel reads UTF-8 as the encoding of the system.
const MARK: &[u8] = "\u{feff}".as_bytes();

/// Returns a writer of rows, at the beginning of a file or of a later part of it.
pub(crate) fn writer(is_beginning: bool) -> csv::Result<Writer<Vec<u8>>> {
    let mark = if is_beginning { MARK } else { &[] };
    let mut writer = WriterBuilder::new()
        .terminator(Terminator::CRLF)
        .from_writer(mark.to_vec());
    if is_beginning {
        writer.write_record(table::ENTRY.iter().chain(&table::CHANGE))?;
    }
    Ok(writer)
}

/// Writes the rows of an entry from a number on, until the rows written have a size in bytes: one
/// for each change, and one for an entry without changes. Returns the number of the next row if
/// there is one.
pub(crate) fn write_entry(
    to: &mut Writer<Vec<u8>>,
    entry: &LogEntry,
    first: usize,
    bytes: usize,
) -> csv::Result<Option<usize>> {
    let common = table::entry(entry);
    let mut write = |own: [Cow<'_, str>; 4]| {
        to.write_record(common.iter().chain(&own).map(|cell| cell.as_bytes()))?;
        Ok::<usize, csv::Error>(to.get_ref().len())
    };
    if entry.changes.is_empty() {
        write([const { Cow::Borrowed("") }; 4])?;
    }
    for (row, change) in entry.changes.iter().enumerate().skip(first) {
        let written = write(table::change(change))?;
        if written >= bytes && row + 1 < entry.changes.len() {
            return Ok(Some(row + 1));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use audit_core::Change;
    use serde_json::json;

    use super::*;

    #[test]
    fn the_rows_of_an_entry_continue_where_they_ended() {
        let mut entry = LogEntry::new("update", "User", "1", "bob");
        let change = |number: usize| {
            let path = format!("f{number:03}").parse().expect("a path");
            Change::new(path, None, Some(json!("x".repeat(1_000))))
        };
        entry.changes = (0..100).map(change).collect();
        let mut all = writer(false).expect("a writer");
        assert_eq!(
            write_entry(&mut all, &entry, 0, usize::MAX).expect("rows"),
            None
        );
        let all = all.into_inner().expect("rows");
        let (mut parts, mut next) = (Vec::new(), Some(0));
        let mut count = 0;
        while let Some(first) = next {
            let mut part = writer(false).expect("a writer");
            next = write_entry(&mut part, &entry, first, 20_000).expect("rows");
            let part = part.into_inner().expect("rows");
            assert!(part.len() < 40_000, "{}", part.len());
            parts.extend(part);
            count += 1;
        }
        assert!(count > 2 && parts == all, "{count}");
    }
}

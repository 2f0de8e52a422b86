//! The exceptions, as the documentation of the derive lists them.

/// The rows of the table, by their first column.
fn rows() -> Vec<&'static str> {
    let text = include_str!("../../audit-derive/ATTRIBUTES.md");
    let table = text
        .split_once("| attribute or type | recorded form | `typed` |\n")
        .expect("the table")
        .1;
    let rows = table
        .lines()
        .skip(1)
        .take_while(|line| line.starts_with('|'));
    rows.filter_map(|row| row.split('|').nth(1))
        .map(str::trim)
        .collect()
}

/// Whether an attribute of the trail stands in the table.
pub(crate) fn has(word: &str) -> bool {
    let quoted = format!("`{word}`");
    rows()
        .iter()
        .any(|row| row.starts_with('`') && row.contains(&quoted))
}

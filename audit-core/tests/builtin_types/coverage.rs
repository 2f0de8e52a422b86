//! Lists the types with an implementation in the source and those in the documentation.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// The wrappers of the derive, which are not types of fields.
const WRAPPERS: [&str; 9] = [
    "AsSet",
    "Compared",
    "Debugged",
    "Displayed",
    "Keyed",
    "MaskedWith",
    "Referenced",
    "Serialized",
    "Via",
];

/// Returns the names of the types for which `src/value/impls` implements `AuditValue`, by itself or by
/// a macro.
pub(super) fn implemented() -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/value/impls");
    for file in fs::read_dir(folder).unwrap() {
        let source = fs::read_to_string(file.unwrap().path()).unwrap();
        let source: String = source
            .lines()
            .filter(|line| !line.trim_start().starts_with("//"))
            .flat_map(|line| [line, "\n"])
            .collect();
        for (at, found) in source.match_indices("AuditValue for ") {
            let rest = &source[at + found.len()..];
            if !rest.starts_with('$') && !rest.starts_with("($") {
                names.insert(name(rest.split(" {").next().unwrap()));
            }
        }
        for (at, found) in source.match_indices("macro_rules! ") {
            let rest = &source[at + found.len()..];
            let (called, rest) = rest.split_once(' ').unwrap();
            let body = enclosed(rest);
            if body.contains("AuditValue for $") || body.contains("AuditValue for (") {
                names.extend(invoked(&source, called));
            }
        }
    }
    names.retain(|name| !WRAPPERS.contains(&name.as_str()));
    names
}

/// The types for which a macro is invoked.
fn invoked(source: &str, called: &str) -> Vec<String> {
    let mut names = Vec::new();
    for separator in ["! {", "!(", "!{"] {
        for (at, found) in source.match_indices(&format!("\n{called}{separator}")) {
            let body = enclosed(&source[at + found.len() - 1..]);
            if called == "tuples" {
                names.push("(..)".to_owned());
                continue;
            }
            let separators: &[char] = if separator == "!(" { &[','] } else { &[';'] };
            for item in split(body, separators) {
                // Bounds and generics come first, in brackets.
                let mut item = item.trim();
                while item.starts_with('[') && item.len() > enclosed(item).len() + 2 {
                    item = item[enclosed(item).len() + 2..].trim_start();
                }
                let item = split(item, &[',', '=']).into_iter().next().unwrap();
                if !item.trim().is_empty() {
                    names.push(name(item.trim()));
                }
            }
        }
    }
    names
}

/// What is between the first bracket of a text and the one that closes it.
fn enclosed(text: &str) -> &str {
    let mut depth = 0;
    for (at, c) in text.char_indices() {
        match c {
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' => {
                depth -= 1;
                if depth == 0 {
                    return &text[text.find(['(', '[', '{']).unwrap() + 1..at];
                }
            }
            _ => {}
        }
    }
    panic!("a bracket is open in {text}");
}

/// Splits a text where no bracket is open.
fn split<'t>(text: &'t str, separators: &[char]) -> Vec<&'t str> {
    let (mut depth, mut start, mut parts) = (0, 0, Vec::new());
    for (at, c) in text.char_indices() {
        match c {
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' => depth -= 1,
            c if depth == 0 && separators.contains(&c) => {
                parts.push(&text[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&text[start..]);
    parts
}

/// The name of a type without its generics.
fn name(ty: &str) -> String {
    let ty = ty.trim();
    match ty {
        "[T]" | "[T; N]" | "()" => return ty.to_owned(),
        _ if ty.starts_with("&'r mut") => return "&mut T".to_owned(),
        _ if ty.starts_with('&') => return "&T".to_owned(),
        _ => {}
    }
    ty.split('<').next().unwrap().trim().to_owned()
}

/// The types of the table in docs/format.md whose form is not serde's.
pub(super) fn documented() -> BTreeSet<String> {
    let format = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/format.md");
    let format = fs::read_to_string(format).unwrap();
    let (_, table) = format
        .split_once("### Where the form is not serde's")
        .unwrap();
    let rows = table
        .lines()
        .skip_while(|line| !line.starts_with("|---"))
        .skip(1)
        .take_while(|line| line.starts_with('|'));
    rows.flat_map(|row| {
        let types = row.split('|').nth(1).unwrap();
        let names = types.split('`').skip(1).step_by(2);
        names.map(str::to_owned).collect::<Vec<_>>()
    })
    .collect()
}

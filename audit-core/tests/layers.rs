//! The layers of `src`: a file imports from its own room and from the layers below, so that the
//! folders show the way of an entry and no circle joins two rooms.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// The rooms of `src` from the bottom to the top. A room is a file or a folder at the top of
/// `src`. The rooms of one layer do not import each other.
const LAYERS: [&[&str]; 13] = [
    &["action", "actor", "level", "mask", "one_line", "suggest"],
    &["critical", "json"],
    &["path"],
    &["error"],
    &["change"],
    &["entry"],
    &["value"],
    &["context", "registry", "sink", "store"],
    &["history", "pipeline"],
    &["log"],
    &["record"],
    &["functions"],
    &["lib", "private", "testing"],
];

/// One import: the room of the item, and its path as the file writes it.
type Import = (String, String);

#[test]
fn the_rooms_are_those_of_the_list() {
    let listed: BTreeSet<_> = LAYERS.iter().copied().flatten().copied().collect();
    let found: BTreeSet<_> = files().keys().map(|file| room(file).to_owned()).collect();
    let found: BTreeSet<_> = found.iter().map(String::as_str).collect();
    assert_eq!(found, listed, "give a new room its layer in `LAYERS`");
    assert!(found.len() <= 30, "{} rooms", found.len());
}

#[test]
fn imports_run_down() {
    let mut wrong = Vec::new();
    for (file, imports) in all_imports() {
        let from = room(&file);
        for (to, path) in imports {
            if to != from && layer(&to) >= layer(from) {
                wrong.push(format!("{file} imports crate::{path}, of {to}"));
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "imports that run up:\n{}",
        wrong.join("\n")
    );
}

#[test]
fn nothing_is_imported_by_a_star() {
    let stars: Vec<_> = all_imports()
        .into_iter()
        .flat_map(|(file, imports)| {
            imports
                .into_iter()
                .map(move |(_, path)| (file.clone(), path))
        })
        .filter(|(_, path)| path.ends_with('*'))
        .collect();
    assert!(stars.is_empty(), "name what is imported: {stars:?}");
}

#[test]
fn the_reader_of_imports_reads_them() {
    let root = BTreeMap::from([("Draft".to_owned(), "record".to_owned())]);
    let read = |file: &str, code: &str| -> Vec<String> {
        imports(file, code, &root)
            .into_iter()
            .map(|(room, path)| format!("{room}:{path}"))
            .collect()
    };
    assert_eq!(
        read(
            "log/mod.rs",
            "use crate::{entry::{LogEntry, ids}, Draft};\nuse crate::path::Path;"
        ),
        [
            "entry:entry::LogEntry",
            "entry:entry::ids",
            "record:Draft",
            "path:path::Path"
        ]
    );
    assert_eq!(
        read(
            "log/mod.rs",
            "    crate::mask::text(a)?; // crate::sink\n/// crate::sink\n"
        ),
        ["mask:mask::text"]
    );
    assert_eq!(
        read(
            "log/mod.rs",
            "pub(crate) use crate::path::{self, walk as stroll};\n"
        ),
        ["path:path", "path:path::walk"]
    );
    assert_eq!(
        read("log/mod.rs", "use crate::record::*;"),
        ["record:record::*"]
    );
    assert_eq!(
        read("log/past.rs", "use super::super::record::Draft;"),
        ["record:record::Draft"]
    );
    assert_eq!(
        read(
            "mask.rs",
            "\nmod tests {\n use super::x;\n use super::super::path::P;"
        ),
        ["path:path::P"]
    );
    assert_eq!(
        read("log/mod.rs", "use super::record::Draft;"),
        ["record:record::Draft"]
    );
    assert_eq!(read("log/past.rs", "use super::record::Draft;"), [""; 0]);
    assert_eq!(
        read("level.rs", "use super::mask::Mask;"),
        ["mask:mask::Mask"]
    );
    assert_eq!(
        read("level.rs", "$crate::log::AuditLog; mycrate::log::A"),
        [""; 0]
    );
    assert_eq!(
        read("level.rs", "use crate::__private::no_fields;"),
        ["private:__private::no_fields"]
    );
}

/// Returns the text of each file of `src`, by its path there.
fn files() -> BTreeMap<String, String> {
    fn read(folder: &Path, prefix: &str, files: &mut BTreeMap<String, String>) {
        for file in fs::read_dir(folder).unwrap() {
            let file = file.unwrap();
            let name = format!("{prefix}{}", file.file_name().into_string().unwrap());
            if file.file_type().unwrap().is_dir() {
                read(&file.path(), &format!("{name}/"), files);
            } else {
                files.insert(name, fs::read_to_string(file.path()).unwrap());
            }
        }
    }
    let mut files_by_name = BTreeMap::new();
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    read(&src, "", &mut files_by_name);
    files_by_name
}

/// Returns the imports of each file.
fn all_imports() -> Vec<(String, Vec<Import>)> {
    let files = files();
    // What the root exports, by the room that has it.
    let root = imports("lib.rs", &files["lib.rs"], &BTreeMap::new())
        .into_iter()
        .filter(|(room, path)| room != path)
        .map(|(room, path)| (path.rsplit("::").next().unwrap().to_owned(), room))
        .collect();
    files
        .into_iter()
        .map(|(file, code)| {
            let imports = imports(&file, &code, &root);
            (file, imports)
        })
        .collect()
}

/// Returns the room of a file.
fn room(file: &str) -> &str {
    file.split(['/', '.']).next().unwrap()
}

/// Returns the layer of a room.
fn layer(room: &str) -> usize {
    let layer = LAYERS.iter().position(|layer| layer.contains(&room));
    layer.unwrap_or_else(|| panic!("no layer has the room {room}"))
}

/// Returns what a file imports from the crate, in `use` items and in the code.
///
/// An item that the root re-exports is of the room that `exported` has for it.
fn imports(file: &str, code: &str, exported: &BTreeMap<String, String>) -> Vec<Import> {
    // A macro of the root, and what its `#[macro_export]` puts there.
    const OF_THE_ROOT: [&str; 2] = ["__derived", "assert_audited"];
    let code: String = code
        .lines()
        .map(|line| line.split("//").next().unwrap())
        .flat_map(|line| [line, "\n"])
        .collect();
    // How many `super` lead from the file's module to the root, and from that of its tests.
    let depth = file.split('/').filter(|part| *part != "mod.rs").count();
    let supers = ["super::".repeat(depth), "super::".repeat(depth + 1)];
    let tests = code.find("\nmod tests {").unwrap_or(code.len());
    let mut found = Vec::new();
    for (at, _) in code
        .match_indices("crate::")
        .chain(code.match_indices("super::"))
    {
        let before = code[..at].chars().next_back();
        if before.is_some_and(|c| c == '$' || c == '_' || c == ':' || c.is_alphanumeric()) {
            continue;
        }
        let supers = supers[usize::from(at > tests)].as_str();
        let rest = code[at..].strip_prefix("crate::");
        let Some(rest) = rest.or_else(|| code[at..].strip_prefix(supers)) else {
            continue;
        };
        let mut paths = Vec::new();
        leaves("", rest, &mut paths);
        found.extend(paths.into_iter().map(|path| (at, path)));
    }
    found.sort_by_key(|(at, _)| *at);
    found
        .into_iter()
        .filter_map(|(_, path)| {
            let first = path.split("::").next().unwrap();
            let room = match first {
                _ if OF_THE_ROOT.contains(&first) => return None,
                "__private" => "private",
                // `crate::context` is the function where the path goes no further.
                _ => match exported.get(first) {
                    Some(room) if path == first => room,
                    _ if LAYERS.iter().any(|layer| layer.contains(&first)) => first,
                    room => room.map_or("lib", String::as_str),
                },
            };
            Some((room.to_owned(), path))
        })
        .collect()
}

/// Adds the paths of the tree that `text` begins with, and returns what follows it.
fn leaves<'t>(prefix: &str, text: &'t str, paths: &mut Vec<String>) -> &'t str {
    let text = text.trim_start();
    if let Some(mut rest) = text.strip_prefix('{') {
        loop {
            rest = rest.trim_start();
            if let Some(rest) = rest.strip_prefix('}') {
                return rest;
            }
            rest = leaves(prefix, rest, paths).trim_start();
            rest = rest.strip_prefix(',').unwrap_or(rest);
        }
    }
    let end = text
        .find(|c: char| c != '_' && c != '*' && !c.is_alphanumeric())
        .unwrap_or(text.len());
    let (name, rest) = text.split_at(end);
    if let Some(rest) = rest.strip_prefix("::")
        && rest.starts_with(|c: char| c == '{' || c == '*' || c == '_' || c.is_alphabetic())
    {
        return leaves(&format!("{prefix}{name}::"), rest, paths);
    }
    paths.push(match name {
        "self" => prefix.trim_end_matches("::").to_owned(),
        _ => format!("{prefix}{name}"),
    });
    match rest.strip_prefix(" as ") {
        Some(rest) => rest.trim_start_matches(|c: char| c == '_' || c.is_alphanumeric()),
        None => rest,
    }
}

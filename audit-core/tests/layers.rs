//! The layers of `src`: a file imports only from its own top-level module and from lower layers, so
//! that modules have no import cycles.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// The top-level modules of `src`, lowest layer first. The modules of one layer do not import each
/// other.
const LAYERS: [&[&str]; 14] = [
    &["parsed"],
    &["action", "actor", "level", "mask", "one_line", "suggest"],
    &["critical", "json", "misleading"],
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

/// One import: the module of the item, and its path in the source.
type Import = (String, String);

#[test]
fn every_module_has_a_layer() {
    let listed: BTreeSet<_> = LAYERS.iter().copied().flatten().copied().collect();
    let found: BTreeSet<_> = files().keys().map(|file| module(file).to_owned()).collect();
    let found: BTreeSet<_> = found.iter().map(String::as_str).collect();
    assert_eq!(found, listed, "add a new module to its layer in `LAYERS`");
    assert!(found.len() <= 30, "{} modules", found.len());
}

#[test]
fn modules_import_only_from_lower_layers() {
    let mut wrong = Vec::new();
    for (file, imports) in all_imports() {
        let from = module(&file);
        for (to, path) in imports {
            if to != from && layer(&to) >= layer(from) {
                wrong.push(format!("{file} imports crate::{path}, of {to}"));
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "imports from the same or a higher layer:\n{}",
        wrong.join("\n")
    );
}

#[test]
fn there_are_no_glob_imports() {
    let globs: Vec<_> = all_imports()
        .into_iter()
        .flat_map(|(file, imports)| {
            imports
                .into_iter()
                .map(move |(_, path)| (file.clone(), path))
        })
        .filter(|(_, path)| path.ends_with('*'))
        .collect();
    assert!(globs.is_empty(), "replace the glob imports: {globs:?}");
}

#[test]
fn imports_are_parsed() {
    let root = BTreeMap::from([("Draft".to_owned(), "record".to_owned())]);
    let read = |file: &str, code: &str| -> Vec<String> {
        imports(file, code, &root)
            .into_iter()
            .map(|(module, path)| format!("{module}:{path}"))
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

/// Returns the text of each file of `src`, by its path relative to `src`.
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
    // The items that the root re-exports, with their modules.
    let root = imports("lib.rs", &files["lib.rs"], &BTreeMap::new())
        .into_iter()
        .filter(|(module, path)| module != path)
        .map(|(module, path)| (path.rsplit("::").next().unwrap().to_owned(), module))
        .collect();
    files
        .into_iter()
        .map(|(file, code)| {
            let imports = imports(&file, &code, &root);
            (file, imports)
        })
        .collect()
}

/// Returns the module of a file.
fn module(file: &str) -> &str {
    file.split(['/', '.']).next().unwrap()
}

/// Returns the layer of a module.
fn layer(module: &str) -> usize {
    let layer = LAYERS.iter().position(|layer| layer.contains(&module));
    layer.unwrap_or_else(|| panic!("no layer has the module {module}"))
}

/// Returns the imports of a file from the crate, in `use` items and in the code.
///
/// `exported` has the modules of items that the root re-exports.
fn imports(file: &str, code: &str, exported: &BTreeMap<String, String>) -> Vec<Import> {
    // Macros that `#[macro_export]` defines in the root.
    const OF_THE_ROOT: [&str; 2] = ["__derived", "assert_audited"];
    let code: String = code
        .lines()
        .map(|line| line.split("//").next().unwrap())
        .flat_map(|line| [line, "\n"])
        .collect();
    // The `super` prefixes that lead to the root from the file's module and from its tests.
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
            let module = match first {
                _ if OF_THE_ROOT.contains(&first) => return None,
                "__private" => "private",
                // `crate::context` without further segments is the function.
                _ => match exported.get(first) {
                    Some(module) if path == first => module,
                    _ if LAYERS.iter().any(|layer| layer.contains(&first)) => first,
                    module => module.map_or("lib", String::as_str),
                },
            };
            Some((module.to_owned(), path))
        })
        .collect()
}

/// Adds the paths of the use tree at the start of `text`. Returns the rest of the text.
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

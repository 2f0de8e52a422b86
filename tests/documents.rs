//! The documents name files, folders and headings that exist, so that a command from them can be run.

use std::fs;
use std::path::{Path, PathBuf};

/// Returns the workspace's folder.
fn root() -> PathBuf {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    tests.parent().expect("a folder above").to_owned()
}

/// Returns the documents of the workspace: those beside the README and those in `docs`.
fn documents() -> Vec<PathBuf> {
    let root = root();
    let documents: Vec<_> = [root.clone(), root.join("docs"), root.join("docs/design")]
        .iter()
        .flat_map(|folder| fs::read_dir(folder).expect("a folder"))
        .map(|entry| entry.expect("an entry of the folder").path())
        .filter(|path| path.extension().is_some_and(|end| end == "md"))
        .collect();
    assert!(documents.iter().any(|path| path.ends_with("README.md")));
    documents
}

/// Returns what stands between `before` and the next character of `end`, wherever it stands.
fn between<'t>(text: &'t str, before: &str, end: &[char]) -> Vec<&'t str> {
    let parts = text.split(before).skip(1);
    parts.filter_map(|part| part.split(end).next()).collect()
}

/// Returns the paths that a document names, each with the folder that it starts from.
fn named(document: &Path, text: &str) -> Vec<PathBuf> {
    let (root, own) = (root(), document.parent().expect("a folder"));
    let mut paths = Vec::new();
    for link in between(text, "](", &[')', '#', ' ']) {
        if !link.is_empty() && !link.contains("::") && !link.contains("://") {
            paths.push(own.join(link));
        }
    }
    for folder in between(text, "cargo install --path ", &[' ', '\n', '`']) {
        paths.push(root.join(folder).join("Cargo.toml"));
    }
    for folder in between(text, "path = \"../auditlog", &['"']) {
        paths.push(root.join(folder.trim_start_matches('/')).join("Cargo.toml"));
    }
    for example in between(text, "--example ", &[' ', '\n', '`']) {
        if !example.starts_with('<') {
            paths.push(root.join("examples").join(example).with_extension("rs"));
        }
    }
    // In backticks, a path begins with a folder of the workspace.
    for path in text.split('`').skip(1).step_by(2) {
        let is_path = !path.contains(|c: char| c.is_whitespace() || "<>*{}:".contains(c));
        match path.split_once('/') {
            Some((folder, _))
                if is_path && !matches!(folder, "" | "." | "..") && root.join(folder).is_dir() =>
            {
                paths.push(root.join(path));
            }
            _ => {}
        }
    }
    paths
}

#[test]
fn each_named_path_exists() {
    let mut missing = Vec::new();
    let mut found = 0;
    for document in documents() {
        let text = fs::read_to_string(&document).expect("UTF-8");
        for path in named(&document, &text) {
            if path.exists() {
                found += 1;
            } else {
                missing.push((document.clone(), path));
            }
        }
    }
    assert!(missing.is_empty(), "{missing:#?}");
    assert!(found > 20, "only {found} paths were found");
}

/// Returns the anchor that a heading gets: letters, digits, hyphens and underscores in lower case.
fn anchor(heading: &str) -> String {
    let is_in_anchor = |c: &char| c.is_alphanumeric() || matches!(c, '-' | '_' | ' ');
    let text = heading.trim_start_matches('#').trim().to_lowercase();
    text.chars()
        .filter(is_in_anchor)
        .collect::<String>()
        .replace(' ', "-")
}

#[test]
fn each_linked_heading_exists() {
    let mut missing = Vec::new();
    let mut found = 0;
    for document in documents() {
        let text = fs::read_to_string(&document).expect("UTF-8");
        for link in between(&text, "](", &[')', ' ']) {
            let Some((path, wanted)) = link.split_once('#') else {
                continue;
            };
            if path.contains("://") || path.contains("::") {
                continue;
            }
            let target = match path {
                "" => document.clone(),
                _ => document.parent().expect("a folder").join(path),
            };
            let target = fs::read_to_string(target).unwrap_or_default();
            let headings = target.lines().filter(|line| line.starts_with('#'));
            if headings.map(anchor).any(|heading| heading == wanted) {
                found += 1;
            } else {
                missing.push((document.clone(), link.to_owned()));
            }
        }
    }
    assert!(missing.is_empty(), "{missing:#?}");
    assert!(found > 20, "only {found} links were found");
}

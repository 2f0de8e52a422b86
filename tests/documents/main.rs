//! The documents name files, folders and headings that exist, so that a command from them can be run.

mod diagram;
mod picture;

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::{fs, iter};

/// Returns the workspace's folder.
pub(crate) fn root() -> PathBuf {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    tests.parent().expect("a folder above").to_owned()
}

/// Returns the documents of the workspace, without those below hidden folders and build output.
fn documents() -> Vec<PathBuf> {
    fn collect(folder: &Path, documents: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry of the folder").path();
            let name = path.file_name().expect("a name").to_string_lossy();
            if path.is_dir() {
                if !name.starts_with('.') && name != "target" && name != "node_modules" {
                    collect(&path, documents);
                }
            } else if path.extension().is_some_and(|end| end == "md") {
                documents.push(path);
            }
        }
    }
    let mut documents = Vec::new();
    collect(&root(), &mut documents);
    for document in [
        "README.md",
        "audit-derive/ATTRIBUTES.md",
        "docs/design/values.md",
    ] {
        assert!(documents.contains(&root().join(document)), "{document}");
    }
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
    // In backticks, a path begins with a folder of the workspace; builds and tests make `target`.
    for path in text.split('`').skip(1).step_by(2) {
        let is_path = !path.contains(|c: char| c.is_whitespace() || "<>*{}:".contains(c));
        match path.split_once('/') {
            Some((folder, _))
                if is_path
                    && !matches!(folder, "" | "." | ".." | "target")
                    && root.join(folder).is_dir() =>
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

/// Returns the anchors of a document's headings. A repeated heading has a number after its anchor.
fn anchors(text: &str) -> HashSet<String> {
    let mut anchors = HashSet::new();
    let mut is_code = false;
    for line in text.lines() {
        if line.starts_with("```") {
            is_code = !is_code;
        } else if line.starts_with('#') && !is_code {
            let anchor = anchor(line);
            let numbered = (1..).map(|number| format!("{anchor}-{number}"));
            let mut candidates = iter::once(anchor.clone()).chain(numbered);
            anchors.extend(candidates.find(|it| !anchors.contains(it)));
        }
    }
    anchors
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
            if anchors(&target).contains(wanted) {
                found += 1;
            } else {
                missing.push((document.clone(), link.to_owned()));
            }
        }
    }
    assert!(missing.is_empty(), "{missing:#?}");
    assert!(found > 20, "only {found} links were found");
}

#[test]
fn each_image_has_a_text() {
    let mut found = 0;
    for document in documents() {
        let text = fs::read_to_string(&document).expect("UTF-8");
        for alternative in between(&text, "\n![", &[']']) {
            let words = alternative.split_whitespace().count();
            assert!(words > 10, "{}: ![{alternative}]", document.display());
            found += 1;
        }
    }
    assert!(found >= 2, "only {found} images were found");
}

#[test]
fn the_readme_is_short() {
    let text = fs::read_to_string(root().join("README.md")).expect("UTF-8");
    let lines = text.lines().count();
    assert!(lines <= 250, "{lines} lines; longer parts belong in docs/");
}

//! Fenced blocks of the documents.

use std::fs;
use std::path::{Path, PathBuf};

/// A fenced block of a document.
pub(crate) struct Block {
    document: PathBuf,
    line: usize,
    /// The words after the fence, such as `rust,no_run`.
    info: String,
    pub(crate) text: String,
    /// The paragraph before the block.
    paragraph: String,
}

impl Block {
    pub(crate) fn has(&self, word: &str) -> bool {
        self.info.split(',').any(|part| part == word)
    }

    pub(crate) fn is_program(&self) -> bool {
        self.has("rust") && self.text.contains("fn main(")
    }

    /// Returns a name for a Rust module: the document and the line.
    pub(crate) fn name(&self) -> String {
        let document = self.document.file_stem().expect("a name");
        let document = document.to_str().expect("UTF-8").to_lowercase();
        format!("{document}_{}", self.line)
    }

    pub(crate) fn location(&self) -> String {
        format!("{}:{}", self.document.display(), self.line)
    }

    /// Returns the file that the last link of the paragraph names.
    pub(crate) fn linked_file(&self) -> Option<PathBuf> {
        let folder = self.document.parent().expect("a folder");
        let links = self.paragraph.split("](").skip(1);
        links
            .filter_map(|link| link.split(')').next())
            .map(|path| folder.join(path))
            .filter(|path| path.is_file())
            .last()
    }
}

/// Returns the workspace's folder.
pub(crate) fn root() -> PathBuf {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    tests.parent().expect("a parent folder").to_owned()
}

/// Returns the README, the reference of the attributes, and the documents in `docs`.
fn documents() -> Vec<PathBuf> {
    fn collect(folder: &Path, documents: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry of the folder").path();
            if path.is_dir() {
                collect(&path, documents);
            } else if path.extension().is_some_and(|end| end == "md") {
                documents.push(path);
            }
        }
    }
    let mut documents = Vec::new();
    collect(&root().join("docs"), &mut documents);
    documents.sort();
    documents.insert(0, root().join("README.md"));
    documents.insert(1, root().join("audit-derive/ATTRIBUTES.md"));
    documents
}

/// Returns the blocks of a document.
pub(crate) fn blocks_of(document: &Path) -> Vec<Block> {
    let text = fs::read_to_string(document).expect("UTF-8");
    let mut blocks: Vec<Block> = Vec::new();
    let mut is_open = false;
    let (mut paragraph, mut ended) = (String::new(), false);
    for (index, line) in text.lines().enumerate() {
        if let Some(info) = line.strip_prefix("```") {
            if is_open {
                paragraph.clear();
            } else {
                blocks.push(Block {
                    document: document.to_owned(),
                    line: index + 1,
                    info: info.to_owned(),
                    text: String::new(),
                    paragraph: paragraph.clone(),
                });
            }
            is_open = !is_open;
        } else if is_open {
            let block = blocks.last_mut().expect("an open block");
            block.text.push_str(line);
            block.text.push('\n');
        } else if line.trim().is_empty() {
            ended = true;
        } else {
            if std::mem::take(&mut ended) {
                paragraph.clear();
            }
            paragraph.push_str(line);
            paragraph.push(' ');
        }
    }
    assert!(!is_open, "{}: an open block", document.display());
    blocks
}

/// Returns the blocks of all documents.
pub(crate) fn all_blocks() -> Vec<Block> {
    let documents = documents();
    documents.iter().flat_map(|path| blocks_of(path)).collect()
}

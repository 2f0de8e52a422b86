//! Counts the old words and phrases of this workspace, which `vocabulary.txt` lists. A count may only fall,
//! so a change that adds one fails this test.
//!
//! After a change that lowers counts, this command lowers the recorded ones:
//!
//! ```console
//! $ AUDITLOG_VOCABULARY=lower cargo test -p audit-tests --test vocabulary
//! ```

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs};

/// Text of a file in the forms that terms are searched in.
struct Text {
    /// Words in lower case, those inside identifiers too: `GivenUp` is `given` and `up`.
    words: BTreeMap<String, usize>,
    /// Identifiers and words as written.
    identifiers: BTreeMap<String, usize>,
    /// Prose in lower case, on one line and without comment markers.
    prose: String,
    /// The beginnings of the sentences of comments and documents, in lower case.
    sentences: Vec<String>,
}

/// The markers of comments.
const MARKERS: [&str; 5] = ["//!", "///", "//", "--", "#"];

impl Text {
    fn new(text: &str) -> Self {
        let mut words = BTreeMap::new();
        let mut identifiers = BTreeMap::new();
        for identifier in text.split(|c: char| !c.is_ascii_alphabetic() && c != '_') {
            *identifiers.entry(identifier.to_owned()).or_default() += 1;
            for word in split_words(identifier) {
                *words.entry(word).or_default() += 1;
            }
        }
        let lines = text.lines().map(|line| {
            let line = line.trim();
            let marker = MARKERS.iter().find_map(|marker| line.strip_prefix(marker));
            marker.unwrap_or(line).trim().to_lowercase()
        });
        Self {
            words,
            identifiers,
            prose: lines.collect::<Vec<_>>().join(" "),
            sentences: Vec::new(),
        }
    }

    /// Adds the sentences: of all lines of a document, else of the comments.
    fn with_sentences(mut self, text: &str, is_document: bool) -> Self {
        let mut paragraph = String::new();
        for line in text.lines().chain([""]) {
            let line = line.trim();
            let marker = MARKERS.iter().find_map(|marker| line.strip_prefix(marker));
            let prose = marker
                .or(is_document.then_some(line))
                .unwrap_or_default()
                .trim();
            let is_heading = is_document && line.starts_with('#');
            if prose.is_empty() || is_heading || prose.starts_with(['-', '|']) {
                self.add_sentences(&std::mem::take(&mut paragraph));
            }
            paragraph.push_str(prose.trim_start_matches(['-', '|', '#', ' ']));
            paragraph.push(' ');
            if is_heading {
                self.add_sentences(&std::mem::take(&mut paragraph));
            }
        }
        self
    }

    fn add_sentences(&mut self, paragraph: &str) {
        let ends = [". ", "! ", "? ", ": ", "; ", "| "];
        let mut rest = paragraph;
        while !rest.trim().is_empty() {
            let end = ends.iter().filter_map(|end| rest.find(end)).min();
            let (sentence, after) = rest.split_at(end.map_or(rest.len(), |end| end + 2));
            self.sentences.push(sentence.trim().to_lowercase());
            rest = after;
        }
    }

    /// Counts a term: a phrase at the beginning of a sentence (after `^`), a phrase, an identifier (with a
    /// capital or an underscore), or a word.
    fn count(&self, term: &str) -> usize {
        if let Some(beginning) = term.strip_prefix('^') {
            let has_beginning = |sentence: &&String| {
                let rest = sentence.strip_prefix(beginning);
                rest.is_some_and(|rest| !rest.starts_with(char::is_alphanumeric))
            };
            self.sentences.iter().filter(has_beginning).count()
        } else if term.contains(' ') {
            let is_letter = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
            self.prose
                .match_indices(term)
                .filter(|(at, _)| {
                    !is_letter(self.prose[..*at].chars().next_back())
                        && !is_letter(self.prose[at + term.len()..].chars().next())
                })
                .count()
        } else if term.contains(|c: char| c.is_uppercase() || c == '_') {
            self.identifiers.get(term).copied().unwrap_or_default()
        } else {
            self.words.get(term).copied().unwrap_or_default()
        }
    }
}

/// Splits an identifier into words in lower case, at underscores and before capitals.
fn split_words(identifier: &str) -> Vec<String> {
    let mut words = Vec::new();
    for part in identifier.split('_') {
        let mut after_small = false;
        let mut word = String::new();
        for c in part.chars() {
            if c.is_uppercase() && after_small {
                words.push(std::mem::take(&mut word));
            }
            after_small = c.is_lowercase();
            word.push(c.to_ascii_lowercase());
        }
        words.push(word);
    }
    words
}

/// Collects sources and documents below a folder, without build output and hidden folders.
fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry of the folder").path();
        let name = path.file_name().expect("a name").to_string_lossy();
        if path.is_dir() {
            if !name.starts_with('.') && name != "target" && name != "node_modules" {
                collect(&path, files);
            }
        } else if path
            .extension()
            .is_some_and(|end| end == "rs" || end == "sql" || end == "md")
            && name != "vocabulary.rs"
        {
            files.push(path);
        }
    }
}

#[test]
fn no_old_word_is_used_more_often() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let root = folder.parent().expect("the workspace");
    let mut files = Vec::new();
    collect(root, &mut files);
    assert!(files.len() > 300, "only {} files were found", files.len());
    let texts: Vec<_> = files
        .iter()
        .map(|file| {
            let text = fs::read_to_string(file).expect("UTF-8");
            let is_document = file.extension().is_some_and(|end| end == "md");
            Text::new(&text).with_sentences(&text, is_document)
        })
        .collect();

    let list = folder.join("vocabulary.txt");
    let recorded = fs::read_to_string(&list).expect("the list");
    let mut lowered = String::new();
    let (mut at_start, mut now) = (0, 0);
    let mut risen = String::new();
    for line in recorded.lines() {
        let columns: Vec<_> = line.split('|').map(str::trim).collect();
        let [term, start, limit] = columns[..] else {
            writeln!(lowered, "{line}").expect("written");
            continue;
        };
        let start: usize = start.parse().expect("the count at the start");
        let limit: usize = limit.parse().expect("the recorded count");
        let counts = texts.iter().map(|text| text.count(term));
        let found: usize = counts.clone().sum();
        if found > limit {
            writeln!(
                risen,
                "`{term}` was used {limit} times and is used {found} times in"
            )
            .unwrap();
            let mut by_file: Vec<_> = counts.zip(&files).filter(|(count, _)| *count > 0).collect();
            by_file.sort_by(|left, right| right.cmp(left));
            for (count, file) in by_file {
                let file = file.strip_prefix(root).expect("a file of the workspace");
                writeln!(risen, "    {count:4} {}", file.display()).unwrap();
            }
        }
        let limit = limit.min(found);
        writeln!(lowered, "{term:<16}| {start:>5} | {limit:>5}").expect("written");
        at_start += start;
        now += found;
    }
    println!("{at_start} uses at the start, {now} now");
    if env::var("AUDITLOG_VOCABULARY").is_ok_and(|mode| mode == "lower") {
        fs::write(&list, lowered).expect("the list is written");
    }
    assert!(risen.is_empty(), "use the standard terms instead:\n{risen}");
}

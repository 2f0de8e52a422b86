//! The texts of pages in the language of the reader.
//!
//! A text in the sources is English, and the key of its translations in the files of this folder.

use std::cell::Cell;
use std::collections::HashMap;
use std::sync::LazyLock;

use http::HeaderMap;
use http::header::ACCEPT_LANGUAGE;

/// The name of the parameter that selects a language.
pub(crate) const PARAM: &str = "lang";

/// A language of the pages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Language {
    #[default]
    English,
    German,
}

/// The language of a response.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Selected {
    language: Language,
    /// Whether the URL has the language, so that links keep it.
    is_in_url: bool,
}

thread_local! {
    /// The language of the page that this thread makes.
    static SELECTED: Cell<Selected> = const {
        Cell::new(Selected { language: Language::English, is_in_url: false })
    };
}

static GERMAN: LazyLock<HashMap<&str, &str>> = LazyLock::new(|| parse(include_str!("de.txt")));

/// Returns the pairs of a file of texts.
fn parse(file: &'static str) -> HashMap<&'static str, &'static str> {
    let lines = file.lines().filter(|line| !line.starts_with('#'));
    lines.filter_map(|line| line.split_once(" => ")).collect()
}

/// Returns a text in the language of the page that this thread makes; the text itself if it has no
/// translation.
pub(crate) fn t(english: &str) -> &str {
    match SELECTED.get().language {
        Language::English => english,
        Language::German => GERMAN.get(english).copied().unwrap_or(english),
    }
}

/// Returns the language of the page that this thread makes.
pub(crate) fn language() -> Language {
    SELECTED.get().language
}

/// Returns the language of the page that this thread makes, for a page that is made later.
pub(crate) fn selected() -> Selected {
    SELECTED.get()
}

/// Returns the language for links, if the URL has one.
pub(crate) fn in_links() -> Option<Language> {
    let selected = SELECTED.get();
    selected.is_in_url.then_some(selected.language)
}

impl Language {
    pub(crate) const ALL: [Self; 2] = [Self::English, Self::German];

    /// Returns the code of the language.
    pub(crate) fn code(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::German => "de",
        }
    }

    /// Returns the name of the language in itself.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::English => "English",
            Self::German => "Deutsch",
        }
    }

    fn of_tag(tag: &str) -> Option<Self> {
        let primary = tag.split('-').next().unwrap_or_default().trim();
        let mut all = Self::ALL.into_iter();
        all.find(|language| language.code().eq_ignore_ascii_case(primary))
    }
}

impl Selected {
    /// Selects the language of the parameter, else the one of the header that the reader prefers,
    /// else English.
    pub(crate) fn of(param: Option<&str>, headers: &HeaderMap) -> Self {
        if let Some(language) = param.and_then(Language::of_tag) {
            return Self {
                language,
                is_in_url: true,
            };
        }
        let values = headers.get_all(ACCEPT_LANGUAGE).iter();
        let values = values.filter_map(|value| value.to_str().ok());
        let mut best = (0.0, Language::English);
        for range in values.flat_map(|value| value.split(',')) {
            let (tag, weight) = range.split_once(';').unwrap_or((range, "q=1"));
            let weight = weight.trim().strip_prefix("q=").unwrap_or_default();
            let weight: f32 = weight.parse().unwrap_or_default();
            if let Some(language) = Language::of_tag(tag)
                && weight > best.0
            {
                best = (weight, language);
            }
        }
        Self {
            language: best.1,
            is_in_url: false,
        }
    }

    /// Makes a page in the language, on this thread.
    pub(crate) fn make<T>(self, page: impl FnOnce() -> T) -> T {
        /// Restores the language, also after a panic.
        struct Restore(Selected);
        impl Drop for Restore {
            fn drop(&mut self) {
                SELECTED.set(self.0);
            }
        }
        let _restore = Restore(SELECTED.replace(self));
        page()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;
    use std::path::{Path, PathBuf};

    use audit_core::{MissingReason, Redaction};

    use super::*;

    fn german(page: impl FnOnce() -> String) -> String {
        Selected::of(Some("de"), &HeaderMap::new()).make(page)
    }

    /// Returns the code of the crate without tests and comments.
    fn code() -> Vec<String> {
        fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
            for entry in fs::read_dir(folder).expect("a folder") {
                let path = entry.expect("an entry of the folder").path();
                if path.is_dir() {
                    collect(&path, files);
                } else if path.extension().is_some_and(|end| end == "rs") {
                    files.push(path);
                }
            }
        }
        let mut files = Vec::new();
        collect(
            &Path::new(env!("CARGO_MANIFEST_DIR")).join("src"),
            &mut files,
        );
        let is_test = |file: &PathBuf| file.file_name().is_some_and(|name| name == "tests.rs");
        let files = files.iter().filter(|file| !is_test(file));
        let code = files.map(|file| {
            let source = fs::read_to_string(file).expect("UTF-8");
            let code = source.split("#[cfg(test)]\nmod tests {").next();
            let lines = code.unwrap_or_default().lines();
            let lines = lines.filter(|line| !line.trim_start().starts_with("//"));
            lines.collect::<Vec<_>>().join("\n")
        });
        code.collect()
    }

    /// Returns the texts in code.
    fn literals(code: &str) -> BTreeSet<String> {
        // The character is no beginning of a text.
        let code = code.replace("'\"'", "' '");
        let mut literals = BTreeSet::new();
        let mut chars = code.chars().peekable();
        while chars.any(|c| c == '"') {
            let mut literal = String::new();
            while let Some(c) = chars.next_if(|c| *c != '"') {
                match (c, chars.peek()) {
                    ('\\', Some('\n')) => while chars.next_if(|c| c.is_whitespace()).is_some() {},
                    ('\\', _) => literal.extend(chars.next()),
                    _ => literal.push(c),
                }
            }
            chars.next();
            literals.insert(literal);
        }
        literals
    }

    /// Returns the texts that other crates print: reasons of missing parts, and redactions.
    fn printed() -> BTreeSet<String> {
        let reasons = [
            MissingReason::Skipped,
            MissingReason::Masked,
            MissingReason::Hashed,
            MissingReason::StartsLater,
            MissingReason::Unrecorded,
        ];
        let redactions = [Redaction::Masked, Redaction::Hashed];
        let reasons = reasons.iter().map(MissingReason::to_string);
        let redactions = redactions.iter().map(|it| it.as_str().to_owned());
        reasons.chain(redactions).collect()
    }

    #[test]
    fn each_text_of_the_pages_has_a_translation() {
        let code = code().concat();
        let calls = code.split("(t(\"").skip(1);
        let calls = calls.map(|call| call.split("\")").next().unwrap_or_default());
        let calls = calls.filter(|text| !text.contains('\n'));
        let mut texts: BTreeSet<String> = calls.map(str::to_owned).collect();
        let is_sentence = |text: &&String| {
            text.starts_with(|c: char| c.is_ascii_uppercase())
                && text.contains(' ')
                && text.ends_with('.')
        };
        let literals = literals(&code);
        let sentences: Vec<_> = literals.iter().filter(is_sentence).collect();
        assert!(sentences.len() > 40, "only {} sentences", sentences.len());
        assert!(texts.len() > 200, "only {} texts", texts.len());
        texts.extend(sentences.into_iter().cloned());
        texts.extend(printed());
        // Messages about parameters are in English, as those about queries.
        texts.retain(|text| !text.starts_with("The parameter `"));
        texts.retain(|text| !GERMAN.contains_key(&**text));
        assert!(texts.is_empty(), "{texts:?} are not in de.txt");
    }

    #[test]
    fn each_translation_is_of_a_text_of_the_sources() {
        let day = |day: i64| chrono::DateTime::UNIX_EPOCH + chrono::TimeDelta::days(day);
        let is_date = |text: &str| {
            let mut days = (0..365).map(|number| day(number).format("%A %B").to_string());
            days.any(|names| names.split(' ').any(|name| name == text))
        };
        let is_status = |text: &str| {
            let mut codes = (400..600).filter_map(|code| http::StatusCode::from_u16(code).ok());
            codes.any(|status| status.canonical_reason() == Some(text))
        };
        let (literals, printed) = (literals(&code().concat()), printed());
        for text in GERMAN.keys() {
            let is_used = literals.contains(*text) || printed.contains(*text);
            assert!(
                is_used || is_status(text) || is_date(text),
                "{text:?} is unused"
            );
        }
    }

    #[test]
    fn the_file_has_one_pair_in_each_line() {
        let file = include_str!("de.txt");
        let lines = file
            .lines()
            .filter(|line| !line.is_empty() && !line.starts_with('#'));
        let mut count = 0;
        for line in lines {
            let parts: Vec<_> = line.split(" => ").collect();
            assert_eq!(parts.len(), 2, "{line}");
            let marks = parts.iter().map(|text| text.matches("{}").count());
            assert_eq!(marks.clone().min(), marks.max(), "{line}");
            count += 1;
        }
        assert_eq!(count, GERMAN.len(), "a text has two translations");
    }

    #[test]
    fn the_language_is_that_of_the_url_else_of_the_header() {
        let of = |param: Option<&str>, header: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(ACCEPT_LANGUAGE, header.parse().expect("a header"));
            Selected::of(param, &headers)
        };
        for (header, expected) in [
            ("de-AT,de;q=0.9,en;q=0.8", Language::German),
            ("en-US,en;q=0.9,de;q=0.8", Language::English),
            ("fr,de;q=0.5,en;q=0.4", Language::German),
            ("fr, *;q=0.1", Language::English),
            ("de;q=0", Language::English),
            ("de;q=x,,;", Language::English),
            ("", Language::English),
        ] {
            assert_eq!(of(None, header).language, expected, "{header}");
        }
        assert_eq!(of(Some("de"), "en").language, Language::German);
        assert_eq!(of(Some("xx"), "de").language, Language::German);
        assert!(of(Some("en"), "de").is_in_url && !of(None, "de").is_in_url);
    }

    #[test]
    fn a_page_has_its_language_and_no_other() {
        assert_eq!(german(|| t("Search").to_owned()), "Suche");
        assert_eq!(german(|| t("Not a text").to_owned()), "Not a text");
        assert_eq!(t("Search"), "Search");
        let panicked = std::panic::catch_unwind(|| german(|| panic!("as planned")));
        assert!(panicked.is_err());
        assert_eq!(t("Search"), "Search");
    }
}

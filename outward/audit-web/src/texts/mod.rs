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
    use std::fs;
    use std::path::{Path, PathBuf};

    use super::*;

    fn german(page: impl FnOnce() -> String) -> String {
        Selected::of(Some("de"), &HeaderMap::new()).make(page)
    }

    /// Returns the Rust sources of the crate.
    fn sources() -> Vec<String> {
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
        files
            .iter()
            .map(|file| fs::read_to_string(file).expect("UTF-8"))
            .collect()
    }

    #[test]
    fn each_text_of_the_sources_has_a_translation() {
        let mut found = 0;
        for source in sources() {
            // Not this file, in which the call is a text.
            for call in source.split("(t(\"").skip(1) {
                let end = call.find("\")").expect("the end of the text");
                let text = &call[..end];
                if !text.contains('\n') {
                    assert!(GERMAN.contains_key(text), "{text:?} is not in de.txt");
                    found += 1;
                }
            }
        }
        assert!(found > 200, "only {found} texts were found");
    }

    #[test]
    fn each_translation_is_of_a_text_of_the_sources() {
        // Texts that other crates print: redactions, reasons of missing parts, dates, reasons of statuses.
        let printed = [
            "hashed",
            "recorded masked",
            "recorded as a token",
            "the trail begins later",
        ];
        let day = |day: i64| chrono::DateTime::UNIX_EPOCH + chrono::TimeDelta::days(day);
        let is_date = |text: &str| {
            let mut days = (0..365).map(|number| day(number).format("%A %B").to_string());
            days.any(|names| names.split(' ').any(|name| name == text))
        };
        let is_status = |text: &str| {
            let mut codes = (400..600).filter_map(|code| http::StatusCode::from_u16(code).ok());
            codes.any(|status| status.canonical_reason() == Some(text))
        };
        let sources = sources().concat();
        for text in GERMAN.keys() {
            let is_used = sources.contains(&format!("\"{text}\""));
            let is_printed = printed.contains(text) || is_status(text) || is_date(text);
            assert!(is_used || is_printed, "{text:?} is unused");
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

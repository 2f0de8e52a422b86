//! Stored texts, which an attacker may have written.

use crate::texts::t;
use audit_core::backend::is_misleading;
use maud::{Markup, PreEscaped, Render, html};

/// The number of misleading characters, or runs of one, that are shown by their code points in one
/// text. Each takes more than 30 bytes of a page, so later ones are shown as [`REPLACEMENT`].
const CODES: usize = 8;
/// The sign in the position of a misleading character after the first ones.
const REPLACEMENT: &str = "\u{fffd}";

/// Shows a text on one line: misleading characters are shown by their code points.
pub(crate) fn safe(text: &str) -> Markup {
    shown(text, &[])
}

/// Shows a text with its line ends and tabs. Other misleading characters are shown by their code
/// points.
pub(crate) fn safe_block(text: &str) -> Markup {
    shown(text, &['\n', '\t'])
}

/// Returns a text for a title, which has no elements.
pub(crate) fn plain(text: &str) -> String {
    let (text, is_cut) = cut(text, 120);
    let mut plain = text.replace(is_misleading, REPLACEMENT);
    if is_cut {
        plain.push('…');
    }
    plain
}

fn shown(text: &str, kept: &[char]) -> Markup {
    let is_shown_by_code = |c: char| is_misleading(c) && !kept.contains(&c);
    let mut page = String::with_capacity(text.len());
    let mut codes = 0;
    let mut rest = text;
    while let Some((start, c)) = rest.char_indices().find(|(_, c)| is_shown_by_code(*c)) {
        rest[..start].render_to(&mut page);
        let run = rest[start..].trim_start_matches(c);
        let count = (rest.len() - start - run.len()) / c.len_utf8();
        rest = run;
        codes += 1;
        if codes > CODES {
            page.push_str(REPLACEMENT);
            continue;
        }
        let code = html! {
            span.code {
                (format!("U+{:04X}", u32::from(c)))
                @if count > 1 { " ×" (count) }
            }
        };
        page.push_str(&code.0);
    }
    rest.render_to(&mut page);
    PreEscaped(page)
}

/// Shows the first characters of a text on one line, and a sign if there are more.
pub(crate) fn short(text: &str, characters: usize) -> Markup {
    let (shown, is_cut) = cut(text, characters);
    html! { (safe(shown)) @if is_cut { span.more title=(t("shortened")) { "…" } } }
}

/// Returns the first characters of a text, and whether there are more.
pub(crate) fn cut(text: &str, characters: usize) -> (&str, bool) {
    match text.char_indices().nth(characters) {
        Some((end, _)) => (&text[..end], true),
        None => (text, false),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markup_and_misleading_characters_are_text() {
        assert_eq!(
            safe("<script>\u{202e}x\n").into_string(),
            "&lt;script&gt;<span class=\"code\">U+202E</span>x<span class=\"code\">U+000A</span>"
        );
        assert_eq!(safe_block("a\n\tb").into_string(), "a\n\tb");
        assert_eq!(plain("a\u{202e}<b"), "a\u{fffd}<b");
    }

    #[test]
    fn misleading_characters_take_little_space() {
        assert_eq!(
            safe(&"\u{202e}".repeat(65_536)).into_string(),
            "<span class=\"code\">U+202E ×65536</span>"
        );
        let mixed = safe(&"\u{202e}\u{202d}".repeat(1_000)).into_string();
        assert!(mixed.len() < 8_000, "{}", mixed.len());
        assert!(!mixed.contains('\u{202e}'), "{mixed}");
    }
}

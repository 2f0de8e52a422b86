//! Stored texts, which an attacker may have written.

use crate::texts::t;
use audit_core::backend::is_misleading;
use maud::{Render, html};

/// The number of misleading characters, or runs of one, that are shown by their code points in one
/// text. Each takes more than 30 bytes of a page, so later ones are shown as [`REPLACEMENT`].
const CODES: usize = 8;
/// The sign in the position of a misleading character after the first ones.
const REPLACEMENT: &str = "\u{fffd}";
/// The sign of a line break in a text that is shown on one line.
const LINE_BREAK: &str = "↵";

/// How the line breaks and tabs of a text are shown.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Breaks {
    /// By their code points, as other control characters.
    Codes,
    /// As they are.
    Lines,
    /// A line break as [`LINE_BREAK`], and a tab as a space.
    Signs,
}

/// A stored text as it is shown.
#[derive(Clone, Copy)]
pub(crate) struct Text<'t> {
    stored: &'t str,
    breaks: Breaks,
    /// Whether a sign shows that the text is longer.
    is_cut: bool,
}

/// Shows a text on one line: misleading characters are shown by their code points.
pub(crate) fn safe(text: &str) -> Text<'_> {
    Text {
        stored: text,
        breaks: Breaks::Codes,
        is_cut: false,
    }
}

/// Shows a text with its line ends and tabs. Other misleading characters are shown by their code
/// points.
pub(crate) fn safe_block(text: &str) -> Text<'_> {
    Text {
        breaks: Breaks::Lines,
        ..safe(text)
    }
}

/// Returns a text for a title, which has no elements.
pub(crate) fn plain(text: &str) -> String {
    let (text, is_cut) = cut(text, 120);
    let text = text.replace("\r\n", " ").replace(['\n', '\t'], " ");
    let mut plain = text.replace(is_misleading, REPLACEMENT);
    if is_cut {
        plain.push('…');
    }
    plain
}

impl Render for Text<'_> {
    fn render_to(&self, page: &mut String) {
        if is_plain(self.stored) {
            page.push_str(self.stored);
        } else {
            render_escaped(self.stored, self.breaks, page);
        }
        if self.is_cut {
            let sign = html! { span.more title=(t("shortened")) { "…" } };
            page.push_str(&sign.0);
        }
    }
}

fn render_escaped(text: &str, breaks: Breaks, page: &mut String) {
    let is_shown_otherwise =
        |c: char| is_misleading(c) && !(breaks == Breaks::Lines && matches!(c, '\n' | '\t'));
    let (mut codes, mut signs) = (0, 0);
    let mut rest = text;
    while let Some((start, c)) = rest.char_indices().find(|(_, c)| is_shown_otherwise(*c)) {
        rest[..start].render_to(page);
        rest = &rest[start..];
        if breaks == Breaks::Signs {
            if let Some(next) = rest.strip_prefix("\r\n").or(rest.strip_prefix('\n')) {
                rest = next;
                signs += 1;
                // The title takes space, too.
                let title = (signs <= CODES).then(|| t("line break"));
                let sign = html! {
                    @if let Some(title) = title { span.break title=(title) { (LINE_BREAK) } }
                    @else { (LINE_BREAK) }
                };
                page.push_str(&sign.0);
                continue;
            }
            if let Some(next) = rest.strip_prefix('\t') {
                rest = next;
                page.push(' ');
                continue;
            }
        }
        let run = rest.trim_start_matches(c);
        let count = (rest.len() - run.len()) / c.len_utf8();
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
    rest.render_to(page);
}

/// Returns whether a text is printable ASCII without characters that HTML reads as markup, as most texts on a page
/// are. Reads all of it, so that the compiler compares many bytes at once.
fn is_plain(text: &str) -> bool {
    text.bytes().fold(true, |is_plain, byte| {
        let is_printable = (b' '..=b'~').contains(&byte);
        is_plain & is_printable & !matches!(byte, b'"' | b'&' | b'<' | b'>')
    })
}

/// Shows the first characters of a text on one line, with signs of its line breaks, and a sign if
/// there are more.
pub(crate) fn short(text: &str, characters: usize) -> Text<'_> {
    let (text, is_cut) = cut(text, characters);
    Text {
        stored: text,
        breaks: Breaks::Signs,
        is_cut,
    }
}

/// Returns the first characters of a text, and whether there are more.
pub(crate) fn cut(text: &str, characters: usize) -> (&str, bool) {
    // A character has at least one byte.
    if text.len() <= characters {
        return (text, false);
    }
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
            safe("<script>\u{202e}x\n").render().into_string(),
            "&lt;script&gt;<span class=\"code\">U+202E</span>x<span class=\"code\">U+000A</span>"
        );
        assert_eq!(safe_block("a\n\tb").render().into_string(), "a\n\tb");
        assert_eq!(plain("a\u{202e}<b"), "a\u{fffd}<b");
    }

    #[test]
    fn plain_texts_are_those_that_are_shown_as_they_are() {
        for c in (0..=0x2ff).filter_map(char::from_u32) {
            let text = format!("a{c}b");
            let is_shown_as_it_is = !is_misleading(c) && text.render().0 == text;
            assert_eq!(is_plain(&text), c.is_ascii() && is_shown_as_it_is, "{c:?}");
        }
        assert!(is_plain(""));
    }

    #[test]
    fn a_text_of_several_lines_has_signs_of_its_line_breaks_in_a_list() {
        let sign = "<span class=\"break\" title=\"line break\">↵</span>";
        assert_eq!(
            short("a\n\n\tb\r\nc", 80).render().into_string(),
            format!("a{sign}{sign} b{sign}c")
        );
        // A carriage return alone would hide a line on a terminal.
        assert_eq!(
            short("a\rb\u{202e}", 80).render().into_string(),
            "a<span class=\"code\">U+000D</span>b<span class=\"code\">U+202E</span>"
        );
        let many = short(&"x\n".repeat(40), 80).render().into_string();
        assert_eq!(many.matches('↵').count(), 40, "{many}");
        assert!(!many.contains('\u{fffd}') && many.len() < 700, "{many}");
        let mixed = short("\n\n\n\n\n\n\n\n\n\u{1b}", 80).render().into_string();
        assert!(
            mixed.ends_with("↵<span class=\"code\">U+001B</span>"),
            "{mixed}"
        );
        assert_eq!(plain("a\r\nb\tc\u{7}"), "a b c\u{fffd}");
    }

    #[test]
    fn misleading_characters_take_little_space() {
        assert_eq!(
            safe(&"\u{202e}".repeat(65_536)).render().into_string(),
            "<span class=\"code\">U+202E ×65536</span>"
        );
        let mixed = safe(&"\u{202e}\u{202d}".repeat(1_000))
            .render()
            .into_string();
        assert!(mixed.len() < 8_000, "{}", mixed.len());
        assert!(!mixed.contains('\u{202e}'), "{mixed}");
    }
}

//! U+2028 and U+2029 in YAML of version 1.1.
//!
//! To libyaml, and so to Psych, they are line breaks that stay in the text: it writes the indent
//! behind them and takes it away when it reads. To YAML 1.2, and so to the parser here, they are
//! characters like others. Before a text is parsed, each is replaced by a mark on the same line,
//! without the blanks that belong to the break, and after it each mark is a separator again.

/// The separators of lines and paragraphs.
const SEPARATORS: [char; 2] = ['\u{2028}', '\u{2029}'];

/// The characters that replace the separators while a text is parsed; the text has none of them.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Marks(Option<[char; 2]>);

impl Marks {
    /// Replaces the separators in a text that has some.
    pub(super) fn replace(text: &str) -> (String, Self) {
        let mut unused = ('\u{e000}'..='\u{f8ff}').filter(|c| !text.contains(*c));
        let marks = match (unused.next(), unused.next()) {
            (Some(line), Some(paragraph)) if text.contains(SEPARATORS) => [line, paragraph],
            _ => return (text.to_owned(), Self(None)),
        };
        let mut writer = Writer {
            marks,
            out: String::with_capacity(text.len()),
            context: Context::Outside,
        };
        for line in text.split_inclusive('\n') {
            writer.line(line);
        }
        (writer.out, Self(Some(marks)))
    }

    /// Puts the separators back into a scalar.
    pub(super) fn restore(self, text: &str) -> String {
        match self.0 {
            Some([line, paragraph]) => text
                .replace(line, "\u{2028}")
                .replace(paragraph, "\u{2029}"),
            None => text.to_owned(),
        }
    }
}

/// The kind of text at the current position.
#[derive(Clone, Copy, Debug)]
enum Context {
    Outside,
    /// In a scalar in quotes that began at a column.
    Quoted {
        quote: char,
        column: usize,
    },
    /// In a block scalar: it ends at a line that is less indented than `parent`; its text begins
    /// at `indent`, which is unknown before its first line.
    Block {
        parent: usize,
        indent: Option<usize>,
        folded: bool,
    },
}

struct Writer {
    marks: [char; 2],
    out: String,
    context: Context,
}

impl Writer {
    fn line(&mut self, line: &str) {
        if let Context::Block { parent, indent, .. } = self.context {
            let blank = |c: char| c == ' ' || c == '\n' || SEPARATORS.contains(&c);
            let content = line.trim_start_matches(blank);
            let spaces = width(line);
            let ends = !content.is_empty() && !line.starts_with(SEPARATORS) && {
                indent.map_or(spaces <= parent && parent > 0, |indent| spaces < indent)
            };
            if ends {
                self.context = Context::Outside;
            }
        }
        match self.context {
            Context::Block { .. } => self.block_line(line),
            Context::Outside | Context::Quoted { .. } => self.flow_line(line),
        }
    }

    fn mark(&self, separator: char) -> char {
        self.marks[usize::from(separator == SEPARATORS[1])]
    }

    /// Writes a line of a block scalar: the indent is taken from each part of it.
    fn block_line(&mut self, line: &str) {
        let Context::Block {
            parent,
            indent,
            folded,
        } = self.context
        else {
            return;
        };
        let indent = indent.unwrap_or_else(|| width(line));
        let text = line.strip_suffix('\n').unwrap_or(line);
        if !text.trim_start_matches(' ').is_empty() {
            self.context = Context::Block {
                parent,
                indent: Some(indent),
                folded,
            };
        }
        if text.starts_with(SEPARATORS) {
            self.out.push_str(&" ".repeat(indent));
        }
        let mut rest = text;
        while let Some(at) = rest.find(SEPARATORS) {
            let (before, after) = rest.split_at(at);
            self.out.push_str(before);
            let mut chars = after.chars();
            let separator = chars.next().unwrap_or_default();
            self.out.push(self.mark(separator));
            rest = chars.as_str();
            let indented = width(rest).min(indent);
            rest = &rest[indented..];
        }
        self.out.push_str(rest);
        let ended = line.len() > text.len();
        if ended {
            self.out.push('\n');
        }
        // A break after a separator is kept, where one after a word is folded.
        if ended && folded && text.ends_with(SEPARATORS) {
            self.out.push('\n');
        }
    }

    /// Writes any other line, and finds the scalars that begin and end in it.
    fn flow_line(&mut self, line: &str) {
        let mut chars = line.char_indices().peekable();
        while let Some((at, c)) = chars.next() {
            match self.context {
                Context::Quoted { quote, column } if SEPARATORS.contains(&c) => {
                    while self.out.ends_with([' ', '\t']) {
                        self.out.pop();
                    }
                    if self.out.ends_with('\n') {
                        self.out.push_str(&" ".repeat(column + 1));
                    }
                    self.out.push(self.mark(c));
                    while chars.next_if(|(_, c)| matches!(c, ' ' | '\t')).is_some() {}
                    // A break after a separator is kept, where one after a word is folded.
                    if chars.peek().is_some_and(|(_, c)| *c == '\n') {
                        self.out.push('\n');
                    }
                    self.context = Context::Quoted { quote, column };
                }
                Context::Quoted { quote, .. } => {
                    self.out.push(c);
                    if c == '\\' && quote == '"' {
                        self.out.extend(chars.next().map(|(_, escaped)| escaped));
                    } else if c == quote {
                        let twice = quote == '\'' && chars.next_if(|(_, c)| *c == '\'').is_some();
                        if twice {
                            self.out.push('\'');
                        } else {
                            self.context = Context::Outside;
                        }
                    }
                }
                Context::Outside | Context::Block { .. } => {
                    self.out.push(c);
                    if matches!(c, '\'' | '"') && begins_scalar(&line[..at]) {
                        self.context = Context::Quoted {
                            quote: c,
                            column: at,
                        };
                    } else if matches!(c, '|' | '>')
                        && begins_scalar(&line[..at])
                        && let Some(explicit) = header(&line[at + 1..])
                    {
                        let parent = parent_of(&line[..at]);
                        self.context = Context::Block {
                            parent,
                            indent: explicit.map(|more| parent + more),
                            folded: c == '>',
                        };
                    }
                }
            }
        }
    }
}

/// Returns how many blanks a text begins with.
fn width(text: &str) -> usize {
    text.len() - text.trim_start_matches(' ').len()
}

/// Returns whether a scalar begins after the text before it on its line, and not a part of a scalar.
fn begins_scalar(before: &str) -> bool {
    let trimmed = before.trim_end_matches(' ');
    let word = trimmed.rsplit(' ').next().unwrap_or_default();
    trimmed.is_empty()
        || trimmed.ends_with(['[', '{', ','])
        || before.ends_with(' ')
            && (trimmed.ends_with([':', '-', '?']) || word.starts_with(['!', '&']))
}

/// Reads the header of a block scalar after its sign: the indent, if one is given; `None` if it is
/// not a header.
#[expect(
    clippy::option_option,
    reason = "no block scalar, and one without an indent"
)]
fn header(after: &str) -> Option<Option<usize>> {
    let after = after.trim_end();
    let valid = after.chars().all(|c| matches!(c, '+' | '-' | '1'..='9'));
    if !valid || after.len() > 2 {
        return None;
    }
    let digit = after.chars().find_map(|c| c.to_digit(10));
    Some(digit.and_then(|digit| usize::try_from(digit).ok()))
}

/// Returns the indent of a scalar's parent: of the last key or dash before it on the line.
fn parent_of(before: &str) -> usize {
    let mut at = width(before);
    while let Some(rest) = before[at..].strip_prefix("- ") {
        let next = at + 2 + width(rest);
        let item = &before[next..];
        // The dash is the last thing, but for a tag.
        if item.is_empty() || item.starts_with(['!', '&']) {
            return at;
        }
        at = next;
    }
    at
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use proptest::prelude::*;
    use serde_json::json;

    use crate::yaml::{Notes, parse};

    fn is_break(c: char) -> bool {
        matches!(c, '\n' | '\u{2028}' | '\u{2029}')
    }

    /// Writes a text in single quotes as libyaml's emitter does, without folding.
    fn single_quoted(text: &str, indent: usize) -> String {
        let mut out = String::from("'");
        let mut breaks = false;
        for c in text.chars() {
            if is_break(c) {
                if !breaks && c == '\n' {
                    out.push('\n');
                }
                out.push(c);
                breaks = true;
            } else {
                if breaks {
                    out.push_str(&" ".repeat(indent));
                }
                out.push(c);
                if c == '\'' {
                    out.push(c);
                }
                breaks = false;
            }
        }
        if breaks {
            out.push_str(&" ".repeat(indent));
        }
        out.push('\'');
        out
    }

    /// Writes a text as a literal as libyaml's emitter does.
    fn literal(text: &str, indent: usize) -> String {
        let mut out = String::from("|");
        if text.starts_with(|c| c == ' ' || is_break(c)) {
            out.push('2');
        }
        let mut ends = text.chars().rev();
        match (ends.next(), ends.next()) {
            (Some(last), _) if !is_break(last) => out.push('-'),
            (Some(_), Some(before)) if is_break(before) => out.push('+'),
            (_, None) => out.push('+'),
            _ => {}
        }
        out.push('\n');
        let mut breaks = true;
        for c in text.chars() {
            if !is_break(c) && breaks {
                out.push_str(&" ".repeat(indent));
            }
            out.push(c);
            breaks = is_break(c);
        }
        if !breaks {
            out.push('\n');
        }
        out
    }

    fn read(yaml: &str) -> serde_json::Value {
        parse(yaml, &mut Notes::default()).unwrap_or_else(|error| panic!("{error}: {yaml:?}"))
    }

    #[test]
    fn escaped_and_single_line_texts_stay() {
        let yaml =
            "---\na: \"north\\L south \\P \\N\"\nb: rock 'n\u{2028}  roll\nc: '\u{e000}\u{2029}'\n";
        let value = read(yaml);
        assert_eq!(value["a"], "north\u{2028} south \u{2029} \u{85}");
        assert_eq!(value["c"], "\u{e000}\u{2029}");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4_000))]

        #[test]
        fn texts_that_libyaml_writes_are_read(
            texts in proptest::collection::vec("[ab' \n\u{2028}\u{2029}]{0,8}", 1..4),
            literally in any::<bool>(),
        ) {
            // Of blanks beside breaks libyaml writes the text in double quotes, escaped.
            let plain = |text: &String| {
                let chars: Vec<char> = text.chars().collect();
                let beside = chars
                    .windows(2)
                    .any(|pair| is_break(pair[0]) && pair[1] == ' ' || pair[0] == ' ' && is_break(pair[1]));
                // A literal without any text is written in quotes as well, and one that ends in
                // a separator is chomped like one that ends in a break.
                let last = chars.last().is_none_or(|c| !is_break(*c) || !literally);
                !beside && !text.ends_with(' ') && !text.starts_with(' ') && last && text.chars().any(|c| !is_break(c))
            };
            let texts: Vec<String> = texts.into_iter().filter(plain).collect();
            let write = |text: &str, indent| {
                if literally { literal(text, indent) } else { single_quoted(text, indent) + "\n" }
            };
            let mut yaml = String::from("---\n");
            for (number, text) in texts.iter().enumerate() {
                let text = write(text, 2);
                write!(yaml, "k{number}: {text}l{number}:\n- old\n- {text}").expect("a string takes it");
            }
            if !texts.is_empty() {
                let value = read(&yaml);
                for (number, text) in texts.iter().enumerate() {
                    prop_assert_eq!(&value[format!("k{number}")], text, "{:?}", yaml);
                    prop_assert_eq!(&value[format!("l{number}")], &json!(["old", text]), "{:?}", yaml);
                }
            }
        }
    }
}

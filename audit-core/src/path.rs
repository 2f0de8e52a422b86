//! Paths of changes: where in an object a change happened.

use std::borrow::Cow;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::ops::Deref;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use serde_json::Value;

/// Where in an object a change happened, as text: a JSONPath (RFC 9535) without `$.`.
///
/// A field or a map's key is a name, in brackets and quotes where it is no plain word
/// (`address.city`, `labels['a.b']`), a list's item an index (`items[2].qty`), a member of a
/// set its value in brackets and quotes (`roles['admin']`), and an item of a list that is
/// matched by key that key (`items[sku='A1'].qty`). The object itself is `$`.
///
/// Two paths are equal if they name the same place: `labels.env` equals `labels['env']`.
#[derive(Clone)]
pub struct Path(Cow<'static, str>);

/// One step of a [`Path`].
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum PathSegment {
    /// A field's name, a map's key or a set's member.
    Name(String),
    /// The index of a list's item.
    Index(usize),
    /// The item of a list whose field has this value.
    Match {
        /// The field that identifies the items.
        field: String,
        /// The field's value, a string or a number.
        value: Value,
    },
}

impl Path {
    /// The object itself.
    pub const ROOT: Self = Self(Cow::Borrowed("$"));

    pub(crate) fn of_field(name: &'static str) -> Self {
        Node::below(None, Segment::Field(name)).to_path()
    }

    pub(crate) fn of_key(name: &str) -> Self {
        Node::below(None, Segment::Name(name)).to_path()
    }

    pub(crate) fn of_index(index: usize) -> Self {
        Node::below(None, Segment::Index(index)).to_path()
    }

    /// Returns the text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the steps from the object to the place; none for the object itself.
    pub fn segments(&self) -> Vec<PathSegment> {
        // A `Path` is only ever made by rendering segments or by parsing.
        parse(&self.0).unwrap_or_default()
    }

    /// Returns the name of the top-level field the path lies in, `$` for the object itself.
    pub fn field(&self) -> Cow<'_, str> {
        let end = self.0.find(['.', '[']).unwrap_or(self.0.len());
        if end > 0 {
            return Cow::Borrowed(&self.0[..end]);
        }
        match self.segments().into_iter().next() {
            Some(PathSegment::Name(name)) => Cow::Owned(name),
            Some(PathSegment::Index(index)) => Cow::Owned(index.to_string()),
            Some(PathSegment::Match { .. }) | None => Cow::Borrowed("$"),
        }
    }

    /// Returns whether `self` is `other` or lies inside it.
    pub fn is_within(&self, other: &Path) -> bool {
        self.segments().starts_with(&other.segments())
    }

    /// Makes a path of its steps.
    pub fn from_segments(segments: &[PathSegment]) -> Self {
        let mut text = String::new();
        for segment in segments {
            match segment {
                PathSegment::Name(name) => Segment::Name(name).render(&mut text),
                PathSegment::Index(index) => Segment::Index(*index).render(&mut text),
                PathSegment::Match { field, value } => {
                    Segment::Match { field, value }.render(&mut text);
                }
            }
        }
        if text.is_empty() {
            Self::ROOT
        } else {
            Self(Cow::Owned(text))
        }
    }
}

impl Deref for Path {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl AsRef<str> for Path {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl PartialEq for Path {
    fn eq(&self, other: &Self) -> bool {
        *self == *other.0
    }
}

impl Eq for Path {}

impl PartialEq<str> for Path {
    fn eq(&self, other: &str) -> bool {
        self.0 == other
            || ((self.0.contains('[') || other.contains('['))
                && parse(other).is_ok_and(|other| self.segments() == other))
    }
}

impl PartialEq<&str> for Path {
    fn eq(&self, other: &&str) -> bool {
        *self == **other
    }
}

impl PartialEq<String> for Path {
    fn eq(&self, other: &String) -> bool {
        *self == **other
    }
}

impl PartialEq<Path> for str {
    fn eq(&self, other: &Path) -> bool {
        other == self
    }
}

impl PartialEq<Path> for &str {
    fn eq(&self, other: &Path) -> bool {
        other == *self
    }
}

impl Hash for Path {
    fn hash<H: Hasher>(&self, state: &mut H) {
        for segment in self.segments() {
            match segment {
                PathSegment::Name(name) => name.hash(state),
                PathSegment::Index(index) => index.hash(state),
                PathSegment::Match { field, value } => {
                    field.hash(state);
                    value.to_string().hash(state);
                }
            }
        }
    }
}

impl PartialOrd for Path {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Path {
    /// Orders by steps; indices by number, so that `items[10]` follows `items[9]`.
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        fn key(segment: &PathSegment) -> (u8, &str, usize, String) {
            match segment {
                PathSegment::Index(index) => (0, "", *index, String::new()),
                PathSegment::Match { field, value } => (1, field, 0, value.to_string()),
                PathSegment::Name(name) => (2, name, 0, String::new()),
            }
        }
        let (left, right) = (self.segments(), other.segments());
        left.iter().map(key).cmp(right.iter().map(key))
    }
}

impl FromStr for Path {
    type Err = ParsePathError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        parse(text)?;
        Ok(Self(Cow::Owned(text.to_owned())))
    }
}

impl Serialize for Path {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Path {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(de::Error::custom)
    }
}

/// One step below another, kept on the stack while the diff walks.
#[derive(Debug)]
pub(crate) struct Node<'n> {
    segment: Segment<'n>,
    parent: Option<&'n Node<'n>>,
    depth: usize,
}

/// One step of a path that is being walked.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Segment<'n> {
    /// A field's declared name.
    Field(&'static str),
    /// A map's key.
    Name(&'n str),
    /// The index of a list's item.
    Index(usize),
    /// A set's member.
    Member(&'n str),
    /// The item of a list whose field has this value.
    Match { field: &'n str, value: &'n Value },
}

impl<'n> Node<'n> {
    pub(crate) fn below(parent: Option<&'n Node<'n>>, segment: Segment<'n>) -> Self {
        Self {
            segment,
            parent,
            depth: parent.map_or(0, Node::depth) + 1,
        }
    }

    pub(crate) fn depth(&self) -> usize {
        self.depth
    }

    pub(crate) fn to_path(&self) -> Path {
        if let (None, Segment::Field(name)) = (self.parent, self.segment)
            && is_plain(name)
        {
            return Path(Cow::Borrowed(name));
        }
        let mut text = String::new();
        self.write(&mut text);
        Path(Cow::Owned(text))
    }

    fn write(&self, text: &mut String) {
        if let Some(parent) = self.parent {
            parent.write(text);
        }
        self.segment.render(text);
    }

    /// Returns the path of `at`.
    pub(crate) fn render(at: Option<&Node<'_>>) -> Path {
        at.map_or(Path::ROOT, Node::to_path)
    }
}

impl Segment<'_> {
    fn render(self, text: &mut String) {
        match self {
            Segment::Field(name) | Segment::Name(name) if is_plain(name) => {
                if !text.is_empty() {
                    text.push('.');
                }
                text.push_str(name);
            }
            Segment::Field(name) | Segment::Name(name) | Segment::Member(name) => {
                text.push('[');
                quote(name, text);
                text.push(']');
            }
            Segment::Index(index) => {
                text.push('[');
                text.push_str(&index.to_string());
                text.push(']');
            }
            Segment::Match { field, value } => {
                text.push('[');
                if is_plain(field) {
                    text.push_str(field);
                } else {
                    quote(field, text);
                }
                text.push('=');
                match value {
                    Value::String(value) => quote(value, text),
                    other => text.push_str(&other.to_string()),
                }
                text.push(']');
            }
        }
    }
}

/// Whether a name can stand without quotes (RFC 9535, `member-name-shorthand`).
fn is_plain(name: &str) -> bool {
    let mut chars = name.chars();
    let first = |c: char| c.is_ascii_alphabetic() || c == '_' || !c.is_ascii();
    chars.next().is_some_and(first) && chars.all(|c| first(c) || c.is_ascii_digit())
}

/// Appends a string literal in single quotes (RFC 9535, `string-literal`).
fn quote(name: &str, text: &mut String) {
    text.push('\'');
    for c in name.chars() {
        match c {
            '\'' => text.push_str("\\'"),
            '\\' => text.push_str("\\\\"),
            '\u{8}' => text.push_str("\\b"),
            '\t' => text.push_str("\\t"),
            '\n' => text.push_str("\\n"),
            '\u{c}' => text.push_str("\\f"),
            '\r' => text.push_str("\\r"),
            c if c < ' ' => text.push_str(&format!("\\u{:04x}", c as u32)),
            c => text.push(c),
        }
    }
    text.push('\'');
}

/// The text is no path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParsePathError {
    text: String,
    at: usize,
    expected: &'static str,
}

impl fmt::Display for ParsePathError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "`{}` is no path: expected {} at column {}",
            self.text.escape_debug(),
            self.expected,
            self.at + 1
        )
    }
}

impl std::error::Error for ParsePathError {}

fn parse(text: &str) -> Result<Vec<PathSegment>, ParsePathError> {
    let mut parser = Parser { text, at: 0 };
    parser.path().map_err(|expected| ParsePathError {
        text: text.to_owned(),
        at: text[..parser.at].chars().count(),
        expected,
    })
}

struct Parser<'t> {
    text: &'t str,
    at: usize,
}

impl Parser<'_> {
    fn path(&mut self) -> Result<Vec<PathSegment>, &'static str> {
        let mut segments = Vec::new();
        if self.eat("$") {
            if !self.rest().is_empty() && !self.rest().starts_with(['.', '[']) {
                return Err("`.` or `[`");
            }
        } else if !self.rest().starts_with('[') {
            segments.push(PathSegment::Name(self.word()?));
        }
        while !self.rest().is_empty() {
            if self.eat(".") {
                segments.push(PathSegment::Name(self.word()?));
            } else if self.eat("[") {
                segments.push(self.bracket()?);
                if !self.eat("]") {
                    return Err("`]`");
                }
            } else {
                return Err("`.` or `[`");
            }
        }
        Ok(segments)
    }

    fn bracket(&mut self) -> Result<PathSegment, &'static str> {
        let rest = self.rest();
        if rest.starts_with(|c: char| c.is_ascii_digit()) {
            return Ok(PathSegment::Index(self.index()?));
        }
        let quoted = rest.starts_with('\'');
        let name = if quoted {
            self.literal()?
        } else {
            self.word()?
        };
        if self.eat("=") {
            let value = if self.rest().starts_with('\'') {
                Value::String(self.literal()?)
            } else {
                let end = self.rest().find(']').unwrap_or(self.rest().len());
                let number: Value = serde_json::from_str(&self.rest()[..end])
                    .map_err(|_| "a string or a number")?;
                self.at += end;
                number
            };
            return Ok(PathSegment::Match { field: name, value });
        }
        if quoted {
            Ok(PathSegment::Name(name))
        } else {
            Err("`=`")
        }
    }

    fn rest(&self) -> &str {
        &self.text[self.at..]
    }

    fn eat(&mut self, token: &str) -> bool {
        let found = self.rest().starts_with(token);
        if found {
            self.at += token.len();
        }
        found
    }

    fn word(&mut self) -> Result<String, &'static str> {
        let rest = self.rest();
        let end = rest
            .find(|c: char| c.is_ascii() && !c.is_ascii_alphanumeric() && c != '_')
            .unwrap_or(rest.len());
        let word = &rest[..end];
        if !is_plain(word) {
            return Err("a name");
        }
        let word = word.to_owned();
        self.at += end;
        Ok(word)
    }

    fn index(&mut self) -> Result<usize, &'static str> {
        let rest = self.rest();
        let end = rest
            .find(|c: char| !c.is_ascii_digit())
            .unwrap_or(rest.len());
        let digits = &rest[..end];
        if digits.len() > 1 && digits.starts_with('0') {
            return Err("an index without leading zeros");
        }
        let index = digits.parse().map_err(|_| "an index")?;
        self.at += end;
        Ok(index)
    }

    fn literal(&mut self) -> Result<String, &'static str> {
        let mut literal = String::new();
        let mut chars = self.rest().char_indices().skip(1);
        while let Some((at, c)) = chars.next() {
            match c {
                '\'' => {
                    self.at += at + 1;
                    return Ok(literal);
                }
                '\\' => {
                    let escaped = match chars.next().map(|(_, c)| c) {
                        Some(c @ ('\'' | '\\' | '/' | '"')) => c,
                        Some('b') => '\u{8}',
                        Some('t') => '\t',
                        Some('n') => '\n',
                        Some('f') => '\u{c}',
                        Some('r') => '\r',
                        Some('u') => {
                            let digits: String = chars.by_ref().take(4).map(|(_, c)| c).collect();
                            u32::from_str_radix(&digits, 16)
                                .ok()
                                .and_then(char::from_u32)
                                .ok_or("four hexadecimal digits of a character")?
                        }
                        _ => return Err("a known escape"),
                    };
                    literal.push(escaped);
                }
                c if c < ' ' => return Err("an escaped control character"),
                c => literal.push(c),
            }
        }
        Err("a closing quote")
    }
}

//! Paths of changes: parsed, compared, walked and printed.

mod parse;
mod walk;

use std::borrow::Cow;
use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::ops::Deref;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

pub use self::parse::ParsePathError;
use self::parse::{Literal, Parser, Step};
pub(crate) use self::parse::{MAX_INDEX, split_at_equals};
pub(crate) use self::walk::{Node, Segment};
use crate::json::nesting;
use crate::json::number::number_value;
use crate::parsed;

/// The path of a change within an object, as text: a `JSONPath` (RFC 9535) without `$.`.
///
/// - A field or a map's key is a name, in brackets and quotes if it is not a plain word:
///   `address.city`, `labels['a.b']`.
/// - An item of a list is an index (`items[2].qty`) or, in a list matched by key, that key
///   (`items[sku='A1'].qty`).
/// - A member of a set is its value in brackets and quotes: `roles['admin']`.
/// - The object itself is `$`.
///
/// Two paths are equal if they consist of the same steps: `labels.env` equals `labels['env']`.
///
/// A parsed text may start with `$` and use double quotes, whitespace inside brackets and every
/// escape of RFC 9535. The path stores the shortest spelling, but keeps the brackets of a plain
/// word.
///
/// # Example: two spellings of one path
/// ```
/// use auditlog::Path;
///
/// let path: Path = r#"$["labels"]["a.b"]"#.parse()?;
/// assert_eq!(path.as_str(), "['labels']['a.b']");
/// assert_eq!(path, "labels['a.b']");
///
/// let error = "items[2".parse::<Path>().unwrap_err();
/// assert_eq!(error.to_string(), "`items[2` is not a path: expected `]` at column 8");
/// # Ok::<(), auditlog::ParsePathError>(())
/// ```
#[derive(Clone)]
pub struct Path(Cow<'static, str>);

/// One step of a [`Path`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PathSegment {
    /// A field's name, a map's key or a set's member.
    Name(String),
    /// The index of a list's item.
    Index(usize),
    /// The item of a list that is matched by key.
    Match {
        /// The field that identifies items.
        field: String,
        /// The value of that field: a string, a number, a boolean or a null.
        value: Value,
    },
}

impl Path {
    /// The path of the object itself.
    pub const ROOT: Self = Self(Cow::Borrowed("$"));

    /// Returns the path of a field whose name [`is_plain`].
    #[inline]
    pub(crate) const fn of_plain(name: &'static str) -> Self {
        Self(Cow::Borrowed(name))
    }

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

    /// Returns the name of a top-level field if it is the whole text of the path.
    pub(crate) fn as_plain(&self) -> Option<&str> {
        let plain = !self.0.is_empty() && !self.0.contains(['.', '[', '$']);
        plain.then_some(&*self.0)
    }

    /// Returns the steps of the path; none for the object itself.
    ///
    /// # Example: the steps
    /// ```
    /// use auditlog::{Path, PathSegment};
    ///
    /// let path: Path = "items[sku='A1'].qty".parse()?;
    /// assert_eq!(
    ///     path.segments(),
    ///     [
    ///         PathSegment::Name("items".into()),
    ///         PathSegment::Match { field: "sku".into(), value: "A1".into() },
    ///         PathSegment::Name("qty".into()),
    ///     ]
    /// );
    /// assert_eq!(Path::from_segments(&path.segments()), path);
    /// # Ok::<(), auditlog::ParsePathError>(())
    /// ```
    pub fn segments(&self) -> Vec<PathSegment> {
        self.steps().map(PathSegment::from).collect()
    }

    /// Returns the name of the top-level field that contains the path; `$` for the object itself.
    ///
    /// # Example: the column of a nested change
    /// ```
    /// use auditlog::Path;
    ///
    /// let path: Path = "address.city".parse()?;
    /// assert_eq!(path.field(), "address");
    /// assert_eq!(Path::ROOT.field(), "$");
    /// # Ok::<(), auditlog::ParsePathError>(())
    /// ```
    pub fn field(&self) -> Cow<'_, str> {
        let end = self.0.find(['.', '[']).unwrap_or(self.0.len());
        if end > 0 {
            return Cow::Borrowed(&self.0[..end]);
        }
        match self.steps().next() {
            Some(Step::Name(name)) => name,
            Some(Step::Index(index)) => Cow::Owned(index.to_string()),
            Some(Step::Match { .. }) | None => Cow::Borrowed("$"),
        }
    }

    /// Returns whether `self` equals `other` or is inside it.
    ///
    /// # Example: a part, and a name with the same beginning
    /// ```
    /// use auditlog::Path;
    ///
    /// let city: Path = "address.city".parse()?;
    /// assert!(city.is_within(&"address".parse()?));
    /// assert!(city.is_within(&Path::ROOT));
    /// assert!(!city.is_within(&"add".parse()?));
    /// # Ok::<(), auditlog::ParsePathError>(())
    /// ```
    pub fn is_within(&self, other: &Path) -> bool {
        if *other.0 == *Self::ROOT.0 {
            return true;
        }
        if let Some(rest) = self.0.strip_prefix(&*other.0) {
            return rest.is_empty() || rest.starts_with(['.', '[']);
        }
        if !self.0.contains('[') && !other.0.contains('[') {
            return false;
        }
        let mut steps = self.steps();
        other.steps().all(|step| steps.next() == Some(step))
    }

    /// Returns the value at the path in a state, if any. A member of a set is not found, since its
    /// path has no index.
    ///
    /// # Example: an item by its key
    /// ```
    /// use auditlog::Path;
    /// use serde_json::json;
    ///
    /// let state = json!({"items": [{"sku": "B2", "qty": 1}, {"sku": "A1", "qty": 5}]});
    /// let path: Path = "items[sku='A1'].qty".parse()?;
    /// assert_eq!(path.find_in(&state), Some(&json!(5)));
    /// # Ok::<(), auditlog::ParsePathError>(())
    /// ```
    pub fn find_in<'v>(&self, state: &'v Value) -> Option<&'v Value> {
        self.segments()
            .iter()
            .try_fold(state, |value, segment| match segment {
                PathSegment::Name(name) => value.get(name),
                PathSegment::Index(index) => value.get(index),
                PathSegment::Match { field, value: key } => {
                    let items = value.as_array()?;
                    items.get(find_item(items, field, key)?)
                }
            })
    }

    /// Builds a path from its steps.
    ///
    /// A [`PathSegment::Match`] whose value is an array or an object has no path syntax; the value
    /// is written as its JSON text.
    pub fn from_segments(segments: &[PathSegment]) -> Self {
        let mut text = String::new();
        for segment in segments {
            match segment {
                PathSegment::Name(name) => Segment::Name(name).render(&mut text),
                PathSegment::Index(index) => Segment::Index(*index).render(&mut text),
                PathSegment::Match { field, value } => {
                    Segment::Match {
                        field,
                        value,
                        index: 0,
                    }
                    .render(&mut text);
                }
            }
        }
        Self::from_text(text)
    }

    /// Returns the path of a text that [`Segment::render`] wrote.
    pub(crate) fn from_text(text: String) -> Self {
        if text.is_empty() {
            Self::ROOT
        } else {
            Self(Cow::Owned(text))
        }
    }

    /// Parses the steps of the text, which is always valid: a `Path` is built only by parsing or
    /// by rendering segments.
    fn steps(&self) -> impl Iterator<Item = Step<'_>> {
        let mut parser = Parser::new(&self.0);
        std::iter::from_fn(move || parser.next().ok().flatten().map(|(step, _)| step))
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
        // Two spellings of one path differ in `.name` and `['name']` only.
        self.0 == other.0
            || ((self.0.contains("['") || other.0.contains("['")) && self.steps().eq(other.steps()))
    }
}

impl Eq for Path {}

impl PartialEq<str> for Path {
    fn eq(&self, other: &str) -> bool {
        self.0 == other
            || ((self.0.contains('[') || other.contains(['[', '$']))
                && other.parse().is_ok_and(|other: Self| *self == other))
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
        for step in self.steps() {
            step.hash(state);
        }
    }
}

impl PartialOrd for Path {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Path {
    /// Compares step by step. Indices compare as numbers, so that `items[10]` follows `items[9]`.
    fn cmp(&self, other: &Self) -> Ordering {
        if self.0 == other.0 {
            return Ordering::Equal;
        }
        // Most paths are one name.
        if is_plain(&self.0) && is_plain(&other.0) {
            return self.0.cmp(&other.0);
        }
        self.steps().cmp(other.steps())
    }
}

impl FromStr for Path {
    type Err = ParsePathError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        // Most paths are one name, which is its own text.
        if is_plain(text) {
            return Ok(Self::from_text(text.to_owned()));
        }
        let mut parser = Parser::new(text);
        let mut path = String::with_capacity(text.len());
        loop {
            match parser.next() {
                Ok(Some((step, bracketed))) => step.render(bracketed, &mut path),
                Ok(None) => return Ok(Self::from_text(path)),
                Err(expected) => return Err(parser.error(expected)),
            }
        }
    }
}

impl Serialize for Path {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Path {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        parsed::deserialize(deserializer, "a path")
    }
}

impl From<Step<'_>> for PathSegment {
    fn from(step: Step<'_>) -> Self {
        match step {
            Step::Index(index) => Self::Index(index),
            Step::Name(name) => Self::Name(name.into_owned()),
            Step::Match { field, value } => Self::Match {
                field: field.into_owned(),
                value: value.to_value(),
            },
        }
    }
}

impl Step<'_> {
    fn render(&self, bracketed: bool, text: &mut String) {
        match self {
            Self::Index(index) => Segment::Index(*index).render(text),
            Self::Name(name) if bracketed => Segment::Member { name, index: 0 }.render(text),
            Self::Name(name) => Segment::Name(name).render(text),
            Self::Match { field, value } => Segment::Match {
                field,
                value: &value.to_value(),
                index: 0,
            }
            .render(text),
        }
    }
}

impl Literal<'_> {
    fn to_value(&self) -> Value {
        match self {
            Self::Text(text) => Value::String(text.clone().into_owned()),
            // The parser has checked that it is a JSON scalar.
            Self::Scalar(scalar) => match serde_json::from_str(scalar).unwrap_or_default() {
                Value::Number(number) => number_value(&number),
                scalar => scalar,
            },
        }
    }
}

/// Returns the key of a list's item: a field of a struct or an item of a tuple.
pub(crate) fn key_of<'v>(item: &'v Value, field: &str) -> Option<&'v Value> {
    match item {
        Value::Object(fields) => fields.get(field),
        Value::Array(parts) => parts.get(field.parse::<usize>().ok()?),
        _ => None,
    }
}

/// Returns the index of the list item with this key. Without an exact match it returns the item
/// whose key is the same number, since a decimal may be stored in another scale.
pub(crate) fn find_item(items: &[Value], field: &str, key: &Value) -> Option<usize> {
    let position = |same: fn(&Value, &Value) -> bool| {
        let has_key = |item| key_of(item, field).is_some_and(|found| same(found, key));
        items.iter().position(has_key)
    };
    position(nesting::equal).or_else(|| position(nesting::equal_ignoring_scale))
}

/// Returns whether a name needs no quotes (RFC 9535, `member-name-shorthand`).
pub(crate) const fn is_plain(name: &str) -> bool {
    // By bytes: all characters outside of ASCII are allowed, and so are their bytes.
    let mut rest = name.as_bytes();
    if let [] | [b'0'..=b'9', ..] = rest {
        return false;
    }
    while let [byte, after @ ..] = rest {
        if !matches!(byte, b'a'..=b'z' | b'_' | b'A'..=b'Z' | b'0'..=b'9' | 0x80..) {
            return false;
        }
        rest = after;
    }
    true
}

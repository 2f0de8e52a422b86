//! Paths under construction, while a diff or a report walks into a value.
//!
//! A [`Node`] is a step with a reference to its parent on the stack. A walk that finds no change builds no
//! text; [`Node::to_path`] renders the steps of a change from the root to the node.

use std::borrow::Cow;
use std::fmt::Write as _;

use serde_json::Value;

use super::{Path, is_plain};

/// One step of the path of a running diff.
#[derive(Debug)]
pub(crate) struct Node<'n> {
    segment: Segment<'n>,
    parent: Option<&'n Node<'n>>,
    depth: usize,
    /// Whether the step adds nothing to the path, as for the value of a newtype.
    inline: bool,
    /// Whether this is a flattened value or an inline value inside one.
    flattened: bool,
    /// The number of inline steps up to this one.
    inlined: usize,
    /// The number of steps up to this one that need an index besides their text.
    located: usize,
}

/// The part of a path that one step adds.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Segment<'n> {
    /// A declared field. `plain` is that of its `FieldSchema`: the name needs no
    /// quotes.
    Declared { name: &'static str, plain: bool },
    /// A field's name.
    Field(&'static str),
    /// A map's key.
    Name(&'n str),
    /// The index of a list's item.
    Index(usize),
    /// A set's member, with its index in the recorded array.
    Member { name: &'n str, index: usize },
    /// The item of a list whose field has this value, with its index.
    Match {
        field: &'n str,
        value: &'n Value,
        index: usize,
    },
}

impl<'n> Node<'n> {
    #[inline]
    pub(crate) fn below(parent: Option<&'n Node<'n>>, segment: Segment<'n>) -> Self {
        let (depth, inlined, located) = parent.map_or((0, 0, 0), |parent| {
            (parent.depth, parent.inlined, parent.located)
        });
        Self {
            segment,
            parent,
            depth: depth + 1,
            inline: false,
            flattened: false,
            inlined,
            located: located + usize::from(segment.index().is_some()),
        }
    }

    /// Returns a step that keeps the parent's path.
    pub(crate) fn inline(parent: Option<&'n Node<'n>>) -> Self {
        let node = Self::below(parent, Segment::Field(""));
        Self {
            inline: true,
            flattened: parent.is_some_and(|parent| parent.flattened),
            depth: node.depth - 1,
            inlined: node.inlined + 1,
            ..node
        }
    }

    /// Returns the step to a flattened value, which keeps the parent's path.
    pub(crate) fn flattened(parent: Option<&'n Node<'n>>) -> Self {
        Self {
            flattened: true,
            ..Self::inline(parent)
        }
    }

    pub(crate) fn is_flattened(&self) -> bool {
        self.flattened
    }

    pub(crate) fn inlined(&self) -> usize {
        self.inlined
    }

    pub(crate) fn depth(&self) -> usize {
        self.depth
    }

    /// Returns the name of `at` if it is the whole path, as for most changes.
    #[inline]
    pub(crate) fn plain(at: Option<&Node<'_>>) -> Option<&'static str> {
        match at {
            Some(Node {
                segment: Segment::Declared { name, plain: true },
                parent: None,
                ..
            }) => Some(name),
            _ => None,
        }
    }

    pub(crate) fn to_path(&self) -> Path {
        let mut node = self;
        while node.inline {
            match node.parent {
                Some(parent) => node = parent,
                None => return Path::ROOT,
            }
        }
        let mut parent = node.parent;
        while let Some(Node {
            inline: true,
            parent: next,
            ..
        }) = parent
        {
            parent = *next;
        }
        if let (None, Segment::Field(name)) = (parent, node.segment.named())
            && is_plain(name)
        {
            return Path(Cow::Borrowed(name));
        }
        let mut text = String::with_capacity(32);
        self.write(&mut text);
        Path(Cow::Owned(text))
    }

    fn write(&self, text: &mut String) {
        if let Some(parent) = self.parent {
            parent.write(text);
        }
        if !self.inline {
            self.segment.render(text);
        }
    }

    /// Returns the path of `at`.
    pub(crate) fn render(at: Option<&Node<'_>>) -> Path {
        at.map_or(Path::ROOT, Node::to_path)
    }

    /// Returns the indices of the keyed items and the set's member in the path of `at`.
    pub(crate) fn indices(at: Option<&Node<'_>>) -> Box<[usize]> {
        let Some(node) = at.filter(|node| node.located > 0) else {
            return Box::default();
        };
        let mut indices = Vec::with_capacity(node.located);
        let mut next = at;
        while let Some(node) = next {
            indices.extend(node.segment.index());
            next = node.parent;
        }
        indices.reverse();
        indices.into_boxed_slice()
    }
}

impl Segment<'_> {
    /// Converts a declared field to a field's name.
    fn named(self) -> Self {
        match self {
            Self::Declared { name, .. } => Self::Field(name),
            other => other,
        }
    }

    /// Returns the index that the text of the step lacks.
    #[inline]
    fn index(self) -> Option<usize> {
        match self {
            Self::Member { index, .. } | Self::Match { index, .. } => Some(index),
            Self::Declared { .. } | Self::Field(_) | Self::Name(_) | Self::Index(_) => None,
        }
    }

    /// Appends the step to the text of a path.
    pub(crate) fn render(self, text: &mut String) {
        match self {
            Segment::Declared { name, .. } | Segment::Field(name) | Segment::Name(name)
                if is_plain(name) =>
            {
                if !text.is_empty() {
                    text.push('.');
                }
                text.push_str(name);
            }
            Segment::Declared { name, .. }
            | Segment::Field(name)
            | Segment::Name(name)
            | Segment::Member { name, .. } => {
                text.push('[');
                quote(name, text);
                text.push(']');
            }
            Segment::Index(index) => {
                text.push('[');
                text.push_str(itoa::Buffer::new().format(index));
                text.push(']');
            }
            Segment::Match { field, value, .. } => {
                text.push('[');
                if is_plain(field) {
                    text.push_str(field);
                } else {
                    quote(field, text);
                }
                text.push('=');
                match value {
                    Value::String(value) => quote(value, text),
                    Value::Array(_) | Value::Object(_) => quote(&value.to_string(), text),
                    scalar => text.push_str(&scalar.to_string()),
                }
                text.push(']');
            }
        }
    }
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
            c if c < ' ' => {
                // Writing to a `String` cannot fail.
                let _: Result<(), _> = write!(text, "\\u{:04x}", u32::from(c));
            }
            c => text.push(c),
        }
    }
    text.push('\'');
}

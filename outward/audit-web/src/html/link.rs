//! Relative links between the pages.

use audit_core::backend::projection::Condition;
use audit_core::{ObjectRef, Query};
use maud::{Markup, Render, html};
use percent_encoding::percent_encode_byte;

use crate::terms::Terms;
use crate::texts;

/// The longest link to a stored value, in bytes. A longer one would not be a URL that servers accept,
/// and a page has hundreds of them.
const MAX_LINK: usize = 1_000;

/// The bytes that a query string has as they are. Those of most queries are among them, so that a reader can read the
/// URL; each of the others has a meaning in a URL or in HTML, or ends a link that is found in a text.
const PLAIN: [bool; 256] = {
    let mut plain = [false; 256];
    let mut byte = 0_u8;
    while byte < 0x80 {
        let is_sign = matches!(
            byte,
            b'*' | b',' | b'-' | b'.' | b'/' | b':' | b'=' | b'@' | b'_'
        );
        plain[byte as usize] = is_sign || byte.is_ascii_alphanumeric();
        byte += 1;
    }
    plain
};

/// Encodes a text for the query string of a URL, in which a space is `+`. [`form_urlencoded`] would encode `:` and `=`
/// as well.
pub(crate) fn encode(text: &str, to: &mut String) {
    let mut rest = text;
    while let Some(at) = rest.bytes().position(|byte| !PLAIN[usize::from(byte)]) {
        let (plain, encoded) = rest.split_at(at);
        to.push_str(plain);
        // All bytes of a character outside of ASCII are encoded.
        let end = encoded.chars().next().map_or(0, char::len_utf8);
        for byte in encoded[..end].bytes() {
            to.push_str(match byte {
                b' ' => "+",
                byte => percent_encode_byte(byte),
            });
        }
        rest = &encoded[end..];
    }
    to.push_str(rest);
}

/// A link to a page, relative to the other pages.
///
/// The only character in it that HTML escapes is `&`, since values are percent-encoded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Link {
    text: String,
    /// The number of parameters, each but the first behind `&`.
    params: usize,
}

impl Link {
    /// Returns a link to a page, with space for parameters of some bytes.
    pub(crate) fn with_capacity(page: &str, bytes: usize) -> Self {
        let mut text = String::with_capacity(page.len() + bytes);
        text.push_str(page);
        Self { text, params: 0 }
    }

    fn push(&mut self, name: &str, value: &str) {
        self.begin(name);
        self.encode(value);
    }

    /// Begins a parameter, whose value follows.
    pub(crate) fn begin(&mut self, name: &str) {
        self.text.push(if self.params == 0 { '?' } else { '&' });
        self.params += 1;
        // A name may be one of the URL, and have a `=`.
        self.text
            .extend(form_urlencoded::byte_serialize(name.as_bytes()));
        self.text.push('=');
    }

    /// Adds a part of a value.
    pub(crate) fn encode(&mut self, text: &str) {
        encode(text, &mut self.text);
    }

    /// Adds a part of a value that is encoded.
    pub(crate) fn push_encoded(&mut self, text: &str) {
        self.text.push_str(text);
    }

    /// Adds the language, if the URL of the page has it.
    pub(crate) fn push_language(&mut self) {
        if let Some(language) = texts::in_links() {
            self.push(texts::PARAM, language.code());
        }
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.text
    }
}

impl Render for Link {
    fn render_to(&self, page: &mut String) {
        if self.params < 2 {
            page.push_str(&self.text);
        } else {
            self.text.render_to(page);
        }
    }
}

/// Returns the link to a page with parameters.
pub(crate) fn href(page: &str, params: &[(&str, &str)]) -> Link {
    let bytes = params.iter().map(|(name, value)| name.len() + value.len());
    let mut link = Link::with_capacity(page, 2 * bytes.sum::<usize>());
    for (name, value) in params {
        link.push(name, value);
    }
    if params.iter().all(|(name, _)| *name != texts::PARAM) {
        link.push_language();
    }
    link
}

/// Returns the hidden field that keeps the language of the URL in a form.
pub(crate) fn language_field() -> Markup {
    html! {
        @if let Some(language) = texts::in_links() {
            input type="hidden" name=(texts::PARAM) value=(language.code());
        }
    }
}

/// Returns the link to a page about a stored value; `None` if it would be too long, or if a value is empty.
pub(crate) fn short_href(page: &str, params: &[(&str, &str)]) -> Option<Link> {
    // A page needs each of its parameters.
    let is_valid = |value: &str| !value.is_empty() && value.len() <= MAX_LINK;
    let is_short = params.iter().all(|(_, value)| is_valid(value));
    is_short
        .then(|| href(page, params))
        .filter(|link| link.text.len() <= MAX_LINK)
}

/// Returns the link to the search that adds the conditions of a query to some terms; `None` if it
/// would be too long, or if the reader may not ask for it.
pub(crate) fn search(terms: &Terms, added: &Query) -> Option<Link> {
    search_for(&terms.with(added), &[])
}

/// Returns the link that [`search`] returns for a query of these conditions. A page has hundreds of such links, and
/// making a query for each takes longer than writing the link.
pub(crate) fn search_for(terms: &Terms, added: &[Condition<'_>]) -> Option<Link> {
    let link = terms.link_with(added);
    link.filter(|link| link.text.len() <= MAX_LINK)
}

/// Returns the link to a page about an object; `None` if it would be too long.
pub(crate) fn object_href(page: &str, object: &ObjectRef, more: &[(&str, &str)]) -> Option<Link> {
    let own = [
        ("model", object.model.as_str()),
        ("key", object.object_pk.as_str()),
    ];
    short_href(page, &[&own[..], more].concat())
}

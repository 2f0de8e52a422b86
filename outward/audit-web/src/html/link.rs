//! Relative links between the pages.

use audit_core::{ObjectRef, Query};
use maud::{Markup, html};

use crate::terms::Terms;
use crate::texts;

/// The longest link to a stored value, in bytes. A longer one would not be a URL that servers accept,
/// and a page has hundreds of them.
const MAX_LINK: usize = 1_000;

/// Returns the link to a page with parameters.
pub(crate) fn href(page: &str, params: &[(&str, &str)]) -> String {
    let has_language = params.iter().any(|(name, _)| *name == texts::PARAM);
    let language = texts::in_links().filter(|_| !has_language);
    if params.is_empty() && language.is_none() {
        return page.to_owned();
    }
    // Of the size that most links need, since a page has hundreds of them.
    let bytes: usize = params
        .iter()
        .map(|(name, value)| name.len() + value.len())
        .sum();
    let mut link = String::with_capacity(page.len() + 2 * bytes + 16);
    link.push_str(page);
    link.push('?');
    let start = link.len();
    let mut query = form_urlencoded::Serializer::for_suffix(link, start);
    query.extend_pairs(params);
    query.extend_pairs(language.map(|language| (texts::PARAM, language.code())));
    query.finish()
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
pub(crate) fn short_href(page: &str, params: &[(&str, &str)]) -> Option<String> {
    // A page needs each of its parameters.
    let is_valid = |value: &str| !value.is_empty() && value.len() <= MAX_LINK;
    let is_short = params.iter().all(|(_, value)| is_valid(value));
    is_short
        .then(|| href(page, params))
        .filter(|link| link.len() <= MAX_LINK)
}

/// Returns the link to the search that adds the conditions of a query to some terms; `None` if it
/// would be too long, or if the reader may not ask for it.
pub(crate) fn search(terms: &Terms, added: &Query) -> Option<String> {
    let link = terms.link_with(added);
    link.filter(|link| link.len() <= MAX_LINK)
}

/// Returns the link to a page about an object; `None` if it would be too long.
pub(crate) fn object_href(page: &str, object: &ObjectRef, more: &[(&str, &str)]) -> Option<String> {
    let own = [
        ("model", object.model.as_str()),
        ("key", object.object_pk.as_str()),
    ];
    short_href(page, &[&own[..], more].concat())
}

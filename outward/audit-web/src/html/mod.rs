//! HTML: the frame of every page, and the parts that pages share.

mod change;
mod entries;
mod label;
mod layout;
mod link;
mod text;
mod time;
mod value;

use maud::Render;

pub(crate) use self::change::{Of, change_rows, inline_changes, more_rows};
pub(crate) use self::entries::{
    Shown, action, actor, by_level, by_outcome, entry_table, live_rows, object, outcome,
};
pub(crate) use self::label::Labels;
pub(crate) use self::layout::{Frame, error, page};
pub(crate) use self::link::{
    Link, encode, href, language_field, object_href, search, search_for, short_href,
};
pub(crate) use self::text::{cut, safe, safe_block, short};
pub(crate) use self::time::{day, moment, timestamp};
pub(crate) use self::value::{MAX_ROWS, Space, folded, full, grouped};

/// A part of a page that a function writes into the page's buffer. `html!` would make it in a buffer of its
/// own and copy it, which takes long for a large part.
pub(crate) struct FromFn<F>(pub(crate) F);

impl<F: Fn(&mut String)> Render for FromFn<F> {
    fn render_to(&self, page: &mut String) {
        (self.0)(page);
    }
}

/// Writes content between two tags, which `html!` would write into a buffer of its own.
fn enclose(page: &mut String, start: &str, content: impl Render, end: &str) {
    page.push_str(start);
    content.render_to(page);
    page.push_str(end);
}

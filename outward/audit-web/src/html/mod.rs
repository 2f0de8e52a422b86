//! HTML: the frame of every page, and the parts that pages share.

mod change;
mod entries;
mod label;
mod layout;
mod link;
mod text;
mod time;
mod value;

pub(crate) use self::change::{Of, change_rows, inline_changes, more_rows};
pub(crate) use self::entries::{
    Shown, action, actor, by_level, by_outcome, entry_table, live_rows, object, outcome,
};
pub(crate) use self::label::Labels;
pub(crate) use self::layout::{Frame, error, page};
pub(crate) use self::link::{href, language_field, object_href, search, short_href};
pub(crate) use self::text::{cut, safe, safe_block, short};
pub(crate) use self::time::{day, moment, timestamp};
pub(crate) use self::value::{MAX_ROWS, Space, folded, full, grouped};

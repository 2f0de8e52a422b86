//! Panics of stores and of the application, which the viewer catches on its threads.

use std::any::Any;
use std::borrow::Cow;

use audit_core::backend::escape_misleading;

/// Returns the message of a panic, for the log.
pub(crate) fn message(panic: &(dyn Any + Send)) -> Cow<'_, str> {
    let text = panic.downcast_ref::<&'static str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    text.map_or("a value without a message".into(), escape_misleading)
}

//! Objects that share parts of themselves with their clones: `Rc<RefCell<_>>` and similar types.
//! Their updates are recorded as those of objects that share nothing.

mod content;
mod forms;
mod sensitive;
mod unreadable;
mod updates;

//! Why an export or a live stream is not opened.

/// Why an export or a live stream is not opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NotOpened {
    /// The permitted number is open.
    Full,
    /// The reader has the number that one reader may have.
    ReaderFull(usize),
    /// The viewer has ended its exports and streams.
    Closed,
}

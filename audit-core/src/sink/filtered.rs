//! A sink that sees only some entries.

use std::fmt;

use super::{Sink, SinkError};
use crate::entry::LogEntry;
use crate::level::Level;

/// A sink behind a level or a filter, made by [`Sink::min_level`] and [`Sink::filter`].
pub struct Filtered<S> {
    sink: S,
    rule: Rule,
}

enum Rule {
    AtLeast(Level),
    Keep(Box<dyn Fn(&LogEntry) -> bool + Send + Sync>),
}

impl<S> Filtered<S> {
    pub(super) fn by_level(sink: S, level: Level) -> Self {
        Self {
            sink,
            rule: Rule::AtLeast(level),
        }
    }

    pub(super) fn by_predicate(
        sink: S,
        keep: impl Fn(&LogEntry) -> bool + Send + Sync + 'static,
    ) -> Self {
        Self {
            sink,
            rule: Rule::Keep(Box::new(keep)),
        }
    }
}

impl<S: Sink> Sink for Filtered<S> {
    fn emit(&self, entry: &LogEntry) -> Result<(), SinkError> {
        let passes = match &self.rule {
            Rule::AtLeast(level) => entry.level >= *level,
            Rule::Keep(keep) => keep(entry),
        };
        if passes {
            self.sink.emit(entry)
        } else {
            Ok(())
        }
    }

    fn flush(&self) -> Result<(), SinkError> {
        self.sink.flush()
    }
}

impl<S: fmt::Debug> fmt::Debug for Filtered<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut filtered = f.debug_struct("Filtered");
        filtered.field("sink", &self.sink);
        match &self.rule {
            Rule::AtLeast(level) => filtered.field("min_level", level).finish(),
            Rule::Keep(_) => filtered.finish_non_exhaustive(),
        }
    }
}

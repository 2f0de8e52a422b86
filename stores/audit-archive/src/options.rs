//! [`ArchiveOptions`]: how an archiver writes.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::error::Error;
use crate::schema::ROW_GROUP;

/// The class of models without one of their own.
pub(crate) const DEFAULT_CLASS: &str = "default";
/// The retention classes of models, by model.
pub(crate) type Classes = BTreeMap<String, String>;
/// The longest duration of a lease.
pub(crate) const MAX_LEASE: Duration = Duration::from_secs(3600);
/// The longest grace: checkpoints name the files that were replaced in this time.
pub(crate) const MAX_GRACE: Duration = Duration::from_secs(30 * 24 * 3600);

/// How an [`Archiver`](crate::Archiver) writes.
#[derive(Clone)]
#[must_use = "options have no effect until an archiver has them"]
pub struct ArchiveOptions {
    pub(crate) create: bool,
    pub(crate) adopt: bool,
    pub(crate) holder: String,
    pub(crate) lease: Duration,
    pub(crate) every: Duration,
    pub(crate) segment_entries: usize,
    pub(crate) segment_bytes: usize,
    pub(crate) classes: Classes,
    pub(crate) change_classes: bool,
    pub(crate) compact_files: usize,
    pub(crate) compact_bytes: u64,
    pub(crate) grace: Duration,
    pub(crate) row_group: usize,
    pub(crate) clock: Arc<dyn Fn() -> DateTime<Utc> + Send + Sync>,
}

impl Default for ArchiveOptions {
    fn default() -> Self {
        Self {
            create: false,
            adopt: false,
            holder: Uuid::from_u128(random()).to_string(),
            lease: Duration::from_secs(60),
            every: Duration::from_secs(3600),
            segment_entries: 100_000,
            segment_bytes: 64 << 20,
            classes: Classes::new(),
            change_classes: false,
            compact_files: 4,
            compact_bytes: 32 << 20,
            grace: Duration::from_secs(24 * 3600),
            row_group: ROW_GROUP,
            clock: Arc::new(|| SystemTime::now().into()),
        }
    }
}

impl ArchiveOptions {
    /// Creates the default options.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets whether an archive is created in a location that has none. By default the archiver returns
    /// [`Error::NoArchive`].
    ///
    /// Use it once. With the option always set, an archiver whose volume is not mounted creates a second
    /// archive in the empty folder.
    pub fn create(mut self, create: bool) -> Self {
        self.create = create;
        self
    }

    /// Sets whether the archiver continues although the store does not have the newest entry of the archive.
    /// By default it returns [`Error::OtherTrail`].
    ///
    /// Use it once, after a purge by another means than a [`Pruner`](crate::Pruner) has removed the entry.
    pub fn adopt(mut self, adopt: bool) -> Self {
        self.adopt = adopt;
        self
    }

    /// Sets the name of this archiver, a random one by default.
    ///
    /// An archiver takes a lease of its own name over at once, as after a crash. Two archivers with
    /// one name do the same work twice, without harm to the archive.
    pub fn holder(mut self, name: impl Into<String>) -> Self {
        self.holder = name.into();
        self
    }

    /// Sets the duration of the lease, 60 s by default and at most an hour. Another archiver waits as
    /// long after a crash.
    pub fn lease(mut self, duration: Duration) -> Self {
        self.lease = duration;
        self
    }

    /// Sets the interval of the runs of [`Archiver::start`](crate::Archiver::start), an hour by
    /// default.
    pub fn every(mut self, interval: Duration) -> Self {
        self.every = interval;
        self
    }

    /// Sets the maximum count of entries in a segment, 100,000 by default. The archiver holds one
    /// segment in memory.
    pub fn segment_entries(mut self, entries: usize) -> Self {
        self.segment_entries = entries;
        self
    }

    /// Sets the count of canonical bytes after which a segment ends, 64 MiB by default. The archiver
    /// needs about three times as much memory.
    pub fn segment_bytes(mut self, bytes: usize) -> Self {
        self.segment_bytes = bytes;
        self
    }

    /// Puts the entries of a model into files of a retention class, `default` without one.
    ///
    /// Retention removes files, so models with different periods need different classes from the
    /// beginning. A class is 1 to 64 of `a-z`, `0-9`, `-` and `_`.
    ///
    /// The archive stores the classes. An archiver without any uses those of the archive, and one with others returns
    /// [`Error::OtherClasses`] unless [`change_classes`](Self::change_classes) is set.
    pub fn class(mut self, model: impl Into<String>, class: impl Into<String>) -> Self {
        self.classes.insert(model.into(), class.into());
        self
    }

    /// Sets whether the classes of these options replace those of the archive for entries that are archived from now
    /// on, also if these options have none. By default an archiver with other classes returns
    /// [`Error::OtherClasses`].
    ///
    /// Use it once. Files that exist keep their class. The next segment stores the new classes.
    pub fn change_classes(mut self, change: bool) -> Self {
        self.change_classes = change;
        self
    }

    /// Sets how many files of a class and date [`Archiver::compact`](crate::Archiver::compact) replaces at least by
    /// one, 4 by default and at least 2.
    pub fn compact_files(mut self, files: usize) -> Self {
        self.compact_files = files;
        self
    }

    /// Sets the maximum size of a compacted file in bytes, 32 MiB by default. Files of half the size and more are not
    /// compacted.
    ///
    /// A compaction needs at most about ten times as much memory: files whose uncompressed entries need more are not
    /// merged into one.
    pub fn compact_bytes(mut self, bytes: u64) -> Self {
        self.compact_bytes = bytes;
        self
    }

    /// Sets how long a replaced file stays after a compaction: a day by default, at most 30 days.
    ///
    /// Readers of this library need no grace: they read the manifests again if a file is missing. Other engines
    /// with a list of files do.
    pub fn grace(mut self, duration: Duration) -> Self {
        self.grace = duration;
        self
    }

    /// Sets the maximum count of entries in a row group, 16,384 by default, for tests.
    #[doc(hidden)]
    pub fn row_group(mut self, entries: usize) -> Self {
        self.row_group = entries;
        self
    }

    /// Sets the clock of leases and manifests.
    pub fn clock(mut self, clock: impl Fn() -> DateTime<Utc> + Send + Sync + 'static) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// Returns the classes of the next segment, given those of the archive.
    pub(crate) fn classes_after(&self, archived: &Arc<Classes>) -> Result<Arc<Classes>, Error> {
        if self.classes == **archived || (self.classes.is_empty() && !self.change_classes) {
            return Ok(Arc::clone(archived));
        }
        if self.change_classes {
            return Ok(Arc::new(self.classes.clone()));
        }
        let mut models = self.classes.keys().chain(archived.keys());
        let other = |model: &&String| self.classes.get(*model) != archived.get(*model);
        let model = models.find(other).map_or("", String::as_str);
        Err(Error::OtherClasses {
            model: model.to_owned(),
            archived: class_of(archived, model).to_owned(),
            given: class_of(&self.classes, model).to_owned(),
        })
    }

    pub(crate) fn now(&self) -> DateTime<Utc> {
        (self.clock)()
    }

    pub(crate) fn check(&self) -> Result<(), Error> {
        let invalid = |option, detail: &str| {
            Err(Error::InvalidOption {
                option,
                detail: detail.to_owned(),
            })
        };
        if self.holder.is_empty() || self.holder.len() > 200 {
            return invalid("holder", "it must have 1 to 200 bytes");
        }
        if self.lease.is_zero() || self.lease > MAX_LEASE {
            return invalid("lease", "it must be more than 0 s and at most an hour");
        }
        if self.every.is_zero() {
            return invalid("every", "it must be more than 0 s");
        }
        if self.segment_entries == 0 {
            return invalid("segment_entries", "it must be at least 1");
        }
        if self.segment_bytes == 0 {
            return invalid("segment_bytes", "it must be at least 1");
        }
        if self.row_group == 0 {
            return invalid("row_group", "it must be at least 1");
        }
        if self.compact_files < 2 {
            return invalid("compact_files", "it must be at least 2");
        }
        if self.grace > MAX_GRACE {
            return invalid("grace", "it must be at most 30 days");
        }
        if self.compact_bytes == 0 {
            return invalid("compact_bytes", "it must be at least 1");
        }
        match self.classes.values().find(|class| !is_class(class)) {
            Some(class) => invalid(
                "class",
                &format!(
                    "`{}` is not 1 to 64 of a-z, 0-9, - and _",
                    class.escape_debug()
                ),
            ),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for ArchiveOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ArchiveOptions")
            .field("create", &self.create)
            .field("adopt", &self.adopt)
            .field("holder", &self.holder)
            .field("lease", &self.lease)
            .field("every", &self.every)
            .field("segment_entries", &self.segment_entries)
            .field("segment_bytes", &self.segment_bytes)
            .field("classes", &self.classes)
            .field("change_classes", &self.change_classes)
            .field("compact_files", &self.compact_files)
            .field("compact_bytes", &self.compact_bytes)
            .field("grace", &self.grace)
            .field("row_group", &self.row_group)
            .finish_non_exhaustive()
    }
}

/// Returns the class of a model.
pub(crate) fn class_of<'c>(classes: &'c Classes, model: &str) -> &'c str {
    classes.get(model).map_or(DEFAULT_CLASS, String::as_str)
}

/// Returns whether a text is the name of a class.
pub(crate) fn is_class(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && text
            .bytes()
            .all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_'))
}

/// Returns a number that differs between processes and calls: the keys of the standard library's hash
/// maps are random.
pub(crate) fn random() -> u128 {
    use std::hash::{BuildHasher as _, RandomState};

    let half = || u128::from(RandomState::new().hash_one(std::process::id()));
    half() << 64 | half()
}

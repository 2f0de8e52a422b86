//! Retention: files leave the archive by class and date.

use audit_core::Follow;
use chrono::NaiveDate;

use crate::archiver::Archiver;
use crate::chain::{Chain, check_complete};
use crate::error::Error;
use crate::manifest::{ArchiveFile, Manifest, ManifestKind};
use crate::options::is_class;

/// How often the manifest is written again after another archiver took its number.
const ATTEMPTS: u32 = 4;

/// The result of [`Archiver::expire`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Expired {
    /// The count of files that left the archive.
    pub files: u64,
    /// The count of their entries.
    pub entries: u64,
    /// The count of deleted objects: the files and those beside them, and objects of the class and dates that
    /// no manifest names, such as those of an earlier call that failed.
    pub deleted: u64,
}

impl<S: Follow> Archiver<S> {
    /// Removes the files of a retention class whose date is before a date from the archive, and deletes them.
    ///
    /// A manifest records the reason and the names of the files before any of them is deleted. The manifests that
    /// added them stay, with their counts, ranges of ids and hashes. Entries outside the years 0001 to 9999 have
    /// no date and stay.
    ///
    /// # Errors
    /// - Returns [`Error::InvalidOption`] if the class is not the name of one, or the reason is empty.
    /// - Returns [`Error::OnHold`] if a manifest has holds.
    /// - Returns [`Error::Held`] or [`Error::Fenced`] if another archiver works.
    /// - Returns another error if the archive is not intact or the object store fails. If it refuses deletions,
    ///   such as of locked objects, the first error is returned after all other objects are deleted. The files are
    ///   no longer part of the archive, and another call deletes the rest.
    ///
    /// # Example: one class expires, and another one stays
    /// ```
    /// use audit_archive::{ArchiveOptions, ArchiveStore, Archiver, Location};
    /// use audit_core::{LogEntry, MemoryStore, Query, Store};
    /// use chrono::NaiveDate;
    ///
    /// # let folder = std::env::temp_dir().join(format!("audit-archive-expire-{}", std::process::id()));
    /// let store = MemoryStore::new();
    /// for model in ["Payment", "Login"] {
    ///     let mut entry = LogEntry::new("create", model, "1", "bob");
    ///     entry.timestamp = "2020-01-31T12:00:00Z".parse()?;
    ///     store.append(&[entry])?;
    /// }
    /// let location = Location::folder(&folder)?;
    /// let options = ArchiveOptions::new().create(true).class("Payment", "ten-years");
    /// let archiver = Archiver::new(store, location.clone()).options(options);
    /// archiver.run_once()?;
    ///
    /// let date: NaiveDate = "2021-01-01".parse()?;
    /// assert_eq!(archiver.expire("default", date, "retention policy 7")?.entries, 1);
    /// assert_eq!(ArchiveStore::open(location)?.count(&Query::new())?, 1);
    /// # std::fs::remove_dir_all(&folder)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn expire(&self, class: &str, before: NaiveDate, reason: &str) -> Result<Expired, Error> {
        check_class(class)?;
        if reason.is_empty() {
            return Err(Error::InvalidOption {
                option: "reason",
                detail: "it must not be empty".to_owned(),
            });
        }
        self.with_lease(|state| {
            let (chain, leases) = self.confirmed(state)?;
            check_complete(&self.location)?;
            for _ in 0..ATTEMPTS {
                chain.check_holds()?;
                let files = expired_files(chain, class, before);
                let mut expired = Expired::of(&files);
                let removed: Vec<String> = files.iter().map(|file| file.path.clone()).collect();
                if !removed.is_empty() {
                    let archive = chain.archive.unwrap_or_default();
                    let manifest = Manifest {
                        fence: leases.hold(&self.location, &self.options, chain.fence)?,
                        removed,
                        reason: reason.to_owned(),
                        ..self.manifest(chain, archive, ManifestKind::Remove)
                    };
                    if !self.commit(chain, leases, &manifest)? {
                        continue;
                    }
                }
                expired.deleted = self.delete_unnamed(chain, class, before)?;
                return Ok(expired);
            }
            Err(Error::Held {
                holder: "unknown".to_owned(),
                until: self.options.now(),
            })
        })
    }

    /// Returns what [`expire`](Self::expire) would remove from the archive, and changes nothing.
    ///
    /// # Errors
    /// - Returns [`Error::InvalidOption`] if the class is not the name of one.
    /// - Returns [`Error::OnHold`] if a manifest has holds.
    /// - Returns another error if the archive is not intact or cannot be read.
    pub fn plan_expire(&self, class: &str, before: NaiveDate) -> Result<Expired, Error> {
        check_class(class)?;
        let chain = Chain::open(&self.location)?;
        chain.check_holds()?;
        Ok(Expired::of(&expired_files(&chain, class, before)))
    }

    /// Deletes the objects of a class and of dates before a date that no manifest names, and none can name any more.
    fn delete_unnamed(&self, chain: &Chain, class: &str, before: NaiveDate) -> Result<u64, Error> {
        let named = chain.objects();
        let folder = format!("v1/class={class}");
        let mut deleted = 0;
        let mut refused = None;
        for object in self.location.list(&folder, None)? {
            let path = &*object.path;
            let day = path
                .split('/')
                .nth(2)
                .and_then(|part| part.strip_prefix("date="));
            let is_before = day.and_then(date).is_some_and(|date| date < before);
            if is_before && chain.is_past(path) && !named.contains(path) {
                match self.location.delete(path) {
                    Ok(()) => deleted += 1,
                    // Such as a locked object; the others are deleted nevertheless.
                    Err(error) => {
                        refused.get_or_insert(error);
                    }
                }
            }
        }
        refused.map_or(Ok(deleted), Err)
    }
}

impl Expired {
    fn of(files: &[&ArchiveFile]) -> Self {
        Self {
            files: files.len() as u64,
            entries: files.iter().map(|file| file.rows).sum(),
            deleted: 0,
        }
    }
}

fn check_class(class: &str) -> Result<(), Error> {
    if is_class(class) {
        return Ok(());
    }
    Err(Error::InvalidOption {
        option: "class",
        detail: format!("`{}` is not the name of a class", class.escape_debug()),
    })
}

/// Returns the files of a class and of dates before a date.
fn expired_files<'c>(chain: &'c Chain, class: &str, before: NaiveDate) -> Vec<&'c ArchiveFile> {
    let files = chain.files.values().map(|file| &file.file);
    let is_expired = |file: &&ArchiveFile| {
        file.class == class && date(&file.date).is_some_and(|date| date < before)
    };
    files.filter(is_expired).collect()
}

/// Reads the date in a name.
fn date(text: &str) -> Option<NaiveDate> {
    text.parse().ok()
}

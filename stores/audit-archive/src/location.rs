//! [`Location`]: an object store and the prefix under which an archive is in it.

mod many;
mod staged;

use std::fmt;
use std::fs::{self, File};
use std::io::ErrorKind;
use std::ops::Range;
use std::path::{Path as FilePath, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use futures::TryStreamExt as _;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt as _, PutMode, PutOptions, PutPayload};

use crate::attempts::{Attempt, attempts, limited};
use crate::cloud;
use crate::error::Error;
use crate::runtime::Runtime;

/// The time limit of an operation.
const TIME_LIMIT: Duration = Duration::from_secs(60);

/// The location of an archive: an object store, and a prefix of the names in it.
///
/// A clone is the same location. Methods of an archive block the calling thread; the object store
/// runs on a thread of the location. Texts and errors have the location without passwords, queries and
/// fragments of its URL.
///
/// # Example: a folder without an archive
/// ```
/// use audit_archive::{ArchiveStore, Error, Location};
///
/// let folder = std::env::temp_dir().join("audit-archive-location");
/// let location = Location::folder(&folder)?;
/// assert!(matches!(ArchiveStore::open(location), Err(Error::NoArchive { .. })));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Location {
    objects: Arc<dyn ObjectStore>,
    prefix: Path,
    name: Arc<str>,
    /// The folder, if the location is one.
    pub(crate) folder: Option<Arc<FilePath>>,
    time_limit: Duration,
    /// The number and hash of a manifest that the archive must have.
    pin: Option<Arc<(u64, String)>>,
    runtime: Arc<Runtime>,
}

/// An object of a listing.
#[derive(Clone, Debug)]
pub(crate) struct Listed {
    /// The name without the prefix.
    pub(crate) path: String,
    pub(crate) modified: DateTime<Utc>,
}

/// The result of a put-if-absent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Put {
    /// The object has the bytes, now or since an earlier attempt.
    Done,
    /// An object with other bytes has the name.
    Other,
}

impl Location {
    /// Returns a folder of this machine. It need not exist: an archiver with the option
    /// [`create`](crate::ArchiveOptions::create) creates it.
    ///
    /// Files are synced to the disk before a manifest names them.
    ///
    /// # Errors
    /// Returns [`Error::Location`] if the path is a file, is not valid, or cannot be read.
    pub fn folder(path: impl AsRef<FilePath>) -> Result<Self, Error> {
        let path = path.as_ref();
        let name = path.display().to_string();
        let invalid = |detail: &dyn fmt::Display| Error::Location {
            location: name.clone(),
            detail: detail.to_string(),
        };
        let absolute = std::path::absolute(path).map_err(|error| invalid(&error))?;
        let (existing, missing) = split_existing(&absolute).map_err(|error| invalid(&error))?;
        if !existing.is_dir() {
            return Err(invalid(&format!("{} is not a folder", existing.display())));
        }
        let prefix = missing.to_str().and_then(|text| Path::parse(text).ok());
        let prefix = prefix.ok_or_else(|| invalid(&"its name is not valid; create it first"))?;
        let objects = LocalFileSystem::new_with_prefix(&existing)
            .map_err(|error| invalid(&error))?
            .with_fsync(true);
        let mut folder = existing;
        // An empty part would add a separator.
        if !missing.as_os_str().is_empty() {
            folder.push(missing);
        }
        let name = folder.display().to_string();
        let mut location = Self::with_prefix(Arc::new(objects), prefix, name)?;
        location.folder = Some(folder.into());
        Ok(location)
    }

    /// Returns a prefix of an object store; an empty one is the store itself.
    ///
    /// # Errors
    /// Returns [`Error::Location`] if the prefix is not a path of objects.
    pub fn new(objects: Arc<dyn ObjectStore>, prefix: &str) -> Result<Self, Error> {
        let name = format!("{objects}/{prefix}");
        let path = Path::parse(prefix).map_err(|error| Error::Location {
            location: name.clone(),
            detail: error.to_string(),
        })?;
        Self::with_prefix(objects, path, name)
    }

    /// Parses a path of a folder, or a URL: `file:///srv/archive`, `s3://bucket/prefix` (feature `s3`),
    /// `gs://bucket/prefix` (feature `gcs`) or `az://container/prefix` (feature `azure`).
    ///
    /// Credentials and endpoints are read from the environment (`AWS_..`, `GOOGLE_..`, `AZURE_..`), such as
    /// `AWS_ACCESS_KEY_ID`, `AWS_REGION` and `AWS_ENDPOINT`. The builders of `object_store` list them.
    ///
    /// # Errors
    /// Returns [`Error::Location`] if the text is neither, a setting is invalid, or the URL needs a feature that
    /// this build does not have, which the error names.
    pub fn parse(text: &str) -> Result<Self, Error> {
        if !text.contains("://") {
            return Self::folder(text);
        }
        let name = without_secrets(text);
        // The text of an error may have the URL.
        let invalid = |detail: &dyn fmt::Display| Error::Location {
            location: name.clone(),
            detail: detail.to_string().replace(text, &name),
        };
        let url = url::Url::parse(text).map_err(|error| invalid(&error))?;
        if url.scheme() == "file" {
            let path = url
                .to_file_path()
                .map_err(|()| invalid(&"it is not a path of this machine"))?;
            return Self::folder(path);
        }
        let (objects, prefix) =
            cloud::open(&url).map_err(|detail| invalid(&detail.replace(url.as_str(), &name)))?;
        Self::with_prefix(objects, prefix, name)
    }

    fn with_prefix(
        objects: Arc<dyn ObjectStore>,
        prefix: Path,
        name: String,
    ) -> Result<Self, Error> {
        let runtime = Runtime::start().map_err(|error| Error::Location {
            location: name.clone(),
            detail: error.to_string(),
        })?;
        Ok(Self {
            objects,
            prefix,
            name: name.into(),
            folder: None,
            time_limit: TIME_LIMIT,
            pin: None,
            runtime: Arc::new(runtime),
        })
    }

    /// Sets the time limit of an operation on the object store, 60 s by default. It applies to each object of a
    /// listing. With a limit of zero, all operations return [`Error::InvalidOption`]. A reader of a folder compares
    /// the times of change of its manifests without a limit.
    #[must_use]
    pub fn time_limit(mut self, limit: Duration) -> Self {
        self.time_limit = limit;
        self
    }

    /// Requires that the archive has a manifest with a number and a hash, as
    /// [`Verification::last`](crate::Verification::last) of an earlier time.
    ///
    /// Archivers, pruners and readers return [`Error::LostTail`] if it does not, and [`verify`](crate::verify())
    /// reports it. Without it, only a lost tail of two and more segments is detected.
    #[must_use]
    pub fn at_least(mut self, number: u64, hash: impl Into<String>) -> Self {
        self.pin = Some(Arc::new((number, hash.into())));
        self
    }

    pub(crate) fn pinned(&self) -> Option<(u64, &str)> {
        let (number, hash) = self.pin.as_deref()?;
        Some((*number, hash))
    }

    /// Creates the folder, if the location is one.
    pub(crate) fn create(&self) -> Result<(), Error> {
        let Some(folder) = self.folder.clone() else {
            return Ok(());
        };
        let created = self.on_disk(&self.name.clone(), move || fs::create_dir_all(&folder));
        created.map_err(|error| match error {
            Error::Objects { source, .. } => Error::Location {
                location: self.to_string(),
                detail: source.to_string(),
            },
            error => error,
        })
    }

    /// Runs an operation on a folder as one on an object store, with its time limit and retries.
    fn on_disk<T: Send + 'static>(
        &self,
        path: &str,
        operation: impl Fn() -> std::io::Result<T> + Clone + Send + 'static,
    ) -> Result<T, Error> {
        self.run(path, move || {
            let operation = operation.clone();
            async move {
                let done = tokio::task::spawn_blocking(operation).await?;
                done.map_err(|error| object_store::Error::Generic {
                    store: "folder",
                    source: Box::new(error),
                })
            }
        })
    }

    fn full(&self, path: &str) -> Path {
        // `parts` of both are valid already, so nothing is encoded again.
        self.prefix
            .parts()
            .chain(Path::from(path).parts())
            .collect()
    }

    /// Runs an operation with a time limit and retries.
    fn run<T, F>(&self, path: &str, operation: impl Fn() -> F + Send + 'static) -> Result<T, Error>
    where
        T: Send + 'static,
        F: Future<Output = object_store::Result<T>> + Send,
    {
        let limit = self.time_limit;
        self.attempt(path, move || limited(limit, operation()))
    }

    /// Runs an operation that keeps the time limit itself, with retries.
    fn attempt<T, F>(
        &self,
        path: &str,
        operation: impl Fn() -> F + Send + 'static,
    ) -> Result<T, Error>
    where
        T: Send + 'static,
        F: Future<Output = Attempt<T>> + Send,
    {
        let (limit, name) = (self.time_limit, path.to_owned());
        if limit.is_zero() {
            return Err(no_time());
        }
        let done = self
            .runtime
            .run(async move { attempts(limit, name, operation).await });
        done.unwrap_or_else(|| {
            Err(Error::ObjectsPanicked {
                path: path.to_owned(),
            })
        })
    }

    /// Reads an object; `None` if it does not exist.
    pub(crate) fn get(&self, path: &str) -> Result<Option<Bytes>, Error> {
        let (objects, full) = (self.objects.clone(), self.full(path));
        let found = self.run(path, move || {
            let (objects, full) = (objects.clone(), full.clone());
            async move { objects.get(&full).await?.bytes().await }
        });
        optional(found)
    }

    /// Reads ranges of an object of a known length.
    pub(crate) fn get_ranges(
        &self,
        path: &str,
        ranges: &[Range<u64>],
        length: u64,
    ) -> Result<Vec<Bytes>, Error> {
        let (objects, full) = (self.objects.clone(), self.full(path));
        let wanted: Arc<[Range<u64>]> = ranges.into();
        let found = self.run(path, move || {
            let (objects, full, ranges) = (objects.clone(), full.clone(), Arc::clone(&wanted));
            async move { objects.get_ranges(&full, &ranges).await }
        });
        let sizes = ranges.iter().map(|range| range.end - range.start);
        match found {
            Ok(parts) if parts.iter().map(|part| part.len() as u64).eq(sizes) => Ok(parts),
            Ok(_) => Err(Error::corrupt(path, "other ranges of it were returned")),
            // A shorter object has no such range.
            Err(error) => match self.length(path)? {
                None => Err(Error::corrupt(path, "it does not exist")),
                Some(found) if found != length => {
                    let detail = format!("it has {found} bytes instead of {length}");
                    Err(Error::corrupt(path, detail))
                }
                Some(_) => Err(error),
            },
        }
    }

    /// Returns the length of an object; `None` if it does not exist.
    fn length(&self, path: &str) -> Result<Option<u64>, Error> {
        let (objects, full) = (self.objects.clone(), self.full(path));
        optional(self.run(path, move || {
            let (objects, full) = (objects.clone(), full.clone());
            async move { objects.head(&full).await.map(|object| object.size) }
        }))
    }

    /// Returns the names of the objects in a folder without subfolders, in any order; those before and
    /// equal to `after` may be left out.
    pub(crate) fn names(&self, folder: &str, after: &str) -> Result<Vec<String>, Error> {
        let Some(root) = self.folder.clone() else {
            let listed = self.list(folder, Some(after))?;
            return Ok(listed.into_iter().map(|object| object.path).collect());
        };
        // The object store would make a URL of each name.
        let name = folder.to_owned();
        self.on_disk(folder, move || {
            let entries = match fs::read_dir(root.join(&name)) {
                Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
                entries => entries?,
            };
            let mut names = Vec::new();
            for entry in entries {
                if let Ok(file) = entry?.file_name().into_string() {
                    names.push(format!("{name}/{file}"));
                }
            }
            Ok(names)
        })
    }

    /// Lists the objects whose names begin with a folder, sorted by name; `after` is a name in it
    /// that the listing begins behind. Without it, the files of interrupted writes are listed, too.
    pub(crate) fn list(&self, folder: &str, after: Option<&str>) -> Result<Vec<Listed>, Error> {
        let (objects, full) = (self.objects.clone(), self.full(folder));
        let staged = match after {
            None => self.staged(folder)?,
            Some(_) => Vec::new(),
        };
        let after = after.map(|name| self.full(name));
        let prefix = self.prefix.clone();
        let limit = self.time_limit;
        let mut listed: Vec<Listed> = self.attempt(folder, move || {
            let (objects, full, prefix) = (objects.clone(), full.clone(), prefix.clone());
            let after = after.clone();
            async move {
                let mut found = match &after {
                    Some(after) => objects.list_with_offset(Some(&full), after),
                    None => objects.list(Some(&full)),
                };
                let mut listed = Vec::new();
                // The limit of each object: a listing of many pages may take longer.
                while let Some(object) = limited(limit, async { found.try_next().await }).await? {
                    let Some(parts) = object.location.prefix_match(&prefix) else {
                        continue;
                    };
                    let parts: Vec<_> = parts.map(|part| part.as_ref().to_owned()).collect();
                    listed.push(Listed {
                        path: parts.join("/"),
                        modified: object.last_modified,
                    });
                }
                Ok(listed)
            }
        })?;
        listed.extend(staged);
        listed.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(listed)
    }

    /// Writes an object unless one has the name.
    ///
    /// If the response to an attempt is lost, the next one finds the object, so its bytes decide.
    pub(crate) fn put_new(&self, path: &str, bytes: &Bytes) -> Result<Put, Error> {
        let (objects, full) = (self.objects.clone(), self.full(path));
        let payload = PutPayload::from_bytes(bytes.clone());
        let put = self.run(path, move || {
            let (objects, full, payload) = (objects.clone(), full.clone(), payload.clone());
            let options = PutOptions::from(PutMode::Create);
            async move { objects.put_opts(&full, payload, options).await.map(drop) }
        });
        match put {
            Ok(()) => Ok(Put::Done),
            Err(Error::Objects { source, .. }) if exists(&source) => {
                if self.get(path)?.as_ref() != Some(bytes) {
                    return Ok(Put::Other);
                }
                // The process that wrote it may have ended before it was on the disk.
                self.sync(path)?;
                Ok(Put::Done)
            }
            Err(Error::Objects { source, .. })
                if matches!(
                    *source,
                    object_store::Error::NotImplemented { .. }
                        | object_store::Error::NotSupported { .. }
                ) =>
            {
                Err(Error::NoConditionalPut {
                    location: self.name.to_string(),
                })
            }
            Err(error) => Err(error),
        }
    }

    /// Deletes an object, if it exists.
    pub(crate) fn delete(&self, path: &str) -> Result<(), Error> {
        if let Some(deleted) = self.delete_staged(path) {
            return deleted;
        }
        let (objects, full) = (self.objects.clone(), self.full(path));
        optional(self.run(path, move || {
            let (objects, full) = (objects.clone(), full.clone());
            async move { objects.delete(&full).await }
        }))
        .map(drop)
    }

    /// Syncs a file and the folders above it to the disk, if the location is a folder.
    fn sync(&self, path: &str) -> Result<(), Error> {
        let Some(folder) = self.folder.clone() else {
            return Ok(());
        };
        let file = folder.join(path);
        self.on_disk(path, move || {
            File::open(&file)?.sync_all()?;
            #[cfg(unix)]
            for parent in file.ancestors().skip(1) {
                File::open(parent)?.sync_all()?;
                if parent == &*folder {
                    break;
                }
            }
            Ok(())
        })
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.name)
    }
}

impl fmt::Debug for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Location").field(&self.name).finish()
    }
}

/// Splits a path into its longest part that exists, without symbolic links, and the rest.
fn split_existing(path: &FilePath) -> std::io::Result<(PathBuf, PathBuf)> {
    let mut existing = path;
    while !existing.try_exists()? {
        existing = existing.parent().unwrap_or(existing);
    }
    let missing = path.strip_prefix(existing).unwrap_or(FilePath::new(""));
    Ok((existing.canonicalize()?, missing.to_owned()))
}

/// Returns a URL without the parts that may be secret.
fn without_secrets(text: &str) -> String {
    let Ok(mut url) = url::Url::parse(text) else {
        let scheme = text.split("://").next().unwrap_or_default();
        return format!("{scheme}://..");
    };
    // Both fail for URLs that have neither.
    url.set_username("").ok();
    url.set_password(None).ok();
    url.set_query(None);
    url.set_fragment(None);
    url.into()
}

fn no_time() -> Error {
    Error::InvalidOption {
        option: "time_limit",
        detail: "it must be more than 0 s".to_owned(),
    }
}

fn exists(error: &object_store::Error) -> bool {
    matches!(
        error,
        object_store::Error::AlreadyExists { .. } | object_store::Error::Precondition { .. }
    )
}

fn optional<T>(found: Result<T, Error>) -> Result<Option<T>, Error> {
    match found {
        Ok(found) => Ok(Some(found)),
        Err(Error::Objects { source, .. })
            if matches!(*source, object_store::Error::NotFound { .. }) =>
        {
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_of_a_url_are_in_no_text() {
        for url in [
            "s3://key:hunter2@bucket/prefix?token=hunter2#hunter2",
            "nowhere://key:hunter2@bucket/prefix?sig=hunter2",
            "https://[hunter2/",
        ] {
            let text = match Location::parse(url) {
                Ok(location) => format!("{location} {location:?}"),
                Err(error) => format!("{error} {error:?}"),
            };
            assert!(!text.contains("hunter2"), "{text}");
        }
    }

    #[test]
    fn a_folder_need_not_exist_and_is_not_a_file() {
        let folder = tempfile::tempdir().expect("a folder");
        let missing = folder.path().join("a/b");
        let location = Location::folder(&missing).expect("a location");
        assert!(!missing.exists());
        let root = folder.path().canonicalize().expect("a path");
        assert_eq!(location.to_string(), root.join("a/b").display().to_string());
        location.create().expect("created");
        assert!(missing.exists());

        let file = folder.path().join("file");
        fs::write(&file, "").expect("written");
        let error = Location::folder(&file).expect_err("a file");
        assert!(error.to_string().contains("is not a folder"), "{error}");
        Location::folder(file.join("below")).expect_err("below a file");
    }
}

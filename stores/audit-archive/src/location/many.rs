//! Operations on several objects, some at the same time.

use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use futures::StreamExt as _;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt as _};

use super::{Location, no_time, optional};
use crate::attempts::{attempts, limited};
use crate::error::Error;

/// The number of operations at the same time.
const CONCURRENT: usize = 16;

impl Location {
    /// Reads objects that must exist. Each has its own attempts.
    pub(crate) fn get_all(&self, paths: &[String]) -> Result<Vec<Bytes>, Error> {
        self.each(paths, read)?.into_iter().collect()
    }

    /// Reads objects; `None` for those that do not exist. Each has its own attempts.
    pub(crate) fn get_each(&self, paths: &[String]) -> Result<Vec<Option<Bytes>>, Error> {
        self.each(paths, read)?.into_iter().map(optional).collect()
    }

    /// Returns whether one of some objects exists.
    pub(crate) fn any_exists(&self, paths: &[String]) -> Result<bool, Error> {
        if let Some(root) = self.folder.clone() {
            let files: Vec<PathBuf> = paths.iter().map(|path| root.join(path)).collect();
            let path = paths.first().map_or("", String::as_str);
            return self.on_disk(path, move || {
                for file in &files {
                    if file.try_exists()? {
                        return Ok(true);
                    }
                }
                Ok(false)
            });
        }
        for found in self.each(
            paths,
            |objects, full| async move { objects.head(&full).await },
        )? {
            if optional(found)?.is_some() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Deletes objects, some at the same time, and returns the first error after all were tried.
    pub(crate) fn delete_all(&self, paths: &[String]) -> Result<(), Error> {
        let deleted = self.each(
            paths,
            |objects, full| async move { objects.delete(&full).await },
        )?;
        let mut deleted = deleted.into_iter().map(optional);
        deleted.try_for_each(|deleted| deleted.map(drop))
    }

    /// Runs an operation on each of some objects, some at the same time. Each has its own attempts.
    fn each<T, F>(
        &self,
        paths: &[String],
        operation: impl Fn(Arc<dyn ObjectStore>, Path) -> F + Clone + Send + Sync + 'static,
    ) -> Result<Vec<Result<T, Error>>, Error>
    where
        T: Send + 'static,
        F: Future<Output = object_store::Result<T>> + Send,
    {
        let (objects, limit) = (self.objects.clone(), self.time_limit);
        if limit.is_zero() {
            return Err(no_time());
        }
        let named: Vec<(String, Path)> = paths
            .iter()
            .map(|path| (path.clone(), self.full(path)))
            .collect();
        let done = self.runtime.run(async move {
            let operations = futures::stream::iter(named).map(|(name, full)| {
                let (objects, operation) = (objects.clone(), operation.clone());
                attempts(limit, name, move || {
                    limited(limit, operation(objects.clone(), full.clone()))
                })
            });
            operations.buffered(CONCURRENT).collect().await
        });
        done.ok_or_else(|| Error::ObjectsPanicked {
            path: self.name.to_string(),
        })
    }
}

async fn read(objects: Arc<dyn ObjectStore>, full: Path) -> object_store::Result<Bytes> {
    objects.get(&full).await?.bytes().await
}

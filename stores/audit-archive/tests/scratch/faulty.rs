//! An object store whose operations fail on demand.

use std::fmt;
use std::ops::Range;
use std::path::Path as FilePath;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use audit_archive::Location;
use audit_archive::object_store::local::LocalFileSystem;
use audit_archive::object_store::path::Path;
use audit_archive::object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta,
    ObjectStore, ObjectStoreExt as _, PutMultipartOptions, PutOptions, PutPayload, PutResult,
    Result,
};
use bytes::Bytes;
use futures::StreamExt as _;
use futures::stream::BoxStream;

/// Makes an operation fail.
type Fails = dyn Fn(usize, Operation, &str) -> Fault + Send + Sync;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operation {
    Put,
    Get,
    List,
    Delete,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The operation is done.
    Nothing,
    /// It is not done, and an error is returned.
    Before,
    /// It is done, and an error is returned.
    After,
    /// The credentials are refused.
    Refused,
    /// A put is done although the object exists.
    Unconditional,
    /// The operation never ends.
    Hang,
    /// A put takes this long, and each object of a listing, too.
    Slow(Duration),
}

/// An object store whose operations fail on demand.
pub(crate) struct Faulty {
    inner: Arc<dyn ObjectStore>,
    operations: Arc<AtomicUsize>,
    fails: Arc<Fails>,
}

impl Faulty {
    /// Returns a folder; `fails` gets the number of the operation from 0, its kind and its name.
    pub(crate) fn location(
        folder: &FilePath,
        fails: impl Fn(usize, Operation, &str) -> Fault + Send + Sync + 'static,
    ) -> Location {
        Self::prefixed(folder, "", fails)
    }

    pub(crate) fn prefixed(
        folder: &FilePath,
        prefix: &str,
        fails: impl Fn(usize, Operation, &str) -> Fault + Send + Sync + 'static,
    ) -> Location {
        let folder = LocalFileSystem::new_with_prefix(folder).expect("a folder");
        Self::around(Arc::new(folder), prefix, fails)
    }

    /// Returns a prefix of an object store.
    pub(crate) fn around(
        inner: Arc<dyn ObjectStore>,
        prefix: &str,
        fails: impl Fn(usize, Operation, &str) -> Fault + Send + Sync + 'static,
    ) -> Location {
        let faulty = Self {
            inner,
            operations: Arc::default(),
            fails: Arc::new(fails),
        };
        Location::new(Arc::new(faulty), prefix).expect("a location")
    }

    fn fault(&self, operation: Operation, path: &str) -> Fault {
        (self.fails)(
            self.operations.fetch_add(1, Ordering::SeqCst),
            operation,
            path,
        )
    }
}

fn failed<T>(fault: Fault) -> Result<T> {
    if fault == Fault::Refused {
        return Err(Error::Unauthenticated {
            path: "the bucket".to_owned(),
            source: "the token has expired".into(),
        });
    }
    Err(Error::Generic {
        store: "faulty",
        source: "injected".into(),
    })
}

impl fmt::Display for Faulty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("faulty")
    }
}

impl fmt::Debug for Faulty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Faulty")
    }
}

#[async_trait::async_trait]
impl ObjectStore for Faulty {
    async fn put_opts(
        &self,
        location: &Path,
        payload: PutPayload,
        options: PutOptions,
    ) -> Result<PutResult> {
        match self.fault(Operation::Put, location.as_ref()) {
            Fault::Nothing => self.inner.put_opts(location, payload, options).await,
            Fault::Unconditional => self.inner.put(location, payload).await,
            Fault::After => {
                self.inner.put_opts(location, payload, options).await?;
                failed(Fault::After)
            }
            Fault::Hang => std::future::pending().await,
            Fault::Slow(delay) => {
                tokio::time::sleep(delay).await;
                self.inner.put_opts(location, payload, options).await
            }
            fault => failed(fault),
        }
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.inner.put_multipart_opts(location, options).await
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        match self.fault(Operation::Get, location.as_ref()) {
            Fault::Nothing => self.inner.get_opts(location, options).await,
            Fault::Hang => std::future::pending().await,
            fault => failed(fault),
        }
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        self.inner.get_ranges(location, ranges).await
    }

    fn delete_stream(
        &self,
        locations: BoxStream<'static, Result<Path>>,
    ) -> BoxStream<'static, Result<Path>> {
        if self.fault(Operation::Delete, "") == Fault::Nothing {
            self.inner.delete_stream(locations)
        } else {
            Box::pin(futures::stream::once(async { failed(Fault::Refused) }))
        }
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        let name = prefix.map(ToString::to_string).unwrap_or_default();
        match self.fault(Operation::List, &name) {
            Fault::Nothing => self.inner.list(prefix),
            Fault::Hang => Box::pin(futures::stream::pending()),
            Fault::Slow(delay) => {
                let wait = move |object| async move {
                    tokio::time::sleep(delay).await;
                    object
                };
                Box::pin(self.inner.list(prefix).then(wait))
            }
            fault => Box::pin(futures::stream::once(async move { failed(fault) })),
        }
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.inner.copy_opts(from, to, options).await
    }
}

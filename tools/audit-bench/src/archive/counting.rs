//! A folder that counts what is read of it.

use std::fmt;
use std::ops::Range;
use std::path::Path as FilePath;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use auditlog::archive::object_store;
use auditlog::archive::object_store::local::LocalFileSystem;
use auditlog::archive::object_store::path::Path;
use auditlog::archive::object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};
use bytes::Bytes;
use futures::stream::BoxStream;

/// The gap up to which a client of a cloud reads two ranges by one request.
const GAP: u64 = object_store::OBJECT_STORE_COALESCE_DEFAULT;

/// The counts of reads.
#[derive(Debug, Default)]
pub(super) struct Counts {
    requests: AtomicU64,
    bytes: AtomicU64,
}

impl Counts {
    /// Returns the counts of requests and bytes since the last call.
    pub(super) fn take(&self) -> (u64, u64) {
        let take = |count: &AtomicU64| count.swap(0, Ordering::Relaxed);
        (take(&self.requests), take(&self.bytes))
    }

    fn add_request(&self) {
        self.requests.fetch_add(1, Ordering::Relaxed);
    }

    fn add_bytes(&self, bytes: u64) {
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }
}

#[derive(Debug)]
pub(super) struct Counting {
    folder: LocalFileSystem,
    counts: Arc<Counts>,
}

impl Counting {
    pub(super) fn new(folder: &FilePath, counts: Arc<Counts>) -> Result<Self> {
        let folder = LocalFileSystem::new_with_prefix(folder)?;
        Ok(Self { folder, counts })
    }
}

impl fmt::Display for Counting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.folder.fmt(f)
    }
}

#[async_trait::async_trait]
impl ObjectStore for Counting {
    async fn put_opts(
        &self,
        location: &Path,
        payload: PutPayload,
        options: PutOptions,
    ) -> Result<PutResult> {
        self.folder.put_opts(location, payload, options).await
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.folder.put_multipart_opts(location, options).await
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        let result = self.folder.get_opts(location, options).await?;
        self.counts.add_request();
        self.counts.add_bytes(result.range.end - result.range.start);
        Ok(result)
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        let parts = self.folder.get_ranges(location, ranges).await?;
        let mut end = None;
        for (range, part) in ranges.iter().zip(&parts) {
            self.counts.add_bytes(part.len() as u64);
            // A cloud reads ranges with a smaller gap by one request.
            if end.is_none_or(|end| range.start > end + GAP) {
                self.counts.add_request();
            }
            end = Some(range.end);
        }
        Ok(parts)
    }

    fn delete_stream(
        &self,
        locations: BoxStream<'static, Result<Path>>,
    ) -> BoxStream<'static, Result<Path>> {
        self.folder.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.folder.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.folder.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.folder.copy_opts(from, to, options).await
    }
}

//! Archives a trail of `auditlog` as Parquet files on an object store, and verifies them.
//!
//! An [`Archiver`] follows a store and writes its entries to a [`Location`]: a folder, a bucket of S3, Google
//! Cloud Storage or Azure (features `s3`, `gcs` and `azure`), or any other store of the crate [`object_store`].
//! The files have the canonical bytes of each entry and
//! columns that DuckDB, DataFusion, ClickHouse and Spark query without this library. `docs/format.md`
//! gives every byte, `docs/design/archive.md` the reasons. [`verify`](verify()) checks an archive,
//! [`ArchiveStore`] queries it, a [`Pruner`] removes archived entries from the hot store, [`Federated`]
//! queries both as one store, and [`restore`] copies entries back.
//!
//! # Example: archive a trail and verify the files
//! ```
//! use audit_archive::{ArchiveOptions, Archiver, Location, verify};
//! use audit_core::{LogEntry, MemoryStore, Store};
//!
//! # let folder = std::env::temp_dir().join(format!("audit-archive-doc-{}", std::process::id()));
//! let store = MemoryStore::new();
//! store.append(&[LogEntry::new("create", "User", "42", "bob")])?;
//!
//! let location = Location::parse(folder.to_str().ok_or("a path")?)?;
//! let options = ArchiveOptions::new()
//!     .create(true)
//!     .holder("billing-1")
//!     .class("Payment", "ten-years");
//! let report = Archiver::new(store, location.clone()).options(options).run_once()?;
//! assert_eq!((report.entries, report.files), (1, 1));
//!
//! let verification = verify(&location)?;
//! assert!(verification.is_clean(), "{:?}", verification.findings);
//! assert_eq!(verification.entries, 1);
//! # std::fs::remove_dir_all(&folder)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod archiver;
mod attempts;
mod cache;
mod chain;
mod check;
mod checked;
mod checkpoint;
mod cloud;
mod compact;
mod decode;
mod encode;
mod error;
mod expire;
mod federated;
mod files;
mod filter;
mod group;
mod ids;
mod keys;
mod lease;
mod location;
mod manifest;
mod mark;
mod options;
mod parallel;
mod parser;
mod prune;
mod reader;
mod remote;
mod restore;
mod row;
mod running;
mod runtime;
mod schema;
mod segment;
mod sidecar;
mod skipping;
mod status;
mod store;
mod unchanged;
mod verify;
mod wanted;

pub use crate::archiver::{Archiver, RunReport};
pub use crate::compact::Compacted;
pub use crate::error::Error;
pub use crate::expire::Expired;
pub use crate::federated::Federated;
pub use crate::location::Location;
pub use crate::options::ArchiveOptions;
pub use crate::prune::{PruneReport, Pruner};
pub use crate::restore::{Restored, plan_restore, restore};
pub use crate::running::{ArchiverStats, RunningArchiver};
pub use crate::status::ArchiveStatus;
pub use crate::store::ArchiveStore;
pub use crate::verify::{Finding, FindingKind, Verification, Verifier, verify};
#[doc(no_inline)]
pub use object_store;

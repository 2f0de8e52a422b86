//! The archive of a trail.

use std::sync::Arc;

use audit_archive::{ArchiveStore, Federated, Location};
#[cfg(feature = "web")]
use audit_core::Position;
use audit_core::{StoreError, TrailStore};

use crate::error::Error;
use crate::global::Global;

/// Returns the location of `--archive`, or `None` if it is unset.
fn location(global: &Global) -> Result<Option<Location>, Error> {
    // A variable without a value is unset, as in shells.
    let named = global.archive.as_deref().filter(|text| !text.is_empty());
    Ok(named.map(Location::parse).transpose()?)
}

/// Returns the location of the archive that a command works on.
///
/// # Errors
/// Returns [`Error::Usage`] if no archive is named.
pub(crate) fn archive(global: &Global) -> Result<Location, Error> {
    location(global)?.ok_or_else(|| Error::Usage {
        message: "no archive was named".to_owned(),
        hint: "name one with --archive or the variable AUDITLOG_ARCHIVE",
    })
}

/// Returns the name of the archive and its position in the trail, if one is named.
#[cfg(feature = "web")]
pub(crate) fn archive_position(global: &Global) -> Result<Option<(String, ReadPosition)>, Error> {
    let Some(location) = location(global)? else {
        return Ok(None);
    };
    let name = location.to_string();
    let store = ArchiveStore::open(location)?;
    let position: ReadPosition = Box::new(move || Ok(store.status()?.position));
    Ok(Some((name, position)))
}

/// Reads the position of an archive in its trail.
#[cfg(feature = "web")]
pub(crate) type ReadPosition =
    Box<dyn Fn() -> Result<Position, Box<dyn std::error::Error + Send + Sync>> + Send + Sync>;

/// Returns the store together with the archive, if one is named.
pub(crate) fn with_archive(
    global: &Global,
    store: Arc<dyn TrailStore>,
) -> Result<Arc<dyn TrailStore>, Error> {
    match location(global)? {
        Some(location) => {
            let archive = ArchiveStore::open(location)?;
            let status = archive.status()?;
            let position = store.committed_after(&status.position, 0);
            // A copy of the trail has other positions and the same entries.
            let has_last = |id| store.by_ids(&[id]).is_ok_and(|found| !found.is_empty());
            if matches!(position, Err(StoreError::InvalidPosition { .. }))
                && !status.anchor.is_some_and(has_last)
            {
                log::warn!(
                    "the archive is of another trail than the store, or the store was restored from an older \
                     backup: the output may mix two trails; check --store and --archive"
                );
            }
            Ok(Arc::new(Federated::new(store, archive)))
        }
        None => Ok(store),
    }
}

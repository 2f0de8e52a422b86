//! Checkpoints: the state of an archive after a number of manifests, with which it is opened without reading them.

use std::collections::BTreeMap;
use std::sync::Arc;

use audit_core::Position;
use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::chain::{Chain, ChainFile, Replaced};
use crate::error::Error;
use crate::location::{Location, Put};
use crate::manifest::{
    self, FORMAT, Manifest, from_checked, number_in, numbered, sha256, to_checked,
};
use crate::options::{Classes, MAX_GRACE};

/// The folder of the checkpoints.
pub(crate) const FOLDER: &str = "checkpoint";
/// The least number of manifests after which an archiver writes a checkpoint.
const EVERY: u64 = 100;
/// The number of files for each further manifest before a checkpoint, whose size is that of its files.
const FILES: u64 = 50;
/// The number of checkpoints that stay: a reader may be reading the one before the last.
const KEPT: usize = 2;

/// The stored form of a [`Chain`]. Equal manifests give equal bytes.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Checkpoint<P: Ord, F, R> {
    format: u32,
    archive: Option<Uuid>,
    number: u64,
    hash: String,
    time: DateTime<Utc>,
    fence: u64,
    last: u64,
    segment: u64,
    position: Position,
    classes: Classes,
    anchor: Option<Uuid>,
    holds: Option<u64>,
    newest: i64,
    files: Vec<F>,
    replaced: BTreeMap<P, R>,
}

/// Returns the bytes of the checkpoint of an archive.
pub(crate) fn to_bytes(chain: &Chain) -> Result<Bytes, Error> {
    let grace = TimeDelta::from_std(MAX_GRACE).unwrap_or(TimeDelta::MAX);
    let oldest = chain.time.checked_sub_signed(grace);
    let replaced = chain.replaced.iter();
    let checkpoint = Checkpoint {
        format: FORMAT,
        archive: chain.archive,
        number: chain.number,
        hash: chain.hash.clone(),
        time: chain.time,
        fence: chain.fence,
        last: chain.last,
        segment: chain.segment,
        position: chain.position.clone(),
        classes: (*chain.classes).clone(),
        anchor: chain.anchor,
        holds: chain.holds,
        newest: chain.newest,
        files: chain.files.values().map(|file| &**file).collect(),
        replaced: replaced
            .filter(|(_, replaced)| oldest.is_none_or(|oldest| replaced.at >= oldest))
            .collect(),
    };
    to_checked(&name(chain.number), &checkpoint)
}

/// Reads a checkpoint and checks its bytes and its number.
pub(crate) fn read(bytes: &[u8], number: u64) -> Result<Chain, Error> {
    let path = name(number);
    let read: Checkpoint<String, ChainFile, Replaced> = from_checked(&path, bytes)?;
    if read.number != number {
        let detail = format!("it has the number {}", read.number);
        return Err(Error::corrupt(path, detail));
    }
    let files = read.files.into_iter();
    Ok(Chain {
        archive: read.archive,
        number,
        hash: read.hash,
        checkpoint: number,
        time: read.time,
        fence: read.fence,
        last: read.last,
        segment: read.segment,
        position: read.position,
        classes: Arc::new(read.classes),
        anchor: read.anchor,
        holds: read.holds,
        newest: read.newest,
        files: files
            .map(|file| (file.file.path.clone(), Arc::new(file)))
            .collect(),
        replaced: read.replaced,
    })
}

/// Returns the archive as of the last of some checkpoints before the manifest that the caller requires; `None` without
/// one that can be used: the manifests have everything that it has.
pub(crate) fn last(location: &Location, numbers: &[u64]) -> Result<Option<Chain>, Error> {
    let required = location.pinned().map_or(u64::MAX, |(number, _)| number);
    for &number in numbers.iter().rev().filter(|number| **number < required) {
        let path = name(number);
        let chain = match location.get(&path) {
            Ok(Some(bytes)) => read(&bytes, number),
            // Deleted after a later one was written.
            Ok(None) => continue,
            Err(error) => Err(error),
        };
        let chain = match chain {
            Ok(chain) => chain,
            Err(error) => {
                log::warn!("an earlier checkpoint or all manifests are read: {error}");
                continue;
            }
        };
        let Some(bytes) = location.get(&manifest::name(number))? else {
            // A gap or a lost tail.
            return Ok(None);
        };
        let manifest = Manifest::read(&bytes, number)?;
        if chain.archive == Some(manifest.archive) && sha256(&bytes) != chain.hash {
            let detail = format!(
                "it follows a manifest {number} with the hash {}, and the existing one has {}: one of the two was \
                 replaced",
                chain.hash,
                sha256(&bytes)
            );
            return Err(Error::corrupt(path, detail));
        }
        if !is_after(&chain, &manifest) {
            log::warn!("{path} contradicts its manifest: an earlier one or all manifests are read");
            continue;
        }
        return Ok(Some(chain));
    }
    Ok(None)
}

/// Returns whether a checkpoint has what its manifest has of the trail.
fn is_after(chain: &Chain, manifest: &Manifest) -> bool {
    chain.archive == Some(manifest.archive)
        && chain.last == manifest.last
        && chain.position == manifest.position
        && chain.anchor == manifest.anchor
        && *chain.classes == manifest.classes
        && chain.fence >= manifest.fence
}

/// Writes a checkpoint if there are enough manifests after the last one, and deletes those that no reader needs.
/// After an error, the next one is written after as many manifests again.
pub(crate) fn write(chain: &mut Chain, location: &Location) -> Result<(), Error> {
    let every = EVERY.max(chain.files.len() as u64 / FILES);
    if chain.number < chain.checkpoint.saturating_add(every) {
        return Ok(());
    }
    chain.checkpoint = chain.number;
    let path = name(chain.number);
    if location.put_new(&path, &to_bytes(chain)?)? == Put::Other {
        return Err(Error::corrupt(path, "it is of other manifests"));
    }
    let numbers = numbers(location)?;
    let Some(first) = numbers.iter().rev().nth(KEPT - 1) else {
        return Ok(());
    };
    for path in location.names(FOLDER, FOLDER)? {
        // In a folder, the file of an interrupted write has a name with `#`.
        let object = path.split('#').next().unwrap_or_default();
        if number_in(FOLDER, object).is_some_and(|number| number < *first)
            && let Err(error) = location.delete(&path)
        {
            // It has no effect.
            log::debug!("an earlier checkpoint was not deleted: {error}");
        }
    }
    Ok(())
}

/// Returns the numbers of the checkpoints, sorted.
pub(crate) fn numbers(location: &Location) -> Result<Vec<u64>, Error> {
    let names = location.names(FOLDER, FOLDER)?;
    let mut numbers: Vec<u64> = names
        .iter()
        .filter_map(|path| number_in(FOLDER, path))
        .collect();
    numbers.sort_unstable();
    Ok(numbers)
}

/// Returns the name of the checkpoint after a manifest.
pub(crate) fn name(number: u64) -> String {
    numbered(FOLDER, number)
}

//! Manifests: the numbered, hash-chained list of what an archive has.

use audit_core::Position;
use bytes::Bytes;
use chrono::{DateTime, Utc};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::error::Error;
use crate::location::Location;
use crate::options::Classes;

/// The version of the archive's form that this library writes (docs/format.md).
pub(crate) const FORMAT: u32 = 1;
/// The folder of the manifests.
pub(crate) const FOLDER: &str = "manifest";
/// The hash in the first manifest.
pub(crate) const NO_HASH: &str = "0000000000000000000000000000000000000000000000000000000000000000";

const CHECKSUM: &str = "{\"checksum\":\"";
/// The text after the digits of the checksum.
const AFTER_CHECKSUM: &str = "\",";

/// The list of the files that a segment of the trail has become, and the position after it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Manifest {
    /// The version of the form.
    pub(crate) format: u32,
    /// The id that all manifests of the archive share.
    pub(crate) archive: Uuid,
    /// The number of the manifest, from 1.
    pub(crate) number: u64,
    /// The SHA-256 of the manifest before, in hexadecimal digits.
    pub(crate) prev: String,
    /// The number of the lease under which it was written.
    pub(crate) fence: u64,
    /// The kind of change.
    pub(crate) kind: ManifestKind,
    /// When it was written, by the archiver's clock.
    pub(crate) time: DateTime<Utc>,
    /// The name and version of the program.
    pub(crate) writer: String,
    /// The number of the segment's first entry.
    pub(crate) first: u64,
    /// The number of its last entry; `first` - 1 if it has none.
    pub(crate) last: u64,
    /// The position of the trail after the segment.
    pub(crate) position: Position,
    /// The retention classes of models, by model, since this manifest; others have the class `default`.
    pub(crate) classes: Classes,
    /// The id of the last archived entry, by which the archiver recognizes the trail.
    pub(crate) anchor: Option<Uuid>,
    /// The rows of the segment that are not entries.
    pub(crate) skipped: Vec<SkippedRow>,
    /// The files of the segment; for `compact`, the files that replace those in `removed`.
    pub(crate) added: Vec<ArchiveFile>,
    /// The paths of files that are no longer part of the archive.
    pub(crate) removed: Vec<String>,
    /// The reason why files left the archive; empty unless the kind is `remove`.
    pub(crate) reason: String,
    /// Reserved for holds; empty.
    pub(crate) holds: Vec<serde_json::Value>,
}

/// The kind of a [`Manifest`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ManifestKind {
    /// The archive was created. The first manifest has this kind.
    Create,
    /// A segment was archived.
    Archive,
    /// Files left the archive.
    Remove,
    /// Files were replaced by fewer ones with the same entries.
    Compact,
}

/// A file of an archive.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ArchiveFile {
    /// The name of the object.
    pub(crate) path: String,
    /// The retention class.
    pub(crate) class: String,
    /// The date, as in the name.
    pub(crate) date: String,
    /// The count of entries.
    pub(crate) rows: u64,
    /// The total length of the bodies in bytes.
    pub(crate) body_bytes: u64,
    /// The length in bytes.
    pub(crate) bytes: u64,
    /// The SHA-256 of the file, in hexadecimal digits.
    pub(crate) sha256: String,
    /// The time of the earliest entry, in microseconds since 1970.
    pub(crate) min_ts: i64,
    /// The time of the latest entry.
    pub(crate) max_ts: i64,
    /// The lowest id.
    pub(crate) min_id: Uuid,
    /// The highest id.
    pub(crate) max_id: Uuid,
    /// The models in key form; `None` if there are more than 64.
    pub(crate) models: Option<Vec<String>>,
    /// The filter beside the file.
    pub(crate) filter: FilterFile,
}

/// The object beside a file: the filter of its keys, and the checksums of its blocks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct FilterFile {
    /// The name of the object.
    pub(crate) path: String,
    /// The length in bytes.
    pub(crate) bytes: u64,
    /// The SHA-256 of the filter, in hexadecimal digits.
    pub(crate) sha256: String,
}

/// A row of the hot store that is not an entry and is in no file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SkippedRow {
    /// Its number in the archive.
    pub(crate) seq: u64,
    /// The id under which the hot store has it.
    pub(crate) id: Uuid,
    /// The position after it.
    pub(crate) position: Position,
    /// The length of its bytes.
    pub(crate) bytes: u64,
    /// Their SHA-256, in hexadecimal digits.
    pub(crate) sha256: String,
    /// The reason why it is not an entry.
    pub(crate) detail: String,
}

impl Manifest {
    /// Returns the bytes of the object.
    pub(crate) fn to_bytes(&self) -> Result<Bytes, Error> {
        to_checked(&name(self.number), self)
    }

    /// Reads a manifest of a location, which must exist.
    pub(crate) fn get(number: u64, location: &Location) -> Result<Self, Error> {
        let bytes = location.get(&name(number))?;
        Self::read(&bytes.ok_or(Error::Gap { number })?, number)
    }

    /// Reads a manifest and checks its bytes and its number.
    pub(crate) fn read(bytes: &[u8], number: u64) -> Result<Self, Error> {
        let path = name(number);
        let manifest: Self = from_checked(&path, bytes)?;
        if manifest.number != number {
            let detail = format!("it has the number {}", manifest.number);
            return Err(Error::corrupt(path, detail));
        }
        Ok(manifest)
    }
}

/// Returns the JSON of an object with the checksum of its other members as the first one.
pub(crate) fn to_checked(path: &str, object: &impl Serialize) -> Result<Bytes, Error> {
    let members = serde_json::to_string(object).map_err(|error| Error::corrupt(path, error))?;
    let members = &members[1..];
    let checksum = sha256(members.as_bytes());
    Ok([CHECKSUM, &checksum, AFTER_CHECKSUM, members]
        .concat()
        .into())
}

/// Reads an object as [`to_checked`] writes it, and checks its bytes and the version of its form.
pub(crate) fn from_checked<T: DeserializeOwned>(path: &str, bytes: &[u8]) -> Result<T, Error> {
    let foreign = || Error::Foreign {
        path: path.to_owned(),
        detail: "it does not begin with a checksum".to_owned(),
    };
    let rest = bytes
        .strip_prefix(CHECKSUM.as_bytes())
        .ok_or_else(foreign)?;
    let (checksum, rest) = rest.split_at_checked(64).ok_or_else(foreign)?;
    let members = rest
        .strip_prefix(AFTER_CHECKSUM.as_bytes())
        .ok_or_else(foreign)?;
    if sha256(members).as_bytes() != checksum {
        return Err(Error::corrupt(path, "its bytes do not match its checksum"));
    }
    let json = [b"{", members].concat();
    let corrupt = |error| Error::corrupt(path, error);
    let format: Format = serde_json::from_slice(&json).map_err(corrupt)?;
    if format.format > FORMAT {
        return Err(Error::NewerFormat {
            path: path.to_owned(),
            found: format.format,
        });
    }
    serde_json::from_slice(&json).map_err(corrupt)
}

/// The member of an object that says how to read the others.
#[derive(Deserialize)]
struct Format {
    format: u32,
}

/// Returns the name of a manifest.
pub(crate) fn name(number: u64) -> String {
    numbered(FOLDER, number)
}

/// Returns the number of a manifest by its name.
pub(crate) fn number(path: &str) -> Option<u64> {
    number_in(FOLDER, path)
}

/// Returns the name of an object of a folder by the number of a manifest.
pub(crate) fn numbered(folder: &str, number: u64) -> String {
    format!("{folder}/{number:08}.json")
}

/// Returns the number of an object of a folder by its name.
pub(crate) fn number_in(folder: &str, path: &str) -> Option<u64> {
    let digits = path
        .strip_prefix(folder)?
        .strip_prefix('/')?
        .strip_suffix(".json")?;
    let number = digits.parse().ok()?;
    (number > 0 && numbered(folder, number) == path).then_some(number)
}

/// Returns a SHA-256 in hexadecimal digits.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    audit_sql::hex(&audit_sql::checksum(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest() -> Manifest {
        Manifest {
            format: FORMAT,
            archive: Uuid::nil(),
            number: 7,
            prev: NO_HASH.to_owned(),
            fence: 3,
            kind: ManifestKind::Archive,
            time: DateTime::UNIX_EPOCH,
            writer: "test".to_owned(),
            first: 1,
            last: 0,
            position: Position::START,
            classes: Classes::new(),
            anchor: None,
            skipped: Vec::new(),
            added: Vec::new(),
            removed: Vec::new(),
            reason: String::new(),
            holds: Vec::new(),
        }
    }

    #[test]
    fn a_manifest_is_read_as_it_is_written() {
        let bytes = manifest().to_bytes().expect("bytes");
        assert_eq!(Manifest::read(&bytes, 7).expect("a manifest"), manifest());
        assert!(serde_json::from_slice::<serde_json::Value>(&bytes).is_ok());
        assert!(Manifest::read(&bytes, 8).is_err(), "another number");
    }

    #[test]
    fn every_flipped_bit_is_found() {
        let bytes = manifest().to_bytes().expect("bytes");
        for at in 0..bytes.len() {
            for bit in 0..8 {
                let mut flipped = bytes.to_vec();
                flipped[at] ^= 1 << bit;
                assert!(
                    Manifest::read(&flipped, 7).is_err(),
                    "bit {bit} of byte {at}"
                );
            }
        }
        assert!(Manifest::read(&bytes[..bytes.len() - 1], 7).is_err());
    }

    #[test]
    fn a_later_format_is_an_error_of_its_own() {
        let mut manifest = manifest();
        manifest.format = FORMAT + 1;
        let error = Manifest::read(&manifest.to_bytes().expect("bytes"), 7);
        assert!(matches!(error, Err(Error::NewerFormat { found: 2, .. })));
    }

    #[test]
    fn names_have_one_spelling() {
        assert_eq!(name(1), "manifest/00000001.json");
        assert_eq!(number(&name(123_456_789)), Some(123_456_789));
        for other in [
            "manifest/1.json",
            "manifest/00000000.json",
            "manifest/0000000a.json",
            "manifest/00000001.json.tmp",
            "00000001.json",
        ] {
            assert_eq!(number(other), None, "{other}");
        }
    }
}

//! Checks a file of an archive: its hash, and its rows against their bodies.

use audit_core::LogEntry;
use bytes::Bytes;
use parquet::errors::ParquetError;
use parquet::file::metadata::FileMetaData;
use parquet::file::reader::FileReader as _;

use crate::chain::ChainFile;
use crate::decode;
use crate::error::Error;
use crate::location::Location;
use crate::manifest::{ArchiveFile, FORMAT, sha256};
use crate::row::{Row, date};
use crate::schema::{KEY_FIRST, KEY_FORMAT, KEY_LAST};
use crate::segment::{Summary, stem};
use crate::skipping;
use crate::verify::{Finding, FindingKind};

/// The folder of the files.
pub(crate) const FOLDER: &str = "v1";
/// The number of findings that are reported for a file.
const FINDINGS: usize = 20;

/// The result for a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FileCheck {
    Intact,
    Damaged,
}

/// Checks a file and its filter; `on_row` gets each row of a file whose hash is right.
pub(crate) fn file(
    location: &Location,
    file: &ChainFile,
    findings: &mut Vec<Finding>,
    on_row: &mut dyn FnMut(&Row),
) -> Result<FileCheck, Error> {
    let before = findings.len();
    let ArchiveFile { path, filter, .. } = &file.file;
    let bytes = read(location, path, file.file.bytes, &file.file.sha256, findings)?;
    let sidecar = read(
        location,
        &filter.path,
        filter.bytes,
        &filter.sha256,
        findings,
    )?;
    if let Some(bytes) = bytes {
        let mut content = Content {
            file,
            summary: Summary::default(),
            last: None,
            findings: Vec::new(),
            on_row,
        };
        if let Err(error) = content.read(&bytes) {
            content.add(format!("it is not a readable Parquet file: {error}"));
        }
        findings.append(&mut content.finish(&bytes, sidecar));
    }
    Ok(if findings.len() == before {
        FileCheck::Intact
    } else {
        FileCheck::Damaged
    })
}

/// Reads an object if it has the length and hash of the manifest.
fn read(
    location: &Location,
    path: &str,
    length: u64,
    hash: &str,
    findings: &mut Vec<Finding>,
) -> Result<Option<Bytes>, Error> {
    let mut add = |kind, detail: String| {
        findings.push(Finding {
            kind,
            path: path.to_owned(),
            detail,
        });
    };
    let Some(bytes) = location.get(path)? else {
        add(FindingKind::MissingFile, "it does not exist".to_owned());
        return Ok(None);
    };
    if bytes.len() as u64 != length {
        let detail = format!("it has {} bytes instead of {length}", bytes.len());
        add(FindingKind::DamagedFile, detail);
    } else if sha256(&bytes) != hash {
        let detail = "its SHA-256 is not that of the manifest".to_owned();
        add(FindingKind::DamagedFile, detail);
    } else {
        return Ok(Some(bytes));
    }
    Ok(None)
}

/// The content of a file while it is read.
struct Content<'c> {
    file: &'c ChainFile,
    summary: Summary,
    /// The last row, without its body.
    last: Option<Row>,
    findings: Vec<Finding>,
    on_row: &'c mut dyn FnMut(&Row),
}

impl Content<'_> {
    fn add(&mut self, detail: String) {
        if self.findings.len() < FINDINGS {
            self.findings.push(Finding {
                kind: FindingKind::WrongContent,
                path: self.file.file.path.clone(),
                detail,
            });
        }
    }

    fn read(&mut self, bytes: &Bytes) -> Result<(), ParquetError> {
        let reader = decode::open(bytes.clone())?;
        self.check_metadata(reader.metadata().file_metadata());
        for group in 0..reader.num_row_groups() {
            let rows = decode::rows(&*reader.get_row_group(group)?)?;
            for contradiction in skipping::contradictions(&reader, group, &rows)? {
                self.add(contradiction);
            }
            for row in rows {
                self.check_row(row);
            }
        }
        Ok(())
    }

    fn check_metadata(&mut self, metadata: &FileMetaData) {
        let expected = [
            (KEY_FORMAT, u64::from(FORMAT)),
            (KEY_FIRST, self.file.first),
            (KEY_LAST, self.file.last),
        ];
        for (key, value) in expected {
            let found = metadata
                .key_value_metadata()
                .and_then(|pairs| pairs.iter().find(|pair| pair.key == key))
                .and_then(|pair| pair.value.as_deref());
            if found != Some(&*value.to_string()) {
                self.add(format!("its metadata `{key}` is not {value}"));
            }
        }
    }

    fn check_row(&mut self, row: Row) {
        let body = row.body();
        let derived = std::str::from_utf8(&body)
            .map_err(|error| error.to_string())
            .and_then(|body| LogEntry::from_json(body).map_err(|error| error.to_string()));
        match derived {
            Ok(entry) => {
                let derived = Row::new(row.seq, &entry, &body);
                if let Some(column) = row.difference(&derived) {
                    self.add(format!(
                        "column `{column}` of entry {} is not that of its body",
                        row.id
                    ));
                }
                if date(entry.timestamp) != self.file.file.date {
                    self.add(format!("entry {} has another date", row.id));
                }
            }
            Err(error) => self.add(format!("the body of entry {} is not one: {error}", row.id)),
        }
        if self
            .last
            .as_ref()
            .is_some_and(|last| last.order() >= row.order())
        {
            self.add(format!("entry {} is not in the order of rows", row.id));
        }
        self.summary.add(&row);
        (self.on_row)(&row);
        self.last = Some(row);
    }

    /// Compares the rows with the manifest, and the file with the object beside it.
    fn finish(mut self, bytes: &Bytes, sidecar: Option<Bytes>) -> Vec<Finding> {
        let file = &self.file.file;
        let (class, date) = (file.class.clone(), file.date.clone());
        let name = stem(&class, &date, self.file.first, self.file.last);
        let summary = std::mem::take(&mut self.summary);
        let (mut derived, derived_sidecar) = summary.finish(bytes, class, date);
        derived.path.clone_from(&file.path);
        derived.filter.path.clone_from(&file.filter.path);
        // Its bytes are compared below.
        derived.filter.bytes = file.filter.bytes;
        derived.filter.sha256.clone_from(&file.filter.sha256);
        let (is_described, is_named) = (derived == *file, file.path.starts_with(&name));
        if !is_described {
            self.add("its manifest describes other rows".to_owned());
        }
        if !is_named {
            self.add("its name is not that of its class, date and segment".to_owned());
        }
        if sidecar.is_some_and(|sidecar| sidecar != derived_sidecar) {
            self.add("its filter has other keys or checksums".to_owned());
        }
        self.findings
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::encode::encode;
    use crate::location::Put;
    use crate::schema::ROW_GROUP;
    use audit_core::{Actor, Change};
    use object_store::memory::InMemory;

    type Damage = fn(&mut Vec<Row>);

    fn entry(seq: u64) -> LogEntry {
        let mut entry = LogEntry::new("update", "User", seq.to_string(), "bob");
        entry.timestamp = "2026-01-01T12:00:00Z".parse().expect("a time");
        entry
    }

    fn rows() -> Vec<Row> {
        let entries = (1..=3).map(|seq| {
            let entry = entry(seq);
            let body = entry.to_canonical_json().expect("JSON");
            Row::new(seq, &entry, body.as_bytes())
        });
        entries.collect()
    }

    /// Writes a file of rows as they are, with right hashes, and returns the findings.
    fn findings(rows: &[Row], change: impl Fn(&mut ArchiveFile)) -> Vec<Finding> {
        let bytes = encode(rows, ROW_GROUP, 1, 3).expect("a file");
        findings_of(&bytes, rows, change)
    }

    fn findings_of(bytes: &Bytes, rows: &[Row], change: impl Fn(&mut ArchiveFile)) -> Vec<Finding> {
        let location = Location::new(Arc::new(InMemory::new()), "").expect("a location");
        let mut summary = Summary::default();
        for row in rows {
            summary.add(row);
        }
        let (class, date) = ("default".to_owned(), "2026-01-01".to_owned());
        let name = stem(&class, &date, 1, 3);
        let (mut described, sidecar) = summary.finish(bytes, class, date);
        described.path = format!("{name}1.parquet");
        described.filter.path = format!("{name}1.filter");
        change(&mut described);
        for (path, bytes) in [(&described.path, bytes), (&described.filter.path, &sidecar)] {
            assert_eq!(location.put_new(path, bytes).expect("written"), Put::Done);
        }
        let described = ChainFile {
            file: described,
            first: 1,
            last: 3,
        };
        let mut findings = Vec::new();
        file(&location, &described, &mut findings, &mut |_| {}).expect("checked");
        findings
    }

    #[test]
    fn a_file_with_other_content_than_its_bodies_is_found() {
        assert_eq!(findings(&rows(), |_| {}), []);
        let changes: [(&str, Damage); 8] = [
            ("column `actor`", |rows| {
                let mut entry = entry(1);
                entry.actor = Some(Actor::user("eve"));
                rows[0].texts = Row::new(1, &entry, &rows[0].body()).texts;
            }),
            ("column `id`", |rows| rows[1].id = uuid::Uuid::max()),
            ("column `level`", |rows| rows[1].level += 10),
            ("column `fields`", |rows| {
                let mut entry = entry(3);
                let path = "email".parse().expect("a path");
                entry.changes = [Change::new(path, None, Some(1.into()))]
                    .into_iter()
                    .collect();
                rows[2].texts = Row::new(3, &entry, &rows[2].body()).texts;
            }),
            ("is not in the order of rows", |rows| rows.swap(0, 1)),
            ("is not in the order of rows", |rows| {
                rows[1] = rows[0].clone();
            }),
            ("is not one", |rows| {
                rows[2] = Row::new(3, &entry(3), b"{}");
            }),
            ("has another date", |rows| {
                let mut entry = LogEntry::new("update", "User", "9", "bob");
                entry.timestamp = "2026-01-02T12:00:00Z".parse().expect("a time");
                let body = entry.to_canonical_json().expect("JSON");
                rows[2] = Row::new(3, &entry, body.as_bytes());
            }),
        ];
        for (expected, change) in changes {
            let mut rows = rows();
            change(&mut rows);
            let found = findings(&rows, |_| {});
            let has = |finding: &Finding| {
                finding.kind == FindingKind::WrongContent && finding.detail.contains(expected)
            };
            assert!(found.iter().any(has), "{expected}: {found:#?}");
        }
    }

    #[test]
    fn a_range_that_excludes_a_row_is_found() {
        let rows = rows();
        let mut bytes = encode(&rows, ROW_GROUP, 1, 3).expect("a file").to_vec();
        let time = rows[0].ts.to_le_bytes();
        let later = (rows[0].ts + 1).to_le_bytes();
        // The footer is the last part.
        let at = bytes.windows(8).rposition(|part| part == time);
        let at = at.expect("the time");
        bytes[at..at + 8].copy_from_slice(&later);
        let found = findings_of(&bytes.into(), &rows, |_| {});
        assert_eq!(found.len(), 1, "{found:#?}");
        assert_eq!(found[0].kind, FindingKind::WrongContent);
        assert!(
            found[0].detail.contains("statistics of column `ts`"),
            "{found:#?}"
        );
    }

    #[test]
    fn a_manifest_that_describes_other_rows_is_found() {
        let found = findings(&rows(), |file| file.max_ts += 1);
        assert_eq!(found[0].kind, FindingKind::WrongContent, "{found:#?}");
        let found = findings(&rows(), |file| file.models = Some(Vec::new()));
        assert_eq!(found[0].kind, FindingKind::WrongContent, "{found:#?}");
    }
}

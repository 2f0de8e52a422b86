//! Finding an entry by a part of its id.

use std::fmt;

use audit_core::{LogEntry, ObjectRef};
use uuid::Uuid;

use crate::error::Error;
use crate::text;
use crate::trail::Trail;
use crate::zone::Zone;

/// The maximum number of entries that are listed for an ambiguous id.
const MAX_CANDIDATES: usize = 10;
/// The number of hexadecimal digits of an id.
const DIGITS: usize = 32;

/// Rejects a text that cannot be part of an id, before a store is opened.
pub(crate) fn check(id: &str) -> Result<(), Error> {
    let digits = id.chars().filter(|c| *c != '-');
    if (1..=DIGITS).contains(&digits.clone().count())
        && digits.clone().all(|c| c.is_ascii_hexdigit())
    {
        return Ok(());
    }
    Err(Error::Value {
        argument: "<ID>",
        message: format!(
            "`{}` is not part of an id; expected hexadecimal digits such as 0c9d8e7f6a5b",
            id.escape_debug()
        ),
    })
}

/// Finds the entry whose id begins or ends with these digits.
///
/// Ids begin with the time, so entries that are written together share their first digits; on a
/// terminal `log` shows the last ones.
///
/// # Errors
/// - Returns [`Error::NotFound`] if there is no such entry.
/// - Returns [`Error::Ambiguous`] if there are several.
pub(crate) fn find(trail: &Trail, id: &str, zone: Zone) -> Result<LogEntry, Error> {
    let mut found = trail.store.with_id_prefix(id, MAX_CANDIDATES + 1)?;
    // A complete id matches as a prefix; a suffix needs a scan of all ids.
    if id.chars().filter(|c| *c != '-').count() < DIGITS {
        let ending = trail.store.with_id_suffix(id, MAX_CANDIDATES + 1)?;
        found.extend(ending);
        found.sort_unstable_by_key(|entry| entry.id);
        found.dedup_by_key(|entry| entry.id);
    }
    if found.len() > 1 {
        let mut entries: Vec<String> = found
            .iter()
            .take(MAX_CANDIDATES)
            .map(|entry| {
                let (id, time) = (entry.id, zone.show(entry.timestamp));
                format!("{id} {time} {} {}", entry.action, text::object(entry))
            })
            .collect();
        if found.len() > MAX_CANDIDATES {
            entries.push("and more".to_owned());
        }
        return Err(Error::Ambiguous {
            part: id.to_owned(),
            entries,
        });
    }
    found.pop().ok_or_else(|| Error::NotFound {
        what: format!("entry whose id begins or ends with `{id}`"),
        near: None,
        hint: "`auditlog log` ends each line with the entry's id",
    })
}

/// Returns the object of an entry.
///
/// # Errors
/// Returns [`Error::Usage`] if the entry has no object.
pub(crate) fn object(entry: &LogEntry) -> Result<(&str, &str), Error> {
    if entry.model.is_empty() || entry.object_pk.is_empty() {
        return Err(Error::Usage {
            message: format!("entry {} has no object", entry.id),
            hint: "`auditlog show` prints all of it",
        });
    }
    Ok((&entry.model, &entry.object_pk))
}

/// An object by its model and key, or by the id of one of its entries.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Target<'a> {
    Object(&'a str, &'a str),
    Entry(&'a str),
}

impl<'a> Target<'a> {
    /// Reads a model without a key as the id of an entry.
    ///
    /// # Errors
    /// Returns [`Error::Usage`] if it is not an id.
    pub(crate) fn new(model: &'a str, pk: Option<&'a str>) -> Result<Self, Error> {
        match pk {
            Some(pk) => Ok(Self::Object(model, pk)),
            None if check(model).is_ok() => Ok(Self::Entry(model)),
            None => Err(Error::Usage {
                message: format!("the key of the `{}` is missing", model.escape_debug()),
                hint: "give a model and a key, or the id of an entry alone",
            }),
        }
    }

    /// Returns the object, and the id of the entry if there is one.
    ///
    /// # Errors
    /// See [`find`] and [`object`].
    pub(crate) fn find(
        self,
        trail: &Trail,
        zone: Zone,
    ) -> Result<(ObjectRef, Option<Uuid>), Error> {
        match self {
            Self::Object(model, pk) => Ok((ObjectRef::new(model, pk), None)),
            Self::Entry(id) => {
                let entry = find(trail, id, zone)?;
                let (model, pk) = object(&entry)?;
                Ok((ObjectRef::new(model, pk), Some(entry.id)))
            }
        }
    }
}

impl fmt::Display for Target<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Object(model, pk) => write!(f, "{model} {pk}"),
            Self::Entry(id) => f.write_str(id),
        }
    }
}

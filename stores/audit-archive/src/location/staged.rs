//! The files that interrupted writes leave in a folder of this machine: the object store writes to the name of the
//! object with `#` and a number, and does not list such names.

use std::fs;
use std::io::ErrorKind;

use super::{Listed, Location};
use crate::error::Error;

impl Location {
    /// Returns these files in a folder and below it.
    pub(super) fn staged(&self, folder: &str) -> Result<Vec<Listed>, Error> {
        let Some(root) = self.folder.clone() else {
            return Ok(Vec::new());
        };
        let first = folder.to_owned();
        self.on_disk(folder, move || {
            let (mut staged, mut folders) = (Vec::new(), vec![first.clone()]);
            while let Some(folder) = folders.pop() {
                let Some(entries) = existing(fs::read_dir(root.join(&folder)))? else {
                    continue;
                };
                for entry in entries {
                    let entry = entry?;
                    let Ok(name) = entry.file_name().into_string() else {
                        continue;
                    };
                    let path = format!("{folder}/{name}");
                    if entry.file_type()?.is_dir() {
                        folders.push(path);
                    } else if is_staged(&name)
                        && let Some(metadata) = existing(entry.metadata())?
                    {
                        let modified = metadata.modified()?.into();
                        staged.push(Listed { path, modified });
                    }
                }
            }
            Ok(staged)
        })
    }

    /// Deletes a file of an interrupted write; `None` if the name is of another object.
    pub(super) fn delete_staged(&self, path: &str) -> Option<Result<(), Error>> {
        let root = self.folder.as_deref().filter(|_| is_staged(path))?;
        let file = root.join(path);
        let deleted = self.on_disk(path, move || existing(fs::remove_file(&file)));
        Some(deleted.map(drop))
    }
}

fn is_staged(name: &str) -> bool {
    let number = name.rsplit_once('#').map_or("", |(_, number)| number);
    !number.is_empty() && number.bytes().all(|digit| digit.is_ascii_digit())
}

/// Returns `None` if a file does not exist: its write may end meanwhile.
fn existing<T>(found: std::io::Result<T>) -> std::io::Result<Option<T>> {
    match found {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        found => found.map(Some),
    }
}

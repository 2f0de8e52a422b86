//! The state of a store.

use serde::Serialize;

use crate::error::StoreError;

/// The state of a store, from [`TrailStore::health`](crate::TrailStore::health).
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Health {
    /// The location of the store.
    pub location: Location,
    /// The number of entries; 0 if damage keeps them from being counted.
    pub entries: u64,
    /// The version of its tables, if it has any and they can be read.
    pub schema: Option<u32>,
    /// The highest version of the tables that this library supports.
    pub schema_supported: Option<u32>,
    /// The database that keeps it.
    pub engine: Engine,
    /// The space that the store takes.
    pub sizes: Option<Sizes>,
    /// Its partitions, if it has any.
    pub partitions: Option<Partitions>,
    /// The plans of common queries, if they were requested.
    pub plans: Vec<QueryPlan>,
    /// The problems that were found.
    pub problems: Vec<Problem>,
    /// Facts that are no problem yet, each with what to observe.
    pub notes: Vec<Problem>,
}

/// The location of a store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Location {
    /// In the memory of the process.
    Memory,
    /// In a file: its path.
    #[serde(rename = "path")]
    File(String),
    /// In a database: its name and server, without a password.
    Database(String),
}

/// The database that keeps a store.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Engine {
    /// The name of the kind of store, as its positions have it, such as `sqlite`.
    pub kind: &'static str,
    /// Its name for people, such as `SQLite`.
    pub name: &'static str,
    /// Its version.
    pub version: String,
    /// Settings that matter for the trail, each with its name.
    pub settings: Vec<(&'static str, String)>,
}

impl Engine {
    /// Names a database.
    pub fn new(kind: &'static str, name: &'static str, version: impl Into<String>) -> Self {
        Self {
            kind,
            name,
            version: version.into(),
            settings: Vec::new(),
        }
    }
}

/// The sizes of the parts of a store, in bytes; `None` for parts that it does not have.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Sizes {
    /// The file, with what is free in it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file_bytes: Option<u64>,
    /// The free space in the file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub free_bytes: Option<u64>,
    /// The write-ahead log beside the file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wal_bytes: Option<u64>,
    /// The canonical forms of the entries.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub entry_bytes: Option<u64>,
    /// The tables.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub table_bytes: Option<u64>,
    /// The indexes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub index_bytes: Option<u64>,
    /// All that is in use, divided by the number of entries.
    #[serde(rename = "bytes_an_entry")]
    pub bytes_per_entry: u64,
}

/// The partitions of a store, one a month.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Partitions {
    /// The number of months that have a partition.
    pub months: usize,
    /// The missing ones of this month and the next.
    pub missing: Vec<String>,
    /// The number of entries of months without a partition.
    pub rest_entries: u64,
}

/// The plan of a query: the steps in which a store would run it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct QueryPlan {
    /// The name of the query.
    pub question: &'static str,
    /// Whether an index leads to the entries.
    pub indexed: bool,
    /// The plan of the database, a line a step.
    pub steps: Vec<String>,
}

/// Something that is not as it should be, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Problem {
    /// The description of the problem.
    pub what: String,
    /// The action that solves it.
    pub advice: &'static str,
}

impl Problem {
    /// Makes a problem.
    pub fn new(what: impl Into<String>, advice: &'static str) -> Self {
        Self {
            what: what.into(),
            advice,
        }
    }
}

impl Health {
    /// Makes the report of a store in which nothing is wrong so far.
    pub fn new(location: Location, engine: Engine) -> Self {
        Self {
            location,
            entries: 0,
            schema: None,
            schema_supported: None,
            engine,
            sizes: None,
            partitions: None,
            plans: Vec::new(),
            problems: Vec::new(),
            notes: Vec::new(),
        }
    }

    /// Returns what was read of a store, for stores; adds damage as a problem and returns `None`.
    /// `what` names what is damaged, such as `file`.
    ///
    /// # Errors
    /// Returns the error of the read, unless it is [`StoreError::Corrupt`].
    pub fn read<T>(
        &mut self,
        result: Result<T, StoreError>,
        what: &str,
        advice: &'static str,
    ) -> Result<Option<T>, StoreError> {
        match result {
            Ok(read) => Ok(Some(read)),
            Err(StoreError::Corrupt { detail, .. }) => {
                self.problems.push(Problem::new(
                    format!("the {what} is damaged: {detail}"),
                    advice,
                ));
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// Adds the plan of a query, for stores, and a problem if no index leads to its entries.
    pub fn add_plan(
        &mut self,
        question: &'static str,
        steps: Vec<String>,
        indexed: bool,
        advice: &'static str,
    ) {
        if !indexed {
            self.problems.push(Problem::new(
                format!("{question}: no index leads to the entries"),
                advice,
            ));
        }
        self.plans.push(QueryPlan {
            question,
            indexed,
            steps,
        });
    }
}

//! Location of the store, from `--store`, its variable or the default file.

use std::env;
#[cfg(feature = "postgres")]
use std::ffi::OsStr;
use std::fmt;
use std::path::{Path, PathBuf};

use crate::error::Error;
use crate::global::Global;

/// The file that is used if no store is named and the file exists.
const DEFAULT: &str = "audit.db";

/// The schemes of a URL of PostgreSQL.
const SCHEMES: [&str; 2] = ["postgres://", "postgresql://"];

/// Schemes of database URLs of other programs.
const DATABASES: [&str; 6] = ["file", "sqlite", "sqlite3", "jdbc", "mysql", "mariadb"];

/// The hint for an invalid `--store`.
const FORMS: &str = "give the path of a SQLite file, or a PostgreSQL URL such as \
                     postgres://user@host/database";

/// Keys that identify a connection string of libpq.
const LIBPQ: [&str; 8] = [
    "host", "hostaddr", "port", "user", "password", "dbname", "service", "sslmode",
];

/// Location of a store.
#[derive(Clone, Debug)]
pub(crate) enum StoreLocation {
    /// A SQLite file.
    File(PathBuf),
    /// A PostgreSQL database.
    Server(Server),
}

/// A database, and the schema of the trail in it.
#[derive(Clone)]
pub(crate) struct Server {
    /// The URL, which can contain a password.
    url: String,
    schema: Option<String>,
}

impl StoreLocation {
    /// Returns the location of the store that is named, or else of the default file.
    ///
    /// # Errors
    /// - Returns [`Error::NoStore`] if no store is named and the default file is missing.
    /// - Returns [`Error::Usage`] if `--store` is not a path or a URL of PostgreSQL, or if
    ///   `--schema` is given with a file.
    pub(crate) fn of(global: &Global) -> Result<Self, Error> {
        // A variable without a value is unset, as in shells.
        let named = global.store.as_deref().filter(|store| !store.is_empty());
        let path = match named {
            Some(store) => match store.to_str() {
                Some(url) if is_url(url) => {
                    return Ok(Self::Server(Server::new(url, global)));
                }
                Some(text) if !Path::new(text).exists() => {
                    refuse_database(text)?;
                    text.into()
                }
                _ => store.into(),
            },
            None if Path::new(DEFAULT).is_file() => DEFAULT.into(),
            None => return Err(Error::NoStore),
        };
        if global.schema.is_some() {
            return Err(Error::Usage {
                message: "--schema is for PostgreSQL, and the store is a file".to_owned(),
                hint: "leave it out, or name a database: --store postgres://user@host/database",
            });
        }
        Ok(Self::File(path))
    }

    /// Returns whether the store is in a database.
    pub(crate) fn is_server(&self) -> bool {
        matches!(self, Self::Server(_))
    }
}

impl Server {
    /// Creates a location from a URL and the schema of the arguments.
    pub(crate) fn new(url: &str, global: &Global) -> Self {
        Self {
            url: url.to_owned(),
            schema: schema(global),
        }
    }

    /// Returns the URL. Do not print it: it can contain a password.
    #[cfg(feature = "postgres")]
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Returns the error of a build without the `postgres` feature.
    #[cfg(not(feature = "postgres"))]
    pub(crate) fn absent(&self) -> Error {
        log::debug!("{self:?} is not opened");
        Error::absent("PostgreSQL")
    }

    /// Returns the schema, or `None` if it is unset.
    #[cfg(feature = "postgres")]
    pub(crate) fn schema(&self) -> Option<&str> {
        self.schema.as_deref()
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The URL can contain a password, so only its length is shown.
        f.debug_struct("Server")
            .field("url", &self.url.len())
            .field("schema", &self.schema)
            .finish()
    }
}

/// Returns the schema of `--schema`, or else of the variable `AUDITLOG_SCHEMA`.
pub(crate) fn schema(global: &Global) -> Option<String> {
    let named = || env::var("AUDITLOG_SCHEMA").ok();
    global
        .schema
        .clone()
        .or_else(named)
        .filter(|name| !name.is_empty())
}

/// Returns the text of `--store` if it is a URL of PostgreSQL.
#[cfg(feature = "postgres")]
pub(crate) fn url(store: Option<&OsStr>) -> Option<&str> {
    store?.to_str().filter(|text| is_url(text))
}

fn is_url(text: &str) -> bool {
    SCHEMES.iter().any(|scheme| text.starts_with(scheme))
}

/// Rejects a text that looks like a database URL or a connection string. The error does not repeat
/// the text, which can contain a password.
fn refuse_database(text: &str) -> Result<(), Error> {
    let lower = text.to_ascii_lowercase();
    // Other programs use these schemes for databases.
    let scheme = lower
        .split_once(':')
        .filter(|(scheme, _)| DATABASES.contains(scheme));
    if let Some((scheme, _)) = scheme {
        return Err(Error::Usage {
            message: format!("`{scheme}:` does not name a store"),
            hint: match scheme {
                "file" | "sqlite" | "sqlite3" => "give the path of the file alone",
                _ => FORMS,
            },
        });
    }
    let parameters = lower
        .split_once('?')
        .is_some_and(|(_, parameters)| parameters.contains('='));
    if parameters || lower == ":memory:" {
        return Err(Error::Usage {
            message: "the value of --store has parameters, so it is not a file".to_owned(),
            hint: "give the path of a file without parameters",
        });
    }
    let mut words = lower.split_whitespace();
    let mut pairs = || {
        words.any(|word| {
            word.split_once('=')
                .is_some_and(|(key, _)| LIBPQ.contains(&key))
        })
    };
    let with_login = || {
        let before = text.split_once('@').map_or("", |(before, _)| before);
        before.contains(':')
    };
    let begins = || {
        ["postgres:", "postgresql:"]
            .iter()
            .any(|begin| lower.starts_with(begin))
    };
    let message = match lower.split_once("://") {
        Some((scheme, _)) if scheme.bytes().all(|byte| byte.is_ascii_lowercase()) => {
            format!("`{scheme}://` does not name a store")
        }
        None if !begins() && !pairs() && !with_login() => return Ok(()),
        _ => "the value of --store is neither a file nor a PostgreSQL URL".to_owned(),
    };
    Err(Error::Usage {
        message,
        hint: FORMS,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_looks_like_a_database_is_refused_and_not_shown() {
        for text in [
            "postgress://ann:s3cret@h/db",
            "POSTGRES://ann:s3cret@h/db",
            "postgres:/ann:s3cret@h/db",
            "mysql://ann:s3cret@h/db",
            "host=h password=s3cret",
            "ann:s3cret@h/db",
            "s3cret@x://h",
            "file:audit.db?password=s3cret",
            "sqlite:audit.db",
            "sqlite:///data/audit.db",
            "jdbc:sqlite:s3cret.db",
            "audit.db?mode=ro",
            ":memory:",
            "host=db user=app dbname=app",
            "service=s3cret",
        ] {
            let error = refuse_database(text).unwrap_err();
            assert!(!error.to_string().contains("s3cret"), "{error}");
        }
        for text in [
            "audit.db",
            "/data/a@b.db",
            "C:\\trail\\audit.db",
            "no/such/file",
            "postgres.db",
            "why?.db",
            "profile:audit.db",
            "name=audit.db",
        ] {
            assert!(refuse_database(text).is_ok(), "{text}");
        }
    }

    #[test]
    fn a_url_is_not_in_what_is_printed_for_debugging() {
        let server = Server {
            url: "postgres://ann:s3cret@h/db".to_owned(),
            schema: None,
        };
        assert!(!format!("{server:?}").contains("s3cret"));
    }
}

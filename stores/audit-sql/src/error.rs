//! The error of an adapter.

use std::error::Error;

/// Defines `Error`, the reason why entries were not written, for a driver with an error of its own.
///
/// With a second argument, a function that wraps `Error` in an error of the driver, `Error` converts into
/// the driver's error.
///
/// # Example: an adapter's error
/// ```
/// audit_sql::adapter_error!(std::io::Error);
///
/// let source = std::io::Error::other("connection reset");
/// let error = Error::Write { source, hint: None };
/// assert_eq!(error.to_string(), "writing the audit entries failed: connection reset");
/// // The error of an application's own statement, converted by `?`, does not mention entries.
/// let error = Error::from(std::io::Error::other("division by zero"));
/// assert_eq!(error.to_string(), "division by zero");
/// ```
#[macro_export]
macro_rules! adapter_error {
    ($driver:ty) => {
        /// The reason why entries were not written into a transaction. Roll the transaction back in any
        /// case: otherwise its change has no entry.
        ///
        /// The message contains those of the driver and the database, so `source()` returns
        /// `None` for them; [`driver`](Self::driver) returns the driver's error.
        #[derive(Debug)]
        #[non_exhaustive]
        pub enum Error {
            /// An entry could not be made, such as of a value that nests too deeply, or without a required
            /// reason.
            Entry($crate::__core::Error),
            /// Another entry has the id of one of the given entries.
            Conflict {
                /// The id.
                id: $crate::__uuid::Uuid,
                /// The error of the driver; `None` if two of the given entries have the id, in which case no
                /// statement was run.
                source: ::std::option::Option<$driver>,
            },
            /// The driver or the database did not write the entries.
            Write {
                /// The error of the driver.
                source: $driver,
                /// The action that solves it, such as to create the trail's tables.
                hint: ::std::option::Option<&'static str>,
            },
            /// Another statement failed. The operator `?` converts the driver's error into this variant in a
            /// function or closure that returns this error.
            Driver($driver),
        }

        impl Error {
            /// Returns the driver's error, if there is one.
            pub fn driver(&self) -> ::std::option::Option<&$driver> {
                match self {
                    Self::Entry(_) => ::std::option::Option::None,
                    Self::Conflict { source, .. } => source.as_ref(),
                    Self::Write { source, .. } | Self::Driver(source) => {
                        ::std::option::Option::Some(source)
                    }
                }
            }
        }

        impl ::std::fmt::Display for Error {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                match self {
                    Self::Entry(error) => error.fmt(f),
                    Self::Conflict { id, .. } => write!(f, "another entry has the id {id}"),
                    Self::Write { source, hint } => {
                        let text = $crate::__full_text(source);
                        write!(f, "writing the audit entries failed: {text}")?;
                        match hint {
                            ::std::option::Option::Some(hint) => write!(f, "; {hint}"),
                            ::std::option::Option::None => ::std::result::Result::Ok(()),
                        }
                    }
                    Self::Driver(error) => f.write_str(&$crate::__full_text(error)),
                }
            }
        }

        impl ::std::error::Error for Error {
            fn source(&self) -> ::std::option::Option<&(dyn ::std::error::Error + 'static)> {
                match self {
                    Self::Entry(error) => error.source(),
                    _ => ::std::option::Option::None,
                }
            }
        }

        impl ::std::convert::From<$crate::__core::Error> for Error {
            fn from(error: $crate::__core::Error) -> Self {
                match error {
                    $crate::__core::Error::Store(error) => error.into(),
                    error => Self::Entry(error),
                }
            }
        }

        impl ::std::convert::From<$crate::__core::StoreError> for Error {
            fn from(error: $crate::__core::StoreError) -> Self {
                match error {
                    $crate::__core::StoreError::Conflict { id } => Self::Conflict {
                        id,
                        source: ::std::option::Option::None,
                    },
                    error => Self::Entry(error.into()),
                }
            }
        }

        impl ::std::convert::From<$driver> for Error {
            fn from(error: $driver) -> Self {
                Self::Driver(error)
            }
        }
    };
    ($driver:ty, $wrap:expr) => {
        $crate::adapter_error!($driver);

        /// Lets `?` convert the error in a function that returns the driver's error. The error of an
        /// entry that could not be made is wrapped.
        impl ::std::convert::From<Error> for $driver {
            fn from(error: Error) -> Self {
                let wrap: fn(Error) -> $driver = $wrap;
                match error {
                    Error::Conflict {
                        source: ::std::option::Option::Some(source),
                        ..
                    }
                    | Error::Write { source, .. }
                    | Error::Driver(source) => source,
                    error => wrap(error),
                }
            }
        }
    };
}

/// Returns the message of an error, with the messages of its sources that it does not contain.
pub fn full_text(error: &dyn Error) -> String {
    let mut full = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        let text = error.to_string();
        if !full.contains(&text) {
            full.push_str(": ");
            full.push_str(&text);
        }
        source = error.source();
    }
    full
}

/// Returns advice for a failed statement of an adapter, by the message of the database and, if the
/// driver reports it, its code.
pub fn hint(code: Option<&str>, message: &str) -> Option<&'static str> {
    const NO_POSTGRES: &str = "the search path has no trail, or one of an earlier version: \
        connect a `PostgresStore` to create or upgrade it, or name its schema with `in_schema`";
    const NO_MYSQL: &str =
        "the connection's database has no trail: create it with `mysql::create_trail`";
    const NO_SQLITE: &str = "the file has no trail: open it once with \
        `SqliteStore::options().shared_file()`, or call `auditlog::sqlite::install`";
    const POSTGRES_ROLE: &str = "the role needs the rights of the writer in `auditlog::postgres::Roles`: \
        INSERT on `audit_entry`, and EXECUTE on `audit_append` for more than one entry";
    const MYSQL_ROLE: &str = "the role needs INSERT, SELECT and UPDATE on `audit_entry`";

    let missing = || message.contains("audit_") && message.contains("does not exist");
    match code {
        Some("3F000" | "42P01" | "42883") => Some(NO_POSTGRES),
        Some("42501") => Some(POSTGRES_ROLE),
        Some("42S02") => Some(NO_MYSQL),
        _ if message.contains("command denied") => Some(MYSQL_ROLE),
        _ if message.starts_with("no such table") => Some(NO_SQLITE),
        // A driver that reports no code.
        None if missing() => Some(NO_POSTGRES),
        None if message.starts_with("permission denied") => Some(POSTGRES_ROLE),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::fmt;

    use super::*;

    /// The error of a driver, with its sources.
    #[derive(Debug)]
    struct Failure(&'static str, Option<Box<Failure>>);

    impl fmt::Display for Failure {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(self.0)
        }
    }

    impl Error for Failure {
        fn source(&self) -> Option<&(dyn Error + 'static)> {
            self.1.as_deref().map(|error| error as &dyn Error)
        }
    }

    #[test]
    fn the_full_text_has_each_message_once() {
        let refused = || Some(Box::new(Failure("refused", None)));
        assert_eq!(
            full_text(&Failure("db error", refused())),
            "db error: refused"
        );
        assert_eq!(
            full_text(&Failure("it was refused", refused())),
            "it was refused"
        );
    }

    #[test]
    fn a_missing_trail_has_a_hint() {
        let relation = "relation \"audit_entry\" does not exist";
        for (code, message, names) in [
            (Some("42P01"), "Relation »audit_entry«", "`in_schema`"),
            (None, relation, "`in_schema`"),
            (Some("42S02"), "Table 'app.audit_entry'", "create_trail"),
            (Some("1"), "no such table: main.audit_append", "shared_file"),
            (Some("42501"), "permission denied", "::Roles`"),
        ] {
            let hint = hint(code, message).expect(message);
            assert!(hint.contains(names), "{hint}");
        }
        assert_eq!(hint(Some("22012"), "division by zero"), None);
        assert_eq!(hint(None, "relation \"account\" does not exist"), None);
    }
}

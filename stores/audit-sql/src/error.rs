//! The error of an adapter.

use std::error::Error;

/// Defines `Error`, why entries were not written, for a driver with an error of its own.
///
/// # Example: an adapter's error
/// ```
/// audit_sql::adapter_error!(std::io::Error);
///
/// let source = std::io::Error::other("connection reset");
/// let error = Error::Write { source, hint: None };
/// assert_eq!(error.to_string(), "writing the audit entries failed: connection reset");
/// // What `?` makes of an error of the application's own statements says nothing of entries.
/// let error = Error::from(std::io::Error::other("division by zero"));
/// assert_eq!(error.to_string(), "division by zero");
/// ```
#[macro_export]
macro_rules! adapter_error {
    ($driver:ty) => {
        /// Why entries were not written into a transaction. Whatever it is, roll the transaction
        /// back: the change it holds would go without its entry.
        ///
        /// The text says all that the driver and the database said, so the error has no source of
        /// its own; [`driver`](Self::driver) returns the driver's.
        #[derive(Debug)]
        #[non_exhaustive]
        pub enum Error {
            /// An entry could not be made: a value nests too deep, a reason is missing.
            Entry($crate::__core::Error),
            /// Another entry has the id of one of these.
            Conflict {
                /// The id.
                id: $crate::__uuid::Uuid,
                /// What the driver said; `None` if two of these have the id, so that it was not
                /// asked.
                source: ::std::option::Option<$driver>,
            },
            /// The driver or the database did not write the entries.
            Write {
                /// What the driver said.
                source: $driver,
                /// What to do about it, such as to make a trail where there is none.
                hint: ::std::option::Option<&'static str>,
            },
            /// The driver failed at something else. It is what `?` makes of the driver's error in
            /// a function or closure that returns this one.
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
                        let said = $crate::__said(source);
                        write!(f, "writing the audit entries failed: {said}")?;
                        match hint {
                            ::std::option::Option::Some(hint) => write!(f, "; {hint}"),
                            ::std::option::Option::None => ::std::result::Result::Ok(()),
                        }
                    }
                    Self::Driver(error) => f.write_str(&$crate::__said(error)),
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
}

/// Returns what an error says, and what its sources say that it has not said itself.
pub fn said(error: &dyn Error) -> String {
    let mut said = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        let text = error.to_string();
        if !said.contains(&text) {
            said.push_str(": ");
            said.push_str(&text);
        }
        source = error.source();
    }
    said
}

/// Returns what to do about a statement of an adapter that failed: by the code of the database,
/// where the driver reports it, and its message.
pub fn hint(code: Option<&str>, message: &str) -> Option<&'static str> {
    const NO_POSTGRES: &str = "the search path has no trail, or one of an earlier version: a \
        `PostgresStore` that connects makes it, and `in_schema` names a schema that is not on \
        the path";
    const NO_MYSQL: &str = "the connection's database has no trail: `mysql::create_trail` makes it";
    const NO_SQLITE: &str = "the file has no trail: open it once by \
        `SqliteStore::options().shared_file()`, or run `audit_sqlite::install`";
    const POSTGRES_ROLE: &str = "the role needs what `Roles` of audit-postgres gives a writer: \
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

    /// What a driver says, with what is behind it.
    #[derive(Debug)]
    struct Said(&'static str, Option<Box<Said>>);

    impl fmt::Display for Said {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(self.0)
        }
    }

    impl Error for Said {
        fn source(&self) -> Option<&(dyn Error + 'static)> {
            self.1.as_deref().map(|error| error as &dyn Error)
        }
    }

    #[test]
    fn nothing_is_said_twice_and_nothing_is_left_out() {
        let refused = || Some(Box::new(Said("refused", None)));
        assert_eq!(said(&Said("db error", refused())), "db error: refused");
        assert_eq!(said(&Said("it was refused", refused())), "it was refused");
    }

    #[test]
    fn a_missing_trail_has_a_hint() {
        let relation = "relation \"audit_entry\" does not exist";
        for (code, message, names) in [
            (Some("42P01"), "Relation »audit_entry«", "`in_schema`"),
            (None, relation, "`in_schema`"),
            (Some("42S02"), "Table 'app.audit_entry'", "create_trail"),
            (Some("1"), "no such table: main.audit_append", "shared_file"),
            (Some("42501"), "permission denied", "`Roles`"),
        ] {
            let hint = hint(code, message).expect(message);
            assert!(hint.contains(names), "{hint}");
        }
        assert_eq!(hint(Some("22012"), "division by zero"), None);
        assert_eq!(hint(None, "relation \"account\" does not exist"), None);
    }
}

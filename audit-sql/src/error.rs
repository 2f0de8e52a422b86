//! The error of an adapter.

/// Defines `Error`, why entries were not written, for a driver with an error of its own.
///
/// # Example: an adapter's error
/// ```
/// use std::error::Error as _;
///
/// audit_sql::error!(std::io::Error);
///
/// let error = Error::from(std::io::Error::other("connection reset"));
/// assert_eq!(error.to_string(), "writing the audit entries failed: connection reset");
/// assert!(error.source().is_some());
/// ```
#[macro_export]
macro_rules! error {
    ($driver:ty) => {
        /// Why entries were not written into a transaction. Whatever it is, roll the transaction
        /// back: the change it holds would go without its entry.
        #[derive(Debug)]
        #[non_exhaustive]
        pub enum Error {
            /// An entry could not be made: a value nests too deep, a reason is missing.
            Entry($crate::__core::Error),
            /// Another entry has the id of one of these.
            Conflict {
                /// The id.
                id: $crate::__uuid::Uuid,
                /// What the driver said.
                source: $driver,
            },
            /// The driver or the database failed in another way.
            Driver($driver),
        }

        impl ::std::fmt::Display for Error {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                match self {
                    Self::Entry(error) => error.fmt(f),
                    Self::Conflict { id, .. } => write!(f, "another entry has the id {id}"),
                    Self::Driver(error) => {
                        write!(f, "writing the audit entries failed: {error}")
                    }
                }
            }
        }

        impl ::std::error::Error for Error {
            fn source(&self) -> ::std::option::Option<&(dyn ::std::error::Error + 'static)> {
                match self {
                    Self::Entry(error) => ::std::option::Option::Some(error),
                    Self::Conflict { source, .. } | Self::Driver(source) => {
                        ::std::option::Option::Some(source)
                    }
                }
            }
        }

        impl ::std::convert::From<$crate::__core::Error> for Error {
            fn from(error: $crate::__core::Error) -> Self {
                Self::Entry(error)
            }
        }

        impl ::std::convert::From<$crate::__core::StoreError> for Error {
            fn from(error: $crate::__core::StoreError) -> Self {
                Self::Entry(error.into())
            }
        }

        impl ::std::convert::From<$driver> for Error {
            fn from(error: $driver) -> Self {
                Self::Driver(error)
            }
        }
    };
}

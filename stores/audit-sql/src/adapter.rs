//! The traits that every adapter has.

/// Defines `RecordIn` and `WriteIn`, by which drafts and units are written into a transaction,
/// for an adapter whose trait `Target` has a method `append(entries)`.
///
/// `async` or `sync` says what that method is; the type is that of the argument. The adapter has
/// an [`adapter_error!`](crate::adapter_error!) of its own.
///
/// # Example: the traits of an adapter
/// ```
/// mod adapter {
///     use audit_core::LogEntry;
///
///     audit_sql::adapter_error!(std::fmt::Error);
///     audit_sql::adapter_traits!(sync &mut impl Target);
///
///     pub trait Target {
///         fn append(&mut self, entries: &[LogEntry]) -> Result<(), Error>;
///     }
///
///     impl Target for Vec<LogEntry> {
///         fn append(&mut self, entries: &[LogEntry]) -> Result<(), Error> {
///             self.extend_from_slice(entries);
///             Ok(())
///         }
///     }
/// }
///
/// use adapter::{RecordIn as _, WriteIn as _};
///
/// let mut transaction = Vec::new();
/// audit_core::event("charged").record_in(&mut transaction)?;
/// let mut unit = audit_core::unit();
/// unit.event("packed").event("shipped");
/// unit.write_in(&mut transaction)?;
/// assert_eq!(transaction.len(), 3);
/// # Ok::<(), adapter::Error>(())
/// ```
#[macro_export]
macro_rules! adapter_traits {
    (async $target:ty) => {
        /// Records a draft in a transaction of the caller's own.
        pub trait RecordIn: Sized {
            /// Records the entry in a transaction: it is kept if that commits. Sinks do not see
            /// it.
            ///
            /// # Errors
            /// As [`append_in`], and [`Error::Entry`] if the entry cannot be made.
            fn record_in(
                self,
                target: $target,
            ) -> impl ::std::future::Future<
                Output = ::std::result::Result<$crate::__core::Receipt, Error>,
            > + Send;
        }

        /// Writes a unit of work, many drafts, the changes of a
        /// [tracked object]($crate::__core::Tracked::pending), or what an audit transaction kept
        /// back ([`Transaction::pending`]($crate::__core::Transaction::pending)), into a
        /// transaction of the caller's own.
        pub trait WriteIn: Sized {
            /// Writes all entries into a transaction, or none, as [`append_in`] does: they are kept
            /// if that commits. The receipts come in the order of the drafts. Sinks do not see
            /// the entries.
            ///
            /// # Errors
            /// As [`append_in`], and if an entry cannot be made, as for
            /// [`Draft::record`]($crate::__core::Draft::record).
            fn write_in(
                self,
                target: $target,
            ) -> impl ::std::future::Future<
                Output = ::std::result::Result<::std::vec::Vec<$crate::__core::Receipt>, Error>,
            > + Send;
        }

        impl RecordIn for $crate::__core::Draft {
            async fn record_in(
                self,
                target: $target,
            ) -> ::std::result::Result<$crate::__core::Receipt, Error> {
                let receipts = WriteIn::write_in(self.pending()?, target).await?;
                // A draft has one receipt.
                let receipt = receipts.into_iter().next();
                ::std::result::Result::Ok(receipt.unwrap_or($crate::__core::Receipt::Unchanged))
            }
        }

        impl WriteIn for $crate::__core::Unit {
            async fn write_in(
                self,
                target: $target,
            ) -> ::std::result::Result<::std::vec::Vec<$crate::__core::Receipt>, Error> {
                WriteIn::write_in(self.pending()?, target).await
            }
        }

        impl WriteIn for $crate::__core::Drafts {
            async fn write_in(
                self,
                target: $target,
            ) -> ::std::result::Result<::std::vec::Vec<$crate::__core::Receipt>, Error> {
                WriteIn::write_in(self.pending()?, target).await
            }
        }

        impl WriteIn for $crate::__core::Pending {
            async fn write_in(
                self,
                target: $target,
            ) -> ::std::result::Result<::std::vec::Vec<$crate::__core::Receipt>, Error> {
                target.append(self.entries()).await?;
                ::std::result::Result::Ok(self.written())
            }
        }
    };
    (sync $target:ty) => {
        /// Records a draft in a transaction of the caller's own.
        pub trait RecordIn: Sized {
            /// Records the entry in a transaction: it is kept if that commits. Sinks do not see
            /// it.
            ///
            /// # Errors
            /// As [`append_in`], and [`Error::Entry`] if the entry cannot be made.
            fn record_in(
                self,
                target: $target,
            ) -> ::std::result::Result<$crate::__core::Receipt, Error>;
        }

        /// Writes a unit of work, many drafts, the changes of a
        /// [tracked object]($crate::__core::Tracked::pending), or what an audit transaction kept
        /// back ([`Transaction::pending`]($crate::__core::Transaction::pending)), into a
        /// transaction of the caller's own.
        pub trait WriteIn: Sized {
            /// Writes all entries into a transaction, or none, as [`append_in`] does: they are kept
            /// if that commits. The receipts come in the order of the drafts. Sinks do not see
            /// the entries.
            ///
            /// # Errors
            /// As [`append_in`], and if an entry cannot be made, as for
            /// [`Draft::record`]($crate::__core::Draft::record).
            fn write_in(
                self,
                target: $target,
            ) -> ::std::result::Result<::std::vec::Vec<$crate::__core::Receipt>, Error>;
        }

        impl RecordIn for $crate::__core::Draft {
            fn record_in(
                self,
                target: $target,
            ) -> ::std::result::Result<$crate::__core::Receipt, Error> {
                let receipts = WriteIn::write_in(self.pending()?, target)?;
                // A draft has one receipt.
                let receipt = receipts.into_iter().next();
                ::std::result::Result::Ok(receipt.unwrap_or($crate::__core::Receipt::Unchanged))
            }
        }

        impl WriteIn for $crate::__core::Unit {
            fn write_in(
                self,
                target: $target,
            ) -> ::std::result::Result<::std::vec::Vec<$crate::__core::Receipt>, Error> {
                WriteIn::write_in(self.pending()?, target)
            }
        }

        impl WriteIn for $crate::__core::Drafts {
            fn write_in(
                self,
                target: $target,
            ) -> ::std::result::Result<::std::vec::Vec<$crate::__core::Receipt>, Error> {
                WriteIn::write_in(self.pending()?, target)
            }
        }

        impl WriteIn for $crate::__core::Pending {
            fn write_in(
                self,
                target: $target,
            ) -> ::std::result::Result<::std::vec::Vec<$crate::__core::Receipt>, Error> {
                target.append(self.entries())?;
                ::std::result::Result::Ok(self.written())
            }
        }
    };
}

//! The trait that every adapter has.

/// Defines `RecordIn`, which writes drafts, units and tracked objects into a transaction, for an adapter
/// whose trait `Target` has a method `append(entries)`.
///
/// Begin with `async` or `sync`, as that method is; the type after it is that of the argument. The adapter
/// has an [`adapter_error!`](crate::adapter_error!) of its own.
///
/// # Example: the trait of an adapter
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
/// use adapter::RecordIn as _;
///
/// let mut transaction = Vec::new();
/// audit_core::event("charged").record_in(&mut transaction)?;
/// let mut unit = audit_core::unit();
/// unit.event("packed").event("shipped");
/// unit.record_in(&mut transaction)?;
/// assert_eq!(transaction.len(), 3);
/// # Ok::<(), adapter::Error>(())
/// ```
#[macro_export]
macro_rules! adapter_traits {
    (async $target:ty) => {
        /// Records in a transaction of the caller's own: a draft, many drafts, a unit, the changes of
        /// a [tracked object]($crate::__core::Tracked), or the entries that an audit transaction
        /// has staged ([`Transaction::pending`]($crate::__core::Transaction::pending)).
        pub trait RecordIn: $crate::__core::backend::IntoPending {
            /// Writes all entries into a transaction, or none, as [`append_in`] does. They are committed or
            /// rolled back with it. Sinks do not receive them.
            ///
            /// Returns a receipt, or one for each of many drafts. The entries are made when this is
            /// called, and written when the future is awaited.
            ///
            /// # Errors
            /// Returns the errors of [`append_in`], and [`Error::Entry`] if an entry cannot be made, as for
            /// [`Draft::record`]($crate::__core::Draft::record).
            fn record_in(
                self,
                target: $target,
            ) -> impl ::std::future::Future<
                Output = ::std::result::Result<Self::Receipts, Error>,
            > + Send;
        }

        impl<D> RecordIn for D
        where
            D: $crate::__core::backend::IntoPending<Receipts: Send>,
        {
            fn record_in(
                self,
                target: $target,
            ) -> impl ::std::future::Future<
                Output = ::std::result::Result<Self::Receipts, Error>,
            > + Send {
                let pending = self.into_pending();
                async move {
                    let pending = pending?;
                    target.append(pending.entries()).await?;
                    ::std::result::Result::Ok(pending.confirm())
                }
            }
        }
    };
    (sync $target:ty) => {
        /// Records in a transaction of the caller's own: a draft, many drafts, a unit, the changes of
        /// a [tracked object]($crate::__core::Tracked), or the entries that an audit transaction
        /// has staged ([`Transaction::pending`]($crate::__core::Transaction::pending)).
        pub trait RecordIn: $crate::__core::backend::IntoPending {
            /// Writes all entries into a transaction, or none, as [`append_in`] does. They are committed or
            /// rolled back with it. Sinks do not receive them.
            ///
            /// Returns a receipt, or one for each of many drafts.
            ///
            /// # Errors
            /// Returns the errors of [`append_in`], and [`Error::Entry`] if an entry cannot be made, as for
            /// [`Draft::record`]($crate::__core::Draft::record).
            fn record_in(
                self,
                target: $target,
            ) -> ::std::result::Result<Self::Receipts, Error>;
        }

        impl<D: $crate::__core::backend::IntoPending> RecordIn for D {
            fn record_in(
                self,
                target: $target,
            ) -> ::std::result::Result<Self::Receipts, Error> {
                let pending = self.into_pending()?;
                target.append(pending.entries())?;
                ::std::result::Result::Ok(pending.confirm())
            }
        }
    };
}

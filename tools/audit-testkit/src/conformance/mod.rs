//! The contracts of [`Store`], [`Follow`] and [`TrailStore`], a function a check.
//!
//! Every check takes an empty store and panics where it does not keep the contract. The
//! names tell what a store does; the numbers in the documentation are those of the rules in
//! the documentation of the traits. [`conformance!`](crate::conformance!) makes a `#[test]`
//! of each, and [`CHECKS`], [`FOLLOW_CHECKS`] and [`TRAIL_CHECKS`] list them.
//!
//! The expected result of a query is computed here by hand, not by
//! [`Query::matches`](audit_core::Query::matches), so that a store and the core cannot be wrong in
//! the same way unnoticed.

#![expect(
    clippy::missing_panics_doc,
    reason = "every check panics where a store does not keep the contract"
)]
#![expect(
    clippy::needless_pass_by_value,
    reason = "queries are written in place"
)]

mod access;
mod batches;
mod durability;
mod exact;
mod exports;
mod filters;
mod follow;
mod groups;
mod objects;
mod order;
mod purges;
mod threads;
mod trail;

use audit_core::{Follow, Store, TrailStore};

pub use self::batches::*;
pub use self::durability::*;
pub use self::exact::*;
pub use self::exports::*;
pub use self::filters::*;
pub use self::follow::*;
pub use self::groups::*;
pub use self::objects::*;
pub use self::order::*;
pub use self::purges::*;
pub use self::threads::*;
pub use self::trail::*;

/// Makes one `#[test]` of each check of [`conformance`](mod@crate::conformance).
///
/// Takes what makes an empty store: a closure or a function. With `Follow` or `TrailStore` after it,
/// the checks of that trait are run as well; `TrailStore` includes `Follow`.
///
/// # Example: the store in memory
/// ```
/// audit_testkit::conformance!(audit_core::MemoryStore::new, TrailStore);
/// # fn main() {}
/// ```
#[macro_export]
macro_rules! conformance {
    ($make:expr) => {
        $crate::__for_each_check!([$crate::__test_of_each]($make));
    };
    ($make:expr, Follow) => {
        $crate::conformance!($make);
        $crate::__for_each_follow_check!([$crate::__test_of_each]($make));
    };
    ($make:expr, TrailStore) => {
        $crate::conformance!($make, Follow);
        $crate::__for_each_trail_check!([$crate::__test_of_each]($make));
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __test_of_each {
    (($make:expr) $($check:ident)*) => {$(
        #[test]
        fn $check() {
            let make = $make;
            $crate::conformance::$check(&make());
        }
    )*};
}

macro_rules! list_of_each {
    (($(#[$doc:meta])* $name:ident: $trait:ident) $($check:ident)*) => {
        $(#[$doc])*
        pub const $name: &[(&str, fn(&dyn $trait))] = &[$((stringify!($check), $check)),*];
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __for_each_check {
    ([$($then:tt)*] $given:tt) => {
        $($then)*! { $given
            keeps_all_of_a_batch
            keeps_nothing_of_a_failed_batch
            keeps_nothing_of_an_empty_batch
            appends_again_without_effect
            refuses_another_entry_with_a_known_id
            refuses_a_batch_that_contradicts_itself
            returns_equal_entries
            keeps_bytes
            keeps_odd_texts
            keeps_long_texts
            keeps_deep_values
            keeps_numbers
            keeps_nulls_and_absence
            keeps_microseconds
            keeps_times_of_other_centuries
            orders_by_time_and_id
            returns_the_newest_first
            returns_pages
            returns_500_entries_a_page_by_default
            returns_nothing_for_a_limit_of_zero
            ends_with_the_last_full_page
            goes_on_after_any_cursor
            goes_on_in_spite_of_appends
            pages_through_equal_times
            filters_by_model
            filters_by_object
            filters_by_object_pk
            filters_by_parent
            filters_by_action
            filters_by_actor
            filters_by_level
            filters_by_outcome
            filters_by_correlation_id
            filters_by_transaction
            filters_by_changed_field
            filters_by_changed_path
            filters_by_old_value
            filters_by_new_value
            filters_from_a_time_on
            filters_up_to_a_time
            filters_by_text
            filters_by_odd_texts
            filters_by_several
            filters_by_groups
            filters_by_many_alternatives
            filters_by_random_queries
            filters_exactly
            counts_apart_from_limit_and_cursor
            exports_bytes
            exports_what_a_query_asks_for
            exports_many_entries_with_one_time
            stops_an_export_that_fails
            refuses_a_query_with_no_path
            ends_a_cancelled_query
            groups_by_object
            groups_by_object_what_a_query_asks_for
            goes_on_after_any_object
            purges_what_is_older
            purges_what_a_query_asks_for
            purges_what_random_queries_ask_for
            purges_and_takes_new_entries
            keeps_what_threads_append_at_once
            keeps_once_what_threads_append_twice
            shows_whole_batches_only
            flushes
        }
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __for_each_follow_check {
    ([$($then:tt)*] $given:tt) => {
        $($then)*! { $given
            follows_each_entry_once
            follows_once_what_is_appended_twice
            follows_what_is_written_late
            follows_from_the_present_position
            follows_from_each_position
            follows_stored_bytes
            follows_past_a_purge
            follows_nothing_for_a_limit_of_zero
            refuses_a_position_of_another_kind
            follows_while_threads_append
        }
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __for_each_trail_check {
    ([$($then:tt)*] $given:tt) => {
        $($then)*! { $given
            finds_by_ids
            finds_by_the_beginning_of_an_id
            finds_by_the_end_of_an_id
            purges_exact_entries
            lists_models
            reports_its_health
        }
    };
}

__for_each_check!([list_of_each](
    /// The checks of [`Store`] by their names.
    CHECKS: Store
));
__for_each_follow_check!([list_of_each](
    /// The checks of [`Follow`] by their names.
    FOLLOW_CHECKS: Follow
));
__for_each_trail_check!([list_of_each](
    /// The checks of [`TrailStore`] by their names, without those of [`Follow`].
    TRAIL_CHECKS: TrailStore
));

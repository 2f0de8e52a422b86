//! The types of `model.rs` with the peers' derives, which cannot stand on those themselves: some
//! do not take a field's type from a macro. They are filled from JSON.

#![expect(unreachable_pub, reason = "structdiff's derive knows no `pub(crate)`")]

use chrono::{DateTime, Utc};
use comparable::{Changed, Comparable};
use diff::Diff;
use serde::{Deserialize, Serialize};

/// A time, which no peer knows: replaced whole.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Time(DateTime<Utc>);

impl Comparable for Time {
    type Desc = DateTime<Utc>;
    type Change = (DateTime<Utc>, DateTime<Utc>);

    fn describe(&self) -> Self::Desc {
        self.0
    }

    fn comparison(&self, other: &Self) -> Changed<Self::Change> {
        if self == other {
            Changed::Unchanged
        } else {
            Changed::Changed((self.0, other.0))
        }
    }
}

impl Diff for Time {
    type Repr = Option<DateTime<Utc>>;

    fn diff(&self, other: &Self) -> Self::Repr {
        (self != other).then_some(other.0)
    }

    fn apply(&mut self, diff: &Self::Repr) {
        if let Some(time) = diff {
            self.0 = *time;
        }
    }

    fn identity() -> Self {
        Self(DateTime::default())
    }
}

/// Declares the types with the given derives and, where they ask for some, attributes.
macro_rules! mirrors {
    (
        derive($($derive:tt)*)
        time($($time:tt)*)
        nested($($nested:tt)*)
        list($($list:tt)*)
        map($($map:tt)*)
    ) => {
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize, $($derive)*)]
        pub enum Status {
            Active,
            Suspended,
        }

        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize, $($derive)*)]
        pub struct Account {
            id: u64,
            username: String,
            email: String,
            first_name: String,
            last_name: String,
            bio: String,
            phone: Option<String>,
            active: bool,
            balance: f64,
            $($time)*
            last_login: Time,
            logins: i64,
            status: Status,
        }

        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize, $($derive)*)]
        pub struct Wide {
            f00: String, f01: String, f02: String, f03: String, f04: String,
            f05: String, f06: String, f07: String, f08: String, f09: String,
            f10: i64, f11: i64, f12: i64, f13: i64, f14: i64,
            f15: i64, f16: i64, f17: i64, f18: i64, f19: i64,
            f20: bool, f21: bool, f22: bool, f23: bool, f24: bool,
            f25: bool, f26: bool, f27: bool, f28: bool, f29: bool,
            f30: String, f31: String, f32_: String, f33: String, f34: String,
            f35: String, f36: String, f37: String, f38: String, f39: String,
            f40: i64, f41: i64, f42: i64, f43: i64, f44: i64,
            f45: i64, f46: i64, f47: i64, f48: i64, f49: i64,
        }

        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize, $($derive)*)]
        pub struct Order {
            id: u64,
            $($nested)*
            customer: Customer,
            $($list)*
            items: Vec<Item>,
            $($map)*
            labels: HashMap<String, String>,
        }

        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize, $($derive)*)]
        pub struct Customer {
            name: String,
            $($nested)*
            contact: Contact,
        }

        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize, $($derive)*)]
        pub struct Contact {
            email: String,
            $($nested)*
            address: Address,
        }

        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize, $($derive)*)]
        pub struct Address {
            street: String,
            city: String,
            zip: String,
        }

        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize, $($derive)*)]
        pub struct Item {
            sku: String,
            name: String,
            qty: u32,
            price: i64,
        }

        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize, $($derive)*)]
        pub struct Basket {
            id: u64,
            $($list)*
            items: Vec<Item>,
        }
    };
}

/// For comparable, diff-struct and serde-diff.
pub(super) mod of_traits {
    use std::collections::HashMap;

    use comparable::Comparable;
    // The only trait with a method `diff` in scope: its derive calls it without saying whose.
    use diff::Diff;
    use serde::{Deserialize, Serialize};

    use super::Time;

    mirrors! {
        derive(Comparable, Diff, serde_diff::SerdeDiff)
        time(#[serde_diff(opaque)])
        nested()
        list()
        map()
    }
}

/// For structdiff, with its strategies that look inside.
#[expect(clippy::float_cmp, reason = "in what its derive writes")]
pub(super) mod of_structdiff {
    use std::collections::HashMap;

    use serde::{Deserialize, Serialize};
    use structdiff::{Difference, StructDiff};

    use super::Time;

    mirrors! {
        derive(Difference)
        time()
        nested(#[difference(recurse)])
        list(#[difference(collection_strategy = "ordered_array_like")])
        map(#[difference(
            collection_strategy = "unordered_map_like",
            map_equality = "key_and_value"
        )])
    }
}

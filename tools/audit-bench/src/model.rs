//! The values that are compared: flat ones of 12 and 50 fields and a nested one.

use std::collections::HashMap;

use auditlog::Auditable;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// The state of an account.
#[derive(Auditable, Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Status {
    Active,
    Suspended,
}

/// Twelve fields of the usual kinds.
#[derive(Auditable, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[audit(repr = "{username}")]
pub(crate) struct Account {
    pub(crate) id: u64,
    pub(crate) username: String,
    pub(crate) email: String,
    pub(crate) first_name: String,
    pub(crate) last_name: String,
    pub(crate) bio: String,
    pub(crate) phone: Option<String>,
    pub(crate) active: bool,
    pub(crate) balance: f64,
    pub(crate) last_login: DateTime<Utc>,
    pub(crate) logins: i64,
    pub(crate) status: Status,
}

impl Account {
    pub(crate) fn sample() -> Self {
        Self {
            id: 42,
            username: "ann.example.of.somewhere".to_owned(),
            email: "ann.example.of.somewhere@example.com".to_owned(),
            first_name: "Ann Sophie Charlotte".to_owned(),
            last_name: "Example-Somewhere".to_owned(),
            bio:
                "writes about the things that people do when nobody keeps a record of what they do"
                    .to_owned(),
            phone: Some("+49 6131 5550100".to_owned()),
            active: true,
            balance: 1234.5,
            last_login: DateTime::from_timestamp(1_790_000_000, 0).unwrap_or_default(),
            logins: 17,
            status: Status::Active,
        }
    }
}

macro_rules! wide {
    ($($field:ident: $type:ty = $value:expr),* $(,)?) => {
        /// Fifty fields.
        #[derive(Auditable, Clone, Debug, PartialEq, Serialize, Deserialize)]
        pub(crate) struct Wide {
            $(pub(crate) $field: $type),*
        }

        impl Wide {
            pub(crate) fn sample() -> Self {
                Self { $($field: $value.into()),* }
            }

            /// A compare by hand that builds what the diff builds.
            pub(crate) fn by_hand(&self, new: &Self) -> Vec<crate::by_hand::ByHand> {
                let mut changes = Vec::new();
                $(if self.$field != new.$field {
                    crate::by_hand::push(
                        &mut changes,
                        stringify!($field),
                        serde_json::Value::from(self.$field.clone()),
                        serde_json::Value::from(new.$field.clone()),
                    );
                })*
                changes
            }
        }
    };
}

wide! {
    f00: String = "a text of some length 00", f01: String = "a text of some length 01",
    f02: String = "a text of some length 02", f03: String = "a text of some length 03",
    f04: String = "a text of some length 04", f05: String = "a text of some length 05",
    f06: String = "a text of some length 06", f07: String = "a text of some length 07",
    f08: String = "a text of some length 08", f09: String = "a text of some length 09",
    f10: i64 = 10, f11: i64 = 11, f12: i64 = 12, f13: i64 = 13, f14: i64 = 14,
    f15: i64 = 15, f16: i64 = 16, f17: i64 = 17, f18: i64 = 18, f19: i64 = 19,
    f20: bool = true, f21: bool = true, f22: bool = true, f23: bool = true, f24: bool = true,
    f25: bool = true, f26: bool = true, f27: bool = true, f28: bool = true, f29: bool = true,
    f30: String = "a text of some length 30", f31: String = "a text of some length 31",
    f32_: String = "a text of some length 32", f33: String = "a text of some length 33",
    f34: String = "a text of some length 34", f35: String = "a text of some length 35",
    f36: String = "a text of some length 36", f37: String = "a text of some length 37",
    f38: String = "a text of some length 38", f39: String = "a text of some length 39",
    f40: i64 = 40, f41: i64 = 41, f42: i64 = 42, f43: i64 = 43, f44: i64 = 44,
    f45: i64 = 45, f46: i64 = 46, f47: i64 = 47, f48: i64 = 48, f49: i64 = 49,
}

/// An order with a customer of three levels, a list of items and a map.
#[derive(Auditable, Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Order {
    pub(crate) id: u64,
    pub(crate) customer: Customer,
    pub(crate) items: Vec<Item>,
    pub(crate) labels: HashMap<String, String>,
}

#[derive(Auditable, Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Customer {
    pub(crate) name: String,
    pub(crate) contact: Contact,
}

#[derive(Auditable, Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Contact {
    pub(crate) email: String,
    pub(crate) address: Address,
}

#[derive(Auditable, Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Address {
    pub(crate) street: String,
    pub(crate) city: String,
    pub(crate) zip: String,
}

#[derive(Auditable, Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Item {
    pub(crate) sku: String,
    pub(crate) name: String,
    pub(crate) qty: u32,
    pub(crate) price: i64,
}

impl Item {
    fn sample(number: u32) -> Self {
        Self {
            sku: format!("SKU-{number:05}"),
            name: format!("an article with the number {number}"),
            qty: number % 7 + 1,
            price: i64::from(number) * 199,
        }
    }
}

impl Order {
    pub(crate) fn sample() -> Self {
        Self {
            id: 7,
            customer: Customer {
                name: "Ann Example".to_owned(),
                contact: Contact {
                    email: "ann@example.com".to_owned(),
                    address: Address {
                        street: "Long Street 17".to_owned(),
                        city: "Mainz".to_owned(),
                        zip: "55116".to_owned(),
                    },
                },
            },
            items: (0..20).map(Item::sample).collect(),
            labels: (0..20)
                .map(|n| (format!("label{n:02}"), format!("value {n}")))
                .collect(),
        }
    }
}

/// A list of items, which are matched by position.
#[derive(Auditable, Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Basket {
    pub(crate) id: u64,
    pub(crate) items: Vec<Item>,
}

impl Basket {
    pub(crate) fn sample(items: u32) -> Self {
        Self {
            id: 7,
            items: (0..items).map(Item::sample).collect(),
        }
    }

    /// The same, with one more of the item in the middle.
    pub(crate) fn one_changed(&self) -> Self {
        let mut new = self.clone();
        let middle = new.items.len() / 2;
        new.items[middle].qty += 1;
        new
    }
}

/// How long the lists are.
pub(crate) const LISTS: [u32; 3] = [20, 200, 2000];

/// The account with one field changed.
pub(crate) fn account_one(old: &Account) -> Account {
    Account {
        email: "new@example.com".to_owned(),
        ..old.clone()
    }
}

/// The account with two fields changed.
pub(crate) fn account_two(old: &Account) -> Account {
    Account {
        email: "new@example.com".to_owned(),
        logins: 18,
        ..old.clone()
    }
}

/// The account with six fields changed.
pub(crate) fn account_six(old: &Account) -> Account {
    Account {
        username: "bob".to_owned(),
        email: "bob@example.com".to_owned(),
        phone: None,
        balance: 99.5,
        logins: 18,
        status: Status::Suspended,
        ..old.clone()
    }
}

/// The wide struct with one field changed.
pub(crate) fn wide_one(old: &Wide) -> Wide {
    let mut new = old.clone();
    "another text".clone_into(&mut new.f37);
    new
}

/// The order with an item and a label changed.
pub(crate) fn order_two(old: &Order) -> Order {
    let mut new = old.clone();
    new.items[7].qty += 1;
    new.labels
        .insert("label07".to_owned(), "another value".to_owned());
    new
}

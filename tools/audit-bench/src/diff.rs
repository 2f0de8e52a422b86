//! `diff`: the derive beside code written by hand that builds the same values, and beside
//! serde's way to JSON and compare.

use std::collections::BTreeSet;
use std::error::Error;

use serde_json::Value;

use crate::allocations;
use crate::by_hand::{ByHand, push, through_json};
use crate::measure::{Budget, compare};
use crate::model::{
    Account, Address, Basket, Item, LISTS, Order, Status, Wide, account_one, account_six,
    order_two, wide_one,
};

pub(crate) fn run() -> Result<(), Box<dyn Error>> {
    let old = Account::sample();
    let same = old.clone();
    let (one, six) = (account_one(&old), account_six(&old));
    let hand = |new: &Account| account_by_hand(&old, new);
    let ours = |new: &Account| auditlog::diff(&old, new);
    let limit = Budget::Ratio;
    compare(
        "diff/flat12/equal",
        limit(1.1),
        || ours(&same),
        || hand(&same),
    );
    compare(
        "diff/flat12/1-changed",
        limit(1.3),
        || ours(&one),
        || hand(&one),
    );
    // The budget is for one change; this row shows what each further one costs.
    compare(
        "diff/flat12/6-changed",
        Budget::None,
        || ours(&six),
        || hand(&six),
    );

    let wide = Wide::sample();
    let (wide_same, wide_one) = (wide.clone(), wide_one(&wide));
    compare(
        "diff/flat50/equal",
        limit(1.1),
        || auditlog::diff(&wide, &wide_same),
        || wide.by_hand(&wide_same),
    );
    compare(
        "diff/flat50/1-changed",
        limit(1.3),
        || auditlog::diff(&wide, &wide_one),
        || wide.by_hand(&wide_one),
    );

    let order = Order::sample();
    let (order_same, order_two) = (order.clone(), order_two(&order));
    compare(
        "diff/nested/equal",
        limit(1.1),
        || auditlog::diff(&order, &order_same),
        || order_by_hand(&order, &order_same),
    );
    compare(
        "diff/nested/2-changed",
        limit(1.3),
        || auditlog::diff(&order, &order_two),
        || order_by_hand(&order, &order_two),
    );

    for items in LISTS {
        let old = Basket::sample(items);
        let new = old.one_changed();
        compare(
            &format!("diff/list{items}/1-changed"),
            limit(1.3),
            || auditlog::diff(&old, &new),
            || basket_by_hand(&old, &new),
        );
    }

    allocations::rows("diff")?;

    let by_serde = limit(0.1);
    compare(
        "diff/flat12/1-changed/serde_json",
        by_serde,
        || ours(&one),
        || through_json(&old, &one),
    );
    compare(
        "diff/nested/2-changed/serde_json",
        by_serde,
        || auditlog::diff(&order, &order_two),
        || through_json(&order, &order_two),
    );
    #[cfg(feature = "peers")]
    crate::peers::run()?;
    Ok(())
}

#[expect(clippy::float_cmp, reason = "by hand as one writes it")]
fn account_by_hand(old: &Account, new: &Account) -> Vec<ByHand> {
    let mut changes = Vec::new();
    macro_rules! field {
        ($field:ident, $value:expr) => {
            if old.$field != new.$field {
                let value = $value;
                push(
                    &mut changes,
                    stringify!($field),
                    value(&old.$field),
                    value(&new.$field),
                );
            }
        };
    }
    let text = |text: &String| Value::String(text.clone());
    field!(id, |id: &u64| Value::from(*id));
    field!(username, text);
    field!(email, text);
    field!(first_name, text);
    field!(last_name, text);
    field!(bio, text);
    field!(phone, |phone: &Option<String>| phone
        .clone()
        .map_or(Value::Null, Value::String));
    field!(active, |active: &bool| Value::Bool(*active));
    field!(balance, |balance: &f64| Value::from(*balance));
    field!(last_login, |time: &chrono::DateTime<chrono::Utc>| {
        Value::String(time.to_rfc3339())
    });
    field!(logins, |logins: &i64| Value::from(*logins));
    field!(status, |status: &Status| Value::from(match status {
        Status::Active => "Active",
        Status::Suspended => "Suspended",
    }));
    changes
}

/// A path and where its value is.
type Place = (&'static str, fn(&Address) -> &String);

fn order_by_hand(old: &Order, new: &Order) -> Vec<ByHand> {
    let mut changes = Vec::new();
    let text = |text: &String| Value::String(text.clone());
    if old.id != new.id {
        push(&mut changes, "id", old.id.into(), new.id.into());
    }
    let (a, b) = (&old.customer, &new.customer);
    if a.name != b.name {
        push(&mut changes, "customer.name", text(&a.name), text(&b.name));
    }
    if a.contact.email != b.contact.email {
        let (a, b) = (&a.contact.email, &b.contact.email);
        push(&mut changes, "customer.contact.email", text(a), text(b));
    }
    let fields: [Place; 3] = [
        ("customer.contact.address.street", |address| &address.street),
        ("customer.contact.address.city", |address| &address.city),
        ("customer.contact.address.zip", |address| &address.zip),
    ];
    for (path, field) in fields {
        let (a, b) = (field(&a.contact.address), field(&b.contact.address));
        if a != b {
            push(&mut changes, path, text(a), text(b));
        }
    }
    for (index, (a, b)) in old.items.iter().zip(&new.items).enumerate() {
        item_by_hand(index, a, b, &mut changes);
    }
    if old.labels != new.labels {
        let keys: BTreeSet<&String> = old
            .labels
            .keys()
            .chain(new.labels.keys())
            .filter(|key| old.labels.get(*key) != new.labels.get(*key))
            .collect();
        for key in keys {
            let side = |labels: &std::collections::HashMap<String, String>| {
                labels.get(key).map(|value| Value::String(value.clone()))
            };
            changes.push(ByHand {
                path: format!("labels.{key}").into(),
                old: side(&old.labels),
                new: side(&new.labels),
                redaction: None,
            });
        }
    }
    changes
}

fn basket_by_hand(old: &Basket, new: &Basket) -> Vec<ByHand> {
    let mut changes = Vec::new();
    if old.id != new.id {
        push(&mut changes, "id", old.id.into(), new.id.into());
    }
    for (index, (a, b)) in old.items.iter().zip(&new.items).enumerate() {
        item_by_hand(index, a, b, &mut changes);
    }
    changes
}

fn item_by_hand(index: usize, a: &Item, b: &Item, changes: &mut Vec<ByHand>) {
    if a.sku != b.sku {
        push(
            changes,
            format!("items[{index}].sku"),
            a.sku.clone().into(),
            b.sku.clone().into(),
        );
    }
    if a.name != b.name {
        push(
            changes,
            format!("items[{index}].name"),
            a.name.clone().into(),
            b.name.clone().into(),
        );
    }
    if a.qty != b.qty {
        push(
            changes,
            format!("items[{index}].qty"),
            a.qty.into(),
            b.qty.into(),
        );
    }
    if a.price != b.price {
        push(
            changes,
            format!("items[{index}].price"),
            a.price.into(),
            b.price.into(),
        );
    }
}

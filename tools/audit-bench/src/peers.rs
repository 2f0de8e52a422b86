//! `diff` with `--features peers`: the derive beside other crates that diff values.
//!
//! Each peer diffs mirrors ([`mod@mirror`]) of the types in `model.rs`, which hold the same values.
//! Those that keep the old and the new value (comparable, and both to JSON and compare) have a
//! budget: ours is to be faster. Those that keep less stand there to compare.

mod mirror;

use std::error::Error;

use comparable::Comparable;
use diff::Diff;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_diff::SerdeDiff;
use structdiff::StructDiff;

use self::mirror::{of_structdiff, of_traits};
use crate::by_hand::through_json;
use crate::measure::{Budget, compare};
use crate::model::{self, LISTS, account_one, account_six, order_two, wide_one};

pub(crate) fn run() -> Result<(), Box<dyn Error>> {
    let account = model::Account::sample();
    workload::<_, of_traits::Account, of_structdiff::Account>(
        "flat12/equal",
        &account,
        &account.clone(),
    )?;
    workload::<_, of_traits::Account, of_structdiff::Account>(
        "flat12/1-changed",
        &account,
        &account_one(&account),
    )?;
    workload::<_, of_traits::Account, of_structdiff::Account>(
        "flat12/6-changed",
        &account,
        &account_six(&account),
    )?;
    let wide = model::Wide::sample();
    workload::<_, of_traits::Wide, of_structdiff::Wide>(
        "flat50/1-changed",
        &wide,
        &wide_one(&wide),
    )?;
    let order = model::Order::sample();
    workload::<_, of_traits::Order, of_structdiff::Order>(
        "nested/2-changed",
        &order,
        &order_two(&order),
    )?;
    for items in LISTS {
        let basket = model::Basket::sample(items);
        let name = format!("list{items}/1-changed");
        workload::<_, of_traits::Basket, of_structdiff::Basket>(
            &name,
            &basket,
            &basket.one_changed(),
        )?;
    }
    Ok(())
}

/// Prints the rows of one pair of values; `M` and `S` are the mirrors of their type.
fn workload<T, M, S>(name: &str, old: &T, new: &T) -> Result<(), Box<dyn Error>>
where
    T: auditlog::AuditValue + Serialize,
    M: Comparable + Diff + DeserializeOwned + SerdeDiff + Serialize,
    S: DeserializeOwned + StructDiff,
{
    let (a, b): (M, M) = (mirror(old)?, mirror(new)?);
    let (s_a, s_b): (S, S) = (mirror(old)?, mirror(new)?);
    let ours = || auditlog::diff(old, new);
    let values = Budget::Ratio(1.0);
    let row = |peer: &str| format!("diff/{name}/{peer}");
    compare(&row("comparable"), values, ours, || {
        Comparable::comparison(&a, &b)
    });
    // `diff` has these two rows already.
    if !matches!(name, "flat12/1-changed" | "nested/2-changed") {
        compare(&row("serde_json"), values, ours, || through_json(old, new));
    }
    compare(&row("structdiff"), Budget::None, ours, || {
        StructDiff::diff(&s_a, &s_b)
    });
    compare(&row("diff-struct"), Budget::None, ours, || {
        Diff::diff(&a, &b)
    });
    compare(&row("serde-diff"), Budget::None, ours, || {
        serde_json::to_string(&serde_diff::Diff::serializable(&a, &b))
    });
    Ok(())
}

fn mirror<M: DeserializeOwned>(value: &impl Serialize) -> serde_json::Result<M> {
    serde_json::from_value(serde_json::to_value(value)?)
}

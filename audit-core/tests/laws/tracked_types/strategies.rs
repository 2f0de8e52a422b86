//! Generators of values of the tracked types.

use std::collections::BTreeSet;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use chrono::{DateTime, FixedOffset, NaiveDate, TimeZone, Utc};
use proptest::collection::{btree_map, btree_set, hash_map, hash_set, vec};
use proptest::option;
use proptest::prelude::*;
use serde_json::Value;

use super::{
    Basket, Decimal, Everything, Flat, Item, KeyedLists, Lists, Maps, Order, Scalars, Secrets,
    Shape, Texts, Tree, Wrapped,
};
use crate::json_values;
use crate::tracked::word;

fn scalars() -> BoxedStrategy<Scalars> {
    let floats = prop_oneof![
        prop::sample::select(vec![
            0.0,
            -0.0,
            f64::NAN,
            f64::INFINITY,
            f64::NEG_INFINITY,
            0.1
        ]),
        any::<f64>(),
    ];
    let shorts = prop_oneof![
        prop::sample::select(vec![0.0, -0.0, f32::NAN, f32::MAX, 0.1]),
        any::<f32>(),
    ];
    let numbers = (
        0..2i8,
        prop_oneof![
            Just(1 << 53),
            Just((1 << 53) + 1),
            Just(i64::MIN),
            any::<i64>()
        ],
        prop_oneof![Just(0), Just(u128::MAX), any::<u128>()],
        prop_oneof![Just(-1), Just(i128::MIN), any::<i128>()],
        floats,
        shorts,
    );
    let rest = (
        any::<bool>(),
        any::<char>(),
        option::of(option::of(0..2u8)),
        (0..2i16, option::of(word())),
    );
    (numbers, rest)
        .prop_map(
            |((small, large, huge, negative, float, short), (flag, letter, twice, pair))| Scalars {
                small,
                large,
                huge,
                negative,
                float,
                short,
                flag,
                letter,
                nothing: (),
                twice,
                pair,
            },
        )
        .boxed()
}

fn texts() -> BoxedStrategy<Texts> {
    let offset = |hours: i32| FixedOffset::east_opt(hours * 3600).unwrap();
    (
        word(),
        -3..3i64,
        (0..3i64, -2..3i32),
        0..3i32,
        0..3u64,
        0..3u32,
        prop::sample::select(vec!["127.0.0.1", "::1"]),
        0..3i32,
    )
        .prop_map(
            move |(text, decimal, (second, hours), day, since, nanos, address, end)| Texts {
                text,
                decimal: Decimal(decimal * 7),
                time: offset(hours).from_utc_datetime(
                    &DateTime::<Utc>::from_timestamp(second, 5)
                        .unwrap()
                        .naive_utc(),
                ),
                date: NaiveDate::from_num_days_from_ce_opt(730_000 + day).unwrap(),
                since: SystemTime::UNIX_EPOCH + Duration::from_millis(since),
                duration: Duration::new(u64::from(nanos), nanos),
                address: address.parse().unwrap(),
                range: 0..end,
            },
        )
        .boxed()
}

fn item() -> BoxedStrategy<Item> {
    (
        word(),
        0..3i64,
        option::of(word()),
        vec(word(), 0..3),
        word(),
    )
        .prop_map(|(sku, quantity, note, tags, secret)| Item {
            sku,
            quantity,
            note,
            tags,
            secret,
        })
        .boxed()
}

/// Items with a key, sometimes two with the same key.
fn items() -> BoxedStrategy<Vec<Item>> {
    (vec(item(), 0..7), 0..8u8)
        .prop_map(|(mut items, unique)| {
            if unique > 0 {
                let mut seen = BTreeSet::new();
                items.retain(|item| seen.insert(item.sku.clone()));
            }
            items
        })
        .boxed()
}

fn lists() -> BoxedStrategy<Lists> {
    (
        vec(0..4i32, 0..6),
        vec(word(), 0..4),
        vec(0..3u8, 0..4),
        prop::array::uniform3(prop::sample::select(vec![0.0, 1.5, f32::NAN])),
        vec(vec(0..2u8, 0..3), 0..4),
        vec(item(), 0..4),
        vec(option::of(item()), 0..3),
        vec(json_values::value(), 0..3),
    )
        .prop_map(
            |(numbers, words, chain, fixed, inner, items, options, jsons)| Lists {
                numbers,
                words: words.into(),
                chain: chain.into_iter().collect(),
                fixed,
                inner,
                items,
                options,
                jsons,
            },
        )
        .boxed()
}

fn maps() -> BoxedStrategy<Maps> {
    let maps = (
        btree_map(word(), item(), 0..4),
        hash_map(0..4u32, vec(word(), 0..3), 0..4),
        btree_map(word(), option::of(0..2u8), 0..4),
        btree_map(word(), btree_set(word(), 0..3), 0..3),
    );
    let sets = (
        btree_set(word(), 0..5),
        hash_set(-20..20i64, 0..6),
        hash_set(prop_oneof![0..3u64, Just(u64::MAX), Just(1 << 60)], 0..4),
        vec(
            prop::sample::select(vec![0.0, -0.0, 1.0, f64::NAN, 2.5, -3.0]),
            0..5,
        ),
        vec(
            prop_oneof![
                Just(Value::from(1)),
                Just(Value::from(1.5)),
                Just(Value::from("1")),
                Just(Value::from("\"1\"")),
                Just(Value::Null),
                Just(Value::from("null")),
                json_values::value(),
            ],
            0..5,
        ),
        vec(item(), 0..4),
        btree_set((0..2u8, option::of(word())), 0..3),
    );
    (maps, sets)
        .prop_map(|(maps, sets)| {
            let (sorted, hashed, optional, in_maps) = maps;
            let (roles, numbers, wide, floats, values, records, pairs) = sets;
            Maps {
                sorted,
                hashed,
                optional,
                sets: in_maps,
                roles,
                numbers,
                wide,
                floats,
                values,
                records,
                pairs,
            }
        })
        .boxed()
}

fn shape() -> BoxedStrategy<Shape> {
    let leaf = prop_oneof![
        Just(Shape::Dot),
        prop::sample::select(vec![1.0, f64::NAN]).prop_map(|radius| Shape::Circle { radius }),
        (0..2i32, 0..2i32).prop_map(|(x, y)| Shape::Corner(x, y)),
    ];
    leaf.prop_recursive(3, 8, 3, |inner| vec(inner, 0..4).prop_map(Shape::Group))
        .boxed()
}

fn orders() -> BoxedStrategy<Vec<Order>> {
    let number = prop_oneof![0..4u64, Just(u64::MAX)];
    let order = (number, items(), shape()).prop_map(|(number, lines, state)| Order {
        number,
        lines,
        state,
    });
    (vec(order, 0..5), 0..8u8)
        .prop_map(|(mut orders, unique)| {
            if unique > 0 {
                let mut seen = BTreeSet::new();
                orders.retain(|order| seen.insert(order.number));
            }
            orders
        })
        .boxed()
}

fn keyed() -> BoxedStrategy<KeyedLists> {
    let basket = items().prop_map(|items| Basket { items });
    (items(), orders(), items(), btree_map(word(), basket, 0..2))
        .prop_map(|(items, orders, hidden, map)| KeyedLists {
            items,
            orders,
            hidden,
            map,
        })
        .boxed()
}

fn secrets() -> BoxedStrategy<Secrets> {
    (
        prop::sample::select(vec!["+15551234567", "+15559994567", "12"]),
        option::of(word()),
        vec(0..2u8, 0..3),
        item(),
        option::of(option::of(word())),
        option::of(item()),
        0..2u8,
    )
        .prop_map(|(phone, token, list, whole, maybe, nested, gone)| Secrets {
            phone: phone.to_owned(),
            token,
            list,
            whole,
            maybe,
            nested,
            gone,
        })
        .boxed()
}

fn tree() -> BoxedStrategy<Tree> {
    let leaf = word().prop_map(|label| Tree {
        label,
        children: Vec::new(),
        next: None,
    });
    leaf.prop_recursive(4, 12, 3, |inner| {
        (word(), vec(inner.clone(), 0..3), option::of(inner)).prop_map(|(label, children, next)| {
            Tree {
                label,
                children,
                next: next.map(Box::new),
            }
        })
    })
    .boxed()
}

fn everything() -> BoxedStrategy<Everything> {
    let first = (scalars(), texts(), lists(), maps(), keyed(), secrets());
    let flat = (word(), option::of(word())).prop_map(|(street, city)| Flat { street, city });
    let second = (
        option::of(item()),
        item(),
        shape(),
        tree(),
        json_values::value(),
        flat,
        btree_map(word(), 0..3, 0..3),
    );
    (first, second)
        .prop_map(|(first, second)| {
            let (scalars, texts, lists, maps, keyed, secrets) = first;
            let (boxed, shared, shape, tree, json, flat, wrapped) = second;
            Everything {
                scalars,
                texts,
                lists,
                maps,
                keyed,
                secrets,
                boxed: boxed.map(Box::new),
                shared: Rc::new(shared),
                shape,
                tree,
                json,
                flat,
                wrapped: Wrapped(Arc::new(wrapped)),
            }
        })
        .boxed()
}

/// Three values that each share parts with the previous one.
pub(crate) fn triple() -> BoxedStrategy<(Everything, Everything, Everything)> {
    fn mix(old: &Everything, mut new: Everything, keep: u16) -> Everything {
        macro_rules! keep {
            ($($bit:literal $($field:ident).+;)*) => {$(
                if keep & (1 << $bit) > 0 {
                    new.$($field).+ = old.$($field).+.clone();
                }
            )*};
        }
        keep! {
            0 scalars; 1 texts; 2 lists.items; 3 lists; 4 maps.sorted; 5 maps; 6 keyed.items;
            7 keyed.orders; 8 keyed; 9 secrets; 10 boxed; 11 shared; 12 shape; 13 tree; 14 json;
        }
        if keep & (1 << 15) > 0 {
            new.flat = old.flat.clone();
            new.wrapped = old.wrapped.clone();
        }
        new
    }
    let three = (everything(), everything(), everything());
    (three, any::<u16>(), any::<u16>())
        .prop_map(|((a, b, c), one, two)| {
            let b = mix(&a, b, one);
            let c = mix(&b, c, two);
            (a, b, c)
        })
        .boxed()
}

//! The types, each with values up to its extremes.

use std::borrow::Cow;
use std::cell::{Cell, OnceCell, RefCell};
use std::cmp::{Ordering, Reverse};
use std::collections::{BTreeSet, BinaryHeap, HashMap, HashSet, LinkedList, VecDeque};
use std::ffi::{OsStr, OsString};
use std::marker::PhantomData;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::num::{
    NonZeroI8, NonZeroI16, NonZeroI32, NonZeroI64, NonZeroI128, NonZeroIsize, NonZeroU8,
    NonZeroU16, NonZeroU32, NonZeroU64, NonZeroU128, NonZeroUsize, Saturating, Wrapping,
};
use std::ops::{Bound, Range, RangeInclusive};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::atomic::{
    AtomicBool, AtomicI8, AtomicI16, AtomicI32, AtomicI64, AtomicIsize, AtomicU8, AtomicU16,
    AtomicU32, AtomicU64, AtomicUsize,
};
use std::sync::{Arc, Mutex, OnceLock, RwLock};
use std::time::{Duration, SystemTime};

use chrono::{
    DateTime, Datelike, FixedOffset, Month, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, Utc,
    Weekday,
};
use indexmap::{IndexMap, IndexSet};
use proptest::collection::{btree_map, btree_set, hash_map, hash_set, vec};
use proptest::prelude::*;
use proptest::{num, option, result};
use serde_json::{Map, Value};

use super::{Sample, different, no_serde, serde, serialize_only};

/// Nanoseconds of a second.
fn nanos() -> impl Strategy<Value = u32> {
    prop_oneof![Just(0), Just(1), Just(999_999_999), 0..1_000_000_000u32]
}

fn date() -> impl Strategy<Value = NaiveDate> {
    let days = NaiveDate::MIN.num_days_from_ce()..=NaiveDate::MAX.num_days_from_ce();
    let usual = 700_000..750_000;
    prop_oneof![days, usual].prop_map(|day| NaiveDate::from_num_days_from_ce_opt(day).unwrap())
}

fn clock() -> impl Strategy<Value = NaiveTime> {
    (0..86_400u32, nanos()).prop_map(|(second, nanos)| {
        NaiveTime::from_num_seconds_from_midnight_opt(second, nanos).unwrap()
    })
}

fn instant() -> impl Strategy<Value = DateTime<Utc>> {
    (date(), clock()).prop_map(|(date, clock)| date.and_time(clock).and_utc())
}

fn json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        (num::f64::NORMAL | num::f64::ZERO | num::f64::SUBNORMAL).prop_map(Value::from),
        ".{0,4}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 16, 3, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..3).prop_map(Value::from),
            btree_map(".{0,3}", inner, 0..3).prop_map(|map| map.into_iter().collect()),
        ]
    })
}

fn time_date() -> impl Strategy<Value = time::Date> {
    (-9999..=9999i32, 1..=365u16)
        .prop_map(|(year, day)| time::Date::from_ordinal_date(year, day).unwrap())
}

fn time_clock() -> impl Strategy<Value = time::Time> {
    (0..24u8, 0..60u8, 0..60u8, nanos())
        .prop_map(|(h, m, s, nanos)| time::Time::from_hms_nano(h, m, s, nanos).unwrap())
}

/// Of both signs, with both parts of one sign.
fn jiff_duration() -> impl Strategy<Value = jiff::SignedDuration> {
    (any::<i64>(), nanos()).prop_map(|(seconds, nanos)| {
        let nanos = i32::try_from(nanos).unwrap();
        let nanos = if seconds < 0 { -nanos } else { nanos };
        jiff::SignedDuration::new(seconds, nanos)
    })
}

fn jiff_instant() -> impl Strategy<Value = jiff::Timestamp> {
    let seconds = -377_705_023_201_i64..=253_402_207_200;
    seconds.prop_map(|second| jiff::Timestamp::from_second(second).unwrap())
}

fn jiff_civil() -> impl Strategy<Value = jiff::civil::DateTime> {
    let date = (1..=9999i16, 1..=12i8, 1..=28i8);
    let clock = (0..24i8, 0..60i8, 0..60i8, nanos());
    (date, clock).prop_map(|((year, month, day), (h, m, s, nanos))| {
        jiff::civil::date(year, month, day).at(h, m, s, i32::try_from(nanos).unwrap())
    })
}

pub(crate) fn all() -> Vec<Sample> {
    let mut members = numbers();
    members.extend(standard());
    members.extend(collections());
    members.extend(chrono_types());
    members.extend(crates());
    members.extend(times());
    members
}

fn numbers() -> Vec<Sample> {
    vec![
        serde("i8", any::<i8>()),
        serde("i16", any::<i16>()),
        serde("i32", any::<i32>()),
        different("i64", any::<i64>()),
        different("i128", any::<i128>()),
        different("isize", any::<isize>()),
        serde("u8", any::<u8>()),
        serde("u16", any::<u16>()),
        serde("u32", any::<u32>()),
        different("u64", any::<u64>()),
        different("u128", any::<u128>()),
        different("usize", any::<usize>()),
        serde("NonZeroI8", any::<NonZeroI8>()),
        serde("NonZeroI16", any::<NonZeroI16>()),
        serde("NonZeroI32", any::<NonZeroI32>()),
        different("NonZeroI64", any::<NonZeroI64>()),
        different("NonZeroI128", any::<NonZeroI128>()),
        different("NonZeroIsize", any::<NonZeroIsize>()),
        serde("NonZeroU8", any::<NonZeroU8>()),
        serde("NonZeroU16", any::<NonZeroU16>()),
        serde("NonZeroU32", any::<NonZeroU32>()),
        different("NonZeroU64", any::<NonZeroU64>()),
        different("NonZeroU128", any::<NonZeroU128>()),
        different("NonZeroUsize", any::<NonZeroUsize>()),
        different("f32", num::f32::ANY),
        different("f64", num::f64::ANY),
        serde("bool", any::<bool>()),
        serde("()", Just(())),
        serde("Wrapping", any::<i16>().prop_map(Wrapping)),
        serde("Saturating", any::<i16>().prop_map(Saturating)),
        serde("Reverse", any::<u8>().prop_map(Reverse)),
    ]
}

fn standard() -> Vec<Sample> {
    let text = ".{0,8}";
    let ordering = vec![Ordering::Less, Ordering::Equal, Ordering::Greater];
    let bound = prop_oneof![
        Just(Bound::Unbounded),
        any::<u8>().prop_map(Bound::Included),
        any::<u8>().prop_map(Bound::Excluded),
    ];
    let once = |value: Option<u8>| value.map_or_else(OnceCell::new, OnceCell::from);
    let once_lock = |value: Option<u8>| value.map_or_else(OnceLock::new, OnceLock::from);
    vec![
        serde("String", text),
        serialize_only("str", text.prop_map(|text| &*text.leak())),
        serde("char", any::<char>()),
        serde("Cow", text.prop_map(Cow::<'static, str>::Owned)),
        serde("IpAddr", any::<IpAddr>()),
        serde("Ipv4Addr", any::<Ipv4Addr>()),
        serde("Ipv6Addr", any::<Ipv6Addr>()),
        serde("SocketAddr", any::<SocketAddr>()),
        serde("SocketAddrV4", any::<SocketAddrV4>()),
        serde("SocketAddrV6", any::<SocketAddrV6>()),
        serde("uuid::Uuid", any::<u128>().prop_map(uuid::Uuid::from_u128)),
        serde("PathBuf", text.prop_map(PathBuf::from)),
        serialize_only("Path", text.prop_map(|text| Path::new(&*text.leak()))),
        different("OsString", text.prop_map(OsString::from)),
        no_serde("OsStr", text.prop_map(|text| OsStr::new(&*text.leak()))),
        serialize_only(
            "&T",
            any::<u8>().prop_map(|value| &*Box::leak(Box::new(value))),
        ),
        serialize_only(
            "&mut T",
            any::<u8>().prop_map(|value| Mutable(Box::leak(Box::new(value)))),
        ),
        serde("Box", any::<u8>().prop_map(Box::new)),
        serde("Rc", any::<u8>().prop_map(Rc::new)),
        serde("Arc", any::<u8>().prop_map(Arc::new)),
        serde("Option", option::of(any::<u8>())),
        serde("PhantomData", Just(PhantomData::<u8>)),
        serde("Cell", any::<u8>().prop_map(Cell::new)),
        serde("RefCell", any::<u8>().prop_map(RefCell::new)),
        serde("Mutex", any::<u8>().prop_map(Mutex::new)),
        serde("RwLock", any::<u8>().prop_map(RwLock::new)),
        no_serde("OnceCell", option::of(any::<u8>()).prop_map(once)),
        no_serde("OnceLock", option::of(any::<u8>()).prop_map(once_lock)),
        serde("AtomicBool", any::<bool>().prop_map(AtomicBool::new)),
        serde("AtomicI8", any::<i8>().prop_map(AtomicI8::new)),
        serde("AtomicI16", any::<i16>().prop_map(AtomicI16::new)),
        serde("AtomicI32", any::<i32>().prop_map(AtomicI32::new)),
        different("AtomicI64", any::<i64>().prop_map(AtomicI64::new)),
        different("AtomicIsize", any::<isize>().prop_map(AtomicIsize::new)),
        serde("AtomicU8", any::<u8>().prop_map(AtomicU8::new)),
        serde("AtomicU16", any::<u16>().prop_map(AtomicU16::new)),
        serde("AtomicU32", any::<u32>().prop_map(AtomicU32::new)),
        different("AtomicU64", any::<u64>().prop_map(AtomicU64::new)),
        different("AtomicUsize", any::<usize>().prop_map(AtomicUsize::new)),
        serde("Bound", bound),
        serde("Result", result::maybe_ok(any::<u8>(), text)),
        no_serde("Ordering", prop::sample::select(ordering)),
        serde("Range", any::<Range<u8>>()),
        serde("RangeInclusive", any::<RangeInclusive<u8>>()),
        serde(
            "Duration",
            (any::<u64>(), nanos()).prop_map(|(seconds, nanos)| Duration::new(seconds, nanos)),
        ),
        serde(
            "SystemTime",
            (0..=i64::MAX.unsigned_abs(), nanos()).prop_map(|(seconds, nanos)| {
                SystemTime::UNIX_EPOCH + Duration::new(seconds, nanos)
            }),
        ),
        serde("Value", json()),
        serde(
            "Map",
            btree_map(".{0,3}", json(), 0..3)
                .prop_map(|map| map.into_iter().collect::<Map<_, _>>()),
        ),
    ]
}

fn collections() -> Vec<Sample> {
    vec![
        serde("Vec", vec(any::<u8>(), 0..4)),
        serialize_only("[T]", vec(any::<u8>(), 0..4).prop_map(|list| &*list.leak())),
        serde("[T; N]", any::<[u8; 3]>()),
        serde("VecDeque", vec(any::<u8>(), 0..4).prop_map(VecDeque::from)),
        serde(
            "LinkedList",
            vec(any::<u8>(), 0..4).prop_map(LinkedList::from_iter),
        ),
        different(
            "BinaryHeap",
            vec(any::<u8>(), 0..6).prop_map(BinaryHeap::from),
        ),
        serde("(..)", any::<(u8, bool, char, Option<i16>, (u32,))>()),
        serde("BTreeMap", btree_map(any::<i16>(), any::<u8>(), 0..4)),
        serde(
            "HashMap",
            hash_map(".{0,3}", any::<u8>(), 0..4).prop_map(HashMap::<_, _>::from_iter),
        ),
        different(
            "BTreeSet",
            btree_set(any::<u8>().prop_map(Reverse), 0..4).prop_map(BTreeSet::from_iter),
        ),
        different(
            "HashSet",
            hash_set(any::<u8>(), 0..6).prop_map(HashSet::<_>::from_iter),
        ),
        serde(
            "indexmap::IndexMap",
            vec((any::<u16>(), any::<u8>()), 0..4).prop_map(IndexMap::<_, _>::from_iter),
        ),
        different(
            "indexmap::IndexSet",
            vec(any::<u8>(), 0..4).prop_map(IndexSet::<_>::from_iter),
        ),
    ]
}

fn chrono_types() -> Vec<Sample> {
    let weekdays = (0..7u8).prop_map(|day| Weekday::try_from(day).unwrap());
    let months = (1..=12u8).prop_map(|month| Month::try_from(month).unwrap());
    let offset = || (-86_399..86_400).prop_map(|offset| FixedOffset::east_opt(offset).unwrap());
    // serde writes an offset to the minute.
    let minutes = (-1439..1440).prop_map(|minute| FixedOffset::east_opt(minute * 60).unwrap());
    let delta = (-9_223_372_036_854_775..9_223_372_036_854_775_i64, nanos());
    vec![
        serde("NaiveDate", date()),
        serde("NaiveTime", clock()),
        serde(
            "NaiveDateTime",
            (date(), clock()).prop_map(|(date, clock)| NaiveDateTime::new(date, clock)),
        ),
        different(
            "DateTime",
            (instant(), minutes).prop_map(|(time, offset)| {
                // Not at the ends of time, where another offset is another year.
                let usual = time.clamp(
                    DateTime::<Utc>::MIN_UTC + TimeDelta::days(2),
                    DateTime::<Utc>::MAX_UTC - TimeDelta::days(2),
                );
                usual.with_timezone(&offset)
            }),
        ),
        no_serde("FixedOffset", offset()),
        serde("Weekday", weekdays),
        serde("Month", months),
        serde(
            "TimeDelta",
            delta.prop_map(|(seconds, nanos)| TimeDelta::new(seconds, nanos).unwrap()),
        ),
    ]
}

fn crates() -> Vec<Sample> {
    let decimal = (any::<i64>(), 0..=28u32);
    let digits = (any::<i128>(), -40..40i64);
    let bytes = || vec(any::<u8>(), 0..4);
    let version = || (any::<u64>(), any::<u64>(), "(-[a-z]{1,3})?(\\+[0-9]{1,3})?");
    let requirement = "(>=|<|=|\\^|~)[0-9]\\.[0-9]\\.[0-9]";
    let v4 = || (any::<Ipv4Addr>(), 0..=32u8);
    let v6 = || (any::<Ipv6Addr>(), 0..=128u8);
    vec![
        serde(
            "rust_decimal::Decimal",
            decimal.prop_map(|(number, scale)| rust_decimal::Decimal::new(number, scale)),
        ),
        serde(
            "bigdecimal::BigDecimal",
            digits.prop_map(|(number, scale)| bigdecimal::BigDecimal::new(number.into(), scale)),
        ),
        serde(
            "url::Url",
            "[a-z]{1,5}".prop_map(|host| {
                format!("https://{host}.example/?q=ü")
                    .parse::<url::Url>()
                    .unwrap()
            }),
        ),
        serde("bytes::Bytes", bytes().prop_map(bytes::Bytes::from)),
        serde(
            "bytes::BytesMut",
            bytes().prop_map(|bytes| bytes::BytesMut::from(&bytes[..])),
        ),
        serde("ulid::Ulid", any::<u128>().prop_map(ulid::Ulid::from)),
        serde(
            "semver::Version",
            version().prop_map(|(major, minor, rest)| {
                format!("{major}.{minor}.0{rest}")
                    .parse::<semver::Version>()
                    .unwrap()
            }),
        ),
        serde(
            "semver::VersionReq",
            requirement.prop_map(|text| text.parse::<semver::VersionReq>().unwrap()),
        ),
        serde(
            "ipnetwork::IpNetwork",
            v4().prop_map(|(address, prefix)| {
                ipnetwork::IpNetwork::new(address.into(), prefix).unwrap()
            }),
        ),
        serde(
            "ipnetwork::Ipv4Network",
            v4().prop_map(|(address, prefix)| {
                ipnetwork::Ipv4Network::new(address, prefix).unwrap()
            }),
        ),
        serde(
            "ipnetwork::Ipv6Network",
            v6().prop_map(|(address, prefix)| {
                ipnetwork::Ipv6Network::new(address, prefix).unwrap()
            }),
        ),
        no_serde(
            "SecretBox",
            any::<u8>().prop_map(|secret| secrecy::SecretBox::new(Box::new(secret))),
        ),
    ]
}

fn times() -> Vec<Sample> {
    let zoned = vec!["UTC", "America/New_York", "Asia/Kathmandu"];
    let seconds = -62_000_000_000..250_000_000_000_i64;
    let offset = (-23..=23i8, 0..60i8)
        .prop_map(|(h, m)| time::UtcOffset::from_hms(h, if h < 0 { -m } else { m }, 0).unwrap());
    vec![
        serde("jiff::Timestamp", jiff_instant()),
        different(
            "jiff::Zoned",
            (seconds, prop::sample::select(zoned)).prop_map(|(second, zone)| {
                let time = jiff::Timestamp::from_second(second).unwrap();
                let zone = jiff::tz::TimeZone::get(zone)
                    .unwrap_or_else(|_| jiff::tz::TimeZone::fixed(jiff::tz::offset(5)));
                time.to_zoned(zone)
            }),
        ),
        serde("jiff::civil::DateTime", jiff_civil()),
        serde(
            "jiff::civil::Date",
            jiff_civil().prop_map(jiff::civil::DateTime::date),
        ),
        serde(
            "jiff::civil::Time",
            jiff_civil().prop_map(jiff::civil::DateTime::time),
        ),
        serde("jiff::SignedDuration", jiff_duration()),
        serde(
            "jiff::Span",
            (-9000..9000i64, 0..100i64).prop_map(|(years, hours)| {
                let hours = if years < 0 { -hours } else { hours };
                jiff::Span::new().years(years).hours(hours)
            }),
        ),
        different(
            "time::OffsetDateTime",
            (time_date(), time_clock(), offset).prop_map(|(date, clock, offset)| {
                // Not at the ends of time, where another offset is another year.
                let year = date.year().clamp(-9998, 9998);
                let date = time::Date::from_ordinal_date(year, date.ordinal()).unwrap();
                time::PrimitiveDateTime::new(date, clock).assume_offset(offset)
            }),
        ),
        different("time::Date", time_date()),
        different("time::Time", time_clock()),
        different(
            "time::PrimitiveDateTime",
            (time_date(), time_clock())
                .prop_map(|(date, clock)| time::PrimitiveDateTime::new(date, clock)),
        ),
        different(
            "time::Duration",
            (any::<i64>(), nanos()).prop_map(|(seconds, nanos)| {
                let nanos = i32::try_from(nanos).unwrap();
                time::Duration::new(seconds, if seconds < 0 { -nanos } else { nanos })
            }),
        ),
    ]
}

/// A mutable reference that `proptest` can print.
#[derive(Debug, serde::Serialize)]
#[serde(transparent)]
struct Mutable(&'static mut u8);

impl audit_core::AuditValue for Mutable {
    fn same(&self, other: &Self) -> bool {
        self.0.same(&other.0)
    }

    fn snapshot(&self, cx: &mut audit_core::Snapshot<'_>) -> Value {
        self.0.snapshot(cx)
    }
}

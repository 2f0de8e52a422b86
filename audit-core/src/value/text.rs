//! Texts, and values that are recorded as their text.

use std::borrow::Cow;
use std::ffi::{OsStr, OsString};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::AuditValue;
use crate::snapshot::Snapshot;

impl AuditValue for str {
    #[inline]
    fn same(&self, other: &Self) -> bool {
        self == other
    }

    #[inline]
    fn snapshot(&self, _: &mut Snapshot<'_>) -> Value {
        Value::String(self.to_owned())
    }

    fn write_text(&self, out: &mut String, _: &mut Snapshot<'_>) {
        out.push_str(self);
    }
}

impl AuditValue for String {
    #[inline]
    fn same(&self, other: &Self) -> bool {
        self == other
    }

    #[inline]
    fn snapshot(&self, _: &mut Snapshot<'_>) -> Value {
        Value::String(self.as_str().to_owned())
    }

    fn write_text(&self, out: &mut String, _: &mut Snapshot<'_>) {
        out.push_str(self);
    }
}

impl<T: AuditValue + ToOwned + ?Sized> AuditValue for Cow<'_, T> {
    const COMPOSITE: bool = T::COMPOSITE;

    #[inline]
    fn same(&self, other: &Self) -> bool {
        T::same(self, other)
    }

    fn snapshot(&self, cx: &mut Snapshot<'_>) -> Value {
        T::snapshot(self, cx)
    }

    fn diff(&self, new: &Self, cx: &mut crate::diff::Diff<'_>) {
        T::diff(self, new, cx);
    }

    fn write_text(&self, out: &mut String, cx: &mut Snapshot<'_>) {
        T::write_text(self, out, cx);
    }

    fn fields() -> &'static [crate::schema::FieldSchema] {
        T::fields()
    }
}

macro_rules! displayed {
    ($($type:ty),* $(,)?) => {$(
        impl AuditValue for $type {
            #[inline]
            fn same(&self, other: &Self) -> bool {
                self == other
            }

            fn snapshot(&self, _: &mut Snapshot<'_>) -> Value {
                Value::String(self.to_string())
            }
        }
    )*};
}

displayed!(
    char,
    IpAddr,
    Ipv4Addr,
    Ipv6Addr,
    SocketAddr,
    SocketAddrV4,
    SocketAddrV6,
    uuid::Uuid
);

/// Bytes that are no text are recorded as `\u{fffd}`, but compared as they are.
macro_rules! lossy {
    ($($type:ty),*) => {$(
        impl AuditValue for $type {
            #[inline]
            fn same(&self, other: &Self) -> bool {
                self == other
            }

            fn snapshot(&self, _: &mut Snapshot<'_>) -> Value {
                Value::String(self.to_string_lossy().into_owned())
            }
        }
    )*};
}

lossy!(Path, PathBuf, OsStr, OsString);

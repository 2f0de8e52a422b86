//! Strings, and values recorded as their text.

use std::borrow::Cow;
use std::ffi::{OsStr, OsString};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::value::snapshot::Snapshot;
use crate::value::{AuditValue, Serialized};

impl AuditValue for str {
    const PLAIN: bool = true;

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
    const PLAIN: bool = true;

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
    const PLAIN: bool = T::PLAIN;
    const SET: bool = T::SET;

    #[inline]
    fn same(&self, other: &Self) -> bool {
        T::same(self, other)
    }

    fn snapshot(&self, cx: &mut Snapshot<'_>) -> Value {
        T::snapshot(self, cx)
    }

    fn diff(&self, new: &Self, cx: &mut crate::value::diff::Diff<'_>) {
        T::diff(self, new, cx);
    }

    fn write_text(&self, out: &mut String, cx: &mut Snapshot<'_>) {
        T::write_text(self, out, cx);
    }

    fn fields() -> &'static [crate::value::schema::FieldSchema] {
        T::fields()
    }

    fn unit_names() -> &'static [&'static str] {
        T::unit_names()
    }
}

macro_rules! displayed {
    ($($type:ty),* $(,)?) => {$(
        impl AuditValue for $type {
            const PLAIN: bool = true;

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

displayed!(char, IpAddr, Ipv4Addr, Ipv6Addr, SocketAddrV4, uuid::Uuid);

/// Compared without the flow information, which its text lacks.
impl AuditValue for SocketAddrV6 {
    #[inline]
    fn same(&self, other: &Self) -> bool {
        self.ip() == other.ip()
            && self.port() == other.port()
            && self.scope_id() == other.scope_id()
    }

    fn snapshot(&self, _: &mut Snapshot<'_>) -> Value {
        Value::String(self.to_string())
    }
}

impl AuditValue for SocketAddr {
    #[inline]
    fn same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::V6(old), Self::V6(new)) => old.same(new),
            (old, new) => old == new,
        }
    }

    fn snapshot(&self, _: &mut Snapshot<'_>) -> Value {
        Value::String(self.to_string())
    }
}

/// Recorded as text. A name that is not UTF-8 is recorded as serde writes an `OsString`,
/// `{"Unix": [47, 255]}`, so that different names have different forms.
macro_rules! system_texts {
    ($($type:ty),*) => {$(
        impl AuditValue for $type {
            #[inline]
            fn same(&self, other: &Self) -> bool {
                // By text, as recorded: `Path` would treat `a//b` and `a/b` as equal.
                let (old, new): (&OsStr, &OsStr) = (self.as_ref(), other.as_ref());
                old == new
            }

            fn snapshot(&self, cx: &mut Snapshot<'_>) -> Value {
                let name: &OsStr = self.as_ref();
                match name.to_str() {
                    Some(text) => Value::String(text.to_owned()),
                    None => Serialized(name).snapshot(cx),
                }
            }
        }
    )*};
}

system_texts!(Path, PathBuf, OsStr, OsString);

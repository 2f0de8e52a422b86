//! A serde serializer that produces recorded values.
//!
//! It records what `#[audit(serde)]` asks for, with the rules of this crate: large integers are strings, NaN
//! is kept, keys of maps are the texts of scalars, and a value that nests without end is an error.
//! `serde_json::to_value` rejects 128-bit integers, turns NaN into null, and overflows the stack on such a
//! value.
//!
//! The message of a type's own error is dropped, since it may quote the value.

use std::fmt;

use serde::ser::{
    Error, Serialize, SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant,
    SerializeTuple, SerializeTupleStruct, SerializeTupleVariant, Serializer,
};
use serde_json::{Map, Value};

use super::number::{integer_value, json_integer};
use crate::json::nesting::MAX_DEPTH;
use crate::json::number::{float_value, normalize, stored_number};

/// Returns the serialized form of a value.
pub(super) fn to_value<T: Serialize + ?Sized>(value: &T) -> Result<Value, Failure> {
    Recorder::START.write(value)
}

/// The reason why a value could not be serialized, without the type's own message, which may quote
/// the value.
#[derive(Debug)]
pub enum Failure {
    /// It nests deeper than [`MAX_DEPTH`].
    TooDeep,
    /// Its type returned an error, or a map's key is not a scalar.
    Rejected,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TooDeep => "it nests too deeply",
            Self::Rejected => "its type returned an error",
        })
    }
}

impl std::error::Error for Failure {}

impl Error for Failure {
    fn custom<T: fmt::Display>(_: T) -> Self {
        Self::Rejected
    }
}

/// The prefix of the struct names that `serde_json` serializes verbatim numbers and texts under.
const VERBATIM: &str = "$serde_json::private::";

/// The meaning of the only field of an object that `serde_json` serializes verbatim.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Verbatim {
    No,
    Number,
    Json,
}

/// Returns whether a type's name is that of a JSON value or number, or of a standard wrapper of
/// one. Serde passes on the integers of a `Value` like those of any type; under an unrecognized
/// name an integer beyond 2^53 becomes a string.
fn is_json(name: &str) -> bool {
    let inner = name.trim_end_matches('>');
    let found = inner.ends_with("serde_json::value::Value")
        || inner.ends_with("serde_json::number::Number");
    found
        && (inner.len() == name.len() || {
            let outer = name.trim_start_matches(['&', ' ']);
            ["alloc::", "core::", "std::", "serde_json::"]
                .iter()
                .any(|prefix| outer.starts_with(prefix))
        })
}

/// The serializer of recorded values.
#[derive(Clone, Copy, Debug)]
pub struct Recorder {
    depth: usize,
    /// Whether the value is inside a `serde_json::Value`, whose integers are numbers.
    json: bool,
}

impl Recorder {
    pub(super) const START: Self = Self {
        depth: 0,
        json: false,
    };

    fn write<T: Serialize + ?Sized>(mut self, value: &T) -> Result<Value, Failure> {
        self.json |= is_json(std::any::type_name::<T>());
        value.serialize(self)
    }

    fn integer(self, number: i128) -> Value {
        if self.json {
            json_integer(number)
        } else {
            integer_value(number)
        }
    }

    fn nested(self) -> Result<Self, Failure> {
        let depth = self.depth + 1;
        if depth > MAX_DEPTH {
            return Err(Failure::TooDeep);
        }
        Ok(Self { depth, ..self })
    }

    fn items(self, variant: Option<&'static str>) -> Result<Items, Failure> {
        let inner = if variant.is_some() {
            self.nested()?
        } else {
            self
        };
        Ok(Items {
            inner: inner.nested()?,
            values: Vec::new(),
            variant,
        })
    }

    fn fields(self, variant: Option<&'static str>) -> Result<Fields, Failure> {
        let inner = if variant.is_some() {
            self.nested()?
        } else {
            self
        };
        Ok(Fields {
            inner: inner.nested()?,
            members: Map::new(),
            key: String::new(),
            variant,
            verbatim: Verbatim::No,
        })
    }
}

fn named(variant: Option<&'static str>, value: Value) -> Value {
    match variant {
        Some(name) => Value::Object(Map::from_iter([(name.to_owned(), value)])),
        None => value,
    }
}

macro_rules! integers {
    ($($method:ident: $integer:ty,)*) => {$(
        fn $method(self, number: $integer) -> Result<Value, Failure> {
            Ok(self.integer(number.into()))
        }
    )*};
}

impl Serializer for Recorder {
    type Ok = Value;
    type Error = Failure;
    type SerializeSeq = Items;
    type SerializeTuple = Items;
    type SerializeTupleStruct = Items;
    type SerializeTupleVariant = Items;
    type SerializeMap = Fields;
    type SerializeStruct = Fields;
    type SerializeStructVariant = Fields;

    integers! {
        serialize_i8: i8, serialize_i16: i16, serialize_i32: i32, serialize_i64: i64,
        serialize_i128: i128, serialize_u8: u8, serialize_u16: u16, serialize_u32: u32,
        serialize_u64: u64,
    }

    fn serialize_u128(self, number: u128) -> Result<Value, Failure> {
        Ok(match i128::try_from(number) {
            Ok(number) => self.integer(number),
            Err(_) => Value::String(number.to_string()),
        })
    }

    fn serialize_f32(self, number: f32) -> Result<Value, Failure> {
        // With the fewest digits that identify this `f32`, as for a field of that type.
        let number = number.to_string().parse().unwrap_or(f64::from(number));
        Ok(float_value(number))
    }

    fn serialize_f64(self, number: f64) -> Result<Value, Failure> {
        Ok(float_value(number))
    }

    fn serialize_bool(self, value: bool) -> Result<Value, Failure> {
        Ok(Value::Bool(value))
    }

    fn serialize_char(self, value: char) -> Result<Value, Failure> {
        Ok(Value::String(value.to_string()))
    }

    fn serialize_str(self, value: &str) -> Result<Value, Failure> {
        Ok(Value::String(value.to_owned()))
    }

    fn serialize_bytes(self, value: &[u8]) -> Result<Value, Failure> {
        Ok(value.iter().copied().map(Value::from).collect())
    }

    fn serialize_none(self) -> Result<Value, Failure> {
        Ok(Value::Null)
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<Value, Failure> {
        self.write(value)
    }

    fn serialize_unit(self) -> Result<Value, Failure> {
        Ok(Value::Null)
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result<Value, Failure> {
        Ok(Value::Null)
    }

    fn serialize_unit_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
    ) -> Result<Value, Failure> {
        Ok(Value::String(variant.to_owned()))
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        value: &T,
    ) -> Result<Value, Failure> {
        // Counted as a level, since a newtype may contain itself.
        self.nested()?.write(value)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<Value, Failure> {
        Ok(named(Some(variant), self.nested()?.write(value)?))
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Items, Failure> {
        self.items(None)
    }

    fn serialize_tuple(self, _: usize) -> Result<Items, Failure> {
        self.items(None)
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Items, Failure> {
        self.items(None)
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Items, Failure> {
        self.items(Some(variant))
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Fields, Failure> {
        self.fields(None)
    }

    fn serialize_struct(self, name: &'static str, _: usize) -> Result<Fields, Failure> {
        let mut fields = self.fields(None)?;
        fields.verbatim = match name.strip_prefix(VERBATIM) {
            None => Verbatim::No,
            Some("Number") => Verbatim::Number,
            Some(_) => Verbatim::Json,
        };
        Ok(fields)
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Fields, Failure> {
        self.fields(Some(variant))
    }
}

/// An array under construction.
#[derive(Debug)]
pub struct Items {
    inner: Recorder,
    values: Vec<Value>,
    variant: Option<&'static str>,
}

impl Items {
    fn push<T: Serialize + ?Sized>(&mut self, item: &T) -> Result<(), Failure> {
        self.values.push(self.inner.write(item)?);
        Ok(())
    }
}

macro_rules! arrays {
    ($($array:ident, $method:ident;)*) => {$(
        impl $array for Items {
            type Ok = Value;
            type Error = Failure;

            fn $method<T: Serialize + ?Sized>(&mut self, item: &T) -> Result<(), Failure> {
                self.push(item)
            }

            fn end(self) -> Result<Value, Failure> {
                Ok(named(self.variant, Value::Array(self.values)))
            }
        }
    )*};
}

arrays! {
    SerializeSeq, serialize_element;
    SerializeTuple, serialize_element;
    SerializeTupleStruct, serialize_field;
    SerializeTupleVariant, serialize_field;
}

/// An object under construction.
#[derive(Debug)]
pub struct Fields {
    inner: Recorder,
    members: Map<String, Value>,
    key: String,
    variant: Option<&'static str>,
    verbatim: Verbatim,
}

impl Fields {
    fn put<T: Serialize + ?Sized>(&mut self, key: String, value: &T) -> Result<(), Failure> {
        let value = self.inner.write(value)?;
        // Two keys with the same text would overwrite a value.
        match self.members.insert(key, value) {
            None => Ok(()),
            Some(_) => Err(Failure::Rejected),
        }
    }

    fn into_value(self) -> Result<Value, Failure> {
        if self.verbatim != Verbatim::No {
            let text = self.members.values().next().and_then(Value::as_str);
            return match (self.verbatim, text) {
                (Verbatim::Number, Some(digits)) => Ok(stored_number(digits)),
                (_, Some(json)) => match serde_json::from_str(json) {
                    Ok(value) => Ok(normalize(&value)),
                    Err(_) => Err(Failure::Rejected),
                },
                (_, None) => Err(Failure::Rejected),
            };
        }
        Ok(named(self.variant, Value::Object(self.members)))
    }
}

impl SerializeMap for Fields {
    type Ok = Value;
    type Error = Failure;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Failure> {
        self.key = match key.serialize(self.inner)? {
            Value::String(text) => text,
            scalar @ (Value::Number(_) | Value::Bool(_)) => scalar.to_string(),
            Value::Null | Value::Array(_) | Value::Object(_) => return Err(Failure::Rejected),
        };
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Failure> {
        let key = std::mem::take(&mut self.key);
        self.put(key, value)
    }

    fn end(self) -> Result<Value, Failure> {
        self.into_value()
    }
}

macro_rules! objects {
    ($($object:ident),*) => {$(
        impl $object for Fields {
            type Ok = Value;
            type Error = Failure;

            fn serialize_field<T: Serialize + ?Sized>(
                &mut self,
                name: &'static str,
                value: &T,
            ) -> Result<(), Failure> {
                self.put(name.to_owned(), value)
            }

            fn end(self) -> Result<Value, Failure> {
                self.into_value()
            }
        }
    )*};
}

objects!(SerializeStruct, SerializeStructVariant);

//! A serde deserializer of recorded states, in which large numbers are strings.
//!
//! `serde_json::Value` rejects a string where a number is expected. This one reads numbers from strings where
//! the type asks for a number, converts the recorded texts of a few types to the form that serde reads
//! (`serde_forms`), and keeps the path of the value that fails, for the error.

use std::cell::RefCell;

use serde::de::value::{MapAccessDeserializer, StringDeserializer};
use serde::de::{
    DeserializeOwned, DeserializeSeed, Deserializer, Error as _, IntoDeserializer, MapAccess,
    SeqAccess, Visitor,
};
use serde::forward_to_deserialize_any;
use serde_json::{Error, Value, map};

use super::serde_forms::{system_text, time_parts};
use crate::path::{Path, PathSegment};

/// Deserializes a value as a `T`.
///
/// # Errors
/// Returns the path of the innermost value that cannot be deserialized, and the reason. Inside a
/// value that serde buffers, as below `flatten` and `untagged`, the path ends at the buffer.
pub(super) fn read<T: DeserializeOwned>(value: Value) -> Result<T, (Path, Error)> {
    let error_path = ErrorPath::default();
    let read = T::deserialize(StateDeserializer {
        value,
        error_path: &error_path,
    });
    read.map_err(|error| {
        let mut segments = error_path.0.into_inner();
        segments.reverse();
        (Path::from_segments(&segments), error)
    })
}

/// The steps to a value that could not be deserialized, the last step first.
#[derive(Default)]
struct ErrorPath(RefCell<Vec<PathSegment>>);

impl ErrorPath {
    /// Notes the step to a value that could not be deserialized. Steps of an error from which the
    /// type recovered are cleared by the next value that succeeds.
    fn note<T>(
        &self,
        read: Result<T, Error>,
        step: impl FnOnce() -> PathSegment,
    ) -> Result<T, Error> {
        let mut steps = self.0.borrow_mut();
        match &read {
            Ok(_) => steps.clear(),
            Err(_) => steps.push(step()),
        }
        read
    }
}

/// The deserializer of a recorded value.
struct StateDeserializer<'f> {
    value: Value,
    error_path: &'f ErrorPath,
}

/// The deserializer of a field's name or a map's key: a string, for any type of the keys.
struct Key(String);

/// The entries of an object.
struct Entries<'f> {
    remaining: map::IntoIter,
    next: Option<(String, Value)>,
    error_path: &'f ErrorPath,
}

impl<'de> MapAccess<'de> for Entries<'_> {
    type Error = Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Error> {
        let Some((key, value)) = self.remaining.next() else {
            return Ok(None);
        };
        let read = seed.deserialize(Key(key.clone()));
        let read = self
            .error_path
            .note(read, || PathSegment::Name(key.clone()))?;
        self.next = Some((key, value));
        Ok(Some(read))
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Error> {
        let Some((key, value)) = self.next.take() else {
            return Err(Error::custom("a value was requested before its key"));
        };
        let error_path = self.error_path;
        let read = seed.deserialize(StateDeserializer { value, error_path });
        error_path.note(read, || PathSegment::Name(key))
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.remaining.len())
    }
}

/// The items of an array.
struct Items<'f> {
    remaining: std::vec::IntoIter<Value>,
    index: usize,
    error_path: &'f ErrorPath,
}

impl<'de> SeqAccess<'de> for Items<'_> {
    type Error = Error;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Error> {
        let Some(value) = self.remaining.next() else {
            return Ok(None);
        };
        let (index, error_path) = (self.index, self.error_path);
        self.index += 1;
        let read = seed.deserialize(StateDeserializer { value, error_path });
        error_path
            .note(read, || PathSegment::Index(index))
            .map(Some)
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.remaining.len())
    }
}

macro_rules! parsed {
    ($text:expr; $($method:ident $visit:ident $type:ty;)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
            let text: fn(&Self) -> Option<&str> = $text;
            match text(&self).and_then(|text| text.parse::<$type>().ok()) {
                Some(value) => visitor.$visit(value),
                None => self.deserialize_any(visitor),
            }
        }
    )*};
}

macro_rules! numbers {
    ($text:expr) => {
        parsed! {
            $text;
            deserialize_i8 visit_i8 i8;
            deserialize_i16 visit_i16 i16;
            deserialize_i32 visit_i32 i32;
            deserialize_i64 visit_i64 i64;
            deserialize_i128 visit_i128 i128;
            deserialize_u8 visit_u8 u8;
            deserialize_u16 visit_u16 u16;
            deserialize_u32 visit_u32 u32;
            deserialize_u64 visit_u64 u64;
            deserialize_u128 visit_u128 u128;
            deserialize_f32 visit_f32 f32;
            deserialize_f64 visit_f64 f64;
        }
    };
}

impl<'de> Deserializer<'de> for StateDeserializer<'_> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let error_path = self.error_path;
        match self.value {
            Value::Array(items) => {
                let length = items.len();
                let mut items = Items {
                    remaining: items.into_iter(),
                    index: 0,
                    error_path,
                };
                let value = visitor.visit_seq(&mut items)?;
                if items.remaining.len() > 0 {
                    return Err(Error::invalid_length(length, &"fewer items in the array"));
                }
                Ok(value)
            }
            Value::Object(fields) => {
                let length = fields.len();
                let mut fields = Entries {
                    remaining: fields.into_iter(),
                    next: None,
                    error_path,
                };
                let value = visitor.visit_map(&mut fields)?;
                if fields.remaining.len() > 0 {
                    return Err(Error::invalid_length(length, &"fewer fields in the object"));
                }
                Ok(value)
            }
            scalar => scalar.deserialize_any(visitor),
        }
    }

    numbers!(|value| value.value.as_str());

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        if self.value.is_null() {
            visitor.visit_none()
        } else {
            visitor.visit_some(self)
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        match self.value {
            Value::Object(fields) => {
                if fields.len() != 1 {
                    return Err(Error::custom("expected an object of one variant"));
                }
                visitor.visit_enum(MapAccessDeserializer::new(Entries {
                    remaining: fields.into_iter(),
                    next: None,
                    error_path: self.error_path,
                }))
            }
            Value::String(text) if name == "OsString" => {
                visitor.visit_enum(MapAccessDeserializer::new(Entries {
                    remaining: system_text(&text).into_iter(),
                    next: None,
                    error_path: self.error_path,
                }))
            }
            unit => unit.deserialize_enum(name, variants, visitor),
        }
    }

    /// Converts recorded texts of types of the crate `time`, which it deserializes from tuples.
    fn deserialize_tuple<V: Visitor<'de>>(
        self,
        length: usize,
        visitor: V,
    ) -> Result<V::Value, Error> {
        match self
            .value
            .as_str()
            .and_then(|text| time_parts(text, length))
        {
            Some(value) => Self { value, ..self }.deserialize_any(visitor),
            None => self.deserialize_any(visitor),
        }
    }

    forward_to_deserialize_any! {
        bool char str string bytes byte_buf unit unit_struct seq tuple_struct map struct
        identifier ignored_any
    }
}

impl<'de> Deserializer<'de> for Key {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_string(self.0)
    }

    numbers!(|key| Some(&key.0));

    parsed!(|key| Some(&key.0); deserialize_bool visit_bool bool;);

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        let text: StringDeserializer<Error> = self.0.into_deserializer();
        text.deserialize_enum(name, variants, visitor)
    }

    forward_to_deserialize_any! {
        char str string bytes byte_buf unit unit_struct seq tuple tuple_struct map struct
        identifier ignored_any
    }
}

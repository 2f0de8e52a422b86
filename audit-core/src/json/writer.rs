//! The JSON serializer of the canonical form.
//!
//! It writes the same bytes as `serde_json`, which the tests check, but scans strings eight bytes
//! at a time. It takes 0.6 to 0.8 times as long (`audit-bench entry`, rows `entry/canonical`), which
//! is 12 % of recording an entry with two changes (`draft/12-fields/2-changed`). Values that an
//! entry never contains, such as maps whose keys are not strings, are an error.

use std::fmt::{self, Display};

use serde::ser::{self, Serialize, Serializer};
use serde_json::Value;

use super::escape::quote;
use super::number::stored_number;

/// The struct name under which `serde_json` serializes numbers whose digits it keeps (its feature
/// `arbitrary_precision`, which another crate may enable).
const EXACT_NUMBER: &str = "$serde_json::private::Number";

/// JSON text under construction.
pub(super) struct Json {
    text: String,
    /// Whether the next string is the digits of a number.
    digits: bool,
}

/// The reason why a value cannot be written.
#[derive(Debug)]
pub(crate) struct WriteError(String);

impl Display for WriteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for WriteError {}

impl ser::Error for WriteError {
    fn custom<T: Display>(message: T) -> Self {
        Self(message.to_string())
    }
}

/// Returns the JSON of a value; `capacity` is its expected length in bytes.
pub(crate) fn write(value: &impl Serialize, capacity: usize) -> Result<String, WriteError> {
    let mut json = Json {
        text: String::with_capacity(capacity),
        digits: false,
    };
    value.serialize(&mut json)?;
    Ok(json.text)
}

impl Json {
    fn open(&mut self, open: &str, close: &'static str) -> Open<'_> {
        self.text.push_str(open);
        Open {
            json: self,
            first: true,
            close,
        }
    }

    /// Writes a number from its digits.
    #[cold]
    #[inline(never)]
    fn number(&mut self, digits: &str) {
        match stored_number(digits) {
            Value::Number(float) if float.is_f64() => {
                push_float(&mut self.text, &float.to_string());
            }
            Value::String(digits) => quote(&digits, &mut self.text),
            integer => self.text.push_str(&integer.to_string()),
        }
    }

    /// Opens the content of an enum's variant.
    fn variant(&mut self, name: &str, open: &str, close: &'static str) -> Open<'_> {
        self.text.push('{');
        quote(name, &mut self.text);
        self.text.push(':');
        self.open(open, close)
    }
}

/// An array or an object that is not closed yet.
pub(super) struct Open<'j> {
    json: &'j mut Json,
    first: bool,
    close: &'static str,
}

impl Open<'_> {
    fn separate(&mut self) {
        if !self.first {
            self.json.text.push(',');
        }
        self.first = false;
    }

    fn item<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), WriteError> {
        self.separate();
        value.serialize(&mut *self.json)
    }

    fn field<T: Serialize + ?Sized>(
        &mut self,
        name: &'static str,
        value: &T,
    ) -> Result<(), WriteError> {
        if name == EXACT_NUMBER {
            self.json.digits = true;
            return value.serialize(&mut *self.json);
        }
        let text = &mut self.json.text;
        text.push_str(if self.first { "\"" } else { ",\"" });
        self.first = false;
        // The field names of this crate's structs need no escapes.
        text.push_str(name);
        text.push_str("\":");
        value.serialize(&mut *self.json)
    }

    fn close(self) {
        self.json.text.push_str(self.close);
    }
}

macro_rules! integers {
    ($($method:ident: $type:ty;)*) => {$(
        fn $method(self, value: $type) -> Result<(), WriteError> {
            self.text.push_str(itoa::Buffer::new().format(value));
            Ok(())
        }
    )*};
}

impl<'j> Serializer for &'j mut Json {
    type Ok = ();
    type Error = WriteError;
    type SerializeSeq = Open<'j>;
    type SerializeTuple = Open<'j>;
    type SerializeTupleStruct = Open<'j>;
    type SerializeTupleVariant = Open<'j>;
    type SerializeMap = Open<'j>;
    type SerializeStruct = Open<'j>;
    type SerializeStructVariant = Open<'j>;

    integers! {
        serialize_i8: i8; serialize_i16: i16; serialize_i32: i32; serialize_i64: i64;
        serialize_i128: i128; serialize_u8: u8; serialize_u16: u16; serialize_u32: u32;
        serialize_u64: u64; serialize_u128: u128;
    }

    fn serialize_bool(self, value: bool) -> Result<(), WriteError> {
        self.text.push_str(if value { "true" } else { "false" });
        Ok(())
    }

    fn serialize_f32(self, value: f32) -> Result<(), WriteError> {
        push_float(
            &mut self.text,
            &serde_json::to_string(&value).map_err(ser::Error::custom)?,
        );
        Ok(())
    }

    fn serialize_f64(self, value: f64) -> Result<(), WriteError> {
        match serde_json::Number::from_f64(value) {
            Some(number) => {
                push_float(&mut self.text, &number.to_string());
                Ok(())
            }
            None => self.serialize_unit(),
        }
    }

    fn serialize_char(self, value: char) -> Result<(), WriteError> {
        self.serialize_str(value.encode_utf8(&mut [0; 4]))
    }

    fn serialize_str(self, value: &str) -> Result<(), WriteError> {
        if std::mem::take(&mut self.digits) {
            self.number(value);
        } else {
            quote(value, &mut self.text);
        }
        Ok(())
    }

    fn serialize_bytes(self, value: &[u8]) -> Result<(), WriteError> {
        self.collect_seq(value)
    }

    fn serialize_none(self) -> Result<(), WriteError> {
        self.serialize_unit()
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), WriteError> {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<(), WriteError> {
        self.text.push_str("null");
        Ok(())
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result<(), WriteError> {
        self.serialize_unit()
    }

    fn serialize_unit_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
    ) -> Result<(), WriteError> {
        self.serialize_str(variant)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        value: &T,
    ) -> Result<(), WriteError> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<(), WriteError> {
        let open = self.variant(variant, "", "}");
        value.serialize(&mut *open.json)?;
        open.close();
        Ok(())
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Open<'j>, WriteError> {
        Ok(self.open("[", "]"))
    }

    fn serialize_tuple(self, _: usize) -> Result<Open<'j>, WriteError> {
        Ok(self.open("[", "]"))
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Open<'j>, WriteError> {
        Ok(self.open("[", "]"))
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Open<'j>, WriteError> {
        Ok(self.variant(variant, "[", "]}"))
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Open<'j>, WriteError> {
        Ok(self.open("{", "}"))
    }

    fn serialize_struct(self, name: &'static str, _: usize) -> Result<Open<'j>, WriteError> {
        if name == EXACT_NUMBER {
            return Ok(self.open("", ""));
        }
        Ok(self.open("{", "}"))
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Open<'j>, WriteError> {
        Ok(self.variant(variant, "{", "}}"))
    }
}

macro_rules! sequences {
    ($($sequence:ident: $add:ident;)*) => {$(
        impl ser::$sequence for Open<'_> {
            type Ok = ();
            type Error = WriteError;

            fn $add<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), WriteError> {
                self.item(value)
            }

            fn end(self) -> Result<(), WriteError> {
                self.close();
                Ok(())
            }
        }
    )*};
}

sequences! {
    SerializeSeq: serialize_element;
    SerializeTuple: serialize_element;
    SerializeTupleStruct: serialize_field;
    SerializeTupleVariant: serialize_field;
}

macro_rules! structs {
    ($($kind:ident)*) => {$(
        impl ser::$kind for Open<'_> {
            type Ok = ();
            type Error = WriteError;

            fn serialize_field<T: Serialize + ?Sized>(
                &mut self,
                name: &'static str,
                value: &T,
            ) -> Result<(), WriteError> {
                self.field(name, value)
            }

            fn end(self) -> Result<(), WriteError> {
                self.close();
                Ok(())
            }
        }
    )*};
}

structs! { SerializeStruct SerializeStructVariant }

impl ser::SerializeMap for Open<'_> {
    type Ok = ();
    type Error = WriteError;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), WriteError> {
        self.separate();
        let start = self.json.text.len();
        key.serialize(&mut *self.json)?;
        if self.json.text[start..].starts_with('"') {
            Ok(())
        } else {
            Err(ser::Error::custom("a key of a map is not a string"))
        }
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), WriteError> {
        self.json.text.push(':');
        value.serialize(&mut *self.json)
    }

    fn end(self) -> Result<(), WriteError> {
        self.close();
        Ok(())
    }
}

/// Writes the shortest digits of a float, with a sign in a positive exponent as in JavaScript.
/// `serde_json` writes that sign depending on its version.
fn push_float(text: &mut String, float: &str) {
    match float.split_once('e') {
        Some((digits, exponent)) if exponent.starts_with(|c: char| c.is_ascii_digit()) => {
            text.push_str(digits);
            text.push_str("e+");
            text.push_str(exponent);
        }
        _ => text.push_str(float),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde::ser::SerializeStruct;
    use serde::{Serialize, Serializer};
    use serde_json::json;

    use super::{EXACT_NUMBER, write};

    #[derive(Serialize)]
    enum Shape {
        Unit,
        Newtype(f32),
        Tuple(u8, char),
        Struct { a: Option<i64>, b: () },
    }

    #[derive(Serialize)]
    struct Everything<'a> {
        empty: [u8; 0],
        shapes: Vec<Shape>,
        floats: Vec<f64>,
        integers: (i8, i16, i32, i64, u16, u32, u64, i128, u128),
        map: BTreeMap<&'a str, bool>,
        pair: Pair,
        value: serde_json::Value,
    }

    #[derive(Serialize)]
    struct Pair(u8, u8);

    #[test]
    fn the_bytes_equal_those_of_serde_json() {
        let value = Everything {
            empty: [],
            shapes: vec![
                Shape::Unit,
                Shape::Newtype(0.1),
                Shape::Tuple(7, '"'),
                Shape::Struct { a: None, b: () },
                Shape::Struct { a: Some(-1), b: () },
            ],
            floats: vec![0.1, 1e300, -0.0, 5e-324, 1.0, f64::NAN, f64::INFINITY, 1e16],
            integers: (
                -1,
                -2,
                i32::MIN,
                i64::MIN,
                5,
                6,
                u64::MAX,
                i128::MIN,
                u128::MAX,
            ),
            map: BTreeMap::from([("", true), ("a\n\"b\"", false)]),
            pair: Pair(1, 2),
            value: json!({"a": [null, true, 1.5, "\u{1}", {}, []], "b\\": {"c": -3}}),
        };
        assert_eq!(
            write(&value, 0).unwrap(),
            serde_json::to_string(&value).unwrap()
        );
    }

    #[test]
    fn numbers_with_kept_digits_are_written_in_stored_form() {
        struct Exact(&'static str);

        impl Serialize for Exact {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                let mut number = serializer.serialize_struct(EXACT_NUMBER, 1)?;
                number.serialize_field(EXACT_NUMBER, self.0)?;
                number.end()
            }
        }

        assert_eq!(
            write(
                &["1.000000000000000000001", "1E1", "-0", "1e30"].map(Exact),
                0
            )
            .unwrap(),
            r#"["1.000000000000000000001",10.0,0,1e+30]"#
        );
    }

    #[test]
    fn a_key_that_is_not_a_string_is_an_error() {
        let error = write(&BTreeMap::from([(1, 2)]), 0).unwrap_err();
        assert_eq!(error.to_string(), "a key of a map is not a string");
    }
}

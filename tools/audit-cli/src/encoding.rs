//! Byte order marks and other encodings than UTF-8.

/// The byte order mark of UTF-8.
const MARK: &[u8] = b"\xef\xbb\xbf";

/// Returns the bytes without the byte order mark of UTF-8.
pub(crate) fn without_mark(bytes: &[u8]) -> &[u8] {
    bytes.strip_prefix(MARK).unwrap_or(bytes)
}

/// Names the encoding of a text that is not UTF-8, by its mark or by the zeros in it.
pub(crate) fn foreign(bytes: &[u8]) -> Option<&'static str> {
    match bytes {
        [0xff, 0xfe, 0, 0, ..] | [0, 0, 0xfe, 0xff, ..] => Some("UTF-32"),
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => Some("UTF-16"),
        // The first character of JSON is of ASCII.
        [b'{' | b'[' | b' ' | b'\n' | b'\r', 0, _, ..] | [0, b'{' | b'[' | b' ', ..] => {
            Some("UTF-16")
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encodings_are_recognized_by_their_first_bytes() {
        let utf16 = |text: &str, order: fn(u16) -> [u8; 2]| -> Vec<u8> {
            text.encode_utf16().flat_map(order).collect()
        };
        for text in ["\u{feff}{\"a\":1}", "{\"a\":1}", "[1]", " {}"] {
            assert_eq!(foreign(&utf16(text, u16::to_le_bytes)), Some("UTF-16"));
            assert_eq!(foreign(&utf16(text, u16::to_be_bytes)), Some("UTF-16"));
        }
        assert_eq!(foreign(b"\xff\xfe\0\0{\0\0\0"), Some("UTF-32"));
        for text in ["", "{", "{\"a\":1}", "\u{feff}{}"] {
            assert_eq!(foreign(text.as_bytes()), None);
        }
        assert_eq!(without_mark("\u{feff}{}".as_bytes()), b"{}");
    }
}

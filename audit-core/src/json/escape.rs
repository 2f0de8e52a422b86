//! Quotes JSON strings, scanning eight bytes at a time for characters to escape.
//!
//! A word of eight bytes has one to escape if a byte is below 0x20, `"` or `\`. Each test subtracts from
//! all bytes at once and checks the high bits (Mycroft's test for a zero byte, 1987), so most strings are
//! copied without looking at single characters. The output equals that of `serde_json`.

/// The eight bytes that are all 0x01.
const ONES: u64 = u64::MAX / 0xff;
/// The highest bit of each of eight bytes.
const HIGH: u64 = ONES << 7;

/// Appends a string in quotes, escaped as by `serde_json`.
#[inline]
pub(super) fn quote(text: &str, out: &mut String) {
    out.push('"');
    if is_plain(text.as_bytes()) {
        out.push_str(text);
    } else {
        push_escaped(text, out);
    }
    out.push('"');
}

#[cold]
fn push_escaped(text: &str, out: &mut String) {
    let mut rest = text;
    while let Some(at) = first_special(rest.as_bytes()) {
        // Special characters are ASCII, so both sides of one are valid strings.
        let (plain, special) = rest.split_at(at);
        out.push_str(plain);
        let mut special = special.chars();
        if let Some(special) = special.next() {
            escape(special, out);
        }
        rest = special.as_str();
    }
    out.push_str(rest);
}

fn escape(special: char, out: &mut String) {
    out.push('\\');
    match special {
        '\u{8}' => out.push('b'),
        '\t' => out.push('t'),
        '\n' => out.push('n'),
        '\u{c}' => out.push('f'),
        '\r' => out.push('r'),
        '\0'..' ' => {
            let code = u32::from(special);
            out.push_str(if code < 0x10 { "u000" } else { "u001" });
            out.extend(char::from_digit(code % 0x10, 0x10));
        }
        other => out.push(other),
    }
}

fn first_special(bytes: &[u8]) -> Option<usize> {
    let (words, _) = bytes.as_chunks::<8>();
    let plain = 8 * words.iter().take_while(|word| plain_word(**word)).count();
    let at = bytes[plain..].iter().position(|byte| is_special(*byte))?;
    Some(plain + at)
}

fn is_special(byte: u8) -> bool {
    matches!(byte, 0..0x20 | b'"' | b'\\')
}

/// Returns whether no byte needs an escape.
fn is_plain(bytes: &[u8]) -> bool {
    // The last eight bytes are checked as a word that overlaps the previous one.
    if let Some(last) = bytes.last_chunk::<8>() {
        let (words, _) = bytes.as_chunks::<8>();
        words.iter().all(|word| plain_word(*word)) && plain_word(*last)
    } else if let (Some([a, b, c, d]), Some([e, f, g, h])) =
        (bytes.first_chunk::<4>(), bytes.last_chunk::<4>())
    {
        plain_word([*a, *b, *c, *d, *e, *f, *g, *h])
    } else {
        !bytes.iter().any(|byte| is_special(*byte))
    }
}

/// Returns whether none of eight bytes needs an escape.
#[inline]
fn plain_word(bytes: [u8; 8]) -> bool {
    let word = u64::from_ne_bytes(bytes);
    let equal = |byte: u8| {
        let zero_where_equal = word ^ (ONES * u64::from(byte));
        zero_where_equal.wrapping_sub(ONES) & !zero_where_equal
    };
    let control = word.wrapping_sub(ONES * 0x20) & !word;
    (control | equal(b'"') | equal(b'\\')) & HIGH == 0
}

#[cfg(test)]
mod tests {
    use super::quote;

    fn quoted(text: &str) -> String {
        let mut out = String::new();
        quote(text, &mut out);
        out
    }

    #[test]
    fn every_character_at_every_position_is_escaped_like_serde_json() {
        let others = ['\u{80}', '\u{a0}', '\u{7fff}', '\u{2028}', '\u{1f600}'];
        for special in ('\0'..='\u{7f}').chain(others) {
            for position in 0..20 {
                let (before, after) = ("ä".repeat(position), "x".repeat(20 - position));
                for text in [
                    format!("{before}{special}"),
                    format!("{after}{special}{before}"),
                    format!("{special}{special}{after}{special}"),
                ] {
                    assert_eq!(quoted(&text), serde_json::to_string(&text).unwrap());
                }
            }
        }
    }
}

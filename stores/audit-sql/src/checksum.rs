//! The checksum of an entry's bytes.

use sha2::{Digest as _, Sha256};

/// Returns the checksum of an entry's canonical bytes: their SHA-256.
///
/// Every row has it in a column beside the bytes, so that a check finds bytes that were damaged.
/// It does not prove that the bytes are authentic: a user who can change them can change the
/// checksum.
///
/// # Example
/// ```
/// use audit_core::LogEntry;
///
/// let entry = LogEntry::new("create", "Account", "1", "account 1");
/// let row = audit_sql::sqlite::Row::of(&entry)?;
/// assert_eq!(row.checksum, audit_sql::checksum(row.body.as_bytes()));
/// # Ok::<(), audit_core::StoreError>(())
/// ```
pub fn checksum(body: &[u8]) -> [u8; 32] {
    Sha256::digest(body).into()
}

/// Returns bytes as lowercase hexadecimal digits.
///
/// # Example
/// ```
/// assert_eq!(audit_sql::hex(&[0, 0xaf]), "00af");
/// ```
pub fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(2 * bytes.len());
    push_hex(bytes, &mut text);
    text
}

/// Appends bytes as hexadecimal digits.
pub(crate) fn push_hex(bytes: &[u8], text: &mut String) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    for byte in bytes {
        for digit in [byte >> 4, byte & 15] {
            text.push(char::from(DIGITS[usize::from(digit)]));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_checksum_is_sha_256() {
        // The first example of FIPS 180-4.
        assert_eq!(
            hex(&checksum(b"abc")),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
    }
}

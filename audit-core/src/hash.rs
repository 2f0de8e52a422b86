//! Keyed pseudonyms for fields marked `#[audit(hash)]`.

use std::collections::BTreeMap;
use std::fmt::{self, Write};
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, LazyLock};

use hmac_sha256::HMAC;
use serde_json::Value;

use crate::canonical;

/// The keys of an audit log, by version.
///
/// A token is `h<version>:` and the first 128 bits of HMAC-SHA256 (RFC 2104) over the
/// field's name, a zero byte and the value's canonical JSON, in hexadecimal. Equal values
/// of one field have equal tokens under one key; of two fields they have different ones.
pub(crate) struct HashKeys {
    keys: BTreeMap<u32, Vec<u8>>,
}

/// How many bytes a key has at least: with fewer the values behind tokens can be found by trying
/// keys.
pub(crate) const MIN_KEY: usize = 16;

impl HashKeys {
    pub(crate) fn new(version: u32, key: Vec<u8>) -> Self {
        Self {
            keys: BTreeMap::from([(version, key)]),
        }
    }

    /// Adds a key. The highest version makes the tokens.
    pub(crate) fn add(&mut self, version: u32, key: Vec<u8>) {
        self.keys.insert(version, key);
    }

    /// The key of this process, for logs that were given none: its tokens start with `h0:`
    /// and can be compared within this process only.
    pub(crate) fn ephemeral() -> Arc<Self> {
        static KEY: LazyLock<Arc<HashKeys>> = LazyLock::new(|| {
            // `RandomState` is seeded with 128 bits of the system's entropy.
            let key = (0..4u64)
                .flat_map(|part| RandomState::new().hash_one(part).to_le_bytes())
                .collect();
            Arc::new(HashKeys::new(0, key))
        });
        Arc::clone(&KEY)
    }

    /// The keys of the current log.
    pub(crate) fn current() -> Arc<Self> {
        crate::log::AuditLog::current().hash_keys()
    }

    /// Whether a restart makes other tokens.
    pub(crate) fn is_ephemeral(&self) -> bool {
        self.keys.keys().all(|version| *version == 0)
    }

    pub(crate) fn token(&self, domain: &str, value: &Value) -> String {
        let Some((version, key)) = self.keys.last_key_value() else {
            return String::new();
        };
        let mut mac = HMAC::new(key);
        mac.update(domain.as_bytes());
        mac.update([0]);
        mac.update(canonical::text(value).as_bytes());
        let mut token = format!("h{version}:");
        for byte in &mac.finalize()[..16] {
            // Writing to a `String` cannot fail.
            let _ok = write!(token, "{byte:02x}");
        }
        token
    }
}

impl fmt::Debug for HashKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Never the keys.
        f.debug_struct("HashKeys")
            .field("versions", &self.keys.keys())
            .finish()
    }
}

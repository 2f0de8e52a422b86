//! Keyed pseudonyms for fields marked `#[audit(hash)]`.
//!
//! # Form of a token
//! `h<version>:` and 32 hexadecimal digits: the first 128 bits of HMAC-SHA256 (RFC 2104, FIPS 180-4) over
//! the domain (`Model.field`, which stays when the type is renamed), a zero byte and the canonical JSON of
//! the value. Equal values of one field have equal tokens under one key; equal values of two fields have
//! different tokens, so that tokens do not link fields.
//!
//! # Versions
//! A value takes the key of the highest version, an identity that of the lowest: an object keeps its
//! history when a key is added, and tokens of values can be renewed. Version 0 is the random key of the
//! process, for a log without a key; its tokens cannot be compared with those of another process.
//!
//! # Limits
//! A token hides a value from readers without the key. A reader with the key can try all values of a small
//! set, such as phone numbers; keep it where secrets are kept, and away from the trail.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt::{self, Write};
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, LazyLock, OnceLock};

use hmac_sha256::HMAC;
use serde_json::Value;

use super::auditable::Auditable;
use super::repr::{composite_key, key_parts};
use crate::json::canonical;

/// The keys of an audit log, by version.
///
/// A token is `h<version>:` and the first 128 bits of HMAC-SHA256 (RFC 2104) over the
/// field's name, a zero byte and the value's canonical JSON, in hexadecimal. Equal values
/// of one field have equal tokens under one key; of two fields they have different ones.
pub(crate) struct HashKeys {
    keys: BTreeMap<u32, Vec<u8>>,
}

thread_local! {
    /// The keys entered on this thread, which override those of the current log.
    static ENTERED: RefCell<Option<Arc<HashKeys>>> = const { RefCell::new(None) };
}

/// The function that returns the keys of the current log, set when the first log is built.
static CURRENT_LOG_KEYS: OnceLock<fn() -> Arc<HashKeys>> = OnceLock::new();

/// The minimum length of a key in bytes. With a shorter key the values behind tokens can be found
/// by brute force.
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

    /// Returns the random key of this process, for logs without a configured key. Its tokens start
    /// with `h0:` and can be compared within this process only.
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

    /// Sets the function by which [`current`](Self::current) finds the keys of the current log.
    pub(crate) fn set_current(current: fn() -> Arc<Self>) {
        CURRENT_LOG_KEYS.get_or_init(|| current);
    }

    /// Returns the keys entered on this thread, else those of the current log. Before any log is
    /// built these are the ephemeral ones, which the default in-memory log uses too.
    pub(crate) fn current() -> Arc<Self> {
        let entered = ENTERED.with_borrow(Clone::clone);
        entered.unwrap_or_else(|| match CURRENT_LOG_KEYS.get() {
            Some(current) => current(),
            None => Self::ephemeral(),
        })
    }

    /// Runs a function in which these keys make the tokens of [identities](Self::key_token).
    /// `object_pk` takes no arguments, so it gets the keys of a log through the thread.
    pub(crate) fn entered<R>(self: Arc<Self>, run: impl FnOnce() -> R) -> R {
        struct Restore(Option<Arc<HashKeys>>);
        impl Drop for Restore {
            fn drop(&mut self) {
                ENTERED.set(self.0.take());
            }
        }
        let _restore = Restore(ENTERED.replace(Some(self)));
        run()
    }

    /// Returns whether the tokens change when the process restarts.
    pub(crate) fn is_ephemeral(&self) -> bool {
        self.keys.keys().all(|version| *version == 0)
    }

    /// Returns the token of a value, made with the key of the highest version.
    pub(crate) fn token(&self, domain: &str, value: &Value) -> String {
        let Some((version, key)) = self.keys.last_key_value() else {
            return String::new();
        };
        token(*version, key, domain, value)
    }

    /// Returns the token of an identity's text or of a part of it. It is made with the key of the
    /// lowest version, so that an object keeps its history when a version is added.
    pub(crate) fn key_token(&self, domain: &str, text: &str) -> String {
        let Some((version, key)) = self.keys.first_key_value() else {
            return String::new();
        };
        token(*version, key, domain, &Value::String(text.to_owned()))
    }

    /// Returns the stored key of an object, given its key in clear. Tokens are kept if `form`
    /// allows them.
    pub(crate) fn object_key(
        &self,
        domains: &[Option<&str>],
        key: String,
        form: KeyForm,
    ) -> String {
        let hash = |domain: &str, text: String| {
            if text.is_empty() || (form == KeyForm::Any && is_token(&text)) {
                text
            } else {
                self.key_token(domain, &text)
            }
        };
        match domains {
            [] => key,
            [Some(domain)] => hash(domain, key),
            _ if key.is_empty() => key,
            _ => {
                let parts = key_parts(&key);
                if parts.len() != domains.len() {
                    // Not a key of the model. Its clear text must not show either.
                    return self.key_token("", &key);
                }
                let parts: Vec<String> = domains
                    .iter()
                    .zip(parts)
                    .map(|(domain, part)| match domain {
                        Some(domain) => hash(domain, part),
                        None => part,
                    })
                    .collect();
                composite_key(&parts)
            }
        }
    }
}

/// The form of a given key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum KeyForm {
    /// In clear, as in a value: a secret that looks like a token is hashed too.
    Clear,
    /// In clear or as a token, as in a query.
    Any,
}

fn token(version: u32, key: &[u8], domain: &str, value: &Value) -> String {
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

/// Returns whether a text has the form of a token.
fn is_token(text: &str) -> bool {
    let parts = text.strip_prefix('h').and_then(|rest| rest.split_once(':'));
    parts.is_some_and(|(version, digest)| {
        let is_hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        !version.is_empty()
            && version.bytes().all(|byte| byte.is_ascii_digit())
            && digest.len() == 32
            && digest.bytes().all(is_hex)
    })
}

/// Returns the token of an identity or of a part of it. Empty for an empty text, which identifies
/// no object.
#[doc(hidden)]
pub fn hashed_key(domain: &str, text: &str) -> String {
    if text.is_empty() {
        return String::new();
    }
    HashKeys::current().key_token(domain, text)
}

/// Returns the stored key of an object's parent, given the parent's key in clear.
#[doc(hidden)]
pub fn parent_key<T: Auditable>(key: String) -> String {
    if T::HASHED_KEY.is_empty() {
        return key;
    }
    HashKeys::current().object_key(T::HASHED_KEY, key, KeyForm::Clear)
}

/// Returns whether an object's entries identify the object or its parent by a token.
///
/// # Panics
/// Panics if the parent's key would be in clear in one column and hashed in the other. In a
/// constant that is a compile error.
#[doc(hidden)]
pub const fn hashes_keys(
    own: &[Option<&str>],
    parent: &[Option<&str>],
    is_parent_key_hashed: bool,
) -> bool {
    if is_parent_key_hashed {
        assert!(
            !parent.is_empty(),
            "the field with the parent's key is hashed, but the parent's identity is not: its key would be in clear in every entry"
        );
    } else {
        assert!(
            parent.is_empty(),
            "the parent's identity is hashed: put `#[audit(hash)]` on the field with its key, which would be in clear in the changes"
        );
    }
    !own.is_empty() || !parent.is_empty()
}

impl fmt::Debug for HashKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Without the keys.
        f.debug_struct("HashKeys")
            .field("versions", &self.keys.keys())
            .finish()
    }
}

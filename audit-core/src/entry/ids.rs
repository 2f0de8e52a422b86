//! The generator of entry ids: UUIDs of version 7 (RFC 9562, section 5.7).
//!
//! Ids increase with each call, also within a millisecond and if the clock steps back: then the random bits
//! of the last id are increased by a random step of up to 2^32 (RFC 9562, section 6.2, method 2). The
//! highest random bit starts at zero, which leaves 2^41 steps in a millisecond before the timestamp is
//! increased instead.
//!
//! Ids are unique across processes by their 73 random bits, and ordered within one process only.

use std::hash::{BuildHasher, RandomState};
use std::sync::{LazyLock, Mutex, PoisonError};

use chrono::{DateTime, Utc};
use uuid::Uuid;

/// Generates UUIDs of version 7 (RFC 9562) that increase with each call, even within a millisecond
/// and if the clock steps back.
#[derive(Debug)]
pub(crate) struct IdGenerator {
    random: RandomState,
    last: Mutex<(u64, u128, u64)>,
}

/// The number of random bits of a UUID of version 7. The highest one starts at zero, to leave
/// capacity for counting up within a millisecond.
const RANDOM_BITS: u32 = 74;

impl IdGenerator {
    pub(crate) fn new() -> Self {
        Self {
            random: RandomState::new(),
            last: Mutex::new((0, 0, 0)),
        }
    }

    /// Generates an id for an entry of this time.
    pub(crate) fn next(&self, time: DateTime<Utc>) -> Uuid {
        let millis = u64::try_from(time.timestamp_millis()).unwrap_or(0) & ((1 << 48) - 1);
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let (last_millis, last_bits, calls) = &mut *last;
        *calls = calls.wrapping_add(1);
        // SipHash of a counter under a random key.
        let random = |part: u8| u128::from(self.random.hash_one((*calls, part)));
        let fresh = || ((random(0) << 64) | random(1)) & ((1 << (RANDOM_BITS - 1)) - 1);
        if millis > *last_millis {
            *last_millis = millis;
            *last_bits = fresh();
        } else {
            // A step of up to 2^32: the next id stays unpredictable, and 2^41 steps fit.
            *last_bits += 1 + (random(0) & 0xffff_ffff);
            if *last_bits >> RANDOM_BITS != 0 {
                *last_millis += 1;
                *last_bits = fresh();
            }
        }
        let (millis, bits) = (*last_millis, *last_bits);
        drop(last);
        let high = (u128::from(millis) << 80) | (0x7 << 76) | ((bits >> 62) << 64);
        let low = (0b10 << 62) | (bits & ((1 << 62) - 1));
        Uuid::from_u128(high | low)
    }
}

/// Generates an id with the generator that all logs of the process share.
pub(crate) fn fresh(time: DateTime<Utc>) -> Uuid {
    static IDS: LazyLock<IdGenerator> = LazyLock::new(IdGenerator::new);
    IDS.next(time)
}

//! Counts allocations.

use std::alloc::System;

use stats_alloc::{Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: StatsAlloc<System> = StatsAlloc::system();

/// Returns how many allocations `work` makes, growing ones included.
pub(crate) fn count<R>(work: impl FnOnce() -> R) -> usize {
    let region = Region::new(&ALLOCATOR);
    let result = work();
    let stats = region.change();
    drop(result);
    stats.allocations + stats.reallocations
}

//! `key` and `set` on what is no list, and a key that the items do not have.

use auditlog::Auditable;

struct Opaque {
    sku: u32,
}

#[derive(Auditable)]
struct Item {
    sku: u32,
}

#[derive(Auditable)]
struct Cart {
    id: u32,
    #[audit(key = "sku")]
    item: Item,
    #[audit(set)]
    tag: String,
    #[audit(key = "skv")]
    items: Vec<Item>,
    #[audit(key = "sku")]
    foreign: Vec<Opaque>,
    #[audit(set)]
    tags: Vec<Opaque>,
}

fn main() {}

//! `with` and `eq` whose function does not take the field or returns another type.

use auditlog::Auditable;

struct Opaque;

fn length(text: &str) -> usize {
    text.len()
}

fn opaque(_: &str) -> Opaque {
    Opaque
}

fn same(old: &str, new: &str) -> bool {
    old == new
}

fn order(old: &str, new: &str) -> std::cmp::Ordering {
    old.cmp(new)
}

#[derive(Auditable)]
struct Converted {
    id: u32,
    #[audit(with = length)]
    number: u32,
    #[audit(with = opaque)]
    text: String,
    #[audit(eq = same)]
    size: u32,
    #[audit(eq = order)]
    name: String,
}

#[derive(Auditable)]
enum Form {
    One(#[audit(with = length)] u32),
    Two(#[audit(with = opaque)] String),
    Three(#[audit(eq = same)] u32),
}

fn main() {}

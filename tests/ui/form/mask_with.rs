//! `mask_with` whose function does not take the field or returns no JSON, or whose field cannot be
//! compared.

use auditlog::Auditable;

struct Opaque;

fn first(text: &str) -> String {
    text.chars().take(1).collect()
}

fn opaque(_: &str) -> Opaque {
    Opaque
}

fn shown(_: &Opaque) -> String {
    String::new()
}

#[derive(Auditable)]
struct Masked {
    id: u32,
    #[audit(mask_with = first)]
    number: u32,
    #[audit(mask_with = opaque)]
    text: String,
    #[audit(mask_with = shown)]
    foreign: Opaque,
}

#[derive(Auditable)]
enum Form {
    One(#[audit(mask_with = first)] u32),
    Two(#[audit(mask_with = opaque)] String),
    Three(#[audit(mask_with = shown)] Opaque),
}

fn main() {}

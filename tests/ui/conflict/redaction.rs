use auditlog::Auditable;

fn stars(_: &str) -> &'static str {
    "*"
}

#[derive(Auditable)]
struct User {
    id: u64,
    #[audit(mask, hash)]
    ssn: String,
    #[audit(mask, mask_with = stars)]
    name: String,
}

fn main() {}

use auditlog::Auditable;

#[derive(Auditable)]
struct Masked {
    #[audit(id, mask)]
    key: String,
}

#[derive(Auditable)]
struct MaskedByName {
    #[audit(mask)]
    id: String,
}

#[derive(Auditable)]
struct Skipped {
    #[audit(id)]
    #[audit(skip)]
    key: u64,
}

fn main() {}

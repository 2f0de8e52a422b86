use auditlog::Auditable;

#[derive(Auditable)]
#[audit(model = "a")]
#[audit(model = "b")]
struct User {
    id: u64,
    #[audit(mask, label = "a", mask)]
    name: String,
}

fn main() {}

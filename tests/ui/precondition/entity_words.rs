use auditlog::Auditable;

#[derive(Auditable)]
#[audit(repr = "{city}", model = "address", version = 2)]
struct Address {
    city: String,
}

#[derive(Auditable)]
#[audit(require_reason)]
enum Status {
    Open,
}

fn main() {}

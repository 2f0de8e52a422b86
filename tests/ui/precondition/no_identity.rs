use auditlog::Auditable;

#[derive(Auditable)]
struct Address {
    city: String,
}

fn main() {
    auditlog::register::<Address>();
}

use auditlog::Auditable;

#[derive(Auditable)]
struct User {
    id: u64,
    #[audit(display, debug)]
    name: String,
    #[audit(set, key = "sku")]
    items: Vec<String>,
    #[audit(whole, key = "sku")]
    lines: Vec<String>,
}

fn main() {}

use auditlog::Auditable;

#[derive(Auditable)]
struct User {
    id: u64,
    #[audit(lable = "Name")]
    name: String,
}

fn main() {}

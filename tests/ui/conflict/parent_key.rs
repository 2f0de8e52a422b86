use auditlog::Auditable;

#[derive(Auditable)]
struct Company {
    id: String,
}

#[derive(Auditable)]
#[audit(parent(Company, key = "company"))]
struct Employee {
    id: u64,
    #[audit(mask)]
    company: String,
}

fn main() {}

use auditlog::Auditable;

#[derive(Auditable)]
struct Company {
    id: u64,
}

#[derive(Auditable)]
#[audit(parent(Company))]
struct NoKey {
    id: u64,
}

#[derive(Auditable)]
#[audit(parent(Company, kye = "company_id"))]
struct WrongWord {
    id: u64,
    company_id: u64,
}

#[derive(Auditable)]
#[audit(parent(Company, key = "compani_id"))]
struct WrongField {
    id: u64,
    company_id: u64,
}

fn main() {}

use auditlog::Auditable;

#[derive(Auditable)]
struct Session {
    #[audit(id, hash)]
    token: String,
}

#[derive(Auditable)]
struct Company {
    id: String,
}

#[derive(Auditable)]
#[audit(parent(Session, key = "session"))]
struct Visit {
    id: u64,
    session: String,
}

#[derive(Auditable)]
#[audit(parent(Company, key = "company"))]
struct Employee {
    id: u64,
    #[audit(hash)]
    company: String,
}

fn main() {}

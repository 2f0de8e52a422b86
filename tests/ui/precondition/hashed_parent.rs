use auditlog::Auditable;

#[derive(Auditable)]
struct Session {
    #[audit(id, hash)]
    token: String,
}

#[derive(Auditable)]
#[audit(parent(Session, key = "session"))]
struct InClear {
    id: u64,
    session: String,
}

#[derive(Auditable)]
struct Company {
    id: u64,
}

#[derive(Auditable)]
#[audit(parent(Company, key = "company"))]
struct HashedAlone {
    id: u64,
    #[audit(hash)]
    company: u64,
}

fn main() {}

use auditlog::Auditable;
use serde::Serialize;

#[derive(Auditable)]
struct Session {
    #[audit(id, hash)]
    token: String,
}

#[derive(Auditable, Serialize)]
#[audit(serde, parent(Session, key = "session"))]
struct SerializedVisit {
    id: u64,
    session: String,
}

#[derive(Auditable, Serialize)]
#[audit(serde, parent(Session, key = "session"))]
struct HashedVisit {
    id: u64,
    #[audit(hash)]
    session: String,
}

fn main() {}

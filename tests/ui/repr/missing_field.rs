use auditlog::Auditable;

#[derive(Auditable)]
#[audit(repr = "{usernme} <{mail}>")]
struct User {
    id: u64,
    username: String,
    email: String,
}

fn main() {}

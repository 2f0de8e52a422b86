use auditlog::Auditable;

#[derive(Auditable, Clone)]
struct User {
    id: u64,
    #[audit(msak)]
    name: String,
}

fn main() {
    auditlog::register::<User>();
    let user = User { id: 1, name: String::new() };
    println!("{}", auditlog::snapshot(&user));
}

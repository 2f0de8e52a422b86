use auditlog::Auditable;

struct Money(i64);

#[derive(Auditable)]
struct Account {
    id: u64,
    balance: Money,
}

fn main() {}

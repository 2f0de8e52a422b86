use auditlog::Auditable;

struct Money(i64);

#[derive(Auditable)]
struct Account {
    id: Money,
    balance: Money,
    former: Option<Money>,
    #[audit(skip_none)]
    limit: Option<Money>,
}

#[derive(Auditable)]
enum Payment {
    Card { amount: Money },
    Cash(Money),
}

fn main() {}

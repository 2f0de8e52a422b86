use auditlog::Auditable;

#[derive(Auditable)]
struct User {
    #[audit = "id"]
    id: u64,
    #[audit(mask = )]
    phone: String,
    #[audit(label = 3, rename = "n")]
    name: String,
    #[audit("skip", ignore)]
    seen: u8,
    #[audit(ignore ignore)]
    other: u8,
    #[audit]
    fine: u8,
    #[audit()]
    also_fine: u8,
}

fn main() {}

use auditlog::Auditable;

#[derive(Auditable)]
#[audit(versoin = 2, repr = "{nme}")]
struct User {
    id: u64,
    #[audit(maks, level = "loud", label)]
    name: String,
    #[audit(mask = "last5", skp)]
    phone: String,
}

fn main() {}

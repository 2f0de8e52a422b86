use auditlog::Auditable;

#[derive(Auditable)]
#[audit(version = 0, bound = "T Clone", crate = "not a path", only())]
struct Zero {
    id: u64,
    #[audit(tolerance = "small")]
    a: f64,
    #[audit(with = 3)]
    b: u64,
    #[audit(rename = "")]
    c: u64,
    #[audit(key = "not a field")]
    d: Vec<u64>,
}

#[derive(Auditable)]
#[audit(version = "two")]
struct Two {
    id: u64,
}

fn main() {}

use auditlog::Auditable;

#[derive(Auditable)]
struct Sample {
    id: u64,
    #[audit(eq = PartialEq::eq, tolerance = 0.5)]
    weight: f64,
}

fn main() {}

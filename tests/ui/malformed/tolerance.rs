use auditlog::Auditable;

#[derive(Auditable)]
struct Measure {
    id: u32,
    #[audit(tolerance = -1.0)]
    length: f64,
    #[audit(tolerance = 1.0f32)]
    width: f64,
    #[audit(tolerance = "1 month")]
    since: std::time::SystemTime,
    #[audit(tolerance = true)]
    height: f64,
}

fn main() {}

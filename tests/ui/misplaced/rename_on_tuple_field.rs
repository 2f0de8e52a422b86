use auditlog::Auditable;

#[derive(Auditable)]
struct Point(#[audit(rename = "x")] u8, #[audit(alias = "y")] u8);

fn main() {}

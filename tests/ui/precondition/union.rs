use auditlog::Auditable;

#[derive(Auditable)]
union Bits {
    float: f32,
    bits: u32,
}

fn main() {}

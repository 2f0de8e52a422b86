use auditlog::Error;

async fn charge() -> Result<(), Error> {
    auditlog::event("charged").record()?;
    Ok(())
}

fn main() {
    let _ = auditlog::transaction(|| async { charge().await });
    let _ = auditlog::transaction(charge);
    let _ = auditlog::AuditLog::current().transaction(|| charge());
    let _: Result<_, Error> = auditlog::transaction(|| Ok(charge()));
    auditlog::disabled(|| charge());
}

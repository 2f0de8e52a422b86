use audit_core::AuditLog;
use audit_web::Viewer;

fn main() {
    let log = AuditLog::builder().build();
    let _viewer = Viewer::builder(log).unrecorded().build();
}

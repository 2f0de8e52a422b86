use audit_core::AuditLog;
use audit_web::{Access, Viewer};

fn main() {
    let log = AuditLog::builder().build();
    let _viewer = Viewer::builder(log.clone()).authorize(|_| Access::denied()).build();
    let _viewer = Viewer::builder(log).loopback_only().build();
}

//! x
use crate::hash::HashKeys;
use crate::store::Store;
use std::sync::Arc;
#[derive(Debug, Clone)]
pub struct AuditLog;
impl AuditLog {
    pub fn current() -> Self {
        Self
    }
    pub(crate) fn hash_keys(&self) -> Arc<HashKeys> {
        HashKeys::ephemeral()
    }
    pub fn store(&self) -> Arc<dyn Store> {
        unimplemented!()
    }
}

//! Look-ups by id, models and health of the broken store.

use audit_core::health::Health;
use audit_core::{LogEntry, Query, Store, StoreError, TrailStore};
use hmac_sha256::Hash;
use uuid::Uuid;

use crate::flaw::Flaw;
use crate::store::Broken;

impl TrailStore for Broken {
    fn by_ids(&self, ids: &[Uuid]) -> Result<Vec<LogEntry>, StoreError> {
        let mut found = self.inner.by_ids(ids)?;
        if self.flaw == Flaw::SortsTheIdsAsked {
            found.sort_by_key(|entry| entry.id);
        }
        Ok(found)
    }

    fn with_id_prefix(&self, prefix: &str, limit: usize) -> Result<Vec<LogEntry>, StoreError> {
        match self.flaw {
            Flaw::IgnoresHyphens if prefix.contains('-') => Ok(Vec::new()),
            Flaw::IgnoresTheIdsLimit => self.inner.with_id_prefix(prefix, usize::MAX),
            Flaw::FindsAnyId if !prefix.is_ascii() => self.inner.with_id_prefix("", limit),
            _ => self.inner.with_id_prefix(prefix, limit),
        }
    }

    fn with_id_suffix(&self, suffix: &str, limit: usize) -> Result<Vec<LogEntry>, StoreError> {
        match self.flaw {
            Flaw::IgnoresHyphens if suffix.contains('-') => Ok(Vec::new()),
            Flaw::IgnoresTheIdsLimit => self.inner.with_id_suffix(suffix, usize::MAX),
            Flaw::FindsAllForNoDigits if suffix.is_empty() => self.inner.with_id_prefix("", limit),
            _ => self.inner.with_id_suffix(suffix, limit),
        }
    }

    fn purge_exact(&self, entries: &[(Uuid, [u8; 32])]) -> Result<u64, StoreError> {
        if self.flaw == Flaw::PurgesOtherBytes {
            let ids: Vec<Uuid> = entries.iter().map(|(id, _)| *id).collect();
            let found = self.inner.by_ids(&ids)?;
            let exact = found.iter().map(|entry| {
                let json = entry.to_canonical_json()?;
                Ok((entry.id, Hash::hash(json.as_bytes())))
            });
            let exact: Result<Vec<_>, StoreError> = exact.collect();
            return self.inner.purge_exact(&exact?);
        }
        let removed = self.inner.purge_exact(entries)?;
        if self.flaw == Flaw::PurgesOtherIds {
            self.inner.purge(&Query::new().model_name("User"))?;
        }
        Ok(removed)
    }

    fn models(&self) -> Result<Vec<String>, StoreError> {
        let mut models = self.inner.models()?;
        if self.flaw == Flaw::ListsModelsTwice {
            models.extend(models.clone());
        }
        Ok(models)
    }

    fn schema_version(&self) -> Result<Option<u32>, StoreError> {
        self.inner.schema_version()
    }

    fn health(&self, queries: &[(&'static str, Query)]) -> Result<Health, StoreError> {
        let mut health = self.inner.health(queries)?;
        if self.flaw == Flaw::CountsNothing {
            health.entries = 0;
        }
        Ok(health)
    }
}

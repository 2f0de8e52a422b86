//! A trail in a database of PostgreSQL.

use std::env;
use std::time::Duration;

use audit_core::StoreError;
use audit_postgres::{PostgresOptions, PostgresStore};

use super::Need;
use super::place::Server;

/// The limit of a statement: the user can interrupt it before.
const PATIENCE: Duration = Duration::from_secs(600);

impl Server {
    /// Connects to the trail; one that is not there is made only where that is needed.
    pub(crate) fn open(&self, need: Need) -> Result<PostgresStore, StoreError> {
        let options = self.options();
        match need {
            Need::Read => options.read_only().connect(self.url()),
            Need::Create if !self.exists()? => {
                let store = options.connect(self.url())?;
                // An index that is built in the background would end with this program.
                store.build_indexes()?;
                Ok(store)
            }
            // One that is there is its owner's to upgrade, which may take long.
            Need::Write | Need::Create => options.migrate(false).connect(self.url()),
        }
    }

    /// Returns whether there is a trail.
    pub(crate) fn exists(&self) -> Result<bool, StoreError> {
        match self.options().read_only().connect(self.url()) {
            Ok(store) => store.close().map(|()| true),
            // Nothing, or tables of another program, which whoever makes a trail there is told.
            Err(StoreError::Foreign { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn options(&self) -> PostgresOptions {
        let mut options = PostgresStore::options()
            .pool_size(2)
            .pass_over_damaged()
            .statement_timeout(PATIENCE);
        if let Some(schema) = self.schema() {
            options = options.schema(schema);
        }
        // The variable of PostgreSQL's own programs, with which `system` is our default.
        match env::var_os("PGSSLROOTCERT") {
            Some(file) if !file.is_empty() && file != "system" => options.root_certificates(file),
            _ => options,
        }
    }
}

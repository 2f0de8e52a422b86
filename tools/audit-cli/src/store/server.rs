//! A trail in a database of PostgreSQL.

use std::env;
use std::time::Duration;

use audit_core::StoreError;
use audit_postgres::{PostgresOptions, PostgresStore};

use super::AccessMode;
use super::location::Server;

/// The timeout of a statement. The user can interrupt a statement earlier.
const STATEMENT_TIMEOUT: Duration = Duration::from_secs(600);

impl Server {
    /// Connects to the trail, and creates a missing one if the mode is [`AccessMode::Create`].
    pub(crate) fn open(&self, mode: AccessMode) -> Result<PostgresStore, StoreError> {
        self.connect(mode).map_err(without_advice)
    }

    fn connect(&self, mode: AccessMode) -> Result<PostgresStore, StoreError> {
        let options = self.options();
        match mode {
            AccessMode::Read => options.read_only().connect(self.url()),
            AccessMode::Create if !self.exists()? => {
                let store = options.connect(self.url())?;
                // An index build in the background would end with this process.
                store.build_indexes()?;
                Ok(store)
            }
            // The owner upgrades an existing trail, because an upgrade can take long.
            AccessMode::Write | AccessMode::Create => options.migrate(false).connect(self.url()),
        }
    }

    /// Returns whether the database has a trail.
    pub(crate) fn exists(&self) -> Result<bool, StoreError> {
        match self.options().read_only().connect(self.url()) {
            Ok(store) => store.close().map(|()| true),
            // The schema is empty, or has tables of another program, which a later creation reports.
            Err(StoreError::Foreign { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn options(&self) -> PostgresOptions {
        let mut options = PostgresStore::options()
            .pool_size(2)
            .skip_damaged()
            .statement_timeout(STATEMENT_TIMEOUT);
        if let Some(schema) = self.schema() {
            options = options.schema(schema);
        }
        // The variable of PostgreSQL's programs. Its value `system` is the default of the store.
        match env::var_os("PGSSLROOTCERT") {
            Some(file) if !file.is_empty() && file != "system" => options.root_certificates(file),
            _ => options,
        }
    }
}

/// Removes the advice to call `migrate(true)`, which is for users of the library. The hint names the
/// command that creates a trail.
fn without_advice(mut error: StoreError) -> StoreError {
    if let StoreError::Foreign { found, .. } = &mut error
        && let Some((content, advice)) = found.split_once("; ")
        && advice.contains("migrate(true)")
    {
        *found = content.to_owned();
    }
    error
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_names_no_function_of_the_library() {
        let shown = |found: &str| {
            let error = StoreError::Foreign {
                location: "schema `a`".to_owned(),
                found: found.to_owned(),
            };
            without_advice(error).to_string()
        };
        assert_eq!(
            shown("a schema without a trail; connect once with `migrate(true)` to create it"),
            "schema `a` is not an audit store: a schema without a trail"
        );
        assert_eq!(
            shown("other tables; with a detail"),
            "schema `a` is not an audit store: other tables; with a detail"
        );
    }
}

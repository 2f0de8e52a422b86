//! Opens a store, and maintains its tables in the background.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use audit_core::StoreError;
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use super::{PostgresStore, Shared};
use crate::Tolerance;
use crate::background::Background;
use crate::connection::{Connections, Runtimes, retrying};
use crate::indexes;
use crate::local::LocalPool;
use crate::options::{self, PostgresOptions};
use crate::retention;
use crate::schema::{self, Found, SCHEMA_VERSION, Schema};
use crate::server::Server;
use crate::writer::{DuplicateHint, Writer};

/// The interval at which a store checks for missing partitions.
const MAINTENANCE: Duration = Duration::from_secs(6 * 60 * 60);

impl PostgresStore {
    pub(crate) async fn open(
        config: tokio_postgres::Config,
        mut options: PostgresOptions,
    ) -> Result<Self, StoreError> {
        // Stores that are opened with the same settings report their damaged rows separately.
        options.tolerance = Tolerance::new(options.tolerance.skips_damaged());
        let (writing, life) = Background::start("audit-postgres")?;
        let (reading, reads) = Background::start("audit-pg-reads")?;
        let location = options::location(&config);
        let server = {
            let options = options.clone();
            // Reads files of certificates.
            writing.run(async move { Server::new(&config, &options) })
        };
        let server = Arc::new(server.await?);
        let local = LocalPool::new(Arc::clone(&server), options.clone());
        let runtimes = Runtimes {
            reads: reading.runtime().clone(),
            writes: writing.runtime().clone(),
        };
        // Both threads run until the writer ends.
        let (alive, ended) = oneshot::channel::<()>();
        let read = reads.send(Box::pin(async move {
            let _ended = ended.await;
        }));
        if read.is_err() {
            return Err(StoreError::Closed);
        }
        let connections = Connections::new(server, &options, &location, runtimes)?;
        let begun = {
            let options = options.clone();
            writing.run(async move { prepare(connections, &options, &location).await })
        };
        let (connections, schema) = begun.await?;
        let (jobs, queue) = mpsc::channel(options.queue);
        let commits = Arc::new(AtomicU64::new(0));
        let duplicates = Arc::new(DuplicateHint::default());
        let writer = Writer::new(
            connections.clone(),
            &schema,
            Arc::clone(&duplicates),
            Arc::clone(&commits),
        );
        let maintenance = maintenance(connections.clone(), schema.clone(), options.clone());
        let lived = life.send(Box::pin(async move {
            // Aborted with the runtime when the writer ends.
            let _maintenance = tokio::spawn(maintenance);
            writer.run(queue).await;
            drop(alive);
        }));
        if lived.is_err() {
            return Err(StoreError::Closed);
        }
        Ok(Self {
            shared: Arc::new(Shared {
                writing,
                reading,
                jobs,
                connections,
                local,
                schema,
                read_only: options.read_only,
                migrate: options.migrate,
                duplicates,
                commits,
            }),
            local: None,
        })
    }
}

/// Checks the server's encoding, resolves the schema and creates or upgrades its tables.
async fn prepare(
    connections: Connections,
    options: &PostgresOptions,
    location: &str,
) -> Result<(Connections, Schema), StoreError> {
    let connection = connections.write().await.map_err(|failure| failure.error)?;
    let done = timeout(connection.limit(), async {
        let row = connection
            .query_one(
                "SELECT current_setting('server_encoding'), current_schema()::text",
                &[],
            )
            .await?;
        Ok((
            row.try_get::<_, String>(0)?,
            row.try_get::<_, Option<String>>(1)?,
        ))
    })
    .await;
    let (encoding, current) = connection.finish(done).map_err(|failure| failure.error)?;
    if encoding != "UTF8" {
        return Err(StoreError::Unsupported {
            operation: "keep a trail in a database whose encoding is not UTF-8",
        });
    }
    let Some(name) = options.schema.as_ref().or(current.as_ref()) else {
        return Err(StoreError::Unsupported {
            operation: "choose a schema, as no schema of the connection's search path exists; name \
                        one with `PostgresOptions::schema`",
        });
    };
    let schema = Schema::named(name)?;
    let location = format!("schema `{}` of {location}", schema.name());
    let connections = connections.at(&location);
    match look(&connections, &schema).await? {
        Found::Version(SCHEMA_VERSION) => {}
        _ if options.migrate => schema::migrate(&connections, &schema).await?,
        Found::Version(_) => return Err(StoreError::ReadOnly { location }),
        Found::Nothing => {
            return Err(StoreError::Foreign {
                location,
                found: "a schema without a trail; connect once with `migrate(true)` to create it"
                    .to_owned(),
            });
        }
    }
    if options.migrate {
        // Not fatal: `audit_entry_rest` takes the entries.
        if let Err(error) = retention::maintain(&connections, &schema, options.months_ahead).await {
            log::warn!("partitions of coming months could not be created: {error}");
        }
    }
    Ok((connections, schema))
}

async fn look(connections: &Connections, schema: &Schema) -> Result<Found, StoreError> {
    let looked = retrying(connections.deadline(), || async {
        let connection = connections.write().await?;
        let done = timeout(
            connection.limit(),
            schema::look(&*connection, schema, &connections.location),
        )
        .await;
        connection.finish(done)
    });
    looked.await.map_err(|failure| failure.error)?
}

/// Builds missing indexes and creates partitions ahead until the store is closed. A store that may
/// not migrate only removes leftover fences.
async fn maintenance(connections: Connections, schema: Schema, options: PostgresOptions) {
    if options.read_only {
        return;
    }
    let goes_on = |done: Result<(), StoreError>, what: &str| match done {
        Ok(()) => true,
        Err(StoreError::Closed) => false,
        Err(error) => {
            log::warn!("{what}: {error}");
            true
        }
    };
    loop {
        let is_open = if options.migrate {
            goes_on(
                indexes::build_missing(&connections, &schema).await,
                "indexes could not be built",
            )
        } else {
            goes_on(
                retention::lift_fences(&connections, &schema).await,
                retention::CLOSED_MONTH,
            )
        };
        if !is_open {
            return;
        }
        tokio::time::sleep(MAINTENANCE).await;
        if options.migrate {
            let made = retention::maintain(&connections, &schema, options.months_ahead).await;
            if !goes_on(
                made.map(|_| ()),
                "partitions of coming months could not be created",
            ) {
                return;
            }
        }
    }
}

//! A service with axum and sqlx: who acts comes from a header, a change and its entry are
//! written in one transaction, and a request that is rolled back leaves no entry.
//!
//! `cargo run -p example-axum-sqlx` starts it, asks it over HTTP, checks what the trail holds
//! and ends. It needs a PostgreSQL server, which it finds as the tests do: by the variable
//! `AUDITLOG_TEST_POSTGRES_URL`, on the local default port, or by starting one.

mod client;
mod service;

use std::error::Error;
use std::process::ExitCode;

use audit_testbed::PostgresServer;
use auditlog::prelude::*;
use sqlx::PgPool;
use sqlx::postgres::PgPoolOptions;

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

#[tokio::main]
async fn main() -> Outcome<ExitCode> {
    let Some(server) = PostgresServer::find() else {
        let required = std::env::var("CI").is_ok_and(|ci| ci == "true");
        println!("skipped: there is no PostgreSQL server");
        return Ok(if required {
            ExitCode::FAILURE
        } else {
            ExitCode::SUCCESS
        });
    };
    let schema = format!("example_axum_{}", std::process::id());
    let outcome = run(server.url(), &schema).await;
    let cleaned = PgPool::connect(server.url()).await?;
    sqlx::raw_sql(sqlx::AssertSqlSafe(format!(
        "DROP SCHEMA IF EXISTS {schema} CASCADE"
    )))
    .execute(&cleaned)
    .await?;
    outcome.map(|()| ExitCode::SUCCESS)
}

async fn run(url: &str, schema: &str) -> Outcome<()> {
    // The store makes the trail's tables, and answers questions about it.
    let store = PostgresStore::options()
        .schema(schema)
        .connect_async(url)
        .await?;
    let log = AuditLog::builder().store(store).build();
    log.register::<service::Account>();

    // The application's own tables and connections. The search path has the trail's schema.
    let path = format!("SET search_path = {schema}");
    let pool = PgPoolOptions::new()
        .after_connect(move |connection, _| {
            let path = path.clone();
            Box::pin(async move {
                sqlx::raw_sql(sqlx::AssertSqlSafe(path))
                    .execute(connection)
                    .await?;
                Ok(())
            })
        })
        .connect(url)
        .await?;
    service::create_tables(&pool).await?;

    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let app = service::router(pool, log.clone());
    let serving = tokio::spawn(async move { axum::serve(listener, app).await });

    // The client blocks, as programs elsewhere do.
    let asked = tokio::task::spawn_blocking(move || client::ask(&format!("http://{address}")));
    asked.await??;
    serving.abort();

    let entries = log.query().all_async().await?;
    for entry in &entries {
        println!("in the trail: {entry}: {}", entry.changes);
    }
    let [opened, paid] = &entries[..] else {
        return Err(format!("{} entries instead of 2", entries.len()).into());
    };
    assert_eq!((opened.actor(), paid.actor()), ("alice", "bob"));
    assert_eq!(paid.correlation_id.as_deref(), Some("req-2"));
    assert_eq!(paid.changes["balance"].old, Some(100.into()));
    assert_eq!(paid.changes["balance"].new, Some(70.into()));
    log.shutdown()?;
    println!("two requests that succeeded, two entries; two that did not, none");
    Ok(())
}

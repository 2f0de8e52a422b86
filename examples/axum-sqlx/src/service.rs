//! The service: accounts, and money that is taken from them.

use audit_sqlx::RecordIn as _;
use auditlog::prelude::*;
use axum::extract::{Path, Request, State};
use axum::http::StatusCode;
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use sqlx::PgPool;

/// An account.
#[derive(Auditable, Clone, Debug, Serialize, Deserialize, sqlx::FromRow)]
#[audit(repr = "{owner}'s account")]
pub(crate) struct Account {
    id: i64,
    owner: String,
    balance: i64,
}

/// Money that is taken.
#[derive(Deserialize)]
pub(crate) struct Payment {
    amount: i64,
}

/// What the handlers share.
#[derive(Clone)]
struct App {
    pool: PgPool,
    log: AuditLog,
}

pub(crate) async fn create_tables(pool: &PgPool) -> sqlx::Result<()> {
    sqlx::query(
        "CREATE TABLE account (id bigint PRIMARY KEY, owner text NOT NULL,
         balance bigint NOT NULL CHECK (balance >= 0))",
    )
    .execute(pool)
    .await?;
    Ok(())
}

pub(crate) fn router(pool: PgPool, log: AuditLog) -> Router {
    Router::new()
        .route("/accounts", post(open))
        .route("/accounts/{id}", get(show))
        .route("/accounts/{id}/payments", post(pay))
        .layer(middleware::from_fn(in_context))
        .with_state(App { pool, log })
}

/// Who acts, and in which request: for everything that the handler awaits. A real service
/// takes the actor from what it has authenticated, not from a header that anybody may send.
async fn in_context(request: Request, next: Next) -> Response {
    let Some(actor) = header(&request, "x-actor") else {
        return (StatusCode::UNAUTHORIZED, "who are you?").into_response();
    };
    let mut context = auditlog::context().actor(actor);
    if let Some(id) = header(&request, "x-request-id") {
        context = context.correlation_id(id);
    }
    next.run(request).in_audit_context(context).await
}

fn header(request: &Request, name: &str) -> Option<String> {
    let value = request.headers().get(name)?;
    value.to_str().ok().map(str::to_owned)
}

async fn open(State(app): State<App>, Json(account): Json<Account>) -> Result<StatusCode, Failure> {
    let mut transaction = app.pool.begin().await?;
    sqlx::query("INSERT INTO account VALUES ($1, $2, $3)")
        .bind(account.id)
        .bind(&account.owner)
        .bind(account.balance)
        .execute(&mut *transaction)
        .await?;
    app.log
        .created(&account)
        .record_in(&mut transaction)
        .await?;
    transaction.commit().await?;
    Ok(StatusCode::CREATED)
}

async fn show(State(app): State<App>, Path(id): Path<i64>) -> Result<Json<Account>, Failure> {
    let account = sqlx::query_as("SELECT * FROM account WHERE id = $1")
        .bind(id)
        .fetch_one(&app.pool)
        .await?;
    Ok(Json(account))
}

async fn pay(
    State(app): State<App>,
    Path(id): Path<i64>,
    Json(payment): Json<Payment>,
) -> Result<Json<Account>, Failure> {
    let mut transaction = app.pool.begin().await?;
    let old: Account = sqlx::query_as("SELECT * FROM account WHERE id = $1 FOR UPDATE")
        .bind(id)
        .fetch_one(&mut *transaction)
        .await?;
    let mut new = old.clone();
    new.balance -= payment.amount;
    // The entry is written first, so that the example shows that it goes with the rest: the
    // database refuses an account that is overdrawn, and the transaction is rolled back.
    app.log
        .updated(&old, &new)
        .record_in(&mut transaction)
        .await?;
    sqlx::query("UPDATE account SET balance = $1 WHERE id = $2")
        .bind(new.balance)
        .bind(id)
        .execute(&mut *transaction)
        .await?;
    transaction.commit().await?;
    Ok(Json(new))
}

/// What a request is answered if it fails. The transaction was dropped, and so rolled back.
pub(crate) struct Failure(StatusCode);

impl From<sqlx::Error> for Failure {
    fn from(error: sqlx::Error) -> Self {
        let refused = error
            .as_database_error()
            .is_some_and(sqlx::error::DatabaseError::is_check_violation);
        Self(match error {
            sqlx::Error::RowNotFound => StatusCode::NOT_FOUND,
            _ if refused => StatusCode::CONFLICT,
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        })
    }
}

impl From<audit_sqlx::Error> for Failure {
    fn from(error: audit_sqlx::Error) -> Self {
        sqlx::Error::from(error).into()
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        self.0.into_response()
    }
}

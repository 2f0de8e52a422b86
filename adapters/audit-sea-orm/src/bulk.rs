//! Bulk operations, for which SeaORM runs no hooks, with an entry for each row.
//!
//! Each function is one transaction, a savepoint inside the caller's: rows and entries come and
//! go together. The entries are one [`Unit`](audit_core::Unit), written by one statement. Rows are
//! locked when they are read, for which a role of PostgreSQL needs UPDATE on the table, also to
//! delete.

use audit_core::{Auditable, Draft};
use sea_orm::sea_query::IntoCondition;
use sea_orm::{
    ActiveModelTrait, ConnectionTrait, DbErr, EntityTrait, IntoActiveModel, Iterable as _,
    QueryFilter as _, QueryOrder as _, QuerySelect as _, Select, TransactionSession,
    TransactionTrait, UpdateMany,
};

use crate::keys;
use crate::target::RecordIn as _;

/// The number of rows that a statement names by their keys.
const ROWS: usize = 200;

/// The number of values that a statement inserts: SQLite takes 32,766.
const VALUES: usize = 30_000;

/// Inserts rows and records each; returns them as they are stored. So many rows that a statement
/// cannot take their values are inserted by several.
///
/// # Errors
/// Returns the error of the database; then nothing is inserted or recorded.
pub async fn insert_many<E, A, C>(
    connection: &C,
    rows: impl IntoIterator<Item = A>,
) -> Result<Vec<E::Model>, DbErr>
where
    E: EntityTrait<Model: Auditable + IntoActiveModel<A> + Sync + 'static>,
    A: ActiveModelTrait<Entity = E> + Send,
    C: TransactionTrait,
{
    let transaction = connection.begin().await?;
    let mut rows = rows.into_iter();
    let many = (VALUES / E::Column::iter().count().max(1)).max(1);
    let mut inserted = Vec::new();
    loop {
        let part: Vec<A> = rows.by_ref().take(many).collect();
        if part.is_empty() {
            break;
        }
        let part = E::insert_many(part).exec_with_returning(&transaction);
        inserted.extend(part.await?);
    }
    let drafts = inserted.iter().map(audit_core::created);
    end(transaction, drafts).await?;
    Ok(inserted)
}

/// Updates the rows that match and records each that changes; returns them as they are now, in
/// the order of their keys.
///
/// `change` is given an update without a condition: `|update| update.col_expr(..)` or
/// `|update| update.set(active_model)`. What the database computes itself is recorded too, since
/// the rows are read again.
///
/// # Errors
/// Returns the error of the database; then nothing is updated or recorded.
pub async fn update_many<E, C>(
    connection: &C,
    matching: impl IntoCondition,
    change: impl Fn(UpdateMany<E>) -> UpdateMany<E>,
) -> Result<Vec<E::Model>, DbErr>
where
    E: EntityTrait<Model: Auditable + Sync + 'static>,
    C: TransactionTrait,
{
    let transaction = connection.begin().await?;
    let old = ordered::<E>(matching)
        .lock_exclusive()
        .all(&transaction)
        .await?;
    let mut updated = Vec::with_capacity(old.len());
    for part in old.chunks(ROWS) {
        // By their keys: what matches by now was not read.
        let these = keys::any_of::<E>(part);
        let update = change(E::update_many()).filter(these.clone());
        update.exec(&transaction).await?;
        let new = ordered::<E>(these).all(&transaction).await?;
        let same = part
            .iter()
            .map(keys::of::<E>)
            .eq(new.iter().map(keys::of::<E>));
        if !same {
            return Err(DbErr::RecordNotFound(format!(
                "a row of `{}` was removed or got another key during its update, so no row was \
                 changed: update keys with an active model",
                E::Model::MODEL
            )));
        }
        updated.extend(new);
    }
    let pairs = old.iter().zip(&updated);
    end(
        transaction,
        pairs.map(|(old, new)| audit_core::updated(old, new)),
    )
    .await?;
    Ok(updated)
}

/// Deletes the rows that match and records each that is gone; returns these as they were, in the
/// order of their keys.
///
/// A row that a trigger or a policy of the database keeps is not recorded as deleted; if the trigger
/// has changed it, such as to mark it as deleted, that is recorded as an update.
///
/// # Errors
/// Returns the error of the database; then nothing is deleted or recorded.
pub async fn delete_many<E, C>(
    connection: &C,
    matching: impl IntoCondition,
) -> Result<Vec<E::Model>, DbErr>
where
    E: EntityTrait<Model: Auditable + Sync + 'static>,
    C: TransactionTrait,
{
    let transaction = connection.begin().await?;
    let old = ordered::<E>(matching)
        .lock_exclusive()
        .all(&transaction)
        .await?;
    let mut kept = Vec::new();
    for part in old.chunks(ROWS) {
        let these = keys::any_of::<E>(part);
        let delete = E::delete_many().filter(these.clone());
        let deleted = delete.exec(&transaction).await?.rows_affected;
        if usize::try_from(deleted) != Ok(part.len()) {
            kept.extend(ordered::<E>(these).all(&transaction).await?);
        }
    }
    // In the order of the keys, as the others.
    let mut kept = kept.into_iter().peekable();
    let mut gone = Vec::with_capacity(old.len());
    let mut drafts = Vec::with_capacity(old.len());
    for old in old {
        let key = keys::of::<E>(&old);
        if let Some(new) = kept.next_if(|row| keys::of::<E>(row) == key) {
            drafts.push(audit_core::updated(&old, &new));
        } else {
            drafts.push(audit_core::deleted(&old));
            gone.push(old);
        }
    }
    end(transaction, drafts.into_iter()).await?;
    Ok(gone)
}

/// Selects rows in the order of their keys.
fn ordered<E: EntityTrait>(matching: impl IntoCondition) -> Select<E> {
    keys::columns::<E>().fold(E::find().filter(matching), |select, key| {
        select.order_by_asc(key)
    })
}

/// Writes the entries and commits.
async fn end(
    transaction: impl ConnectionTrait + TransactionSession,
    drafts: impl Iterator<Item = Draft>,
) -> Result<(), DbErr> {
    let mut unit = audit_core::unit();
    for draft in drafts {
        unit.add(draft);
    }
    unit.record_in(&transaction).await?;
    transaction.commit().await
}

//! The hooks of an audited model, for models that have hooks of their own and call these too.
//!
//! A model with hooks of its own calls all four functions, each as the last thing that its hook
//! does: [`before_save`] runs the update itself, and [`after_delete`] records what
//! [`before_delete`] has read.

use audit_core::Auditable;
use sea_orm::{
    ActiveModelBehavior, ActiveModelTrait, ActiveValue, ConnectionTrait, DbErr, EntityTrait,
    IntoActiveModel, Iterable as _, QueryFilter as _, QuerySelect as _, TryIntoModel,
};

use crate::keys;
use crate::target::RecordIn as _;

/// The model of an active model.
type ModelOf<A> = <<A as ActiveModelTrait>::Entity as EntityTrait>::Model;

/// Implements the four hooks of an active model whose `Model` is [`Auditable`]. They record its changes by
/// the settings of the current log, through the connection of the change.
///
/// Use it in place of `impl ActiveModelBehavior for ActiveModel {}`. A model with hooks of its
/// own calls the functions of [`hooks`](crate::hooks) in them. The model must be registered, as
/// for every entry.
///
/// An entry is written after its statement, and only if the statement had an effect. A statement that
/// fails, or that a trigger or a policy of the database suppresses, has no entry, even if the transaction
/// continues.
///
/// **Always pass a transaction.** SeaORM opens none around a hook and its statement: on a plain
/// connection a change without an entry stays if the entry cannot be written.
///
/// | call | recorded |
/// |---|---|
/// | `ActiveModel::insert` | yes, with generated keys and defaults |
/// | `ActiveModel::update`, `save` | yes; see below |
/// | `ActiveModel::update_without_returning` | yes; the result reports no affected rows |
/// | `ActiveModel::delete`, `Model::delete` | yes |
/// | `ActiveModelEx::insert`, `update`, `save`, `delete` | as the same call of `ActiveModel`, for each of the nested rows too |
/// | the links of a `via` relation, where `ActiveModelEx::delete` removes them or a save replaces them | **no**: SeaORM deletes them by `Junction::delete_many` |
/// | `Entity::insert`, `insert_many`, `update`, `update_many`, `delete`, `delete_by_id`, `delete_many` | **no**: SeaORM runs no hooks; [`bulk`](crate::bulk) has functions that record |
/// | statements of `execute_raw`, `execute_unprepared`, triggers, `ON DELETE CASCADE` | **no** |
///
/// An update reads the row first, with a lock if the database has them, updates it in `before_save`, and
/// records the row as the database has it then, generated columns included. SeaORM has nothing left to
/// update and reads the row once more. A deletion reads the row before and after the statement. If a
/// trigger marks the row as deleted instead of deleting it, the entry is an update.
///
/// On PostgreSQL the role needs UPDATE on the table, also for deletions, since they lock the row.
///
/// # Example: see the [crate](crate)
#[macro_export]
macro_rules! audited {
    ($active:ty) => {
        #[$crate::__sea_orm::entity::prelude::async_trait::async_trait]
        impl $crate::__sea_orm::ActiveModelBehavior for $active {
            async fn before_save<C>(
                self,
                connection: &C,
                insert: bool,
            ) -> ::std::result::Result<Self, $crate::__sea_orm::DbErr>
            where
                C: $crate::__sea_orm::ConnectionTrait,
            {
                $crate::hooks::before_save(self, connection, insert).await
            }

            async fn after_save<C>(
                model: <Self::Entity as $crate::__sea_orm::EntityTrait>::Model,
                connection: &C,
                insert: bool,
            ) -> ::std::result::Result<
                <Self::Entity as $crate::__sea_orm::EntityTrait>::Model,
                $crate::__sea_orm::DbErr,
            >
            where
                C: $crate::__sea_orm::ConnectionTrait,
            {
                $crate::hooks::after_save::<Self::Entity, C>(model, connection, insert).await
            }

            async fn before_delete<C>(
                self,
                connection: &C,
            ) -> ::std::result::Result<Self, $crate::__sea_orm::DbErr>
            where
                C: $crate::__sea_orm::ConnectionTrait,
            {
                $crate::hooks::before_delete(self, connection).await
            }

            async fn after_delete<C>(
                self,
                connection: &C,
            ) -> ::std::result::Result<Self, $crate::__sea_orm::DbErr>
            where
                C: $crate::__sea_orm::ConnectionTrait,
            {
                $crate::hooks::after_delete(self, connection).await
            }
        }
    };
}

/// Updates the row and records that; of an insert, nothing yet.
///
/// Returns an active model in which nothing is left to update. SeaORM runs no hook after an update
/// that failed, nor after any of `update_without_returning`, so there is no other place from which
/// an entry can be written if the update succeeds and only then.
///
/// # Errors
/// Returns an error if the row cannot be read or updated or the entry not be written.
pub async fn before_save<A, C>(active: A, connection: &C, insert: bool) -> Result<A, DbErr>
where
    A: ActiveModelBehavior + Send,
    C: ConnectionTrait,
    ModelOf<A>: Auditable + IntoActiveModel<A> + Sync + 'static,
{
    let nothing = || {
        let mut columns = <A::Entity as EntityTrait>::Column::iter();
        columns.all(|column| !matches!(active.get(column), ActiveValue::Set(_)))
    };
    if insert || nothing() {
        return Ok(active);
    }
    let Some(old) = stored(&active, connection, Lock::Exclusive).await? else {
        return Ok(active);
    };
    let new = A::Entity::update(active).exec(connection).await?;
    audit_core::updated(&old, &new)
        .record_in(connection)
        .await?;
    Ok(new.into_active_model())
}

/// Records an insert that happened; of an update, nothing more.
///
/// # Errors
/// Returns an error if the entry cannot be written: roll the transaction back, which holds the row.
pub async fn after_save<E, C>(
    model: E::Model,
    connection: &C,
    insert: bool,
) -> Result<E::Model, DbErr>
where
    E: EntityTrait<Model: Auditable + Sync + 'static>,
    C: ConnectionTrait,
{
    if insert {
        audit_core::created(&model).record_in(connection).await?;
    }
    Ok(model)
}

/// Reads a row that is about to be deleted; [`after_delete`] records it.
///
/// # Errors
/// Returns an error if the row cannot be read: SeaORM then does not delete.
pub async fn before_delete<A, C>(mut active: A, connection: &C) -> Result<A, DbErr>
where
    A: ActiveModelTrait + Send,
    C: ConnectionTrait,
    ModelOf<A>: IntoActiveModel<A>,
{
    if let Some(old) = stored(&active, connection, Lock::Exclusive).await? {
        return Ok(old.into_active_model());
    }
    // So that it is not taken for one that was read.
    for key in keys::columns::<A::Entity>() {
        if let Some(value) = active.get(key).into_value() {
            active.set(key, value);
        }
    }
    Ok(active)
}

/// Records a deletion that happened, given what [`before_delete`] returned.
///
/// # Errors
/// Returns an error if the entry cannot be written: roll the transaction back, in which the row is gone.
pub async fn after_delete<A, C>(active: A, connection: &C) -> Result<A, DbErr>
where
    A: ActiveModelTrait + TryIntoModel<ModelOf<A>> + Send,
    C: ConnectionTrait,
    ModelOf<A>: Auditable + Sync + 'static,
{
    let was_read = keys::columns::<A::Entity>().all(|key| active.get(key).is_unchanged());
    if !was_read {
        return Ok(active);
    }
    let old = active.clone().try_into_model()?;
    let draft = match stored(&active, connection, Lock::None).await? {
        None => audit_core::deleted(&old),
        // A trigger or a policy has kept it, if not as it was.
        Some(new) => audit_core::updated(&old, &new),
    };
    draft.record_in(connection).await?;
    Ok(active)
}

/// Whether a row is locked when it is read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Lock {
    None,
    /// Locked if the database has such locks.
    Exclusive,
}

/// Reads the row of an active model.
async fn stored<A: ActiveModelTrait>(
    active: &A,
    connection: &impl ConnectionTrait,
    lock: Lock,
) -> Result<Option<ModelOf<A>>, DbErr> {
    let Some(key) = keys::that_of(active) else {
        return Ok(None);
    };
    let row = A::Entity::find().filter(key);
    let row = match lock {
        Lock::None => row,
        Lock::Exclusive => row.lock_exclusive(),
    };
    row.one(connection).await
}

//! What the hooks of an audited model do, for those who write their own and call these too.

use audit_core::Auditable;
use sea_orm::{
    ActiveModelTrait, ActiveValue, ConnectionTrait, DbErr, EntityTrait, IntoActiveModel,
    Iterable as _, QueryFilter as _, QuerySelect as _, TryIntoModel,
};

use crate::keys;
use crate::target::RecordIn as _;

/// The model of an active model.
type ModelOf<A> = <<A as ActiveModelTrait>::Entity as EntityTrait>::Model;

/// Writes the four hooks of an active model whose `Model` is [`Auditable`], so that what they
/// are run for is recorded in the current log's way and written through the same connection.
///
/// Use it in place of `impl ActiveModelBehavior for ActiveModel {}`. A model with hooks of its
/// own calls the functions of [`hooks`](crate::hooks) in them. The model must be registered, as
/// for every entry.
///
/// **Always pass a transaction.** SeaORM opens none around a hook and its statement: on a plain
/// connection an update that fails leaves the entry of a change that never happened, since its
/// entry is written before it.
///
/// | call | recorded |
/// |---|---|
/// | `ActiveModel::insert` | yes, with generated keys and defaults |
/// | `ActiveModel::update`, `save` | yes; see below |
/// | `ActiveModel::update_without_returning` | yes |
/// | `ActiveModel::delete`, `Model::delete` | yes |
/// | `Entity::insert`, `insert_many`, `update`, `update_many`, `delete`, `delete_by_id`, `delete_many` | **no**: SeaORM runs no hooks; [`bulk`](crate::bulk) has functions that record |
/// | statements of `execute_raw`, `execute_unprepared`, triggers, `ON DELETE CASCADE` | **no** |
///
/// An update reads the row first, locked where the database can, and records it against the
/// values that are set: what the database computes itself (`ON UPDATE`, generated columns) is
/// not in the entry. A row that is not there has none.
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
        }
    };
}

/// Records an update that is about to happen; of an insert, nothing yet.
///
/// # Errors
/// If the row cannot be read or the entry not be written: SeaORM then does not update.
pub async fn before_save<A, C>(active: A, connection: &C, insert: bool) -> Result<A, DbErr>
where
    A: ActiveModelTrait + TryIntoModel<ModelOf<A>> + Send,
    C: ConnectionTrait,
    ModelOf<A>: Auditable + IntoActiveModel<A> + Sync + 'static,
{
    if insert {
        return Ok(active);
    }
    let Some(old) = stored(&active, connection).await? else {
        return Ok(active);
    };
    let mut merged = old.clone().into_active_model();
    for column in <A::Entity as EntityTrait>::Column::iter() {
        if let ActiveValue::Set(value) = active.get(column) {
            merged.set(column, value);
        }
    }
    let new = merged.try_into_model()?;
    audit_core::updated(&old, &new)
        .record_in(connection)
        .await?;
    Ok(active)
}

/// Records an insert that happened; of an update, nothing more.
///
/// # Errors
/// If the entry cannot be written: roll the transaction back, which holds the row.
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

/// Records a deletion that is about to happen.
///
/// # Errors
/// If the row cannot be read or the entry not be written: SeaORM then does not delete.
pub async fn before_delete<A, C>(active: A, connection: &C) -> Result<A, DbErr>
where
    A: ActiveModelTrait + Send,
    C: ConnectionTrait,
    ModelOf<A>: Auditable + Sync + 'static,
{
    if let Some(old) = stored(&active, connection).await? {
        audit_core::deleted(&old).record_in(connection).await?;
    }
    Ok(active)
}

/// Reads the row of an active model, and locks it where the database can.
async fn stored<A: ActiveModelTrait>(
    active: &A,
    connection: &impl ConnectionTrait,
) -> Result<Option<ModelOf<A>>, DbErr> {
    match keys::that_of(active) {
        None => Ok(None),
        Some(key) => {
            A::Entity::find()
                .filter(key)
                .lock_exclusive()
                .one(connection)
                .await
        }
    }
}

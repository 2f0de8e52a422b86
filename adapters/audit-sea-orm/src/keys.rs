//! Rows by their primary keys.

use sea_orm::sea_query::IntoCondition as _;
use sea_orm::{
    ActiveModelTrait, ActiveValue, ColumnTrait as _, Condition, EntityTrait, Iterable as _,
    ModelTrait as _, PrimaryKeyToColumn, Value,
};

/// Returns the columns of an entity's primary key.
pub(crate) fn columns<E: EntityTrait>() -> impl Iterator<Item = E::Column> {
    E::PrimaryKey::iter().map(PrimaryKeyToColumn::into_column)
}

/// Returns the primary key of a row.
pub(crate) fn of<E: EntityTrait>(model: &E::Model) -> Vec<Value> {
    columns::<E>().map(|column| model.get(column)).collect()
}

/// Returns the condition that a row is one of these.
pub(crate) fn any_of<E: EntityTrait>(models: &[E::Model]) -> Condition {
    let keys: Vec<_> = columns::<E>().collect();
    if let [key] = keys[..] {
        return key
            .is_in(models.iter().map(|model| model.get(key)))
            .into_condition();
    }
    models.iter().fold(Condition::any(), |any, model| {
        any.add(keys.iter().fold(Condition::all(), |all, key| {
            all.add(key.eq(model.get(*key)))
        }))
    })
}

/// Returns the condition that a row is that of an active model; `None` if it has no whole key.
pub(crate) fn that_of<A: ActiveModelTrait>(active: &A) -> Option<Condition> {
    columns::<A::Entity>().try_fold(Condition::all(), |all, key| match active.get(key) {
        ActiveValue::Set(value) | ActiveValue::Unchanged(value) => Some(all.add(key.eq(value))),
        ActiveValue::NotSet => None,
    })
}

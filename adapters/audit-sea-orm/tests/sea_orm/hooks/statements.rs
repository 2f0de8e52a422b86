//! Inserts, updates and deletions of single rows, which hooks record.

use std::future::Future;

use audit_core::Action;
use audit_sea_orm::bulk;
use sea_orm::sea_query::Expr;
use sea_orm::{
    ActiveModelTrait as _, ColumnTrait as _, ConnectionTrait, DatabaseTransaction, DbBackend,
    DbErr, EntityTrait as _, ModelTrait as _, QueryFilter as _, Set, TransactionTrait as _,
};

use super::entities::{bin, item, post, tag};
use super::{Shop, assert_one_unit, named};

pub(super) async fn what_is_inserted_updated_and_deleted_is_recorded(shop: &Shop<'_>) {
    let transaction = shop.database.begin().await.unwrap();
    let lamp = named("lamp").insert(&transaction).await.unwrap();
    let id = lamp.id;
    let mut lamp: item::ActiveModel = lamp.into();
    lamp.stock = Set(7);
    let lamp = lamp.save(&transaction).await.unwrap();
    lamp.delete(&transaction).await.unwrap();
    transaction.commit().await.unwrap();

    let entries = shop.entries("Item");
    let actions: Vec<_> = entries.iter().map(|entry| entry.action.clone()).collect();
    assert_eq!(actions, [Action::Create, Action::Update, Action::Delete]);
    assert!(
        entries
            .iter()
            .all(|entry| entry.object_pk == id.to_string())
    );
    assert_eq!(entries[0].changes["id"].new, Some(id.into()));
    assert_eq!(entries[1].changes.len(), 1);
    assert_eq!(entries[1].changes["stock"].old, Some(1.into()));
    assert_eq!(entries[1].changes["stock"].new, Some(7.into()));
    assert_eq!(entries[2].changes["stock"].old, Some(7.into()));
}

pub(super) async fn an_update_without_returning_is_recorded(shop: &Shop<'_>) {
    shop.stocked(&["lamp"]).await;
    let lamp = item::Entity::find()
        .one(&shop.database)
        .await
        .unwrap()
        .unwrap();
    let mut lamp: item::ActiveModel = lamp.into();
    lamp.stock = Set(2);
    lamp.update_without_returning(&shop.database).await.unwrap();
    assert_eq!(shop.entries("Item")[0].changes["stock"].new, Some(2.into()));
}

pub(super) async fn an_update_that_changes_nothing_is_not_recorded(shop: &Shop<'_>) {
    shop.stocked(&["lamp"]).await;
    let lamp = item::Entity::find()
        .one(&shop.database)
        .await
        .unwrap()
        .unwrap();
    let mut lamp: item::ActiveModel = lamp.into();
    lamp.stock = Set(1);
    lamp.update(&shop.database).await.unwrap();
    assert_eq!(shop.entries("Item"), []);
}

pub(super) async fn what_is_rolled_back_is_not_recorded(shop: &Shop<'_>) {
    let transaction = shop.database.begin().await.unwrap();
    named("kept").insert(&transaction).await.unwrap();
    let savepoint = transaction.begin().await.unwrap();
    named("lost").insert(&savepoint).await.unwrap();
    savepoint.rollback().await.unwrap();
    transaction.commit().await.unwrap();
    assert_eq!((shop.items().await, shop.entries("Item").len()), (1, 1));
}

/// Gives an item the name of another, which is taken.
async fn rename(connection: &impl ConnectionTrait) {
    let lamps = item::Column::Name.eq("lamp");
    let lamp = item::Entity::find().filter(lamps).one(connection).await;
    let mut lamp: item::ActiveModel = lamp.unwrap().unwrap().into();
    lamp.name = Set("chair".to_owned());
    assert!(lamp.update(connection).await.is_err());
}

pub(super) async fn an_update_that_fails_in_a_transaction_leaves_nothing(shop: &Shop<'_>) {
    shop.stocked(&["lamp", "chair"]).await;
    let transaction = shop.database.begin().await.unwrap();
    rename(&transaction).await;
    transaction.rollback().await.unwrap();
    assert_eq!(shop.entries("Item"), []);
}

/// On PostgreSQL a failed statement ends the transaction, but for a savepoint.
async fn goes_on<T, F>(shop: &Shop<'_>, attempt: impl FnOnce(DatabaseTransaction) -> F)
where
    F: Future<Output = (DatabaseTransaction, Result<T, DbErr>)>,
{
    let transaction = shop.database.begin().await.unwrap();
    if shop.database.get_database_backend() == DbBackend::Sqlite {
        let (transaction, failed) = attempt(transaction).await;
        assert!(failed.is_err());
        named("table").insert(&transaction).await.unwrap();
        transaction.commit().await.unwrap();
    } else {
        let savepoint = transaction.begin().await.unwrap();
        let (savepoint, failed) = attempt(savepoint).await;
        assert!(failed.is_err());
        savepoint.rollback().await.unwrap();
        named("table").insert(&transaction).await.unwrap();
        transaction.commit().await.unwrap();
    }
    let entries = shop.entries("Item");
    let actions: Vec<_> = entries.iter().map(|entry| entry.action.clone()).collect();
    assert_eq!(actions, [Action::Create]);
}

pub(super) async fn an_update_that_fails_leaves_no_entry_where_the_transaction_goes_on(
    shop: &Shop<'_>,
) {
    shop.stocked(&["lamp", "chair"]).await;
    goes_on(shop, async |transaction| {
        rename(&transaction).await;
        (transaction, Err::<(), _>(DbErr::RecordNotUpdated))
    })
    .await;
    // Outside of a transaction, too.
    rename(&shop.database).await;
    assert_eq!(shop.entries("Item").len(), 1);
}

pub(super) async fn a_deletion_that_fails_leaves_no_entry_where_the_transaction_goes_on(
    shop: &Shop<'_>,
) {
    shop.stocked(&["lamp"]).await;
    let lamp = item::Entity::find().one(&shop.database).await;
    let lamp = lamp.unwrap().unwrap();
    shop.run("CREATE TABLE part (item integer REFERENCES item (id))")
        .await;
    shop.run(&format!("INSERT INTO part VALUES ({})", lamp.id))
        .await;
    goes_on(shop, async |transaction| {
        let deleted = lamp.delete(&transaction).await;
        (transaction, deleted)
    })
    .await;
    assert_eq!(shop.items().await, 2);
}

/// Makes a trigger for a table of which the rest is said for each database.
async fn trigger(shop: &Shop<'_>, when: &str, sqlite: &str, postgres: &str) {
    if shop.database.get_database_backend() == DbBackend::Sqlite {
        let made = format!("CREATE TRIGGER spoil {when} ON item {sqlite}");
        return shop.run(&made).await;
    }
    shop.run(&format!(
        "CREATE FUNCTION spoil() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
             {postgres} END $$"
    ))
    .await;
    shop.run(&format!(
        "CREATE TRIGGER spoil {when} ON item FOR EACH ROW EXECUTE FUNCTION spoil()"
    ))
    .await;
}

pub(super) async fn what_a_trigger_prevents_is_not_recorded(shop: &Shop<'_>) {
    shop.stocked(&["lamp", "chair", "table"]).await;
    let ignore = "WHEN OLD.name = 'lamp' BEGIN SELECT RAISE(IGNORE); END";
    let skip = "IF OLD.name = 'lamp' THEN RETURN NULL; END IF;
                IF TG_OP = 'DELETE' THEN RETURN OLD; END IF; RETURN NEW;";
    if shop.database.get_database_backend() == DbBackend::Sqlite {
        trigger(shop, "BEFORE DELETE", ignore, skip).await;
        let too = format!("CREATE TRIGGER spoil_too BEFORE UPDATE ON item {ignore}");
        shop.run(&too).await;
    } else {
        trigger(shop, "BEFORE DELETE OR UPDATE", ignore, skip).await;
    }
    let transaction = shop.database.begin().await.unwrap();
    let lamps = item::Column::Name.eq("lamp");
    let lamp = item::Entity::find().filter(lamps).one(&transaction).await;
    let lamp = lamp.unwrap().unwrap();
    let mut changed: item::ActiveModel = lamp.clone().into();
    changed.stock = Set(2);
    let failed = changed.clone().update(&transaction).await;
    assert!(matches!(failed, Err(DbErr::RecordNotUpdated)), "{failed:?}");
    let failed = changed.update_without_returning(&transaction).await;
    assert!(matches!(failed, Err(DbErr::RecordNotUpdated)), "{failed:?}");
    let deleted = lamp.delete(&transaction).await.unwrap();
    assert_eq!(deleted.rows_affected, 0);

    let deleted =
        bulk::delete_many::<item::Entity, _>(&transaction, item::Column::Name.ne("table")).await;
    assert_eq!(deleted.unwrap().len(), 1);
    transaction.commit().await.unwrap();
    assert_eq!(shop.items().await, 2);
    let entries = shop.entries("Item");
    assert_one_unit(&entries, &Action::Delete, 1);
    assert_eq!(entries[0].changes["name"].old, Some("chair".into()));
}

pub(super) async fn what_a_trigger_makes_of_it_is_recorded(shop: &Shop<'_>) {
    shop.stocked(&["lamp", "chair"]).await;
    // Deleted rows stay, as marked.
    let mark = "BEGIN UPDATE item SET stock = -1 WHERE id = OLD.id; SELECT RAISE(IGNORE); END";
    let postgres = "UPDATE item SET stock = -1 WHERE id = OLD.id; RETURN NULL;";
    trigger(shop, "BEFORE DELETE", mark, postgres).await;
    let transaction = shop.database.begin().await.unwrap();
    let items = item::Entity::find().all(&transaction).await.unwrap();
    items[0].clone().delete(&transaction).await.unwrap();
    let deleted =
        bulk::delete_many::<item::Entity, _>(&transaction, item::Column::Id.eq(items[1].id)).await;
    assert_eq!(deleted.unwrap(), []);
    transaction.commit().await.unwrap();
    let entries = shop.entries("Item");
    assert_eq!(entries.len(), 2);
    for entry in entries {
        assert_eq!(entry.action, Action::Update);
        assert_eq!(entry.changes["stock"].new, Some((-1).into()));
    }
}

pub(super) async fn a_row_that_is_not_there_has_no_entry(shop: &Shop<'_>) {
    shop.stocked(&["lamp"]).await;
    let transaction = shop.database.begin().await.unwrap();
    let lamp = item::Entity::find().one(&transaction).await;
    let lamp = lamp.unwrap().unwrap();
    item::Entity::delete_many()
        .exec(&transaction)
        .await
        .unwrap();
    let mut changed: item::ActiveModel = lamp.clone().into();
    changed.stock = Set(2);
    assert!(changed.clone().update(&transaction).await.is_err());
    assert!(
        changed
            .update_without_returning(&transaction)
            .await
            .is_err()
    );
    let deleted = lamp.delete(&transaction).await.unwrap();
    assert_eq!(deleted.rows_affected, 0);
    let bin = bin::ActiveModel {
        shelf: Set("a".to_owned()),
        slot: Set(1),
        full: Set(true),
    };
    bin.delete(&transaction).await.unwrap();
    transaction.commit().await.unwrap();
    assert_eq!(shop.entries("Item"), []);
    assert_eq!(shop.entries("Bin"), []);
}

/// Hooks do not record the links that SeaORM changes itself; their documentation names this limit.
pub(super) async fn entities_of_the_new_format_are_recorded_and_links_are_not(shop: &Shop<'_>) {
    let transaction = shop.database.begin().await.unwrap();
    let post = post::ActiveModel::builder()
        .set_title("hello")
        .add_tag(tag::ActiveModel::builder().set_name("rust"))
        .save(&transaction)
        .await
        .unwrap();
    let mut post = post;
    post.title = Set("hello again".to_owned());
    let post = post.save(&transaction).await.unwrap();
    post.delete(&transaction).await.unwrap();
    transaction.commit().await.unwrap();

    let actions = |model: &str| -> Vec<_> {
        let entries = shop.entries(model).into_iter();
        entries.map(|entry| entry.action).collect()
    };
    assert_eq!(
        actions("Post"),
        [Action::Create, Action::Update, Action::Delete]
    );
    assert_eq!(actions("Tag"), [Action::Create]);
    assert_eq!(shop.backend.number("SELECT count(*) FROM post_tag"), 0);
    assert_eq!(actions("PostTag"), [Action::Create], "SeaORM runs no hook");
    assert_eq!(
        shop.entries("Post")[1].changes["title"].new,
        Some("hello again".into())
    );
}

pub(super) async fn a_trail_that_cannot_be_written_fails_the_call(shop: &Shop<'_>) {
    shop.stocked(&["lamp"]).await;
    shop.backend.make_unwritable();
    let lamp = item::Entity::find()
        .one(&shop.database)
        .await
        .unwrap()
        .unwrap();
    let mut changed: item::ActiveModel = lamp.clone().into();
    changed.stock = Set(2);
    let transaction = shop.database.begin().await.unwrap();
    assert!(changed.update(&transaction).await.is_err());
    transaction.rollback().await.unwrap();
    let transaction = shop.database.begin().await.unwrap();
    assert!(lamp.clone().delete(&transaction).await.is_err());
    transaction.rollback().await.unwrap();
    let transaction = shop.database.begin().await.unwrap();
    assert!(named("chair").insert(&transaction).await.is_err());
    transaction.rollback().await.unwrap();
    let found = item::Entity::find().all(&shop.database).await.unwrap();
    assert_eq!(found, [lamp]);
}

/// A limit of SeaORM, which the documentation of the hooks names.
pub(super) async fn statements_of_entities_run_no_hooks(shop: &Shop<'_>) {
    shop.stocked(&["lamp", "chair"]).await;
    item::Entity::insert(named("table"))
        .exec(&shop.database)
        .await
        .unwrap();
    item::Entity::update_many()
        .col_expr(item::Column::Stock, Expr::val(5))
        .exec(&shop.database)
        .await
        .unwrap();
    item::Entity::delete_many()
        .exec(&shop.database)
        .await
        .unwrap();
    assert_eq!(shop.entries("Item"), []);
}

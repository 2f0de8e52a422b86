//! What hooks record, what they do not, and the functions for the rest.

use std::future::Future;
use std::pin::Pin;

use audit_core::{Action, AuditLog, LogEntry, Query};
use audit_sea_orm::bulk;
use audit_testbed::in_transaction::{Database as Place, Postgres, Sqlite, trial};
use libtest_mimic::Trial;
use sea_orm::sea_query::Expr;
use sea_orm::{
    ActiveModelTrait as _, ColumnTrait as _, Condition, ConnectionTrait, Database,
    DatabaseConnection, DatabaseTransaction, DbBackend, DbErr, EntityTrait as _, ExprTrait as _,
    ModelTrait as _, PaginatorTrait as _, QueryFilter as _, Schema, Set, TransactionTrait as _,
};

mod item {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, DeriveEntityModel, audit_derive::Auditable)]
    #[audit(model = "Item", crate = audit_core)]
    #[sea_orm(table_name = "item")]
    pub(crate) struct Model {
        #[sea_orm(primary_key)]
        pub(crate) id: i32,
        #[sea_orm(unique)]
        pub(crate) name: String,
        pub(crate) stock: i32,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub(crate) enum Relation {}

    audit_sea_orm::audited!(ActiveModel);
}

/// A row with a key of two columns.
mod place {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, DeriveEntityModel, audit_derive::Auditable)]
    #[audit(model = "Place", id(shelf, slot), crate = audit_core)]
    #[sea_orm(table_name = "place")]
    pub(crate) struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub(crate) shelf: String,
        #[sea_orm(primary_key, auto_increment = false)]
        pub(crate) slot: i32,
        pub(crate) full: bool,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub(crate) enum Relation {}

    audit_sea_orm::audited!(ActiveModel);
}

/// The format of SeaORM 2, with a relation by way of a junction.
mod post {
    use sea_orm::entity::prelude::*;

    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
    #[sea_orm(
        table_name = "post",
        model_attrs(derive(audit_derive::Auditable), audit(model = "Post", crate = audit_core))
    )]
    pub(crate) struct Model {
        #[sea_orm(primary_key)]
        pub(crate) id: i32,
        pub(crate) title: String,
        #[sea_orm(has_many, via = "post_tag")]
        pub(crate) tags: HasMany<super::tag::Entity>,
    }

    audit_sea_orm::audited!(ActiveModel);
}

mod tag {
    use sea_orm::entity::prelude::*;

    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
    #[sea_orm(
        table_name = "tag",
        model_attrs(derive(audit_derive::Auditable), audit(model = "Tag", crate = audit_core))
    )]
    pub(crate) struct Model {
        #[sea_orm(primary_key)]
        pub(crate) id: i32,
        pub(crate) name: String,
        #[sea_orm(has_many, via = "post_tag")]
        pub(crate) posts: HasMany<super::post::Entity>,
    }

    audit_sea_orm::audited!(ActiveModel);
}

mod post_tag {
    use sea_orm::entity::prelude::*;

    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
    #[sea_orm(
        table_name = "post_tag",
        model_attrs(
            derive(audit_derive::Auditable),
            audit(model = "PostTag", id(post_id, tag_id), crate = audit_core)
        )
    )]
    pub(crate) struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub(crate) post_id: i32,
        #[sea_orm(primary_key, auto_increment = false)]
        pub(crate) tag_id: i32,
        #[sea_orm(belongs_to, from = "post_id", to = "id")]
        pub(crate) post: BelongsTo<super::post::Entity>,
        #[sea_orm(belongs_to, from = "tag_id", to = "id")]
        pub(crate) tag: BelongsTo<super::tag::Entity>,
    }

    audit_sea_orm::audited!(ActiveModel);
}

/// A database with the tables, and its trail.
struct Shop<'p> {
    database: DatabaseConnection,
    place: &'p dyn Place,
}

impl Shop<'_> {
    /// The entries of a model, in the order of their recording.
    fn entries(&self, model: &str) -> Vec<LogEntry> {
        self.place.check();
        let query = Query::new().model_name(model).limit(10_000);
        let found = self.place.store().find(&query);
        let mut entries = found.expect("entries").entries;
        entries.sort_by_key(|entry| entry.id);
        entries
    }

    async fn items(&self) -> u64 {
        let items = item::Entity::find().count(&self.database).await;
        items.expect("a number")
    }

    async fn run(&self, statement: &str) {
        let done = self.database.execute_unprepared(statement).await;
        done.expect(statement);
    }

    /// Adds items by name without any entry.
    async fn stocked(&self, names: &[&str]) {
        let items = names.iter().map(|name| named(name));
        let inserted = item::Entity::insert_many(items).exec(&self.database).await;
        inserted.expect("items");
    }
}

fn named(name: &str) -> item::ActiveModel {
    item::ActiveModel {
        name: Set(name.to_owned()),
        stock: Set(1),
        ..Default::default()
    }
}

type Test = for<'s> fn(&'s Shop<'s>) -> Pin<Box<dyn Future<Output = ()> + 's>>;

macro_rules! tests {
    ($($name:ident),* $(,)?) => {
        [$((stringify!($name), (|shop| Box::pin($name(shop))) as Test)),*]
    };
}

pub(crate) fn trials(url: Option<&str>) -> Vec<Trial> {
    let tests = tests![
        what_is_inserted_updated_and_deleted_is_recorded,
        an_update_without_returning_is_recorded,
        an_update_that_changes_nothing_is_not_recorded,
        what_is_rolled_back_is_not_recorded,
        an_update_that_fails_in_a_transaction_leaves_nothing,
        an_update_that_fails_leaves_no_entry_where_the_transaction_goes_on,
        a_deletion_that_fails_leaves_no_entry_where_the_transaction_goes_on,
        what_a_trigger_prevents_is_not_recorded,
        what_a_trigger_makes_of_it_is_recorded,
        a_row_that_is_not_there_has_no_entry,
        entities_of_the_new_format_are_recorded_and_links_are_not,
        many_rows_are_inserted_by_several_statements,
        a_trail_that_cannot_be_written_fails_the_call,
        statements_of_entities_run_no_hooks,
        rows_are_inserted_in_bulk,
        rows_are_updated_in_bulk,
        rows_are_deleted_in_bulk,
        rows_with_two_keys_are_told_apart,
        what_fails_in_bulk_leaves_nothing,
    ];
    let url = url.map(str::to_owned);
    let server = tests.map(|(name, test)| {
        let url = url.clone();
        trial(
            format!("hooks_postgres::{name}"),
            url.is_none(),
            move || {
                let url = url.unwrap_or_default();
                run(&Postgres::new(&url, true), test);
            },
        )
    });
    let file = tests.map(|(name, test)| {
        trial(format!("hooks_sqlite::{name}"), false, move || {
            run(&Sqlite::new(), test);
        })
    });
    server.into_iter().chain(file).collect()
}

fn run(place: &dyn Place, test: Test) {
    let log = AuditLog::builder().build();
    log.register::<item::Model>();
    log.register::<place::Model>();
    log.register::<post::Model>();
    log.register::<tag::Model>();
    log.register::<post_tag::Model>();
    let _entered = log.enter();
    let url = place.location().url;
    let url = if url.contains("://") {
        url
    } else {
        format!("sqlite:{url}")
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let database = Database::connect(url).await.expect("a database");
        let schema = Schema::new(database.get_database_backend());
        for table in [
            schema.create_table_from_entity(item::Entity),
            schema.create_table_from_entity(place::Entity),
            schema.create_table_from_entity(post::Entity),
            schema.create_table_from_entity(tag::Entity),
            schema.create_table_from_entity(post_tag::Entity),
        ] {
            database.execute(&table).await.expect("a table");
        }
        let shop = Shop { database, place };
        test(&shop).await;
        shop.database.close().await.expect("an end");
    });
}

async fn what_is_inserted_updated_and_deleted_is_recorded(shop: &Shop<'_>) {
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

async fn an_update_without_returning_is_recorded(shop: &Shop<'_>) {
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

async fn an_update_that_changes_nothing_is_not_recorded(shop: &Shop<'_>) {
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

async fn what_is_rolled_back_is_not_recorded(shop: &Shop<'_>) {
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

async fn an_update_that_fails_in_a_transaction_leaves_nothing(shop: &Shop<'_>) {
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

async fn an_update_that_fails_leaves_no_entry_where_the_transaction_goes_on(shop: &Shop<'_>) {
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

async fn a_deletion_that_fails_leaves_no_entry_where_the_transaction_goes_on(shop: &Shop<'_>) {
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

async fn what_a_trigger_prevents_is_not_recorded(shop: &Shop<'_>) {
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

async fn what_a_trigger_makes_of_it_is_recorded(shop: &Shop<'_>) {
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

async fn a_row_that_is_not_there_has_no_entry(shop: &Shop<'_>) {
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
    let place = place::ActiveModel {
        shelf: Set("a".to_owned()),
        slot: Set(1),
        full: Set(true),
    };
    place.delete(&transaction).await.unwrap();
    transaction.commit().await.unwrap();
    assert_eq!(shop.entries("Item"), []);
    assert_eq!(shop.entries("Place"), []);
}

/// What SeaORM does to links by itself is a limit, which the documentation of the hooks names.
async fn entities_of_the_new_format_are_recorded_and_links_are_not(shop: &Shop<'_>) {
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
    assert_eq!(shop.place.number("SELECT count(*) FROM post_tag"), 0);
    assert_eq!(actions("PostTag"), [Action::Create], "SeaORM runs no hook");
    assert_eq!(
        shop.entries("Post")[1].changes["title"].new,
        Some("hello again".into())
    );
}

async fn many_rows_are_inserted_by_several_statements(shop: &Shop<'_>) {
    let rows = (0..20_000).map(|n| named(&format!("item {n}")));
    let inserted = bulk::insert_many::<item::Entity, _, _>(&shop.database, rows).await;
    assert_eq!(inserted.unwrap().len(), 20_000);
    assert_eq!(shop.items().await, 20_000);
    let none = bulk::insert_many::<item::Entity, item::ActiveModel, _>(&shop.database, []).await;
    assert_eq!(none.unwrap(), []);
    shop.place.check();
    let query = Query::new().model_name("Item");
    assert_eq!(shop.place.store().count(&query).unwrap(), 20_000);
}

async fn a_trail_that_cannot_be_written_fails_the_call(shop: &Shop<'_>) {
    shop.stocked(&["lamp"]).await;
    shop.place.make_unwritable();
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
async fn statements_of_entities_run_no_hooks(shop: &Shop<'_>) {
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

/// One transaction, and the entries of a bulk function in it.
fn assert_one_unit(entries: &[LogEntry], action: &Action, rows: usize) {
    assert_eq!(entries.len(), rows);
    assert!(entries.iter().all(|entry| entry.action == *action));
    assert!(entries[0].transaction_id.is_some());
    assert!(
        entries
            .iter()
            .all(|entry| entry.transaction_id == entries[0].transaction_id)
    );
}

async fn rows_are_inserted_in_bulk(shop: &Shop<'_>) {
    let names: Vec<_> = (0..300).map(|n| format!("item {n}")).collect();
    let rows = names.iter().map(|name| named(name));
    let inserted = bulk::insert_many::<item::Entity, _, _>(&shop.database, rows).await;
    let inserted = inserted.unwrap();
    assert_eq!(inserted.len(), 300);
    let entries = shop.entries("Item");
    assert_one_unit(&entries, &Action::Create, 300);
    for (entry, item) in entries.iter().zip(&inserted) {
        assert_eq!(entry.object_pk, item.id.to_string());
        assert_eq!(entry.changes["name"].new, Some(item.name.clone().into()));
    }
}

async fn rows_are_updated_in_bulk(shop: &Shop<'_>) {
    let names: Vec<_> = (0..300).map(|n| format!("item {n}")).collect();
    shop.stocked(&names.iter().map(String::as_str).collect::<Vec<_>>())
        .await;
    shop.stocked(&["lamp"]).await;
    shop.place.count_statements();
    let matching = Condition::all().add(item::Column::Name.starts_with("item"));
    let updated = bulk::update_many::<item::Entity, _>(&shop.database, matching.clone(), |all| {
        all.col_expr(item::Column::Stock, Expr::col(item::Column::Stock).add(41))
    });
    let updated = updated.await.unwrap();
    assert!(updated.len() == 300 && updated.iter().all(|item| item.stock == 42));
    let entries = shop.entries("Item");
    assert_one_unit(&entries, &Action::Update, 300);
    assert!(
        entries
            .iter()
            .all(|entry| entry.changes["stock"].new == Some(42.into()))
    );
    assert_eq!(shop.place.number("SELECT count(*) FROM counted"), 1);
    assert_eq!(
        shop.place.number("SELECT sum(stock) FROM item"),
        300 * 42 + 1
    );

    // What changes nothing has no entry.
    let same = bulk::update_many::<item::Entity, _>(&shop.database, matching, |all| {
        all.col_expr(item::Column::Stock, Expr::val(42))
    });
    assert_eq!(same.await.unwrap().len(), 300);
    assert_eq!(shop.entries("Item").len(), 300);
}

async fn rows_are_deleted_in_bulk(shop: &Shop<'_>) {
    shop.stocked(&["lamp", "chair", "table"]).await;
    let transaction = shop.database.begin().await.unwrap();
    let matching = Condition::all().add(item::Column::Name.ne("chair"));
    let deleted = bulk::delete_many::<item::Entity, _>(&transaction, matching).await;
    assert_eq!(deleted.unwrap().len(), 2);
    transaction.commit().await.unwrap();
    let entries = shop.entries("Item");
    assert_one_unit(&entries, &Action::Delete, 2);
    let names: Vec<_> = entries
        .iter()
        .map(|entry| &entry.changes["name"].old)
        .collect();
    assert_eq!(names, [&Some("lamp".into()), &Some("table".into())]);
    assert_eq!(shop.items().await, 1);
}

async fn rows_with_two_keys_are_told_apart(shop: &Shop<'_>) {
    let places = ["a", "b"].iter().flat_map(|shelf| {
        (0..3).map(|slot| place::ActiveModel {
            shelf: Set((*shelf).to_owned()),
            slot: Set(slot),
            full: Set(false),
        })
    });
    bulk::insert_many::<place::Entity, _, _>(&shop.database, places)
        .await
        .unwrap();
    let matching = Condition::any()
        .add(place::Column::Shelf.eq("a").and(place::Column::Slot.eq(1)))
        .add(place::Column::Shelf.eq("b").and(place::Column::Slot.eq(2)));
    let filled = bulk::update_many::<place::Entity, _>(&shop.database, matching, |all| {
        all.col_expr(place::Column::Full, Expr::val(true))
    });
    assert_eq!(filled.await.unwrap().len(), 2);
    assert_eq!(
        shop.place
            .number("SELECT count(*) FROM place WHERE \"full\""),
        2
    );
    let entries = shop.entries("Place");
    let changed: Vec<_> = entries[6..].iter().map(|entry| &entry.object_pk).collect();
    assert_eq!(changed, [&entries[1].object_pk, &entries[5].object_pk]);
}

async fn what_fails_in_bulk_leaves_nothing(shop: &Shop<'_>) {
    shop.stocked(&["lamp"]).await;
    let rows = ["chair", "lamp"].map(named);
    let inserted = bulk::insert_many::<item::Entity, _, _>(&shop.database, rows).await;
    assert!(inserted.is_err(), "the name is taken");
    assert_eq!((shop.items().await, shop.entries("Item").len()), (1, 0));

    shop.place.make_unwritable();
    let deleted = bulk::delete_many::<item::Entity, _>(&shop.database, Condition::all()).await;
    assert!(deleted.is_err(), "there is no trail");
    assert_eq!(shop.items().await, 1);
}

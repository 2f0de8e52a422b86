//! What hooks record, what they do not, and the functions for the rest.

use std::future::Future;
use std::pin::Pin;

use audit_core::{Action, AuditLog, LogEntry, Query};
use audit_sea_orm::bulk;
use audit_testkit::callers::{Database as Place, Postgres, Sqlite, trial};
use libtest_mimic::Trial;
use sea_orm::sea_query::Expr;
use sea_orm::{
    ActiveModelTrait as _, ColumnTrait as _, Condition, ConnectionTrait, Database,
    DatabaseConnection, EntityTrait as _, ExprTrait as _, ModelTrait as _, PaginatorTrait as _,
    QueryFilter as _, Schema, Set, TransactionTrait as _,
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
        an_update_that_fails_outside_leaves_its_entry,
        a_trail_that_cannot_be_written_stops_the_hooks,
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
    let _entered = log.enter();
    let url = place.place().url;
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

/// A limit of the hooks, which their documentation names.
async fn an_update_that_fails_outside_leaves_its_entry(shop: &Shop<'_>) {
    shop.stocked(&["lamp", "chair"]).await;
    rename(&shop.database).await;
    assert_eq!(shop.entries("Item").len(), 1);
}

async fn a_trail_that_cannot_be_written_stops_the_hooks(shop: &Shop<'_>) {
    shop.stocked(&["lamp"]).await;
    shop.place.make_unwritable();
    let lamp = item::Entity::find()
        .one(&shop.database)
        .await
        .unwrap()
        .unwrap();
    let mut changed: item::ActiveModel = lamp.clone().into();
    changed.stock = Set(2);
    assert!(changed.update(&shop.database).await.is_err());
    assert!(lamp.clone().delete(&shop.database).await.is_err());
    let found = item::Entity::find().all(&shop.database).await.unwrap();
    assert_eq!(found, [lamp]);

    let transaction = shop.database.begin().await.unwrap();
    assert!(named("chair").insert(&transaction).await.is_err());
    transaction.rollback().await.unwrap();
    assert_eq!(shop.items().await, 1);
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

//! Statements that hooks record, statements that they miss, and the functions that record those.

mod bulk_functions;
mod entities;
mod statements;

use std::future::Future;
use std::pin::Pin;

use audit_core::{Action, AuditLog, LogEntry, Query};
use audit_testbed::in_transaction::{Database as TestDatabase, Postgres, Sqlite, trial};
use libtest_mimic::Trial;
use sea_orm::{
    ConnectionTrait as _, Database, DatabaseConnection, EntityTrait as _, PaginatorTrait as _,
    Schema, Set,
};

use self::entities::{bin, item, post, post_tag, tag};

/// A database with the tables, and its trail.
struct Shop<'p> {
    database: DatabaseConnection,
    backend: &'p dyn TestDatabase,
}

impl Shop<'_> {
    /// The entries of a model, in the order of their recording.
    fn entries(&self, model: &str) -> Vec<LogEntry> {
        self.backend.check();
        let query = Query::new().model_name(model).limit(10_000);
        let found = self.backend.store().find(&query);
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
    ($($module:ident::$name:ident),* $(,)?) => {
        [$((stringify!($name), (|shop| Box::pin($module::$name(shop))) as Test)),*]
    };
}

pub(crate) fn trials(url: Option<&str>) -> Vec<Trial> {
    let tests = tests![
        statements::what_is_inserted_updated_and_deleted_is_recorded,
        statements::an_update_without_returning_is_recorded,
        statements::an_update_that_changes_nothing_is_not_recorded,
        statements::what_is_rolled_back_is_not_recorded,
        statements::an_update_that_fails_in_a_transaction_leaves_nothing,
        statements::an_update_that_fails_leaves_no_entry_where_the_transaction_goes_on,
        statements::a_deletion_that_fails_leaves_no_entry_where_the_transaction_goes_on,
        statements::what_a_trigger_prevents_is_not_recorded,
        statements::what_a_trigger_makes_of_it_is_recorded,
        statements::a_row_that_is_not_there_has_no_entry,
        statements::entities_of_the_new_format_are_recorded_and_links_are_not,
        statements::a_trail_that_cannot_be_written_fails_the_call,
        statements::statements_of_entities_run_no_hooks,
        bulk_functions::many_rows_are_inserted_by_several_statements,
        bulk_functions::rows_are_inserted_in_bulk,
        bulk_functions::rows_are_updated_in_bulk,
        bulk_functions::rows_are_deleted_in_bulk,
        bulk_functions::rows_with_two_keys_are_told_apart,
        bulk_functions::what_fails_in_bulk_leaves_nothing,
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

fn run(backend: &dyn TestDatabase, test: Test) {
    let log = AuditLog::builder().build();
    log.register::<item::Model>();
    log.register::<bin::Model>();
    log.register::<post::Model>();
    log.register::<tag::Model>();
    log.register::<post_tag::Model>();
    let _entered = log.enter();
    let url = backend.location().url;
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
            schema.create_table_from_entity(bin::Entity),
            schema.create_table_from_entity(post::Entity),
            schema.create_table_from_entity(tag::Entity),
            schema.create_table_from_entity(post_tag::Entity),
        ] {
            database.execute(&table).await.expect("a table");
        }
        let shop = Shop { database, backend };
        test(&shop).await;
        shop.database.close().await.expect("an end");
    });
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

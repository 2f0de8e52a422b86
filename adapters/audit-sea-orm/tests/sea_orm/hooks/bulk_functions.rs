//! Functions that write many rows and record each.

use audit_core::{Action, Query};
use audit_sea_orm::bulk;
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait as _, Condition, ExprTrait as _, Set, TransactionTrait as _};

use super::entities::{bin, item};
use super::{Shop, assert_one_unit, named};

pub(super) async fn rows_are_inserted_in_bulk(shop: &Shop<'_>) {
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

pub(super) async fn rows_are_updated_in_bulk(shop: &Shop<'_>) {
    let names: Vec<_> = (0..300).map(|n| format!("item {n}")).collect();
    shop.stocked(&names.iter().map(String::as_str).collect::<Vec<_>>())
        .await;
    shop.stocked(&["lamp"]).await;
    shop.backend.count_statements();
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
    assert_eq!(shop.backend.number("SELECT count(*) FROM counted"), 1);
    assert_eq!(
        shop.backend.number("SELECT sum(stock) FROM item"),
        300 * 42 + 1
    );

    // What changes nothing has no entry.
    let same = bulk::update_many::<item::Entity, _>(&shop.database, matching, |all| {
        all.col_expr(item::Column::Stock, Expr::val(42))
    });
    assert_eq!(same.await.unwrap().len(), 300);
    assert_eq!(shop.entries("Item").len(), 300);
}

pub(super) async fn rows_are_deleted_in_bulk(shop: &Shop<'_>) {
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

pub(super) async fn many_rows_are_inserted_by_several_statements(shop: &Shop<'_>) {
    let rows = (0..20_000).map(|n| named(&format!("item {n}")));
    let inserted = bulk::insert_many::<item::Entity, _, _>(&shop.database, rows).await;
    assert_eq!(inserted.unwrap().len(), 20_000);
    assert_eq!(shop.items().await, 20_000);
    let none = bulk::insert_many::<item::Entity, item::ActiveModel, _>(&shop.database, []).await;
    assert_eq!(none.unwrap(), []);
    shop.backend.check();
    let query = Query::new().model_name("Item");
    assert_eq!(shop.backend.store().count(&query).unwrap(), 20_000);
}

pub(super) async fn rows_with_two_keys_are_told_apart(shop: &Shop<'_>) {
    let bins = ["a", "b"].iter().flat_map(|shelf| {
        (0..3).map(|slot| bin::ActiveModel {
            shelf: Set((*shelf).to_owned()),
            slot: Set(slot),
            full: Set(false),
        })
    });
    bulk::insert_many::<bin::Entity, _, _>(&shop.database, bins)
        .await
        .unwrap();
    let matching = Condition::any()
        .add(bin::Column::Shelf.eq("a").and(bin::Column::Slot.eq(1)))
        .add(bin::Column::Shelf.eq("b").and(bin::Column::Slot.eq(2)));
    let filled = bulk::update_many::<bin::Entity, _>(&shop.database, matching, |all| {
        all.col_expr(bin::Column::Full, Expr::val(true))
    });
    assert_eq!(filled.await.unwrap().len(), 2);
    assert_eq!(
        shop.backend
            .number("SELECT count(*) FROM bin WHERE \"full\""),
        2
    );
    let entries = shop.entries("Bin");
    let changed: Vec<_> = entries[6..].iter().map(|entry| &entry.object_pk).collect();
    assert_eq!(changed, [&entries[1].object_pk, &entries[5].object_pk]);
}

pub(super) async fn what_fails_in_bulk_leaves_nothing(shop: &Shop<'_>) {
    shop.stocked(&["lamp"]).await;
    let rows = ["chair", "lamp"].map(named);
    let inserted = bulk::insert_many::<item::Entity, _, _>(&shop.database, rows).await;
    assert!(inserted.is_err(), "the name is taken");
    assert_eq!((shop.items().await, shop.entries("Item").len()), (1, 0));

    shop.backend.make_unwritable();
    let deleted = bulk::delete_many::<item::Entity, _>(&shop.database, Condition::all()).await;
    assert!(deleted.is_err(), "there is no trail");
    assert_eq!(shop.items().await, 1);
}

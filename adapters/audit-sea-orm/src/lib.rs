//! Entries of `auditlog` in transactions of SeaORM, hooks that record, and functions for bulk operations,
//! for which SeaORM runs no hooks.
//!
//! A change and its entry are written in one transaction, and committed or rolled back together. A store
//! creates the trail: `auditlog::PostgresStore`, or `auditlog::SqliteStore` in the application's own file
//! (`SqliteOptions::shared_file`). The store reads, checks and purges these entries like its own.
//!
//! Statements are prepared once for each connection, as SeaORM prepares other statements. With the traits
//! of another adapter in scope, `record_in` may be ambiguous (E0034): name the trait,
//! `audit_sea_orm::RecordIn::record_in(draft, &transaction)`.
//!
//! # Three levels
//!
//! - [`RecordIn`]: `draft.record_in(&transaction)`, `unit.record_in(&transaction)`. The program makes
//!   each entry, on PostgreSQL and SQLite.
//! - [`audited!`]: hooks that record `insert`, `update`, `save` and `delete` of an active model. SeaORM
//!   runs no hooks for other calls; [`audited!`] lists them.
//! - [`bulk`]: `insert_many`, `update_many` and `delete_many`, which record each row.
//!
//! # Entities in the format of SeaORM 2
//!
//! `#[sea_orm::model]` copies the derives and all attributes to `ModelEx`, whose relations cannot be
//! tracked. Give the derive and its attribute to the model alone:
//!
//! ```
//! mod user {
//!     use sea_orm::entity::prelude::*;
//!
//!     #[sea_orm::model]
//!     #[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
//!     #[sea_orm(
//!         table_name = "user",
//!         model_attrs(derive(auditlog::Auditable), audit(model = "User"))
//!     )]
//!     pub struct Model {
//!         #[sea_orm(primary_key)]
//!         pub id: i32,
//!         pub name: String,
//!         pub password_hash: String,
//!         #[sea_orm(has_many)]
//!         pub notes: HasMany<super::note::Entity>,
//!     }
//!
//!     audit_sea_orm::audited!(ActiveModel);
//! }
//! # mod note {
//! #     use sea_orm::entity::prelude::*;
//! #     #[sea_orm::model]
//! #     #[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
//! #     #[sea_orm(table_name = "note")]
//! #     pub struct Model {
//! #         #[sea_orm(primary_key)]
//! #         pub id: i32,
//! #         pub user_id: i32,
//! #         #[sea_orm(belongs_to, from = "user_id", to = "id")]
//! #         pub user: BelongsTo<super::user::Entity>,
//! #     }
//! #     impl ActiveModelBehavior for ActiveModel {}
//! # }
//!
//! fn main() -> Result<(), auditlog::RegistrationError> {
//!     // `#[audit(..)]` on a field would be copied too, so set it here.
//!     auditlog::register_with::<user::Model>(|user| user.exclude("password_hash"))?;
//!     Ok(())
//! }
//! ```
//!
//! A field that is not a column, `#[sea_orm(ignore)]`, is not read from the database and would be
//! recorded with its default: mark it `#[audit(skip)]`, or exclude it as above.
//!
//! # Example: a model that is audited by itself
//! ```
//! use auditlog::{Query, SqliteStore, Store as _};
//! use sea_orm::entity::prelude::*;
//! use sea_orm::{Set, TransactionTrait as _};
//!
//! mod account {
//!     use sea_orm::entity::prelude::*;
//!
//!     #[derive(Clone, Debug, PartialEq, DeriveEntityModel, auditlog::Auditable)]
//!     #[audit(model = "Account")]
//!     #[sea_orm(table_name = "account")]
//!     pub struct Model {
//!         #[sea_orm(primary_key)]
//!         pub id: i32,
//!         pub balance: i32,
//!     }
//!
//!     #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
//!     pub enum Relation {}
//!
//!     audit_sea_orm::audited!(ActiveModel);
//! }
//!
//! # let folder = std::env::temp_dir().join(format!("audit-sea-orm-doc-{}", std::process::id()));
//! # std::fs::create_dir_all(&folder)?;
//! # let file = folder.join("app.db");
//! // Once: the tables of the trail, beside those of the application.
//! let trail = SqliteStore::options().shared_file().open(&file)?;
//! auditlog::register::<account::Model>();
//!
//! # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
//! # runtime.block_on(async {
//! let database = sea_orm::Database::connect(format!("sqlite:{}", file.display())).await?;
//! let schema = "CREATE TABLE account (id integer PRIMARY KEY, balance integer)";
//! database.execute_unprepared(schema).await?;
//!
//! let transaction = database.begin().await?;
//! let account = account::ActiveModel { balance: Set(100), ..Default::default() };
//! let account = account.insert(&transaction).await?;
//! let mut account: account::ActiveModel = account.into();
//! account.balance = Set(90);
//! account.update(&transaction).await?;
//! transaction.commit().await?;
//!
//! let entries = trail.find(&Query::new().model_name("Account"))?.entries;
//! assert_eq!(entries[1].changes["balance"].new, Some(90.into()));
//! # database.close().await?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })?;
//! # trail.close()?;
//! # std::fs::remove_dir_all(&folder)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod bulk;
pub mod hooks;
mod keys;
mod target;

#[doc(hidden)]
pub use sea_orm as __sea_orm;

pub use crate::target::{Error, InSchema, RecordIn, Schema, Target, append_in, in_schema};

//! A viewer of audit trails for readers who are not programmers: a [`tower_service::Service`] on the
//! types of [`http`], which any web framework embeds under any prefix.
//!
//! The pages are HTML made on the server. They work without the script, set no cookie, support GET
//! and HEAD only, and load nothing from another host. Each page is also JSON, with `.json` after its
//! name or the header `Accept: application/json`.
//!
//! # Who may see what
//! A viewer without a decision about that does not compile: [`ViewerBuilder::authorize`] decides for
//! each request, and [`ViewerBuilder::loopback_only`] admits this machine alone. [`Access`] names the
//! reader and what the reader may see. Its [scope](Access::scope) is combined by "and" with every
//! query before anything is read, counted or suggested, so that each page equals the page of a trail
//! without the other entries.
//!
//! # Views are recorded
//! An entry of action `access` with the reader, the page and the query is in the store before the
//! page is read. Views of the help, which is the same for every trail, are not recorded. A page that cannot be recorded is not shown. [`ViewerBuilder::unrecorded`] disables
//! this, and the head of every page states which of the two it is.
//!
//! # Blocking stores
//! Pages are made by worker threads of the viewer, four by default. A request times out after 10 s by
//! default, and at most 64 wait. When a client disconnects or its request times out, its waiting job is removed,
//! and the query of a running one is [cancelled](audit_core::Query::cancelled_by).
//!
//! # Large trails and values
//! A page has at most 200 entries, 500 rows of values and 4 MB; the JSON of the page has the complete
//! values. Exports are streamed in chunks of 4 MB, at most four at the same time by default.
//!
//! # Example: a page of a viewer
//! ```
//! use audit_core::{Actor, AuditLog, MemoryStore, Query};
//! use audit_web::{Access, Viewer};
//! use http::Request;
//! use tower_service::Service;
//!
//! let log = AuditLog::builder().store(MemoryStore::new()).build();
//! log.event("started").record()?;
//!
//! let mut viewer = Viewer::builder(log)
//!     .authorize(|request| match request.extensions.get::<Actor>() {
//!         Some(user) => Access::reader(user.clone()).scope(Query::new().level_at_least("info".parse().unwrap())),
//!         None => Access::denied(),
//!     })
//!     .build()?;
//!
//! let request = Request::get("/search").extension(Actor::user("alice")).body(())?;
//! let response = futures::executor::block_on(viewer.call(request))?;
//! assert_eq!(response.status(), 200);
//!
//! let response = futures::executor::block_on(viewer.call(Request::get("/search").body(())?))?;
//! assert_eq!(response.status(), 403);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod access;
mod assets;
mod body;
mod builder;
mod checks;
mod conceal;
mod csv;
mod error;
mod exports;
mod failure;
mod html;
mod live;
mod mount;
mod not_opened;
mod object_history;
mod pages;
mod panics;
mod pool;
mod reader;
mod record;
mod request;
mod response;
mod route;
mod terms;
mod texts;
mod timeline;
mod viewer;

pub use crate::access::Access;
pub use crate::body::{Body, BodyError};
pub use crate::builder::{Authorizer, Loopback, Unprotected, ViewerBuilder};
pub use crate::error::BuildError;
pub use crate::timeline::TimelineError;
pub use crate::viewer::{Responding, Viewer};

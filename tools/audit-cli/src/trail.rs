//! The trail that a command works on.

use std::env;
use std::sync::Arc;

use audit_core::{
    Action, Actor, AuditLog, History, Level, LogEntry, ObjectRef, Source, TrailStore,
};
use serde_json::Value;

use crate::error::Error;
use crate::global::Global;
use crate::store::{self, AccessMode, StoreLocation};

/// An open trail.
#[derive(Debug)]
pub(crate) struct Trail {
    pub(crate) store: Arc<dyn TrailStore>,
    pub(crate) log: AuditLog,
}

impl Trail {
    /// Opens the store alone.
    pub(crate) fn open(global: &Global, mode: AccessMode) -> Result<Self, Error> {
        Ok(Self::of(open_store(global, mode)?))
    }

    /// Opens the store together with the archive of `--archive`.
    pub(crate) fn open_with_archive(global: &Global, mode: AccessMode) -> Result<Self, Error> {
        let store = open_store(global, mode)?;
        Ok(Self::of(store::with_archive(global, store)?))
    }

    fn of(store: Arc<dyn TrailStore>) -> Self {
        let log = AuditLog::builder()
            .store(Arc::clone(&store))
            .source(source())
            .build();
        Self { store, log }
    }

    /// Opens the trail with its archive to read it, and with `--record-access` records the query and
    /// the actor.
    pub(crate) fn read(global: &Global, command: &str, query: &str) -> Result<Self, Error> {
        Self::open_with_archive(global, AccessMode::Read)?.recorded(global, command, query)
    }

    /// Opens the store alone to read it, as [`read`](Self::read) does.
    pub(crate) fn read_store(global: &Global, command: &str, query: &str) -> Result<Self, Error> {
        Self::open(global, AccessMode::Read)?.recorded(global, command, query)
    }

    fn recorded(self, global: &Global, command: &str, query: &str) -> Result<Self, Error> {
        if global.record_access {
            self.record_access(global, command, query)?;
        }
        Ok(self)
    }

    /// Records that the trail is read.
    fn record_access(&self, global: &Global, command: &str, query: &str) -> Result<(), Error> {
        // `AuditLog::event` rejects the four standard actions, because those have an object.
        let mut entry = LogEntry::new(Action::Access, "", "", "audit trail");
        entry.level = Level::Debug;
        entry.actor = Some(actor(global)?);
        entry.source = source();
        for (key, value) in [("command", command), ("query", query)] {
            entry
                .additional_data
                .insert(key.to_owned(), Value::from(value));
        }
        Ok(self.store.append(&[entry])?)
    }

    /// Binds a query to this trail for as long as the guard lives.
    pub(crate) fn enter(&self) -> audit_core::LogGuard {
        self.log.enter()
    }

    /// Reads the history of an object.
    ///
    /// # Errors
    /// Returns [`Error::NotFound`] if the trail has no entry of it.
    pub(crate) fn history(&self, model: &str, pk: &str) -> Result<History, Error> {
        let history = self.log.history_of(ObjectRef::new(model, pk))?;
        if history.entries().is_empty() {
            self.require_model(model)?;
            return Err(Error::NotFound {
                what: format!("entry of `{model}` `{pk}`"),
                near: None,
                hint: "`auditlog log --model MODEL` lists the objects of a model",
            });
        }
        Ok(history)
    }
}

/// Returns the source of the entries that the command records.
pub(crate) fn source() -> Source {
    Source::service("auditlog").version(env!("CARGO_PKG_VERSION"))
}

fn open_store(global: &Global, mode: AccessMode) -> Result<Arc<dyn TrailStore>, Error> {
    let mode = match mode {
        AccessMode::Read if global.record_access => AccessMode::Write,
        mode => mode,
    };
    store::open(&StoreLocation::of(global)?, mode)
}

/// Returns the actor of an import: the named one, or the user that runs the process, `uid 1000`,
/// where a container or a job has no login name.
///
/// # Errors
/// Returns [`Error::Usage`] if the name is missing and the system has no user ids.
pub(crate) fn actor_or_user_id(global: &Global) -> Result<Actor, Error> {
    actor(global).or_else(|error| {
        #[cfg(unix)]
        {
            drop(error);
            let uid = rustix::process::geteuid().as_raw();
            Ok(Actor::user(format!("uid {uid}")))
        }
        #[cfg(not(unix))]
        Err(error)
    })
}

/// Returns the actor of the entries that a command records.
///
/// # Errors
/// Returns [`Error::Usage`] if the name is missing.
pub(crate) fn actor(global: &Global) -> Result<Actor, Error> {
    let is_name = |name: &String| !name.trim().is_empty();
    let login = || {
        ["USER", "LOGNAME", "USERNAME"]
            .into_iter()
            .find_map(|name| env::var(name).ok().filter(is_name))
    };
    global
        .recorded_actor
        .clone()
        .filter(is_name)
        .or_else(login)
        .map(Actor::user)
        .ok_or(Error::Usage {
            message: "this command is recorded in the trail, and the name of its actor is missing"
                .to_owned(),
            hint: "give your name with --as or the variable AUDITLOG_ACTOR",
        })
}

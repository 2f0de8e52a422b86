//! The trail that a command works on.

use std::env;
use std::sync::Arc;

use audit_core::{
    Action, Actor, AuditLog, Filter, Group, History, Level, LogEntry, ObjectRef, Query, Source,
};
use serde_json::Value;

use crate::error::Error;
use crate::global::Global;
use crate::store::{self, Need, Place, TrailStore};

/// An open trail.
#[derive(Debug)]
pub(crate) struct Trail {
    pub(crate) store: Arc<dyn TrailStore>,
    pub(crate) log: AuditLog,
}

impl Trail {
    /// Opens the trail.
    pub(crate) fn open(global: &Global, need: Need) -> Result<Self, Error> {
        let need = match need {
            Need::Read if global.record_access => Need::Write,
            need => need,
        };
        let store = store::open(&Place::of(global)?, need)?;
        let log = AuditLog::builder()
            .store(Arc::clone(&store))
            .source(Source::service("auditlog").version(env!("CARGO_PKG_VERSION")))
            .build();
        Ok(Self { store, log })
    }

    /// Opens the trail to read it, and records that where it is asked for: what was asked, and
    /// who asked.
    pub(crate) fn read(global: &Global, command: &str, asked: &str) -> Result<Self, Error> {
        let trail = Self::open(global, Need::Read)?;
        if global.record_access {
            trail.record_access(global, command, asked)?;
        }
        Ok(trail)
    }

    /// Records that somebody reads the trail.
    fn record_access(&self, global: &Global, command: &str, asked: &str) -> Result<(), Error> {
        // A draft of `event` takes no name of the four actions: those are of an object, and
        // this is of the trail.
        let mut entry = LogEntry::new(Action::Access, "", "", "audit trail");
        entry.level = Level::Debug;
        entry.actor = Some(actor(global)?);
        entry.source = Source::service("auditlog").version(env!("CARGO_PKG_VERSION"));
        for (key, value) in [("command", command), ("query", asked)] {
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
    /// [`Error::NotFound`] if the trail has no entry of it.
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

    /// Makes sure that the trail has entries of a model.
    ///
    /// # Errors
    /// [`Error::NotFound`], with the near name.
    pub(crate) fn require_model(&self, model: &str) -> Result<(), Error> {
        let models = self.store.models()?;
        if models.iter().any(|known| known == model) {
            return Ok(());
        }
        let names = models
            .iter()
            .map(String::as_str)
            .filter(|name| !name.is_empty());
        Err(Error::NotFound {
            what: format!("model `{model}`"),
            near: audit_core::nearest(model, names).map(str::to_owned),
            hint: "`auditlog schema` lists the models",
        })
    }

    /// Looks for the models that a query names, in groups too: where some entries were found
    /// although there is no such model, that is logged as a warning.
    ///
    /// # Errors
    /// [`Error::NotFound`] of the first one, with the near name, if no entry was found.
    pub(crate) fn check_models(&self, query: &Query, found: bool) -> Result<(), Error> {
        if found && query.filter().groups.is_empty() {
            return Ok(());
        }
        let mut models = Vec::new();
        models_of(query.filter(), true, &mut models);
        for (model, asked) in models {
            if !asked && !found {
                // A trail need not have entries of what a query excludes.
                continue;
            }
            match self.require_model(model) {
                // The answer is there; a failure to look for names does not undo it.
                Err(error) if found => {
                    let hint = error.hint().unwrap_or_default();
                    log::warn!("{error}; {hint}");
                }
                checked => checked?,
            }
        }
        Ok(())
    }
}

/// Collects the models that a filter names, each with whether it is asked for and not excluded.
fn models_of<'f>(filter: &'f Filter, asked: bool, models: &mut Vec<(&'f str, bool)>) {
    models.extend(filter.model.as_deref().map(|model| (model, asked)));
    for group in &filter.groups {
        match group {
            Group::AnyOf(alternatives) => {
                for alternative in alternatives {
                    models_of(alternative, asked, models);
                }
            }
            Group::Not(filter) => models_of(filter, !asked, models),
            _ => {}
        }
    }
}

/// Returns the actor of an import: the named one, or the user that runs the process, `uid 1000`,
/// where a container or a job has no login name.
///
/// # Errors
/// If no name is known and the system has no user ids.
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

/// Returns under which name something is recorded.
///
/// # Errors
/// If no name is known.
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
            message: "this is recorded in the trail, and the name of its actor is missing"
                .to_owned(),
            hint: "name who does it with --as or the variable AUDITLOG_ACTOR",
        })
}

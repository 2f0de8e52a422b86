//! Checks the models, actions and paths that a query names, and suggests similar ones.

use std::collections::BTreeSet;

use audit_core::{Action, Filter, Group, LogEntry, Path, Query};

use crate::error::Error;
use crate::trail::Trail;

/// The number of newest entries in which similar names are looked up.
const SAMPLE: usize = 1_000;

/// A name in a query, with the model that its condition is limited to.
struct Name<'f> {
    model: Option<&'f str>,
    kind: Kind<'f>,
}

enum Kind<'f> {
    Action(&'f Action),
    Changed(&'f Path),
}

impl Trail {
    /// Checks that the trail has entries of a model.
    ///
    /// # Errors
    /// Returns [`Error::NotFound`], with the most similar model, if there are none.
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
            near: audit_core::backend::nearest(model, names).map(str::to_owned),
            hint: "`auditlog schema` lists the models",
        })
    }

    /// Checks the names in a query, in groups too, after it was run.
    ///
    /// If the query found entries, a missing model is a warning. If it found none, an action or path
    /// that the newest entries do not have is a warning, if they have a similar one.
    ///
    /// # Errors
    /// Returns [`Error::NotFound`] for the first missing model if the query found no entries.
    pub(crate) fn check_names(&self, query: &Query, found: bool) -> Result<(), Error> {
        self.check_models(query.filter(), found)?;
        if found {
            return Ok(());
        }
        let mut names = Vec::new();
        names_of(query.filter(), None, &mut names);
        for name in &names {
            // A hint that cannot be found does not make the answer an error.
            if let Ok(Some((missing, near))) = self.similar(name) {
                let of = name.model.map(|model| format!(" of `{model}`"));
                let of = of.unwrap_or_default();
                log::warn!("no entry{of} was found {missing}; did you mean `{near}`?");
            }
        }
        Ok(())
    }

    fn check_models(&self, filter: &Filter, found: bool) -> Result<(), Error> {
        if found && filter.groups.is_empty() {
            return Ok(());
        }
        let mut models = Vec::new();
        models_of(filter, true, &mut models);
        for (model, included) in models {
            if !included && !found {
                // The trail need not have entries of an excluded model.
                continue;
            }
            match self.require_model(model) {
                // The entries have been printed already.
                Err(error) if found => {
                    let hint = error.hint().unwrap_or_default();
                    log::warn!("{error}; {hint}");
                }
                checked => checked?,
            }
        }
        Ok(())
    }

    /// Returns a description of a missing name and the most similar one of the newest entries;
    /// `None` if these have the name, or no similar one. No index finds a name in the whole trail.
    fn similar(&self, name: &Name<'_>) -> Result<Option<(String, String)>, Error> {
        let all = match name.model {
            Some(model) => self.log.query().model_name(model),
            None => self.log.query(),
        };
        let mut names = BTreeSet::new();
        for entry in all.newest_first().limit(SAMPLE).iter()? {
            add_names(&entry?, &name.kind, &mut names);
        }
        let (text, missing) = match name.kind {
            Kind::Action(action) => {
                let standard = [
                    Action::Create,
                    Action::Update,
                    Action::Delete,
                    Action::Access,
                ];
                names.extend(standard.map(|action| action.as_str().to_owned()));
                (action.as_str(), format!("with the action `{action}`"))
            }
            Kind::Changed(path) => (path.as_str(), format!("that changed `{path}`")),
        };
        if names.contains(text) {
            return Ok(None);
        }
        let near = audit_core::backend::nearest(text, names.iter().map(String::as_str));
        Ok(near.map(|near| (missing, near.to_owned())))
    }
}

/// Adds the action of an entry, or the paths and top-level fields that it changed.
fn add_names(entry: &LogEntry, kind: &Kind<'_>, names: &mut BTreeSet<String>) {
    match kind {
        Kind::Action(_) => {
            names.insert(entry.action.as_str().to_owned());
        }
        Kind::Changed(_) => {
            for path in entry.changes.paths() {
                names.insert(path.as_str().to_owned());
                names.insert(path.field().into_owned());
            }
        }
    }
}

/// Collects the models that a filter names, and whether each is included or excluded.
fn models_of<'f>(filter: &'f Filter, included: bool, models: &mut Vec<(&'f str, bool)>) {
    models.extend(filter.model.as_deref().map(|model| (model, included)));
    for group in &filter.groups {
        match group {
            Group::AnyOf(alternatives) => {
                for alternative in alternatives {
                    models_of(alternative, included, models);
                }
            }
            Group::Not(filter) => models_of(filter, !included, models),
            _ => {}
        }
    }
}

/// Collects the actions and paths that a filter names and does not exclude.
fn names_of<'f>(filter: &'f Filter, model: Option<&'f str>, names: &mut Vec<Name<'f>>) {
    let model = filter.model.as_deref().or(model);
    let actions = filter.action.iter().map(Kind::Action);
    let values = filter.changed_from.iter().chain(&filter.changed_to);
    let paths = filter.changed.iter().chain(values.map(|(path, _)| path));
    names.extend(
        actions
            .chain(paths.map(Kind::Changed))
            .map(|kind| Name { model, kind }),
    );
    for group in &filter.groups {
        if let Group::AnyOf(alternatives) = group {
            for alternative in alternatives {
                names_of(alternative, model, names);
            }
        }
    }
}

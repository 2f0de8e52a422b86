//! Levels of records, and the lowest level for each target.

use audit_core::Level;
use log::kv::Key;
use log::{LevelFilter, Record};

/// Returns the level of a record, or `None` for `trace!`, which is below [`Level::Debug`].
pub(crate) fn level_of(record: &Record<'_>) -> Option<Level> {
    level_of_log(record.level()).map(|level| {
        if level == Level::Error && is_critical(record) {
            Level::Critical
        } else {
            level
        }
    })
}

fn level_of_log(level: log::Level) -> Option<Level> {
    match level {
        log::Level::Error => Some(Level::Error),
        log::Level::Warn => Some(Level::Warning),
        log::Level::Info => Some(Level::Info),
        log::Level::Debug => Some(Level::Debug),
        log::Level::Trace => None,
    }
}

fn is_critical(record: &Record<'_>) -> bool {
    record
        .key_values()
        .get(Key::from("severity"))
        .is_some_and(|severity| severity.to_string().parse() == Ok(Level::Critical))
}

/// The lowest level that passes, for the root and for single targets.
#[derive(Clone, Debug)]
pub(crate) struct Thresholds {
    root: Level,
    /// Longest target first, so that the first match decides.
    targets: Vec<(String, Level)>,
}

/// The target of the PostgreSQL driver, which logs the parameters of every statement at
/// [`Level::Debug`], and so the bodies of entries.
const DRIVER: &str = "tokio_postgres";

impl Thresholds {
    pub(crate) fn new(root: Level, mut targets: Vec<(String, Level)>) -> Self {
        if root < Level::Info && targets.iter().all(|(target, _)| target != DRIVER) {
            targets.push((DRIVER.to_owned(), Level::Info));
        }
        // The sort is stable, so that the later of two levels for one target decides.
        targets.reverse();
        targets.sort_by_key(|(target, _)| std::cmp::Reverse(target.len()));
        Self { root, targets }
    }

    /// Returns the level that a target's records need.
    fn for_target(&self, target: &str) -> Level {
        self.targets
            .iter()
            .find(|(parent, _)| is_within(target, parent))
            .map_or(self.root, |(_, level)| *level)
    }

    pub(crate) fn pass(&self, record: &Record<'_>) -> bool {
        level_of(record).is_some_and(|level| level >= self.for_target(record.target()))
    }

    /// Returns whether a record of this level may pass. Metadata do not show whether an `Error`
    /// is critical.
    pub(crate) fn may_pass(&self, metadata: &log::Metadata<'_>) -> bool {
        let highest = match level_of_log(metadata.level()) {
            Some(Level::Error) => Some(Level::Critical),
            other => other,
        };
        highest.is_some_and(|level| level >= self.for_target(metadata.target()))
    }

    /// The most detailed level that passes anywhere.
    pub(crate) fn max(&self) -> LevelFilter {
        self.targets
            .iter()
            .map(|(_, level)| *level)
            .fold(self.root, Level::min)
            .to_log()
            .to_level_filter()
    }
}

/// Returns whether a target is `parent` or below it, as `a::b::c` is below `a::b`.
fn is_within(target: &str, parent: &str) -> bool {
    target
        .strip_prefix(parent)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_matching_target_decides() {
        let thresholds = Thresholds::new(
            Level::Warning,
            vec![
                ("shop".into(), Level::Info),
                ("shop::db".into(), Level::Critical),
                ("shop::db".into(), Level::Error),
                ("shop::db::pool".into(), Level::Debug),
            ],
        );
        for (target, level) in [
            ("shop", Level::Info),
            ("shop::cart", Level::Info),
            ("shop::db", Level::Error),
            ("shop::db::rows", Level::Error),
            ("shop::db::pool::x", Level::Debug),
            ("shopping", Level::Warning),
            ("", Level::Warning),
        ] {
            assert_eq!(thresholds.for_target(target), level, "{target}");
        }
        assert_eq!(thresholds.max(), LevelFilter::Debug);
    }

    #[test]
    fn the_driver_stays_at_info_unless_its_target_is_set() {
        let of = |root, targets: &[(&str, Level)]| {
            let targets = targets
                .iter()
                .map(|(target, level)| ((*target).to_owned(), *level));
            Thresholds::new(root, targets.collect()).for_target("tokio_postgres::query")
        };
        assert_eq!(of(Level::Debug, &[]), Level::Info);
        assert_eq!(of(Level::Debug, &[("shop", Level::Debug)]), Level::Info);
        assert_eq!(of(Level::Error, &[]), Level::Error);
        let named = [("tokio_postgres", Level::Debug)];
        assert_eq!(of(Level::Debug, &named), Level::Debug);
        let below = [("tokio_postgres::query", Level::Debug)];
        assert_eq!(of(Level::Debug, &below), Level::Debug);
    }
}

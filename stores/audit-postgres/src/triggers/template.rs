//! The SQL templates of triggers, and how they are filled.

use std::fmt::{self, Write as _};

/// Defines a template for each file of `sql/trigger/`, and lists them.
macro_rules! templates {
    ($($name:ident = $file:literal),+ $(,)?) => {
        $(pub(super) const $name: Template = Template(include_str!(concat!("../sql/trigger/", $file)));)+

        #[cfg(test)]
        const ALL: &[Template] = &[$($name),+];
    };
}

templates! {
    CHECK_TABLE = "check_table.sql",
    FUNCTION = "function.sql",
    BODY = "body.sql",
    CREATE_TRIGGER = "create_trigger.sql",
    OWNER = "owner.sql",
    UPDATE = "update.sql",
    FIND_MOVED = "find_moved.sql",
    ROW_PAIRS = "row_pairs.sql",
    CAPTURE = "capture.sql",
    CAPTURE_TRUNCATE = "capture_truncate.sql",
    NOTE = "note.sql",
    VALUE = "value.sql",
    MAY_BE_SAME = "may_be_same.sql",
    DIFFERS = "differs.sql",
    CHANGE_OF_UPDATE = "change_of_update.sql",
}

/// A text of a placeholder.
pub(super) type Value<'v> = (&'static str, &'v dyn fmt::Display);

/// SQL with `{placeholders}`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Template(&'static str);

impl Template {
    /// Returns the SQL with each placeholder replaced. Values are not searched for placeholders.
    ///
    /// # Panics
    /// Panics in debug builds if a placeholder has no value or a value has no placeholder.
    pub(super) fn fill(self, values: &[Value<'_>]) -> String {
        let mut sql = String::new();
        let mut used = vec![false; values.len()];
        for (text, name) in self.parts() {
            sql.push_str(text);
            let Some(name) = name else {
                continue;
            };
            let index = values.iter().position(|(value, _)| *value == name);
            debug_assert!(index.is_some(), "no value for {{{name}}}");
            if let Some(index) = index {
                used[index] = true;
                // Writing to a `String` cannot fail.
                let _ok = write!(sql, "{}", values[index].1);
            }
        }
        debug_assert!(
            used.iter().all(|used| *used),
            "no placeholder for a value in {sql}"
        );
        sql
    }

    /// Returns how often a text occurs in the SQL outside of values.
    pub(super) fn count(self, text: &str) -> usize {
        self.0.matches(text).count()
    }

    /// Splits the template into texts, each with the placeholder that follows it.
    fn parts(self) -> impl Iterator<Item = (&'static str, Option<&'static str>)> {
        self.0
            .trim_end()
            .split('}')
            .map(|part| match part.split_once('{') {
                Some((text, name)) => (text, Some(name)),
                None => (part, None),
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GREETING: Template = Template("SELECT {greeting}, {name}\n");

    #[test]
    fn values_are_not_searched_for_placeholders() {
        let sql = GREETING.fill(&[("name", &"{greeting}"), ("greeting", &"'}{'")]);
        assert_eq!(sql, "SELECT '}{', {greeting}");
    }

    #[test]
    #[cfg(debug_assertions)]
    #[should_panic(expected = "no value for {name}")]
    fn a_missing_value_panics() {
        GREETING.fill(&[("greeting", &1)]);
    }

    #[test]
    #[cfg(debug_assertions)]
    #[should_panic(expected = "no placeholder for a value")]
    fn an_unused_value_panics() {
        GREETING.fill(&[("greeting", &1), ("name", &2), ("other", &3)]);
    }

    #[test]
    fn braces_of_templates_are_placeholders() {
        for template in ALL {
            let Template(sql) = template;
            assert_eq!(template.count("{"), template.count("}"), "{sql}");
            for name in template.parts().filter_map(|(_, name)| name) {
                let is_name = |c: char| c.is_ascii_alphabetic() || c == '_';
                assert!(
                    !name.is_empty() && name.chars().all(is_name),
                    "{name} in {sql}"
                );
            }
        }
    }
}

//! The function of the triggers of one table.

use std::fmt::Write as _;

use super::TriggerError;
use super::column::{Column, Rows, Shown};
use super::name::{Ident, Literal, QUOTE, Table};
use super::template::{self, Template, Value};

/// The placeholder of a table whose name is known when the trigger runs. No name has a U+0000.
const TABLE: &str = "\0";
/// The alias of the rows whose columns are read. The server's error names it if a column was renamed
/// or dropped: `column an auditlog trigger needs (..).phone does not exist`.
const ALIAS: &str = "\"an auditlog trigger needs (run `auditlog triggers` again)\"";
/// The written table, as the server names it.
const WRITTEN: &str = "TG_TABLE_SCHEMA || '.' || TG_TABLE_NAME";

/// Whether an action is recorded, and its level.
#[derive(Clone, Copy, Debug)]
pub(super) struct Recording {
    pub(super) is_on: bool,
    pub(super) level: u8,
}

/// The function of the triggers of a table.
#[derive(Clone, Debug)]
pub(super) struct Function {
    pub(super) schema: Ident,
    pub(super) table: Table,
    pub(super) model: String,
    pub(super) version: u32,
    pub(super) create: Recording,
    pub(super) update: Recording,
    pub(super) delete: Recording,
    pub(super) key: Vec<Ident>,
    /// The parent's model and the column of its key.
    pub(super) parent: Option<(String, Ident)>,
    pub(super) columns: Vec<Column>,
    pub(super) watch: bool,
    pub(super) truncate_in_bulk: bool,
    pub(super) always: bool,
}

impl Function {
    /// Returns the SQL that checks the table, and creates the function and its triggers.
    ///
    /// The settings of the function give the texts of values one form, with any settings of the session. To
    /// compile a statement (`jit`) takes longer than to run it for one row. The generic plan, made for
    /// one row, is kept for many, for which nested loops would never end. Where policies hide rows of
    /// the table from the trail's owner, `row_security = off` makes TRUNCATE fail.
    pub(super) fn install(&self) -> Result<String, TriggerError> {
        let function = self.name();
        let comment = format!("{}\n{}", self.comment(), self.needs());
        let mut sql = self.check()?;
        sql.push_str("\n\n");
        sql += &quoted(
            template::FUNCTION,
            &[
                ("function", &function),
                ("body", &self.body()),
                ("comment", &Literal(&comment)),
            ],
        )?;
        sql.push_str("\n\n");
        sql += &self.drop_triggers();
        for (event, is_on) in self.events() {
            if is_on {
                sql += &self.create_trigger(event);
            }
        }
        sql += &template::OWNER.fill(&[
            ("function_text", &Literal(&format!("{function}()"))),
            ("trail_text", &Literal(&self.trail())),
        ]);
        sql.push('\n');
        Ok(sql)
    }

    fn create_trigger(&self, event: &str) -> String {
        let table = &self.table;
        let referencing = match event {
            "insert" => "\n    REFERENCING NEW TABLE AS auditlog_new",
            "update" => "\n    REFERENCING OLD TABLE AS auditlog_old NEW TABLE AS auditlog_new",
            "delete" => "\n    REFERENCING OLD TABLE AS auditlog_old",
            _ => "",
        };
        let mut sql = template::CREATE_TRIGGER.fill(&[
            ("event", &event),
            // The rows are gone after a TRUNCATE.
            (
                "time",
                if event == "truncate" {
                    &"BEFORE"
                } else {
                    &"AFTER"
                },
            ),
            ("EVENT", &event.to_uppercase()),
            ("table", table),
            ("referencing", &referencing),
            ("function", &self.name()),
        ]);
        sql.push('\n');
        if self.always {
            let _ok = writeln!(
                sql,
                "ALTER TABLE {table} ENABLE ALWAYS TRIGGER auditlog_{event};"
            );
        }
        sql
    }

    /// Returns the qualified name of the function.
    fn name(&self) -> String {
        format!("{}.{}", self.schema, self.table.function())
    }

    /// Returns the qualified name of the table of entries.
    fn trail(&self) -> String {
        format!("{}.audit_entry", self.schema)
    }

    /// Returns the first line of the function's comment, by which the installation recognizes
    /// triggers of another model.
    fn comment(&self) -> String {
        format!("triggers of the model {}", self.model)
    }

    /// Returns the second line of the function's comment: what the triggers need, for `info`.
    fn needs(&self) -> String {
        let mut columns: Vec<_> = self.needed().map(|name| name.0.as_str()).collect();
        columns.sort_unstable();
        columns.dedup();
        let events = self.events().into_iter().filter(|(_, is_on)| *is_on);
        let events: Vec<_> = events.map(|(event, _)| event).collect();
        serde_json::json!({
            "columns": columns,
            "events": events,
            "table": format!("{}.{}", self.table.schema.0, self.table.name.0),
        })
        .to_string()
    }

    /// Returns the events of the table, and whether each has a trigger.
    fn events(&self) -> [(&'static str, bool); 4] {
        let (create, delete) = (self.create.is_on, self.delete.is_on);
        [
            ("insert", create),
            // A row that a partition refuses during a move is a deletion.
            ("update", self.update.is_on || create || delete),
            ("delete", delete),
            ("truncate", delete),
        ]
    }

    /// Returns the columns that the triggers read.
    fn needed(&self) -> impl Iterator<Item = &Ident> {
        let parent = self.parent.iter().map(|(_, column)| column);
        let recorded = self.columns.iter().map(|column| &column.name);
        recorded.chain(&self.key).chain(parent)
    }

    /// Returns the rows of a table as a relation with the columns that are read.
    fn rows(&self, table: &str) -> String {
        format!("(SELECT {} FROM {table} AS {ALIAS})", self.read())
    }

    /// Returns the list of the columns that are read.
    fn read(&self) -> String {
        let mut columns: Vec<_> = self
            .needed()
            .map(|column| format!("{ALIAS}.{column}"))
            .collect();
        columns.sort_unstable();
        columns.dedup();
        columns.join(", ")
    }

    /// Returns the rows of an UPDATE, old beside new.
    ///
    /// The server adds a row to both tables before it comes to the next one, so a row has one number in
    /// both. A row that a trigger refuses during a move to another partition is in the old table alone:
    /// then rows pair by their keys.
    fn row_pairs(&self) -> String {
        template::ROW_PAIRS.fill(&[
            ("columns", &self.read()),
            ("key", &self.key_text(ALIAS)),
            ("alias", &ALIAS),
        ])
    }

    /// Returns the block that checks whether the table fits the triggers.
    fn check(&self) -> Result<String, TriggerError> {
        let array = |texts: &[&str]| {
            let texts: Vec<_> = texts.iter().map(|text| Literal(text).to_string()).collect();
            format!("ARRAY[{}]::text[]", texts.join(", "))
        };
        let keys: Vec<_> = self.key.iter().map(|key| key.0.as_str()).collect();
        let parent = self.parent.iter().map(|(_, column)| column.0.as_str());
        // The needed columns, and the field of each; an identity's field may be left out.
        let (names, fields): (Vec<_>, Vec<_>) = self
            .columns
            .iter()
            .map(|column| (column.name.0.as_str(), column.field.as_str()))
            .chain(keys.iter().copied().chain(parent).map(|key| (key, key)))
            .unzip();
        quoted(
            template::CHECK_TABLE,
            &[
                ("table_text", &Literal(&self.table.to_string())),
                ("trail_text", &Literal(&self.trail())),
                ("function_text", &Literal(&format!("{}()", self.name()))),
                ("model", &Literal(&self.model)),
                ("comment", &Literal(&self.comment())),
                ("names", &array(&names)),
                ("fields", &array(&fields)),
                ("keys", &array(&keys)),
                (
                    "truncates",
                    &(self.delete.is_on && !self.watch && !self.truncate_in_bulk),
                ),
            ],
        )
    }

    /// Returns a comment about the next step if a column is hashed, or an empty text.
    pub(super) fn advice(&self) -> String {
        let hashed = |column: &Column| matches!(column.shown, Shown::Hashed(_));
        if !self.columns.iter().any(hashed) {
            return String::new();
        }
        format!(
            "\n-- Hashed fields are masked until the database has the program's key:\n\
             -- SELECT {}.audit_set_hash_key(version, key);\n",
            self.schema
        )
    }

    pub(super) fn remove(&self) -> String {
        format!(
            "{}DROP FUNCTION IF EXISTS {}.{}();\n",
            self.drop_triggers(),
            self.schema,
            self.table.function()
        )
    }

    fn drop_triggers(&self) -> String {
        ["insert", "update", "delete", "truncate"]
            .iter()
            .fold(String::new(), |mut sql, event| {
                let _ok = writeln!(
                    sql,
                    "DROP TRIGGER IF EXISTS auditlog_{event} ON {};",
                    self.table
                );
                sql
            })
    }

    fn body(&self) -> String {
        let watched = self.branches(true);
        if self.watch {
            return watched;
        }
        template::BODY.fill(&[("watched", &watched), ("recorded", &self.branches(false))])
    }

    /// Returns the statements for each event.
    fn branches(&self, watch: bool) -> String {
        let mut sql = String::new();
        let branches = [
            ("INSERT", self.statement(Rows::Inserted, watch, None)),
            ("UPDATE", self.update(watch)),
            ("DELETE", self.statement(Rows::Deleted, watch, None)),
            ("TRUNCATE", self.truncate(watch)),
        ];
        for ((event, statements), (_, is_on)) in branches.into_iter().zip(self.events()) {
            if is_on {
                let word = if sql.is_empty() { "IF" } else { "ELSIF" };
                let _ok = writeln!(sql, "{word} TG_OP = '{event}' THEN\n{statements}");
            }
        }
        sql + "END IF;"
    }

    /// Returns the statements for an UPDATE. A changed key is recorded if updates are, as the deletion
    /// of one object and the creation of another.
    fn update(&self, watch: bool) -> String {
        let same = self.same_key("o", "n");
        let mut sql = if self.update.is_on {
            let moved = self.moved(&same);
            let stays = format!("(NOT auditlog.moved OR {same})");
            let statement = |rows, condition| self.statement(rows, watch, Some(condition));
            template::UPDATE.fill(&[
                ("find_moved", &self.find_moved(&moved)),
                ("updated", &statement(Rows::Updated, &stays)),
                ("old_keys", &statement(Rows::OldKey, &moved)),
                ("new_keys", &statement(Rows::NewKey, &moved)),
            ])
        } else {
            "auditlog.paired := (SELECT count(*) FROM auditlog_old) \
             = (SELECT count(*) FROM auditlog_new);"
                .to_owned()
        };
        if self.create.is_on || self.delete.is_on {
            sql += "\nIF NOT auditlog.paired THEN\n";
            let alone = |table, other| {
                format!("NOT EXISTS (SELECT FROM auditlog_{table} AS {other} WHERE {same})")
            };
            if self.delete.is_on {
                sql += &self.statement(Rows::Deleted, watch, Some(&alone("new", "n")));
                sql.push('\n');
            }
            if self.create.is_on {
                sql += &self.statement(Rows::Inserted, watch, Some(&alone("old", "o")));
                sql.push('\n');
            }
            sql += "END IF;";
        }
        sql
    }

    /// Returns the condition that `o` and `n` have different keys, given that of equal ones.
    fn moved(&self, same: &str) -> String {
        let row = |row: &str| {
            let parts: Vec<_> = self.key.iter().map(|key| format!("{row}.{key}")).collect();
            format!("ROW({})", parts.join(", "))
        };
        // By the bytes first, which costs less than by the texts.
        format!(
            "record_image_ne({}, {}) AND NOT ({same})",
            row("o"),
            row("n")
        )
    }

    /// Returns the statement that sets `paired` and `moved`, in one query: most statements update one
    /// row, and starting a query costs more than running it.
    fn find_moved(&self, moved: &str) -> String {
        template::FIND_MOVED.fill(&[
            ("columns", &self.read()),
            ("alias", &ALIAS),
            ("moved", &moved),
        ])
    }

    /// Returns the statement that records, or only notes, the rows that meet a condition.
    fn statement(&self, rows: Rows, watch: bool, condition: Option<&str>) -> String {
        let from = match rows {
            Rows::Inserted => format!("{} AS n", self.rows("auditlog_new")),
            Rows::Deleted => format!("{} AS o", self.rows("auditlog_old")),
            Rows::Updated | Rows::OldKey | Rows::NewKey => self.row_pairs(),
        };
        if watch {
            self.note_rows(rows, &from, condition)
        } else {
            let condition = condition.map_or_else(String::new, |sql| format!(" WHERE {sql}"));
            let call = self.capture(rows, &format!("{from}{condition}"), WRITTEN);
            format!("PERFORM {call};")
        }
    }

    /// Returns the call that makes entries of rows, 1,000 at a time, and what follows it in a query.
    fn capture(&self, rows: Rows, from: &str, written: &str) -> String {
        let schema = &self.schema;
        let row = rows.row();
        let Recording { level, .. } = match rows {
            Rows::Inserted | Rows::NewKey => self.create,
            Rows::Deleted | Rows::OldKey => self.delete,
            Rows::Updated => self.update,
        };
        let mut columns: Vec<_> = self.columns.iter().enumerate().collect();
        let mut values = columns
            .iter()
            .fold(String::new(), |mut sql, (index, column)| {
                let change = column.change(schema, rows);
                let _ok = write!(sql, ",\n            {change} AS c{index}");
                sql
            });
        let (levels, raised) = self.levels(rows, level);
        values += &raised;
        let condition = if rows == Rows::Updated {
            let notable = columns.iter().filter(|(_, column)| !column.ignored);
            let changed = any_of(notable.map(|(index, _)| format!("s.c{index} IS NOT NULL")));
            format!("\n    WHERE {changed}")
        } else {
            String::new()
        };
        columns.sort_by(|(_, a), (_, b)| a.path.cmp(&b.path));
        let changes = joined(columns.iter().map(|(index, _)| format!("s.c{index}")));
        columns.sort_by(|(_, a), (_, b)| a.key.cmp(&b.key));
        let fields = joined(columns.iter().map(|(index, column)| {
            let key = format!("\u{1}\u{5}{}", column.key);
            format!(
                "CASE WHEN s.c{index} IS NOT NULL THEN {} END",
                Literal(&key)
            )
        }));
        let (parent_model, parent) = match &self.parent {
            Some((model, column)) => (
                Literal(model).to_string(),
                format!(
                    "CASE WHEN {row}.{column} IS NOT NULL \
                     THEN {schema}.audit_text({schema}.audit_value({row}.{column})) END"
                ),
            ),
            None => ("NULL".to_owned(), "NULL::text".to_owned()),
        };
        let (counterpart, moment) = match rows {
            Rows::OldKey => (self.pk("n"), "auditlog.moment"),
            Rows::NewKey => (self.pk("o"), "auditlog.moment"),
            _ => ("NULL::text".to_owned(), "NULL"),
        };
        template::CAPTURE.fill(&[
            ("schema", schema),
            ("action", &rows.action()),
            ("model", &Literal(&self.model)),
            ("version", &self.version),
            ("repr", &Literal(&format!("{} ", self.model))),
            ("parent_model", &parent_model),
            ("written", &written),
            ("moment", &moment),
            ("changes", &changes),
            ("fields", &fields),
            ("levels", &levels),
            ("pk", &self.pk(row)),
            ("parent", &parent),
            ("counterpart", &counterpart),
            ("values", &values),
            ("from", &from),
            ("condition", &condition),
        ])
    }

    /// Returns the level of the action and those to which changed columns raise an entry, as arguments,
    /// and the columns that these need.
    fn levels(&self, rows: Rows, level: u8) -> (String, String) {
        let (mut levels, mut raised) = (level.to_string(), String::new());
        for (index, column) in self.columns.iter().enumerate() {
            let Some(level) = column.level else {
                continue;
            };
            // Writing to a `String` cannot fail.
            let _ok = match rows {
                Rows::Inserted | Rows::Deleted => Ok(()),
                Rows::Updated => write!(
                    levels,
                    ", CASE WHEN s.c{index} IS NOT NULL THEN {level} END"
                ),
                Rows::OldKey | Rows::NewKey => {
                    let differs = column.differs(&self.schema);
                    let sql =
                        format!(",\n            CASE WHEN {differs} THEN {level} END AS l{index}");
                    raised += &sql;
                    write!(levels, ", s.l{index}")
                }
            };
        }
        (levels, raised)
    }

    /// Returns the statement that notes the rows that meet a condition.
    fn note_rows(&self, rows: Rows, from: &str, condition: Option<&str>) -> String {
        let mut conditions: Vec<_> = condition.map(str::to_owned).into_iter().collect();
        if rows == Rows::Updated {
            let notable = self.columns.iter().filter(|column| !column.ignored);
            let differs = any_of(notable.map(|column| column.differs(&self.schema)));
            conditions.push(format!("({differs})"));
        }
        let condition = if conditions.is_empty() {
            String::new()
        } else {
            format!(" WHERE {}", conditions.join(" AND "))
        };
        let pk = format!("{}.audit_key({})", self.schema, self.pk(rows.row()));
        self.note(rows.action(), &pk, &format!(" FROM {from}{condition}"))
    }

    /// Returns the statement that notes written rows in `audit_touched`. `from` is empty for one note of
    /// all rows.
    fn note(&self, action: &str, pk: &str, from: &str) -> String {
        template::NOTE.fill(&[
            ("schema", &self.schema),
            ("action", &action),
            ("model", &Literal(&self.model)),
            ("pk", &pk),
            ("from", &from),
        ])
    }

    fn truncate(&self, watch: bool) -> String {
        if watch {
            return self.note("delete", "''", "");
        }
        if self.truncate_in_bulk {
            return template::CAPTURE_TRUNCATE.fill(&[
                ("schema", &self.schema),
                ("model", &Literal(&self.model)),
                ("version", &self.version),
                ("repr", &Literal(&format!("{} in bulk", self.model))),
                ("level", &self.delete.level),
                ("written", &WRITTEN),
            ]);
        }
        // By the current name of the table. A table that inherits from it has triggers of its own.
        let rows = format!("{} AS o", self.rows(TABLE));
        let query = format!("SELECT {}", self.capture(Rows::Deleted, &rows, "$1"));
        let parts: Vec<_> = query
            .split(TABLE)
            .map(|part| Literal(part).to_string())
            .collect();
        let named = "\n        || CASE (SELECT c.relkind FROM pg_class AS c WHERE c.oid = TG_RELID)\n            \
             WHEN 'p' THEN '' ELSE 'ONLY ' END || TG_RELID::regclass || ";
        format!("EXECUTE {} USING {WRITTEN};", parts.join(named))
    }

    /// Returns the identity as text.
    fn pk(&self, row: &str) -> String {
        let Self { schema, .. } = self;
        let text =
            |column: &Ident| format!("{schema}.audit_text({schema}.audit_value({row}.{column}))");
        match &self.key[..] {
            [only] => text(only),
            several => several
                .iter()
                .map(|column| {
                    format!(
                        r"replace(replace({}, E'\\', E'\\\\'), '|', E'\\|')",
                        text(column)
                    )
                })
                .collect::<Vec<_>>()
                .join(" || '|' || "),
        }
    }

    /// Returns the columns of the key of a row as one text, each part quoted if it needs to be.
    fn key_text(&self, row: &str) -> String {
        let parts = self.key.iter();
        let parts: Vec<_> = parts
            .map(|name| format!("quote_literal(format('%s', {row}.{name}))"))
            .collect();
        format!("({}) COLLATE \"C\"", parts.join(" || "))
    }

    /// Returns the condition that two rows have one key. It compares texts, since not every type's
    /// operators are in the search path.
    fn same_key(&self, one: &str, other: &str) -> String {
        self.key
            .iter()
            .map(|column| {
                format!(
                    "format('%s', {one}.{column}) COLLATE \"C\" \
                     = format('%s', {other}.{column}) COLLATE \"C\""
                )
            })
            .collect::<Vec<_>>()
            .join(" AND ")
    }
}

/// Fills a template whose function bodies are quoted.
///
/// # Errors
/// Returns an error if a value contains the quote.
fn quoted(template: Template, values: &[Value<'_>]) -> Result<String, TriggerError> {
    let sql = template.fill(values);
    if sql.matches(QUOTE).count() != template.count(QUOTE) {
        return Err(TriggerError::name(QUOTE));
    }
    Ok(sql)
}

/// Returns the condition that one of several holds.
fn any_of(conditions: impl Iterator<Item = String>) -> String {
    let conditions: Vec<_> = conditions.collect();
    if conditions.is_empty() {
        return "false".to_owned();
    }
    conditions.join(" OR ")
}

/// Returns texts that may be null as one. A function takes 100 arguments at most, an operator joins
/// any number.
fn joined(texts: impl Iterator<Item = String>) -> String {
    texts.fold("''".to_owned(), |sql, text| {
        format!("{sql} || coalesce({text}, '')")
    })
}

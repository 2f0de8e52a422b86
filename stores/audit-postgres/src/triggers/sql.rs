//! The SQL of the triggers of one table.

use std::fmt::{self, Write as _};

use audit_core::Mask;

use super::TriggerError;

/// What quotes the body of the function.
pub(super) const QUOTE: &str = "$audit$";
/// How many entries are made at a time.
const BATCH: u32 = 1_000;
/// Settings of the function, in which the values' texts have one form, whatever the session's.
/// To compile a statement takes longer than to run it for one row; and a plan that was made for
/// one row is kept for many, for which loops inside loops would never end. Where policies of the
/// table hide rows from the trail's owner, TRUNCATE fails instead of passing over them.
const SETTINGS: &str = "SET search_path = pg_catalog, pg_temp SET timezone = 'UTC' \
     SET datestyle = 'ISO, YMD' SET intervalstyle = 'iso_8601' SET bytea_output = 'hex' \
     SET extra_float_digits = 1 SET standard_conforming_strings = on SET array_nulls = on \
     SET row_security = off SET jit = off SET enable_nestloop = off \
     SET plan_cache_mode = force_generic_plan";
/// Where the table's name goes that is known when the trigger runs. No name has a U+0000.
const TABLE: &str = "\0";
/// The name of the rows whose columns are read. The server's error names it if a column was renamed
/// or dropped: `column an auditlog trigger needs (..).phone does not exist`.
const NEEDED: &str = "\"an auditlog trigger needs (run `auditlog triggers` again)\"";
/// The table that was written, as the server calls it.
const WRITTEN: &str = "TG_TABLE_SCHEMA || '.' || TG_TABLE_NAME";

/// A name, in quotes where it is printed.
#[derive(Clone, Debug)]
pub(super) struct Ident(String);

impl Ident {
    pub(super) fn new(name: &str) -> Result<Self, TriggerError> {
        if name.is_empty() || name.len() > 63 || name.contains('\0') || name.contains(QUOTE) {
            return Err(TriggerError::name(name));
        }
        Ok(Self(name.to_owned()))
    }
}

impl fmt::Display for Ident {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.0.replace('"', "\"\""))
    }
}

/// A text in quotes.
struct Literal<'t>(&'t str);

impl fmt::Display for Literal<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.0.replace('\'', "''");
        // A line end may stand in a text as it is.
        let odd = |c: char| c == '\\' || (c.is_ascii_control() && c != '\n');
        if text.contains(odd) {
            f.write_str("E'")?;
            for c in text.chars() {
                match c {
                    '\\' => f.write_str("\\\\")?,
                    c if odd(c) => write!(f, "\\x{:02x}", u32::from(c))?,
                    c => f.write_char(c)?,
                }
            }
            f.write_char('\'')
        } else {
            write!(f, "'{text}'")
        }
    }
}

/// A table with its schema.
#[derive(Clone, Debug)]
pub(super) struct Table {
    schema: Ident,
    name: Ident,
}

impl Table {
    pub(super) fn parse(text: &str) -> Result<Self, TriggerError> {
        let parts: Vec<_> = text.split('.').collect();
        let (schema, name) = match parts[..] {
            [name] => ("public", name),
            [schema, name] => (schema, name),
            _ => {
                return Err(TriggerError::Table {
                    name: text.to_owned(),
                });
            }
        };
        Ok(Self {
            schema: Ident::new(schema)?,
            name: Ident::new(name)?,
        })
    }

    /// The name of the function of its triggers: what can be read of the table's, and a part
    /// of a hash, since two tables may share that.
    fn function(&self) -> Ident {
        let whole = self.to_string();
        let readable: String = self
            .name
            .0
            .chars()
            .filter(|c| c.is_ascii_alphanumeric() || *c == '_')
            .take(30)
            .collect();
        let hash = hmac_sha256::Hash::hash(whole.as_bytes());
        let mut name = format!("audit_on_{readable}_");
        for byte in &hash[..4] {
            // Writing to a `String` cannot fail.
            let _ok = write!(name, "{byte:02x}");
        }
        Ident(name)
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.schema, self.name)
    }
}

/// How the values of a column are shown.
#[derive(Clone, Debug)]
pub(super) enum Shown {
    Clear,
    Masked(Mask),
    /// As tokens of this domain if the database was given the key, else as a mask shows them
    /// that shows nothing.
    Hashed(String),
}

/// A column that is recorded.
#[derive(Clone, Debug)]
pub(super) struct Column {
    pub(super) field: String,
    pub(super) name: Ident,
    pub(super) path: String,
    pub(super) key: String,
    pub(super) shown: Shown,
    pub(super) level: Option<u8>,
    pub(super) ignored: bool,
    pub(super) loose: bool,
    pub(super) reference: bool,
}

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
    /// The model of the parent, and the column of its key.
    pub(super) parent: Option<(String, Ident)>,
    pub(super) columns: Vec<Column>,
    pub(super) watch: bool,
    pub(super) truncate_in_bulk: bool,
    pub(super) always: bool,
}

/// What the change of a column begins with that may change without an entry.
const LOOSE: &str = "\"loose\":true,";

/// Where a row is in its transition table.
const PLACE: &str = "\"an auditlog place\"";
/// The key of a row, where places do not pair.
const KEY: &str = "\"an auditlog key\"";

/// The rows a statement wrote: `o` as they were, `n` as they are.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Rows {
    /// Without a row before.
    Came,
    /// Without a row after.
    Went,
    /// Under the same key.
    Changed,
    /// Under the key that an UPDATE took from them.
    Ended,
    /// Under the key that an UPDATE gave them.
    Begun,
}

impl Rows {
    /// Returns the name of the action.
    fn action(self) -> &'static str {
        match self {
            Self::Came | Self::Begun => "create",
            Self::Went | Self::Ended => "delete",
            Self::Changed => "update",
        }
    }

    /// Returns the row that has the key of the entry.
    fn row(self) -> &'static str {
        match self {
            Self::Went | Self::Ended => "o",
            Self::Came | Self::Begun | Self::Changed => "n",
        }
    }

    /// Returns the side that each change of the entry has, if it is one alone.
    fn side(self) -> Option<&'static str> {
        match self {
            Self::Came | Self::Begun => Some("new"),
            Self::Went | Self::Ended => Some("old"),
            Self::Changed => None,
        }
    }
}

impl Function {
    pub(super) fn install(&self) -> Result<String, TriggerError> {
        let Self { schema, table, .. } = self;
        let function = table.function();
        let (check, body) = (self.check(), self.body());
        if check.contains(QUOTE) || body.contains(QUOTE) {
            return Err(TriggerError::name(QUOTE));
        }
        let mut sql = format!(
            "DO {QUOTE}\n{check}{QUOTE};\n\n\
             CREATE OR REPLACE FUNCTION {schema}.{function}() RETURNS trigger\n\
             LANGUAGE plpgsql SECURITY DEFINER {SETTINGS}\nAS {QUOTE}\n<<auditlog>>\nDECLARE\n    \
             paired boolean;\n    moved boolean;\n    moment timestamptz;\nBEGIN\n    {body}\n    RETURN NULL;\nEND\n{QUOTE};\nREVOKE EXECUTE ON FUNCTION {schema}.{function} \
             FROM PUBLIC;\nCOMMENT ON FUNCTION {schema}.{function}() IS {};\n\n{}",
            Literal(&format!("{}\n{}", self.comment(), self.needs())),
            self.drop_triggers()
        );
        for (event, is_on) in self.events() {
            let rows = match event {
                "insert" => "NEW TABLE AS auditlog_new",
                "update" => "OLD TABLE AS auditlog_old NEW TABLE AS auditlog_new",
                "delete" => "OLD TABLE AS auditlog_old",
                _ => "",
            };
            if is_on {
                let _ok = writeln!(
                    sql,
                    "CREATE TRIGGER auditlog_{event} {} {} ON {table}{}{rows}\n    \
                     FOR EACH STATEMENT EXECUTE FUNCTION {schema}.{function}();",
                    // Afterwards nobody sees what was there.
                    if event == "truncate" {
                        "BEFORE"
                    } else {
                        "AFTER"
                    },
                    event.to_uppercase(),
                    if rows.is_empty() {
                        ""
                    } else {
                        "\n    REFERENCING "
                    },
                );
                if self.always {
                    let _ok = writeln!(
                        sql,
                        "ALTER TABLE {table} ENABLE ALWAYS TRIGGER auditlog_{event};"
                    );
                }
            }
        }
        let _ok = writeln!(
            sql,
            "DO {QUOTE}\nBEGIN\n    EXECUTE format('ALTER FUNCTION %s OWNER TO %s', {}, (\n        \
             SELECT c.relowner::regrole FROM pg_class AS c \
             WHERE c.oid = {}::regclass));\nEND\n{QUOTE};",
            Literal(&format!("{schema}.{function}()")),
            Literal(&format!("{schema}.audit_entry")),
        );
        Ok(sql)
    }

    /// What the function says of itself, so that another model's is not replaced unseen.
    fn comment(&self) -> String {
        format!("triggers of the model {}", self.model)
    }

    /// The needs of the triggers, for `info`: the second line of the function's comment.
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

    /// The events of the table, and whether each has a trigger.
    fn events(&self) -> [(&'static str, bool); 4] {
        let (create, delete) = (self.create.is_on, self.delete.is_on);
        [
            ("insert", create),
            // Of a row that is lost on its way to another partition, too.
            ("update", self.update.is_on || create || delete),
            ("delete", delete),
            ("truncate", delete),
        ]
    }

    /// The columns that the triggers read.
    fn needed(&self) -> impl Iterator<Item = &Ident> {
        let parent = self.parent.iter().map(|(_, column)| column);
        let recorded = self.columns.iter().map(|column| &column.name);
        recorded.chain(&self.key).chain(parent)
    }

    /// The rows of a table as a relation with the columns that are read.
    fn rows(&self, table: &str) -> String {
        format!("(SELECT {} FROM {table} AS {NEEDED})", self.read())
    }

    /// The columns of a row that are read.
    fn read(&self) -> String {
        let mut columns: Vec<_> = self
            .needed()
            .map(|column| format!("{NEEDED}.{column}"))
            .collect();
        columns.sort_unstable();
        columns.dedup();
        columns.join(", ")
    }

    /// The rows of an UPDATE, each as it was beside the same one as it is.
    ///
    /// The server puts a row into both tables before it comes to the next one, so that a row has one
    /// place in both. A row that a trigger refuses on its way to another partition is in the old
    /// table alone: then rows pair by their keys.
    fn pairs(&self) -> String {
        let placed = |table: &str| {
            format!(
                "(SELECT {}, CASE WHEN auditlog.paired THEN row_number() OVER () ELSE 0 END AS {PLACE}, \
                 CASE WHEN auditlog.paired THEN '' ELSE {} END AS {KEY} FROM {table} AS {NEEDED})",
                self.read(),
                self.key_text(NEEDED),
            )
        };
        format!(
            "{} AS o JOIN {} AS n ON o.{PLACE} = n.{PLACE} AND o.{KEY} = n.{KEY}",
            placed("auditlog_old"),
            placed("auditlog_new")
        )
    }

    /// Looks whether the table is as the triggers need it.
    fn check(&self) -> String {
        let Self { schema, table, .. } = self;
        let array = |texts: &[&str]| {
            let texts: Vec<_> = texts.iter().map(|text| Literal(text).to_string()).collect();
            format!("ARRAY[{}]::text[]", texts.join(", "))
        };
        let keys: Vec<_> = self.key.iter().map(|key| key.0.as_str()).collect();
        let parent = self.parent.iter().map(|(_, column)| column.0.as_str());
        // What is needed, and for which field; an identity's field may be left out.
        let (needed, of): (Vec<_>, Vec<_>) = self
            .columns
            .iter()
            .map(|column| (column.name.0.as_str(), column.field.as_str()))
            .chain(keys.iter().copied().chain(parent).map(|key| (key, key)))
            .unzip();
        let (needed, of, keys) = (array(&needed), array(&of), array(&keys));
        let truncates = self.delete.is_on && !self.watch && !self.truncate_in_bulk;
        format!(
            "DECLARE\n    table_name text := {};\n    trail_name text := {};\n    \
             function_name text := {};\n    model_name text := {};\n    \
             model_comment text := {};\n    names text[] := {needed};\n    \
             fields text[] := {of};\n    keys text[] := {keys};\n    \
             truncates boolean := {truncates};\n{}",
            Literal(&table.to_string()),
            Literal(&format!("{schema}.audit_entry")),
            Literal(&format!("{schema}.{}()", table.function())),
            Literal(&self.model),
            Literal(&self.comment()),
            include_str!("../sql/check_table.sql")
        )
    }

    /// What to do next where a column is hashed, as a comment.
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
        // As the server reads its own settings.
        let audited =
            "lower(current_setting('auditlog.audited', true)) IN ('on', 'true', 'yes', '1')";
        let watched = self.branches(true);
        if self.watch {
            return watched;
        }
        format!(
            "IF {audited} THEN\n    {watched}\n    ELSE\n    {}\n    END IF;",
            self.branches(false)
        )
    }

    /// What is done for each kind of statement.
    fn branches(&self, watch: bool) -> String {
        let mut sql = String::new();
        let update = self.updated(watch);
        let branches = [
            ("INSERT", self.statement(Rows::Came, watch, "")),
            ("UPDATE", update),
            ("DELETE", self.statement(Rows::Went, watch, "")),
            ("TRUNCATE", self.truncated(watch)),
        ];
        for ((event, statements), (_, is_on)) in branches.into_iter().zip(self.events()) {
            if is_on {
                let word = if sql.is_empty() { "IF" } else { "ELSIF" };
                let _ok = write!(sql, "{word} TG_OP = '{event}' THEN\n{statements}    ");
            }
        }
        sql + "END IF;"
    }

    /// What is done for an UPDATE. One that gives a row another key is recorded as an update is, or
    /// not at all: as the end of one object and the beginning of another.
    fn updated(&self, watch: bool) -> String {
        let same = self.same_key("o", "n");
        let mut sql = "        auditlog.paired := (SELECT count(*) FROM auditlog_old) \
                       = (SELECT count(*) FROM auditlog_new);\n"
            .to_owned();
        if self.update.is_on {
            let moved = self.moved(&same);
            sql = self.find_moved(&moved);
            let stays = format!("(NOT auditlog.moved OR {same})");
            sql += &self.statement(Rows::Changed, watch, &stays);
            let _ok = write!(
                sql,
                "        IF auditlog.moved THEN\n        \
                 auditlog.moment := clock_timestamp();\n{}{}        END IF;\n",
                self.statement(Rows::Ended, watch, &moved),
                self.statement(Rows::Begun, watch, &moved),
            );
        }
        if self.create.is_on || self.delete.is_on {
            sql += "        IF NOT auditlog.paired THEN\n";
            let alone = |table, other| {
                format!("NOT EXISTS (SELECT FROM auditlog_{table} AS {other} WHERE {same})")
            };
            if self.delete.is_on {
                sql += &self.statement(Rows::Went, watch, &alone("new", "n"));
            }
            if self.create.is_on {
                sql += &self.statement(Rows::Came, watch, &alone("old", "o"));
            }
            sql += "        END IF;\n";
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

    /// Sets `paired` and `moved`, in one query: most statements update one row, and starting a
    /// query costs more than running it.
    fn find_moved(&self, moved: &str) -> String {
        let numbered = |table: &str| {
            format!(
                "(SELECT {}, row_number() OVER () AS {PLACE} FROM {table} AS {NEEDED})",
                self.read()
            )
        };
        format!(
            "        SELECT c.paired, c.paired AND EXISTS (\n            \
             SELECT FROM {} AS o JOIN {} AS n ON o.{PLACE} = n.{PLACE} WHERE {moved}\n        )\n        \
             INTO auditlog.paired, auditlog.moved FROM (\n            \
             SELECT (SELECT count(*) FROM auditlog_old) = (SELECT count(*) FROM auditlog_new) \
             AS paired\n        ) AS c;\n",
            numbered("auditlog_old"),
            numbered("auditlog_new"),
        )
    }

    /// Records rows of a statement that meet a condition, if it is not empty.
    fn statement(&self, rows: Rows, watch: bool, condition: &str) -> String {
        let from = match rows {
            Rows::Came => format!("{} AS n", self.rows("auditlog_new")),
            Rows::Went => format!("{} AS o", self.rows("auditlog_old")),
            Rows::Changed | Rows::Ended | Rows::Begun => self.pairs(),
        };
        let conditions: Vec<_> = [condition]
            .into_iter()
            .filter(|condition| !condition.is_empty())
            .collect();
        if watch {
            self.touched(rows, &from, &conditions)
        } else {
            self.captured(rows, &format!("{from}{}", all_of(&conditions)), WRITTEN)
        }
    }

    fn captured(&self, rows: Rows, from: &str, written: &str) -> String {
        let Self { schema, .. } = self;
        let row = rows.row();
        let Recording { level, .. } = match rows {
            Rows::Came | Rows::Begun => self.create,
            Rows::Went | Rows::Ended => self.delete,
            Rows::Changed => self.update,
        };
        let mut columns: Vec<_> = self.columns.iter().enumerate().collect();
        // A function takes 100 arguments, so that texts are put together with an operator.
        let joined = |columns: &[(usize, &Column)], of: &dyn Fn(usize, &Column) -> String| {
            let parts = columns
                .iter()
                .map(|(index, column)| format!("coalesce({}, '')", of(*index, column)));
            std::iter::once("''".to_owned())
                .chain(parts)
                .collect::<Vec<_>>()
                .join(" || ")
        };
        let values = columns
            .iter()
            .fold(String::new(), |mut sql, (index, column)| {
                let _ok = write!(
                    sql,
                    ",\n            {} AS c{index}",
                    self.change(column, rows)
                );
                sql
            });
        let (levels, raised) = self.levels(rows);
        let notable = if rows == Rows::Changed {
            let parts: Vec<_> = columns
                .iter()
                .filter(|(_, column)| !column.ignored)
                .map(|(index, _)| format!("s.c{index} IS NOT NULL"))
                .collect();
            format!(
                "\n        WHERE {}",
                if parts.is_empty() {
                    "false".to_owned()
                } else {
                    parts.join(" OR ")
                }
            )
        } else {
            String::new()
        };
        columns.sort_by(|(_, a), (_, b)| a.path.cmp(&b.path));
        let changes = joined(&columns, &|index, _| format!("s.c{index}"));
        columns.sort_by(|(_, a), (_, b)| a.key.cmp(&b.key));
        let fields = joined(&columns, &|index, column| {
            format!(
                "CASE WHEN s.c{index} IS NOT NULL THEN {} END",
                Literal(&format!("\u{1}\u{5}{}", column.key))
            )
        });
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
            Rows::Ended => (self.pk("n"), "auditlog.moment"),
            Rows::Begun => (self.pk("o"), "auditlog.moment"),
            _ => ("NULL::text".to_owned(), "NULL"),
        };
        format!(
            "        PERFORM {schema}.audit_capture(\n            \
             '{action}', {model}, {version}, array_agg(r.pk), array_agg({repr} || r.pk), \
             {parent_model},\n            array_agg(r.parent), array_agg(r.counterpart), \
             array_agg(r.changes), array_agg(r.fields), array_agg(r.level), NULL, {written}, \
             {moment}\n        ) FROM (\n        \
             SELECT s.pk, s.parent, s.counterpart, {changes} AS changes,\n            \
             {fields} AS fields,\n            \
             greatest({level}{levels})::smallint AS level,\n            \
             (row_number() OVER () - 1) / {BATCH} AS batch\n        FROM (\n            \
             SELECT {pk} AS pk, {parent} AS parent, {counterpart} AS counterpart{values}{raised}\n            \
             FROM {from} OFFSET 0\n        ) AS s{notable}\n        \
             ) AS r GROUP BY r.batch;\n",
            action = rows.action(),
            model = Literal(&self.model),
            version = self.version,
            repr = Literal(&format!("{} ", self.model)),
            pk = self.pk(row),
        )
    }

    /// The levels to which changed columns raise an entry: as arguments, and as the columns that
    /// these need.
    fn levels(&self, rows: Rows) -> (String, String) {
        let (mut levels, mut raised) = (String::new(), String::new());
        for (index, column) in self.columns.iter().enumerate() {
            let Some(level) = column.level else {
                continue;
            };
            let _ok = match rows {
                Rows::Came | Rows::Went => Ok(()),
                Rows::Changed => write!(
                    levels,
                    ", CASE WHEN s.c{index} IS NOT NULL THEN {level} END"
                ),
                Rows::Ended | Rows::Begun => {
                    let differs = self.differs(column);
                    let sql =
                        format!(",\n            CASE WHEN {differs} THEN {level} END AS l{index}");
                    raised += &sql;
                    write!(levels, ", s.l{index}")
                }
            };
        }
        (levels, raised)
    }

    fn touched(&self, rows: Rows, from: &str, conditions: &[&str]) -> String {
        let differing: String;
        let mut conditions = conditions.to_vec();
        if rows == Rows::Changed {
            let notable = self.columns.iter().filter(|column| !column.ignored);
            let parts: Vec<_> = notable.map(|column| self.differs(column)).collect();
            differing = if parts.is_empty() {
                "false".to_owned()
            } else {
                format!("({})", parts.join(" OR "))
            };
            conditions.push(&differing);
        }
        self.note(
            rows.action(),
            &format!("{}.audit_key({})", self.schema, self.pk(rows.row())),
            &format!(" FROM {from}{}", all_of(&conditions)),
        )
    }

    /// Whether a column of `o` and `n` has two values.
    fn differs(&self, column: &Column) -> String {
        let (schema, name) = (&self.schema, &column.name);
        // By the bytes first: not every type can be compared.
        format!(
            "record_image_ne(ROW(o.{name}), ROW(n.{name})) \
             AND NOT ({} AND {schema}.audit_same(o.{name}, n.{name})) \
             AND {schema}.audit_value(o.{name}) <> {schema}.audit_value(n.{name})",
            may_be_same(name)
        )
    }

    /// Notes what was written; `from` has the rows, if it was not everything.
    fn note(&self, action: &str, pk: &str, from: &str) -> String {
        let Self { schema, .. } = self;
        format!(
            "        INSERT INTO {schema}.audit_touched (xact, at, transaction_id, action, model, \
             object_pk, actor, role, application)\n        \
             SELECT pg_current_xact_id()::text::bigint + {schema}.audit_xact_base(), \
             clock_timestamp(), \
             {schema}.audit_transaction_id(), '{action}', {schema}.audit_key({model}), {pk},\n        \
             {schema}.audit_key({schema}.audit_setting('actor')), session_user, \
             coalesce(current_setting('application_name', true), ''){from};\n",
            model = Literal(&self.model),
        )
    }

    fn truncated(&self, watch: bool) -> String {
        if watch {
            return self.note("delete", "''", "");
        }
        if !self.truncate_in_bulk {
            // By what the table is called now. What inherits from it has triggers of its own.
            let rows = format!("{} AS o", self.rows(TABLE));
            let captured = self.captured(Rows::Went, &rows, "$1");
            let statement = captured
                .trim()
                .trim_end_matches(';')
                .replacen("PERFORM", "SELECT", 1);
            let parts: Vec<_> = statement
                .split(TABLE)
                .map(|part| Literal(part).to_string())
                .collect();
            let named = "\n        || CASE (SELECT c.relkind FROM pg_class AS c WHERE c.oid = TG_RELID)\n            \
                 WHEN 'p' THEN '' ELSE 'ONLY ' END || TG_RELID::regclass || ";
            let parts = parts.join(named);
            return format!("        EXECUTE {parts} USING {WRITTEN};\n");
        }
        format!(
            "        PERFORM {schema}.audit_capture('delete', {model}, {version}, ARRAY[''], \
             ARRAY[{repr}], NULL, NULL, NULL, ARRAY[''], ARRAY[''], \
             ARRAY[{level}::smallint], 'TRUNCATE', {WRITTEN}, NULL);\n",
            schema = self.schema,
            level = self.delete.level,
            model = Literal(&self.model),
            version = self.version,
            repr = Literal(&format!("{} in bulk", self.model)),
        )
    }

    /// The change of a column, or null if there is none.
    fn change(&self, column: &Column, rows: Rows) -> String {
        let Self { schema, .. } = self;
        let name = &column.name;
        let value = |row: &str| {
            let value = self.value(&format!("{row}.{name}"));
            if column.reference {
                format!(
                    "CASE WHEN {row}.{name} IS NULL THEN 'null' \
                     ELSE to_json({schema}.audit_text({value}))::text END"
                )
            } else {
                value
            }
        };
        let none = || "NULL".to_owned();
        let (old, new) = match rows.side() {
            Some("new") => (none(), value("n")),
            Some(_) => (value("o"), none()),
            None => (value("o"), value("n")),
        };
        // As JSON: a path may have quotes in it.
        let path = serde_json::Value::from(column.path.as_str()).to_string();
        if let (Some(side), Shown::Clear) = (rows.side(), &column.shown) {
            // What `audit_change` makes of it.
            let loose = if column.loose { LOOSE } else { "" };
            let before = format!("{path}:{{{loose}\"{side}\":");
            return format!("{} || {} || '}},'", Literal(&before), value(rows.row()));
        }
        let of = rows.row();
        let is = |what: &str| format!("{schema}.{what}(pg_typeof({of}.{name}))");
        let mask = |mask: Mask| (Literal(mask.as_str()).to_string(), is("audit_is_text"));
        let (function, (how, is)) = match &column.shown {
            Shown::Clear => ("audit_change", ("NULL".to_owned(), "true".to_owned())),
            Shown::Masked(Mask::All | Mask::Custom) => {
                ("audit_change", ("'all'".to_owned(), "false".to_owned()))
            }
            Shown::Masked(shows) => ("audit_change", mask(*shows)),
            Shown::Hashed(domain) => (
                "audit_hashed_change",
                (Literal(domain).to_string(), is("audit_is_same")),
            ),
        };
        let change = format!(
            "{schema}.{function}({}, {old}, {new}, {how}, {is})",
            Literal(&path)
        );
        let change = if column.loose {
            // In the order of the names.
            format!(
                "{} || substr({change}, {})",
                Literal(&format!("{path}:{{{LOOSE}")),
                path.chars().count() + ":{".len() + 1
            )
        } else {
            change
        };
        match rows {
            // As `differs` does.
            Rows::Changed => format!(
                "CASE WHEN NOT record_image_ne(ROW(o.{name}), ROW(n.{name})) THEN NULL \
                 WHEN {} AND {schema}.audit_same(o.{name}, n.{name}) THEN NULL \
                 ELSE {change} END",
                may_be_same(name)
            ),
            _ => change,
        }
    }

    /// A value as JSON in the form of an entry: what `audit_value` makes of it, for the most
    /// frequent types without a call.
    fn value(&self, column: &str) -> String {
        format!(
            "CASE WHEN {column} IS NOT DISTINCT FROM NULL THEN 'null' \
             WHEN pg_typeof({column}) IN ('text'::regtype, 'varchar'::regtype, 'uuid'::regtype, \
             'date'::regtype) THEN to_json(format('%s', {column}))::text \
             WHEN pg_typeof({column}) IN ('int2'::regtype, 'int4'::regtype) \
             OR pg_typeof({column}) = 'int8'::regtype AND length(format('%s', {column})) <= 15 \
             THEN format('%s', {column}) WHEN pg_typeof({column}) = 'bool'::regtype \
             THEN CASE format('%s', {column}) WHEN 't' THEN 'true' ELSE 'false' END \
             ELSE {}.audit_value({column}) END",
            self.schema
        )
    }

    /// The identity as text.
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

    /// The columns of the key of a row as one text: its parts in quotes where they need some.
    fn key_text(&self, row: &str) -> String {
        let parts = self.key.iter();
        let parts: Vec<_> = parts
            .map(|name| format!("quote_literal(format('%s', {row}.{name}))"))
            .collect();
        format!("({}) COLLATE \"C\"", parts.join(" || "))
    }

    /// By the texts, since not every type's operators are in the search path.
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

/// Returns the condition that values of a column with other bytes may be the same one. The most
/// frequent types have one form for each value; their check needs no call of `audit_same`.
fn may_be_same(column: &Ident) -> String {
    format!(
        "pg_typeof(n.{column}) NOT IN ('text'::regtype, 'varchar'::regtype, 'int4'::regtype, \
         'int8'::regtype, 'bool'::regtype, 'timestamptz'::regtype, 'float8'::regtype)"
    )
}

/// Conditions that hold together, as they follow a relation.
fn all_of(conditions: &[&str]) -> String {
    if conditions.is_empty() {
        String::new()
    } else {
        format!(" WHERE {}", conditions.join(" AND "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_texts_end_where_their_quotes_end() {
        assert_eq!(
            Ident::new("a\"; DROP").unwrap().to_string(),
            "\"a\"\"; DROP\""
        );
        assert_eq!(Literal("it's").to_string(), "'it''s'");
        assert_eq!(Literal("\\'\u{1}").to_string(), "E'\\\\''\\x01'");
        for name in ["", "a\0b", "$audit$", &"x".repeat(64)] {
            assert!(Ident::new(name).is_err(), "{name:?}");
        }
    }

    #[test]
    fn two_tables_have_two_functions() {
        let function = |table| Table::parse(table).unwrap().function().to_string();
        assert_ne!(function("a.users"), function("b.users"));
        assert_ne!(function("users"), function("us-ers"));
        assert!(function(&"x".repeat(63)).len() <= 65);
    }
}

//! Reads the audit tables that other libraries wrote, and checks every entry against what each
//! library reports about them through its own API.
//!
//! The files are not part of this repository. They are looked for in the folder that the
//! variable `AUDITLOG_TEST_DATA` names, else in `../shared/data`; without them each test is
//! reported as ignored, by name. Every file in the folder is read, also one unknown here.

mod audited;
mod breaks;
mod continuum;
mod django_auditlog;
mod oracle;
mod paper_trail;
mod simple_history;
mod stored;

use std::path::{Path, PathBuf};

use audit_core::LogEntry;
use audit_import::{Format, Import};
use libtest_mimic::{Arguments, Failed, Trial};

use self::oracle::Oracle;

/// The files that are known to exist.
const KNOWN: &[&str] = &[
    "audited-json-public",
    "audited-yaml-public",
    "django-auditlog-public",
    "django-auditlog-upgraded-public",
    "django-simple-history-public",
    "papertrail-json-public",
    "papertrail-yaml-public",
    "sqlalchemy-continuum-public",
];

fn main() {
    let arguments = Arguments::from_args();
    let folder = data_folder();
    let mut names: Vec<String> = KNOWN.iter().map(ToString::to_string).collect();
    names.extend(found(&folder));
    names.sort();
    names.dedup();
    let trials = names
        .into_iter()
        .map(|name| {
            let database = folder.join(format!("{name}.sqlite3"));
            let missing = !database.is_file();
            if missing {
                eprintln!("{name} is skipped: set AUDITLOG_TEST_DATA to the data's folder");
            }
            let oracle = folder.join(format!("{name}.oracle.json"));
            Trial::test(name, move || check(&database, &oracle)).with_ignored_flag(missing)
        })
        .collect();
    libtest_mimic::run(&arguments, trials).exit();
}

fn data_folder() -> PathBuf {
    let named = std::env::var_os("AUDITLOG_TEST_DATA").map(PathBuf::from);
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data");
    named.unwrap_or(beside).join("peers")
}

/// Returns the names of the databases in a folder; a missing folder has none.
fn found(folder: &Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return Vec::new();
    };
    entries
        .filter_map(|entry| {
            let name = entry.ok()?.file_name().into_string().ok()?;
            name.strip_suffix(".sqlite3").map(str::to_owned)
        })
        .collect()
}

fn check(database: &Path, oracle: &Path) -> Result<(), Failed> {
    let oracle = Oracle::read(oracle)?;
    let format = match oracle.about("library").as_str() {
        Some("django-auditlog") => Format::DjangoAuditlog,
        Some("django-simple-history") => Format::DjangoSimpleHistory,
        Some("SQLAlchemy-Continuum") => Format::SqlAlchemyContinuum,
        Some("PaperTrail") => Format::PaperTrail,
        Some("audited") => Format::Audited,
        other => return Err(format!("an oracle of {other:?}").into()),
    };
    if audit_import::detect(database)? != [format] {
        return Err(format!("{format} is not the only detected format").into());
    }
    let before = std::fs::read(database)?;
    let entries = read(database)?;
    if read(database)? != entries {
        return Err("a second import differs from the first".into());
    }
    oracle.check_order(&entries)?;
    oracle.check_entries(&entries)?;
    for (entry, reported) in entries.iter().zip(oracle.entries()) {
        let checked = match format {
            Format::DjangoAuditlog => django_auditlog::check(entry, reported, &oracle),
            Format::DjangoSimpleHistory => simple_history::check(entry, reported, &oracle),
            Format::SqlAlchemyContinuum => continuum::check(entry, reported, &oracle),
            Format::PaperTrail => paper_trail::check(entry, reported, &oracle),
            _ => audited::check(entry, reported, &oracle),
        };
        checked.map_err(|problem| {
            format!(
                "{}: {problem}\nread: {entry:?}\nreported: {reported}",
                oracle::name(reported)
            )
        })?;
    }
    stored::check(&entries, &oracle, format)?;
    let name = database.file_stem().and_then(std::ffi::OsStr::to_str);
    breaks::check(name.unwrap_or_default(), &entries, &oracle)?;
    if std::fs::read(database)? != before {
        return Err("the file was written to".into());
    }
    Ok(())
}

fn read(database: &Path) -> Result<Vec<LogEntry>, Failed> {
    let import = Import::open(database)?;
    let mut entries = import.entries()?;
    let read: Vec<LogEntry> = (&mut entries).collect::<Result<_, _>>()?;
    if entries.report().entries() != read.len() as u64 || entries.report().failed() != 0 {
        return Err("the report counts other rows".into());
    }
    Ok(read)
}

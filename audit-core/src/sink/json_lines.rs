//! Entries as JSON lines.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::{Sink, SinkError};
use crate::entry::LogEntry;

/// A sink that writes each entry's canonical JSON (docs/format.md) as one line.
///
/// When `emit` returns `Ok`, the operating system has the complete line, which survives a crash of the
/// program. With [`sync`](Self::sync) the disk has it, and it survives a crash of the machine. Lines of
/// several threads do not mix.
///
/// If writing stopped inside a line (a full disk, a crash before [`append`](Self::append)), the next
/// entry starts a new line, so a reader misses only the broken one.
///
/// # Example: a file, read back
/// ```
/// use std::fs;
/// use auditlog::{AuditLog, JsonLinesSink, LogEntry};
///
/// # let folder = std::env::temp_dir().join(format!("auditlog-{}", std::process::id()));
/// # fs::create_dir_all(&folder)?;
/// # let path = folder.join("mirror.jsonl");
/// let log = AuditLog::builder().sink(JsonLinesSink::append(&path)?).build();
/// log.event("login").actor("alice").record()?;
///
/// let text = fs::read_to_string(&path)?;
/// let entries: Vec<LogEntry> = text.lines().map(LogEntry::from_json).collect::<Result<_, _>>()?;
/// assert_eq!(entries, log.query().all()?);
/// # fs::remove_dir_all(&folder)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Example: into memory
/// ```
/// use std::io::{self, Write};
/// use std::sync::{Arc, Mutex};
///
/// use auditlog::{JsonLinesSink, LogEntry, Sink};
///
/// #[derive(Clone, Default)]
/// struct Memory(Arc<Mutex<Vec<u8>>>);
///
/// impl Write for Memory {
///     fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
///         self.0.lock().map_err(|_| io::Error::other("poisoned"))?.write(bytes)
///     }
///     fn flush(&mut self) -> io::Result<()> {
///         Ok(())
///     }
/// }
///
/// let memory = Memory::default();
/// let sink = JsonLinesSink::new(memory.clone());
/// let entry = LogEntry::new("update", "User", "42", "bob");
/// sink.emit(&entry)?;
///
/// let text = String::from_utf8(memory.0.lock().unwrap().clone()).unwrap();
/// assert_eq!(LogEntry::from_json(text.trim_end()).unwrap(), entry);
/// # Ok::<(), auditlog::SinkError>(())
/// ```
pub struct JsonLinesSink {
    location: String,
    sync: bool,
    flush: bool,
    out: Mutex<Out>,
}

struct Out {
    target: Target,
    /// Whether the last line lacks its end.
    broken_line: bool,
}

enum Target {
    File(File),
    Writer(Box<dyn Write + Send>),
}

impl JsonLinesSink {
    /// Writes to a new file, and replaces an existing one, as [`File::create`] does.
    ///
    /// # Errors
    /// Returns [`SinkError::Io`] if the file cannot be opened.
    pub fn create(path: impl AsRef<Path>) -> Result<Self, SinkError> {
        let path = path.as_ref();
        match File::create(path) {
            Ok(file) => Ok(Self::to(path.display().to_string(), Target::File(file))),
            Err(error) => Err(SinkError::io(path.display().to_string(), error)),
        }
    }

    /// Writes to the end of a file, and creates it if it does not exist.
    ///
    /// # Errors
    /// Returns [`SinkError::Io`] if the file cannot be opened, or its end cannot be read.
    pub fn append(path: impl AsRef<Path>) -> Result<Self, SinkError> {
        let path = path.as_ref();
        let open = || {
            let mut file = OpenOptions::new()
                .read(true)
                .append(true)
                .create(true)
                .open(path)?;
            let broken_line = ends_inside_a_line(&mut file)?;
            Ok((file, broken_line))
        };
        match open() {
            Ok((file, broken_line)) => {
                let sink = Self::to(path.display().to_string(), Target::File(file));
                sink.out().broken_line = broken_line;
                Ok(sink)
            }
            Err(error) => Err(SinkError::io(path.display().to_string(), error)),
        }
    }

    /// Writes to any writer.
    pub fn new(writer: impl Write + Send + 'static) -> Self {
        Self::to("the writer".to_owned(), Target::Writer(Box::new(writer)))
    }

    fn to(location: String, target: Target) -> Self {
        Self {
            location,
            sync: false,
            flush: true,
            out: Mutex::new(Out {
                target,
                broken_line: false,
            }),
        }
    }

    /// Sets whether each entry is also forced to disk (`fsync`) before `emit` returns; by
    /// default it is not. A writer that is no file is only flushed.
    pub fn sync(mut self, sync: bool) -> Self {
        self.sync = sync;
        self
    }

    /// Sets whether a writer is flushed after each entry; by default it is. Files have no
    /// buffer here, so nothing changes for them.
    pub fn flush_each(mut self, flush: bool) -> Self {
        self.flush = flush;
        self
    }

    fn out(&self) -> MutexGuard<'_, Out> {
        // A writer that panicked left `broken_line` set, and that is all there is to repair.
        self.out.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn failed(&self, error: io::Error) -> SinkError {
        SinkError::io(&*self.location, error)
    }
}

impl Sink for JsonLinesSink {
    fn emit(&self, entry: &LogEntry) -> Result<(), SinkError> {
        let mut line = entry.to_canonical_json().map_err(SinkError::other)?;
        line.push('\n');
        let mut out = self.out();
        out.write_line(line.as_bytes())
            .and_then(|()| match &mut out.target {
                Target::File(file) if self.sync => synced(file.sync_data()),
                Target::Writer(writer) if self.flush || self.sync => writer.flush(),
                _ => Ok(()),
            })
            .map_err(|error| self.failed(error))
    }

    fn flush(&self) -> Result<(), SinkError> {
        match &mut self.out().target {
            Target::File(file) => synced(file.sync_all()),
            Target::Writer(writer) => writer.flush(),
        }
        .map_err(|error| self.failed(error))
    }
}

impl fmt::Debug for JsonLinesSink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JsonLinesSink")
            .field("location", &self.location)
            .field("sync", &self.sync)
            .finish_non_exhaustive()
    }
}

impl Out {
    fn write_line(&mut self, line: &[u8]) -> io::Result<()> {
        if self.broken_line {
            self.write_counted(b"\n")?;
        }
        self.write_counted(line)
    }

    /// Writes all bytes, and keeps `broken_line` true to what arrived even on an error.
    fn write_counted(&mut self, bytes: &[u8]) -> io::Result<()> {
        let mut rest = bytes;
        while !rest.is_empty() {
            let before = std::mem::replace(&mut self.broken_line, true);
            let written = match &mut self.target {
                Target::File(file) => file.write(rest),
                Target::Writer(writer) => writer.write(rest),
            };
            match written {
                Ok(0) => {
                    self.broken_line = before;
                    return Err(io::ErrorKind::WriteZero.into());
                }
                Ok(count) => {
                    self.broken_line = rest.get(count - 1) != Some(&b'\n');
                    rest = rest.get(count..).unwrap_or_default();
                }
                Err(error) => {
                    self.broken_line = before;
                    if error.kind() != io::ErrorKind::Interrupted {
                        return Err(error);
                    }
                }
            }
        }
        Ok(())
    }
}

/// Pipes and devices refuse to be synced, having nothing to sync.
fn synced(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::InvalidInput => Ok(()),
        other => other,
    }
}

fn ends_inside_a_line(file: &mut File) -> io::Result<bool> {
    // Pipes and devices have no length, and nothing to repair.
    if !file.metadata()?.is_file() || file.seek(SeekFrom::End(0))? == 0 {
        return Ok(false);
    }
    let mut last = [0];
    file.seek(SeekFrom::End(-1))?;
    file.read_exact(&mut last)?;
    Ok(last != *b"\n")
}

//! `basic_config()` and the builder that it returns.

use std::fmt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use audit_core::Level;

use crate::error::LoggingError;
use crate::file::{LogFile, OpenError, Rotation, Trigger};
use crate::logger::{Destination, Layout, Logger, Stream};
use crate::severity::Thresholds;
use crate::time::{Instant, TimeFormat};

/// Begins to set up the program's logger, as `logging.basicConfig()` does.
///
/// Without further calls it prints warnings and above to standard error as
/// `WARNING:target:message`.
///
/// # Example: everything from debug up, with the time
/// ```
/// use auditlog::logging::{Level, basic_config, debug, info};
///
/// basic_config()
///     .level(Level::Debug)
///     .format("{asctime} {levelname:<8} {message}")
///     .init()?;
/// debug!("starting");
/// info!(port = 8080; "listening");
/// # Ok::<(), auditlog::logging::LoggingError>(())
/// ```
pub fn basic_config() -> BasicConfig {
    BasicConfig::default()
}

/// The settings of the program's logger, made by [`basic_config`].
#[derive(Clone, Debug)]
#[must_use = "`init` sets up the logger"]
pub struct BasicConfig {
    level: Level,
    targets: Vec<(String, Level)>,
    style: Style,
    datefmt: Option<String>,
    filename: Option<PathBuf>,
    append: bool,
    shared: bool,
    rotation: Option<Rotation>,
    stream: Option<Stream>,
    utc: bool,
}

#[derive(Clone, Debug)]
enum Style {
    Text(String),
    Json,
}

impl Default for BasicConfig {
    fn default() -> Self {
        Self {
            level: Level::Warning,
            targets: Vec::new(),
            style: Style::Text("{levelname}:{name}:{message}".to_owned()),
            datefmt: None,
            filename: None,
            append: true,
            shared: false,
            rotation: None,
            stream: None,
            utc: false,
        }
    }
}

impl BasicConfig {
    /// Sets the lowest level that is printed; by default [`Level::Warning`], as in Python.
    ///
    /// `trace!` lies below [`Level::Debug`] and is never printed.
    ///
    /// At [`Level::Debug`] the target `tokio_postgres` stays at [`Level::Info`], because that
    /// driver logs the parameters of every statement, and so the bodies of entries.
    /// [`target`](Self::target) with that name sets another level.
    pub fn level(mut self, level: Level) -> Self {
        self.level = level;
        self
    }

    /// Sets the lowest level for one target and all below it: `shop` includes `shop::cart`.
    /// It may be lower or higher than [`level`](Self::level). The longest matching target
    /// decides.
    pub fn target(mut self, target: impl Into<String>, level: Level) -> Self {
        self.targets.push((target.into(), level));
        self
    }

    /// Sets the form of a line, by default `{levelname}:{name}:{message}` as in Python.
    ///
    /// | placeholder | stands for |
    /// |---|---|
    /// | `{asctime}` | the time, see [`datefmt`](Self::datefmt) |
    /// | `{levelname}`, `{levelno}` | the level: `WARNING`, `30` |
    /// | `{name}` | the record's target, by default the module path |
    /// | `{message}` | the message |
    /// | `{module}` | the path of the module that logs |
    /// | `{filename}`, `{pathname}`, `{lineno}` | the source file, its path and the line |
    /// | `{process}`, `{thread}`, `{threadName}` | the process's id, the thread's number and name |
    ///
    /// Each record is one line: line ends, control characters and bidirectional controls are
    /// escaped in every field, as `\n` or `\u{202e}`.
    ///
    /// Fill, alignment, width and precision follow a colon as in Python: `{levelname:<8}`.
    /// `{{` and `}}` print braces.
    pub fn format(mut self, format: impl Into<String>) -> Self {
        self.style = Style::Text(format.into());
        self
    }

    /// Prints each record as a JSON object on one line: `timestamp` (RFC 3339), `level`, `name`,
    /// `message`, `module`, `filename`, `lineno`, and the record's key-values beside them. A
    /// key-value with one of those names is prefixed with `_`.
    pub fn json(mut self) -> Self {
        self.style = Style::Json;
        self
    }

    /// Sets the strftime format of `{asctime}`; by default it prints `2026-01-31 12:00:00,123`,
    /// as in Python.
    pub fn datefmt(mut self, format: impl Into<String>) -> Self {
        self.datefmt = Some(format.into());
        self
    }

    /// Writes to a file instead of a stream. Each line is one write to the system, so a crash of
    /// the program loses none. The file's folder must exist.
    pub fn filename(mut self, path: impl Into<PathBuf>) -> Self {
        self.filename = Some(path.into());
        self
    }

    /// Sets whether lines are appended to the file's content (the default) or replace it:
    /// Python's `filemode`, `a` or `w`.
    pub fn append(mut self, append: bool) -> Self {
        self.append = append;
        self
    }

    /// Rotates the file by size or by time.
    ///
    /// A rotated file belongs to one process: [`init`](Self::init) of a second process on the
    /// same file returns [`LoggingError::InUse`], unless it is [`shared`](Self::shared). The file
    /// is locked for that (`flock`). On a file system without locks, and on systems other than
    /// Unix, use one process a file.
    pub fn rotate(mut self, rotation: Rotation) -> Self {
        self.rotation = Some(rotation);
        self
    }

    /// Lets other processes write to the file and rotate it.
    ///
    /// This process does not rotate a shared file, regardless of [`rotate`](Self::rotate). On
    /// Unix each line goes to the file that is at the path at that time, as with Python's
    /// `WatchedFileHandler`, so another process or a tool such as logrotate may rotate it. Lines
    /// of up to 4 KiB do not mix on a local disk.
    pub fn shared(mut self) -> Self {
        self.shared = true;
        self
    }

    /// Sets the stream, by default [`Stream::Stderr`] as in Python.
    pub fn stream(mut self, stream: Stream) -> Self {
        self.stream = Some(stream);
        self
    }

    /// Sets whether times are in UTC; the default is local time.
    pub fn utc(mut self, utc: bool) -> Self {
        self.utc = utc;
        self
    }

    /// Sets up the logger for the rest of the program's life.
    ///
    /// The returned handle only flushes; dropping it has no effect.
    ///
    /// # Errors
    /// - Returns [`LoggingError::AlreadySet`] if the program has a logger.
    /// - Returns an error if a format is malformed or settings contradict one another.
    /// - Returns [`LoggingError::File`] if the file cannot be opened.
    /// - Returns [`LoggingError::InUse`] if another process has the file open and one of the two
    ///   rotates it.
    ///
    /// After an error the program still has no logger of this crate, unless an old file could not be
    /// truncated: then the logger is set and appends to it. An empty file may have been created.
    pub fn init(self) -> Result<LoggerHandle, LoggingError> {
        static SET: AtomicBool = AtomicBool::new(false);
        // Opening the file again would find our own lock and report another process.
        if SET.load(Ordering::Acquire) {
            return Err(LoggingError::AlreadySet);
        }
        let append = self.append;
        let utc = self.utc;
        let logger = Arc::new(self.build()?);
        // An old file is truncated once the logger is certainly ours, since another logger of
        // this program may be writing to it; the guard keeps lines out until then.
        let mut destination = logger.destination();
        log::set_boxed_logger(Box::new(Arc::clone(&logger)))
            .map_err(|_| LoggingError::AlreadySet)?;
        log::set_max_level(logger.thresholds.max());
        SET.store(true, Ordering::Release);
        if let Destination::File(file) = &mut *destination
            && !append
        {
            file.truncate(Instant::now(utc))
                .map_err(|source| LoggingError::File {
                    path: file.path().to_owned(),
                    source,
                })?;
        }
        drop(destination);
        Ok(LoggerHandle { logger })
    }

    fn build(self) -> Result<Logger, LoggingError> {
        let layout = match &self.style {
            Style::Text(format) => Layout::Text(format.parse()?),
            Style::Json => Layout::Json,
        };
        let time_format = TimeFormat::new(self.datefmt.as_deref(), self.utc)?;
        if self
            .rotation
            .is_some_and(|rotation| rotation.trigger == Trigger::Size(0))
        {
            return Err(LoggingError::RotationAtZero);
        }
        let destination = match (&self.filename, self.stream) {
            (Some(_), Some(_)) => return Err(LoggingError::StreamAndFile),
            (None, _) if self.rotation.is_some() => return Err(LoggingError::RotationWithoutFile),
            (None, stream) => Destination::Stream(stream.unwrap_or_default()),
            (Some(path), None) => {
                let now = Instant::now(self.utc);
                let file = LogFile::open(path, self.rotation, self.shared, now, self.utc).map_err(
                    |error| match error {
                        OpenError::InUse => LoggingError::InUse { path: path.clone() },
                        OpenError::Io(source) => LoggingError::File {
                            path: path.clone(),
                            source,
                        },
                    },
                )?;
                Destination::File(file)
            }
        };
        Ok(Logger {
            thresholds: Thresholds::new(self.level, self.targets),
            layout,
            time_format,
            utc: self.utc,
            destination: Mutex::new(destination),
        })
    }
}

/// Flushes the logger that [`BasicConfig::init`] set up. Dropping it has no effect.
#[derive(Clone)]
pub struct LoggerHandle {
    logger: Arc<Logger>,
}

impl LoggerHandle {
    /// Waits until a file's lines are on the disk, or flushes the stream.
    ///
    /// # Errors
    /// Returns [`LoggingError::File`] or [`LoggingError::Stream`] if the system cannot do it.
    pub fn flush(&self) -> Result<(), LoggingError> {
        self.logger.sync()
    }
}

impl fmt::Debug for LoggerHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LoggerHandle").finish_non_exhaustive()
    }
}

//! The builder.

use std::fmt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use audit_core::Level;
use flexi_logger::{LogSpecification, Logger};

use crate::error::LoggingError;
use crate::file::{LogFile, OpenError};
use crate::gate::Gate;
use crate::output::{Layout, Output, Place, SharedOutput, Stream};
use crate::rotation::{Rotation, Rule};
use crate::severity::Thresholds;
use crate::time::{Instant, TimeFormat};

/// Begins to set up the program's logger, like `logging.basicConfig()`.
///
/// Without further calls it prints warnings and above to standard error as
/// `WARNING:target:message`.
///
/// # Example: everything from debug up, with the time
/// ```
/// use audit_logging::{Level, basic_config, debug, info};
///
/// basic_config()
///     .level(Level::Debug)
///     .format("{asctime} {levelname:<8} {message}")
///     .init()?;
/// debug!("starting");
/// info!(port = 8080; "listening");
/// # Ok::<(), audit_logging::LoggingError>(())
/// ```
pub fn basic_config() -> BasicConfig {
    BasicConfig::default()
}

/// What the program's logger shall be, made by [`basic_config`].
#[derive(Clone, Debug)]
#[must_use = "nothing is set up before `init`"]
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
    /// driver logs the parameters of every statement, the bodies of entries among them.
    /// [`target`](Self::target) with that name sets another level.
    pub fn level(mut self, level: Level) -> Self {
        self.level = level;
        self
    }

    /// Sets the lowest level for one target and all below it: `shop` stands for `shop::cart`
    /// too. It may be lower or higher than [`level`](Self::level); of several targets that fit
    /// the longest decides.
    pub fn target(mut self, target: impl Into<String>, level: Level) -> Self {
        self.targets.push((target.into(), level));
        self
    }

    /// Sets how a line looks; by default `{levelname}:{name}:{message}`, as in Python.
    ///
    /// | placeholder | stands for |
    /// |---|---|
    /// | `{asctime}` | the time, see [`datefmt`](Self::datefmt) |
    /// | `{levelname}`, `{levelno}` | the level: `WARNING`, `30` |
    /// | `{name}` | the record's target, which is the module path if no other is given |
    /// | `{message}` | the message |
    /// | `{module}` | the path of the module in which the call stands |
    /// | `{filename}`, `{pathname}`, `{lineno}` | the source file, its path and the line |
    /// | `{process}`, `{thread}`, `{threadName}` | the process's id, the thread's number and name |
    ///
    /// Each record is one line: line ends, control characters and characters that turn the
    /// direction of writing are escaped in every field, as `\n` or `\u{202e}`.
    ///
    /// Fill, alignment, width and precision follow a colon as in Python: `{levelname:<8}`.
    /// `{{` and `}}` are braces.
    pub fn format(mut self, format: impl Into<String>) -> Self {
        self.style = Style::Text(format.into());
        self
    }

    /// Makes each line a JSON object instead: `timestamp` (RFC 3339), `level`, `name`,
    /// `message`, `module`, `filename`, `lineno`, and the record's key-values beside them. A
    /// key-value of one of those names gets a `_` in front of it.
    pub fn json(mut self) -> Self {
        self.style = Style::Json;
        self
    }

    /// Sets how `{asctime}` looks, in strftime's language; by default
    /// `2026-01-31 12:00:00,123`, as in Python.
    pub fn datefmt(mut self, format: impl Into<String>) -> Self {
        self.datefmt = Some(format.into());
        self
    }

    /// Writes to a file instead of a stream. Each line is handed to the system at once, so a
    /// crash of the program loses none.
    pub fn filename(mut self, path: impl Into<PathBuf>) -> Self {
        self.filename = Some(path.into());
        self
    }

    /// Sets whether the file's content is kept and written behind, which is the default, or
    /// thrown away: Python's `filemode`, `a` or `w`.
    pub fn append(mut self, append: bool) -> Self {
        self.append = append;
        self
    }

    /// Puts the file aside from time to time.
    ///
    /// The file belongs to this process then: [`init`](Self::init) of a second process on the
    /// same file is [`LoggingError::InUse`], unless it is [`shared`](Self::shared). The file is
    /// locked for that (`flock`); on a file system without locks, and on systems other than
    /// Unix, keep to one process a file.
    pub fn rotate(mut self, rotation: Rotation) -> Self {
        self.rotation = Some(rotation);
        self
    }

    /// Lets other processes write to the file as well; by default they may not if one of them
    /// rotates it.
    ///
    /// A shared file is not rotated by this process, whatever [`rotate`](Self::rotate) says. On
    /// Unix each line goes to the file that is at the path at that time, as with Python's
    /// `WatchedFileHandler`, so another process or a tool such as logrotate may put it aside.
    /// Lines of up to 4 KiB do not mix on a local disk.
    pub fn shared(mut self) -> Self {
        self.shared = true;
        self
    }

    /// Sets the stream; by default [`Stream::Stderr`], as in Python.
    pub fn stream(mut self, stream: Stream) -> Self {
        self.stream = Some(stream);
        self
    }

    /// Sets whether times are in UTC; by default they are local.
    pub fn utc(mut self, utc: bool) -> Self {
        self.utc = utc;
        self
    }

    /// Sets up the logger, for the rest of the program's life.
    ///
    /// The handle may be dropped at once; it only serves to flush.
    ///
    /// # Errors
    /// If the program has a logger already, a format cannot be read, the file cannot be
    /// opened, or settings contradict one another. Except for an empty file that may have come
    /// into being, nothing has changed then.
    pub fn init(self) -> Result<LoggerHandle, LoggingError> {
        static SET: AtomicBool = AtomicBool::new(false);
        // The lock of a file that is ours already would look like that of another process.
        if SET.load(Ordering::Acquire) {
            return Err(LoggingError::AlreadySet);
        }
        let output = Arc::new(self.output()?);
        let thresholds = Thresholds::new(self.level, self.targets);
        let spec = LogSpecification::builder()
            .default(thresholds.max())
            .build();

        // Building already sets the maximum level, which belongs to another logger if there
        // is one.
        let level_before = log::max_level();
        // The logger's own handle would only shut down our output, which needs no such thing.
        let (logger, _) = Logger::with(spec)
            .log_to_writer(Box::new(SharedOutput(Arc::clone(&output))))
            .panic_if_error_channel_is_broken(false)
            .build()
            .map_err(|error| LoggingError::Backend {
                source: Box::new(error),
            })?;
        let gate = Gate {
            thresholds,
            logger,
            output: Arc::clone(&output),
        };

        // No line is written before an old file's content is gone, and it goes only when the
        // file is certainly ours: another logger of this program may be writing to it.
        let mut place = output.place();
        if log::set_boxed_logger(Box::new(gate)).is_err() {
            log::set_max_level(level_before);
            return Err(LoggingError::AlreadySet);
        }
        SET.store(true, Ordering::Release);
        if let Place::File(file) = &mut *place
            && !self.append
        {
            file.truncate(Instant::now(self.utc))
                .map_err(|source| LoggingError::File {
                    path: file.path().to_owned(),
                    source,
                })?;
        }
        drop(place);
        Ok(LoggerHandle { output })
    }

    fn output(&self) -> Result<Output, LoggingError> {
        let layout = match &self.style {
            Style::Text(format) => Layout::Text(format.parse()?),
            Style::Json => Layout::Json,
        };
        let time_format = TimeFormat::new(self.datefmt.as_deref(), self.utc)?;
        if self
            .rotation
            .is_some_and(|rotation| rotation.rule == Rule::Size(0))
        {
            return Err(LoggingError::RotationAtZero);
        }
        let place = match (&self.filename, self.stream) {
            (Some(_), Some(_)) => return Err(LoggingError::StreamAndFile),
            (None, _) if self.rotation.is_some() => return Err(LoggingError::RotationWithoutFile),
            (None, stream) => Place::Stream(stream.unwrap_or_default()),
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
                Place::File(file)
            }
        };
        Ok(Output {
            layout,
            time_format,
            utc: self.utc,
            place: Mutex::new(place),
        })
    }
}

/// The logger that [`BasicConfig::init`] set up. Dropping it changes nothing.
#[derive(Clone)]
pub struct LoggerHandle {
    output: Arc<Output>,
}

impl LoggerHandle {
    /// Waits until every line is where it belongs: a file's lines on the disk.
    ///
    /// # Errors
    /// If the system could not do it.
    pub fn flush(&self) -> Result<(), LoggingError> {
        self.output.flush()
    }
}

impl fmt::Debug for LoggerHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LoggerHandle").finish_non_exhaustive()
    }
}

//! Sets up leveled logging in one call, as Python's `logging.basicConfig` does.
//!
//! ```python
//! import logging
//! logging.basicConfig(level=logging.DEBUG, format="%(asctime)s %(levelname)s %(message)s")
//! logging.warning("disk %s is nearly full", disk)
//! ```
//!
//! corresponds to
//!
//! ```
//! use auditlog::logging::{Level, basic_config, warning};
//!
//! # let disk = "sda1";
//! basic_config().level(Level::Debug).format("{asctime} {levelname} {message}").init()?;
//! warning!("disk {disk} is nearly full");
//! # Ok::<(), auditlog::logging::LoggingError>(())
//! ```
//!
//! With the `auditlog` crate and its feature `logging` this crate is `auditlog::logging`.
//!
//! # Correspondence with Python
//!
//! | Python | here |
//! |---|---|
//! | `basicConfig()` | [`basic_config()`]`.init()?` |
//! | `level=logging.DEBUG`; the default is `WARNING` | [`.level(Level::Debug)`](BasicConfig::level) |
//! | `format="%(levelname)s:%(name)s:%(message)s"` | [`.format("{levelname}:{name}:{message}")`](BasicConfig::format), as with `style="{"` |
//! | `datefmt="%H:%M:%S"` | [`.datefmt("%H:%M:%S")`](BasicConfig::datefmt) |
//! | `filename="app.log"`, `filemode="w"` | [`.filename("app.log")`](BasicConfig::filename)[`.append(false)`](BasicConfig::append) |
//! | `stream=sys.stdout`; the default is standard error | [`.stream(Stream::Stdout)`](BasicConfig::stream) |
//! | `RotatingFileHandler("app.log", maxBytes=n, backupCount=5)` | [`.filename("app.log")`](BasicConfig::filename)[`.rotate(Rotation::size(n).keep(5))`](BasicConfig::rotate) |
//! | `TimedRotatingFileHandler("app.log", when="midnight")` | [`.rotate(Rotation::daily())`](Rotation::daily) |
//! | `getLogger("shop.db").setLevel(logging.ERROR)` | [`.target("shop::db", Level::Error)`](BasicConfig::target) |
//! | `logging.debug`, `info`, `warning`, `error`, `critical` | [`debug!`], [`info!`], [`warning!`], [`error!`], [`critical!`] |
//! | `extra={"port": 8080}` | `info!(port = 8080; "listening")` |
//!
//! The five levels have Python's numbers, names and order, and filter as they do there: at
//! [`Level::Critical`] only critical records are printed, although the `log` crate has no level
//! above `error!`.
//!
//! # Differences from Python
//!
//! - A logger can be set once: a second `init` returns [`LoggingError::AlreadySet`], where
//!   `basicConfig` does nothing.
//! - `init` checks the format, the date format and the file, and returns an error if one of them
//!   is unusable.
//! - `{name}` is the target of the record, by default the path of the module, because the macros
//!   of `log` belong to modules and not to named loggers.
//! - [`.json()`](BasicConfig::json) prints JSON lines with the key-values.
//! - The logger receives the records of every library that uses the `log` crate, as Python's root
//!   logger does.
//! - One record is one line: line ends, control characters and bidirectional controls are
//!   escaped.
//! - A rotated file belongs to one process, see [`BasicConfig::shared`].
//! - A failed write is reported on standard error, as Python does while `logging.raiseExceptions`
//!   is set.

mod config;
mod error;
mod field;
mod file;
mod json;
mod logger;
mod severity;
mod template;
mod time;

pub use audit_core::{Level, critical};
/// Logs a message at [`Level::Warning`]: Python's name for [`warn!`].
#[doc(no_inline)]
pub use log::warn as warning;
#[doc(no_inline)]
pub use log::{debug, error, info, warn};

pub use crate::config::{BasicConfig, LoggerHandle, basic_config};
pub use crate::error::LoggingError;
pub use crate::file::Rotation;
pub use crate::logger::Stream;

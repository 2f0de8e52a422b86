//! Tables that the files of the libraries do not cover: invalid rows, missing tables, other names.

mod continuum;
mod database;
mod django;
mod files;
mod rails;

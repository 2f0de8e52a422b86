//! Time limits and retries of operations on an object store.

use std::sync::Arc;
use std::time::Duration;

use crate::error::Error;

/// How often an operation is tried.
const ATTEMPTS: u32 = 3;
/// How long the first retry waits; each later one waits four times as long.
const BACK_OFF: Duration = Duration::from_millis(50);

/// The result of an attempt.
pub(crate) type Attempt<T> = Result<T, Failure>;

/// The reason why an attempt failed.
#[derive(Debug)]
pub(crate) enum Failure {
    Objects(object_store::Error),
    /// The object store did not respond within the time limit.
    Timeout,
}

/// Runs an operation with a time limit.
pub(crate) async fn limited<T>(
    limit: Duration,
    operation: impl Future<Output = object_store::Result<T>>,
) -> Attempt<T> {
    match tokio::time::timeout(limit, operation).await {
        Ok(done) => done.map_err(Failure::Objects),
        Err(_) => Err(Failure::Timeout),
    }
}

/// Runs an operation again after failures that may be transient. The operation keeps the time limit itself.
pub(crate) async fn attempts<T, F>(
    limit: Duration,
    name: String,
    operation: impl Fn() -> F,
) -> Result<T, Error>
where
    F: Future<Output = Attempt<T>>,
{
    let mut wait = BACK_OFF;
    for attempt in 1.. {
        let failure = match operation().await {
            Ok(value) => return Ok(value),
            Err(Failure::Objects(error)) if is_final(&error) => return Err(failed(&name, error)),
            Err(Failure::Objects(error)) => failed(&name, error),
            Err(Failure::Timeout) => Error::Timeout {
                path: name.clone(),
                limit,
            },
        };
        if attempt == ATTEMPTS {
            return Err(failure);
        }
        log::debug!("attempt {attempt} failed: {failure}");
        tokio::time::sleep(wait).await;
        wait *= 4;
    }
    unreachable!("the loop ends with the last attempt")
}

fn failed(path: &str, source: object_store::Error) -> Error {
    Error::Objects {
        path: path.to_owned(),
        source: Arc::new(source),
    }
}

/// Returns whether another attempt would have the same result.
fn is_final(error: &object_store::Error) -> bool {
    !matches!(
        error,
        object_store::Error::Generic { .. } | object_store::Error::JoinError { .. }
    )
}

//! Connections that the threads drive that ask.
//!
//! A thread that is in no runtime need not hand its question to the store's thread and wait
//! for the answer to be handed back, which takes longer than a small answer does: it sits down
//! at a connection with a runtime of its own.

use std::future::Future;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use audit_core::StoreError;
use tokio::runtime::{Builder, Handle, Runtime};

use crate::connection::{Connections, Runtimes};
use crate::error::Failure;
use crate::options::PostgresOptions;
use crate::server::Server;

/// The seats of a store, made as they are needed.
pub(crate) struct Seats {
    server: Arc<Server>,
    options: PostgresOptions,
    state: Mutex<State>,
    freed: Condvar,
}

#[derive(Default)]
struct State {
    free: Vec<Seat>,
    made: usize,
    closed: bool,
}

impl Seats {
    pub(crate) fn new(server: Arc<Server>, options: PostgresOptions) -> Self {
        Self {
            server,
            options,
            state: Mutex::default(),
            freed: Condvar::new(),
        }
    }

    /// Takes a seat for this thread, if need be when one becomes free. There is none if the
    /// thread is in a runtime, in which it must not drive another one.
    ///
    /// # Errors
    /// If none becomes free in time or can be made, or the store is closed.
    pub(crate) fn take(&self, place: &str) -> Result<Option<Taken<'_>>, StoreError> {
        if Handle::try_current().is_ok() {
            return Ok(None);
        }
        let most = self.options.pool_size;
        let all_taken =
            |state: &mut State| state.free.is_empty() && state.made >= most && !state.closed;
        let (mut state, waited) = self
            .freed
            .wait_timeout_while(self.state(), self.options.pool_timeout, all_taken)
            .unwrap_or_else(PoisonError::into_inner);
        if state.closed {
            return Err(StoreError::Closed);
        }
        if waited.timed_out() {
            return Err(Failure::no_connection(place).error);
        }
        let mut taken = Taken {
            seats: self,
            seat: state.free.pop(),
        };
        if taken.seat.is_some() {
            return Ok(Some(taken));
        }
        state.made += 1;
        drop(state);
        match Seat::new(&self.server, &self.options, place) {
            Ok(seat) => {
                taken.seat = Some(seat);
                Ok(Some(taken))
            }
            Err(error) => {
                self.state().made -= 1;
                Err(error)
            }
        }
    }

    /// Closes the connections of free seats, and of the others when they become free.
    pub(crate) fn close(&self) {
        let mut state = self.state();
        state.closed = true;
        state.free.clear();
        drop(state);
        self.freed.notify_all();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A connection, and the runtime it lives in.
struct Seat {
    connections: Connections,
    /// There until the seat is dropped.
    runtime: Option<Runtime>,
}

impl Seat {
    fn new(
        server: &Arc<Server>,
        options: &PostgresOptions,
        place: &str,
    ) -> Result<Self, StoreError> {
        let runtime = Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|source| StoreError::Io {
            location: "a runtime for a thread that reads".to_owned(),
            source: source.into(),
        })?;
        let options = options.clone().pool_size(1);
        let runtimes = Runtimes {
            reads: runtime.handle().clone(),
            writes: runtime.handle().clone(),
        };
        Ok(Self {
            connections: Connections::new(Arc::clone(server), &options, place, runtimes)?,
            runtime: Some(runtime),
        })
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            // To wait for its end is not allowed inside another runtime.
            runtime.shutdown_background();
        }
    }
}

/// A seat that a thread has taken; it is free again when this is dropped.
pub(crate) struct Taken<'s> {
    seats: &'s Seats,
    seat: Option<Seat>,
}

impl Taken<'_> {
    /// Does work on this thread.
    ///
    /// # Errors
    /// Those of the work.
    pub(crate) fn run<T, F>(&self, work: impl FnOnce(Connections) -> F) -> Result<T, StoreError>
    where
        F: Future<Output = Result<T, StoreError>>,
    {
        match &self.seat {
            Some(Seat {
                connections,
                runtime: Some(runtime),
            }) => runtime.block_on(async {
                let done = work(connections.clone()).await;
                // Nobody drives the connection between two questions: what is given up ends
                // now, and a transaction that failed is told to.
                connections.ended().await;
                if done.is_err() {
                    tokio::task::yield_now().await;
                }
                done
            }),
            _ => Err(StoreError::Closed),
        }
    }
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        let mut state = self.seats.state();
        if !state.closed {
            state.free.extend(self.seat.take());
        }
        drop(state);
        self.seats.freed.notify_one();
    }
}

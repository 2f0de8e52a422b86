//! The context: who acts, why, and from where.
//!
//! A [`Context`] is a value with copy-on-write data. Entering it pushes it on a stack of the thread
//! (`ambient`); a draft takes its fields from the innermost one. Futures carry their context from poll to
//! poll and never leave it on the thread of another task.

pub(crate) mod ambient;

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::thread::LocalKey;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value};

use self::ambient::{Ambient, Entered, Stack};
use crate::actor::Actor;
use crate::entry::LogEntry;
use crate::error::{Error, Result};

/// Starts a context that inherits the current one: who acts, why, and from where.
///
/// A context is a value; nothing changes until it is entered. [`enter`](Context::enter) and
/// [`scope`](Context::scope) are for synchronous code,
/// [`in_audit_context`](crate::FutureExt::in_audit_context) is for futures.
///
/// # Example: everything recorded in the scope has the actor
/// ```
/// let audit = auditlog::testing::capture();
/// {
///     let _who = auditlog::context().actor("alice").correlation_id("req-1").enter();
///     auditlog::event("login").record()?;
/// }
/// auditlog::event("sweep").record()?;
/// assert_eq!(audit.entries()[0].actor(), "alice");
/// assert_eq!(audit.entries()[1].actor(), "(unknown)");
/// # Ok::<(), auditlog::Error>(())
/// ```
///
/// # Example: an inner context inherits
/// ```
/// let audit = auditlog::testing::capture();
/// let _request = auditlog::context().actor("alice").correlation_id("req-1").enter();
/// auditlog::context().reason("cleanup").scope(|| auditlog::event("swept").record())?;
///
/// let entry = audit.last().expect("an entry");
/// assert_eq!(entry.actor(), "alice");
/// assert_eq!(entry.reason.as_deref(), Some("cleanup"));
/// # Ok::<(), auditlog::Error>(())
/// ```
pub fn context() -> Context {
    Context::current()
}

/// Sets the actor of the innermost context that is entered here, for what is recorded in it from now
/// on: where a request learns who makes it, after its context was entered.
///
/// It stays with the context: a future [in a context](crate::FutureExt::in_audit_context) has it on every
/// later poll, and it ends with the context.
///
/// # Errors
/// Returns [`Error::NoContext`] if no context is entered on this thread.
///
/// # Example: after authentication
/// ```
/// # let audit = auditlog::testing::capture();
/// let _request = auditlog::context().correlation_id("req-1").enter();
/// auditlog::event("login_failed").record()?;
/// auditlog::set_actor("alice")?;
/// auditlog::event("login").record()?;
/// assert_eq!(audit.entries()[0].actor(), "(unknown)");
/// assert_eq!(audit.entries()[1].actor(), "alice");
/// # Ok::<(), auditlog::Error>(())
/// ```
pub fn set_actor(actor: impl IntoActor) -> Result<()> {
    let actor = Some(actor.into_source());
    let before = Arc::<ContextData>::change_innermost(|data| {
        std::mem::replace(&mut Arc::make_mut(data).actor, actor)
    });
    // Dropped outside of the borrow: a function that names the actor may hold anything.
    before.map(drop).ok_or(Error::NoContext)
}

/// Runs `run` without recording anything: drafts in it are `Skipped(Disabled)`.
///
/// A closure that returns a future does not compile, since the future would run afterwards: give
/// the future itself the context, `future.in_audit_context(context().disabled())`.
///
/// ```compile_fail
/// auditlog::disabled(|| async { auditlog::event("import").record() });
/// ```
///
/// # Example: an import that is not recorded
/// ```
/// use auditlog::{Receipt, SkipReason};
///
/// let audit = auditlog::testing::capture();
/// let receipt = auditlog::disabled(|| auditlog::event("import").record())?;
/// assert_eq!(receipt, Receipt::Skipped(SkipReason::Disabled));
/// assert!(audit.entries().is_empty());
/// # Ok::<(), auditlog::Error>(())
/// ```
pub fn disabled<R: RunsInScope>(run: impl FnOnce() -> R) -> R {
    context().disabled().scope(run)
}

/// A value that a closure may return from a scope: any type but an `async` block or the future of
/// an `async fn`, which would run after the scope has ended.
///
/// For a future use [`in_audit_context`](crate::FutureExt::in_audit_context) or
/// [`transaction_async`](crate::transaction_async). A closure may return a handle such as a
/// [`Ticket`](crate::Ticket). A boxed future compiles too, and runs outside of the scope.
#[diagnostic::on_unimplemented(
    message = "the closure returns a future, which would run after the scope has ended",
    label = "this scope ends before the future runs",
    note = "give the future its context with `future.in_audit_context(context)`, or use `transaction_async`"
)]
pub trait RunsInScope: Sized {}

// Futures of `async` code are the types that are not `Unpin`.
#[diagnostic::do_not_recommend]
impl<T: Unpin> RunsInScope for T {}

/// A context: the actor, the reason and the origin that entries take from their surroundings.
///
/// A context is a value. It is entered for a scope ([`enter`](Self::enter), [`scope`](Self::scope)) or
/// for a future ([`in_audit_context`](crate::FutureExt::in_audit_context)), inherits the values of the
/// current one and restores it afterwards.
///
/// It does not pass to other threads or tasks by itself. Take [`Context::current`] along: as a value
/// into a thread or a spawned task, or as JSON in the headers of a job.
///
/// # Example: into another thread, and through a job queue
/// ```
/// use auditlog::Context;
///
/// let audit = auditlog::testing::capture();
/// let _request = auditlog::context().actor("alice").correlation_id("req-1").enter();
///
/// let (log, context) = (audit.log().clone(), Context::current());
/// std::thread::spawn(move || {
///     let _log = log.enter();
///     context.scope(|| auditlog::event("exported").record())
/// })
/// .join()
/// .expect("the thread ends")?;
/// assert_eq!(audit.last().expect("an entry").actor(), "alice");
///
/// let header = serde_json::to_string(&Context::current())?;
/// let context: Context = serde_json::from_str(&header)?;
/// let _job = Context::new().enter(); // another process
/// context.scope(|| auditlog::event("mailed").record())?;
/// let mailed = audit.last().expect("an entry");
/// assert_eq!(mailed.correlation_id.as_deref(), Some("req-1"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Default)]
#[must_use = "a context does nothing until it is entered"]
pub struct Context {
    pub(crate) data: Arc<ContextData>,
}

#[derive(Clone, Default)]
pub(crate) struct ContextData {
    actor: Option<ActorSource>,
    correlation_id: Option<String>,
    trace_id: Option<String>,
    remote_addr: Option<IpAddr>,
    remote_port: Option<u16>,
    reason: Option<String>,
    extra: Map<String, Value>,
    disabled: bool,
}

/// An actor, or a function that returns it when an entry is made; see [`IntoActor`].
#[derive(Clone)]
pub struct ActorSource {
    source: Source,
}

#[derive(Clone)]
enum Source {
    Actor(Option<Actor>),
    Function(Arc<dyn Fn() -> Option<Actor> + Send + Sync>),
}

impl ActorSource {
    fn of(actor: Option<Actor>) -> Self {
        Self {
            source: Source::Actor(actor),
        }
    }

    /// Returns the actor, calling the function; `None` for an empty id.
    pub(crate) fn resolve(&self) -> Option<Actor> {
        let actor = match &self.source {
            Source::Actor(actor) => actor.clone(),
            Source::Function(actor) => actor(),
        };
        actor.filter(|actor| !actor.id.trim().is_empty())
    }
}

impl fmt::Debug for ActorSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.source {
            Source::Actor(Some(actor)) => fmt::Debug::fmt(&actor.to_string(), f),
            Source::Actor(None) => f.write_str("None"),
            Source::Function(_) => f.write_str("(a function)"),
        }
    }
}

/// Names an actor: an [`Actor`] or its id, an `Option` of one, or a function that returns one of
/// these when an entry is made. An empty id is an unknown actor.
///
/// # Example: a type of one's own
/// ```
/// use auditlog::{Actor, ActorSource, IntoActor};
///
/// struct UserId(u32);
///
/// impl IntoActor for UserId {
///     fn into_source(self) -> ActorSource {
///         Actor::user(self.0.to_string()).into_source()
///     }
/// }
///
/// let context = auditlog::context().actor(UserId(7));
/// assert_eq!(context.resolve_actor(), Some(Actor::user("7")));
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` names no actor",
    note = "give an `Actor`, an id (`&str`, `String` or `Uuid`), an `Option` of one, or a function that returns one of these"
)]
pub trait IntoActor {
    /// Returns the actor, or the function that returns it.
    fn into_source(self) -> ActorSource;
}

impl<A: IntoActor> IntoActor for Option<A> {
    fn into_source(self) -> ActorSource {
        self.map_or_else(|| ActorSource::of(None), IntoActor::into_source)
    }
}

impl<F, A> IntoActor for F
where
    F: Fn() -> A + Send + Sync + 'static,
    A: IntoActor,
{
    fn into_source(self) -> ActorSource {
        let actor = move || self().into_source().resolve();
        ActorSource {
            source: Source::Function(Arc::new(actor)),
        }
    }
}

macro_rules! actors {
    ($($type:ty),*) => {$(
        impl IntoActor for $type {
            fn into_source(self) -> ActorSource {
                ActorSource::of(Some(self.into()))
            }
        }
    )*};
}

actors!(Actor, &str, String, &String, uuid::Uuid);

thread_local! {
    static CONTEXTS: Stack<Arc<ContextData>> = const { Stack::new() };
}

impl Ambient for Arc<ContextData> {
    const NAME: &'static str = "context";

    fn stack() -> &'static LocalKey<Stack<Self>> {
        &CONTEXTS
    }
}

impl Context {
    /// Creates a context that inherits nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns the current context: the innermost one that is entered on this thread, or an empty one.
    pub fn current() -> Self {
        Self {
            data: Arc::<ContextData>::innermost().unwrap_or_default(),
        }
    }

    fn data(&mut self) -> &mut ContextData {
        Arc::make_mut(&mut self.data)
    }

    /// Sets the actor: an [`Actor`], its id, an `Option` of one, or a function that is called for each
    /// entry. The actor id of a scope may be set later with [`set_actor`].
    ///
    /// # Example: a function
    /// ```
    /// use std::sync::atomic::{AtomicU32, Ordering};
    ///
    /// static SHIFT: AtomicU32 = AtomicU32::new(1);
    ///
    /// let audit = auditlog::testing::capture();
    /// let operator = || format!("operator-{}", SHIFT.load(Ordering::Relaxed));
    /// let _who = auditlog::context().actor(operator).enter();
    /// auditlog::event("opened").record()?;
    /// SHIFT.store(2, Ordering::Relaxed);
    /// auditlog::event("closed").record()?;
    /// assert_eq!(audit.entries()[0].actor(), "operator-1");
    /// assert_eq!(audit.entries()[1].actor(), "operator-2");
    /// # Ok::<(), auditlog::Error>(())
    /// ```
    pub fn actor(mut self, actor: impl IntoActor) -> Self {
        self.data().actor = Some(actor.into_source());
        self
    }

    /// Sets the id that the entries of one request or job share.
    pub fn correlation_id(mut self, id: impl Into<String>) -> Self {
        self.data().correlation_id = Some(id.into());
        self
    }

    /// Sets the trace id of distributed tracing.
    pub fn trace_id(mut self, id: impl Into<String>) -> Self {
        self.data().trace_id = Some(id.into());
        self
    }

    /// Sets the IP address of the client.
    ///
    /// # Example: a client behind no proxy
    /// ```
    /// use std::net::SocketAddr;
    ///
    /// let audit = auditlog::testing::capture();
    /// let client: SocketAddr = "192.0.2.7:50312".parse()?;
    /// let _request = auditlog::context()
    ///     .remote_addr(client.ip())
    ///     .remote_port(client.port())
    ///     .enter();
    /// auditlog::event("login").record()?;
    ///
    /// let entry = audit.last().expect("an entry");
    /// assert_eq!(entry.remote_addr, Some(client.ip()));
    /// assert_eq!(entry.remote_port, Some(50312));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn remote_addr(mut self, addr: impl Into<IpAddr>) -> Self {
        self.data().remote_addr = Some(addr.into());
        self
    }

    /// Sets the port of the client.
    pub fn remote_port(mut self, port: u16) -> Self {
        self.data().remote_port = Some(port);
        self
    }

    /// Sets the reason.
    pub fn reason(mut self, reason: impl Into<String>) -> Self {
        self.data().reason = Some(reason.into());
        self
    }

    /// Adds a snapshot to the `additional_data` of entries.
    pub(crate) fn with_extra(mut self, key: String, value: Value) -> Self {
        self.data().extra.insert(key, value);
        self
    }

    /// Disables recording: drafts made in this context are `Skipped(Disabled)`. Contexts that inherit from
    /// it are disabled too.
    pub fn disabled(mut self) -> Self {
        self.data().disabled = true;
        self
    }

    /// Returns whether recording is disabled.
    pub fn is_disabled(&self) -> bool {
        self.data.disabled
    }

    /// Returns the actor, calling its function if it has one; `None` if the actor is unknown.
    pub fn resolve_actor(&self) -> Option<Actor> {
        self.data.actor.as_ref().and_then(ActorSource::resolve)
    }

    /// Enters the context on this thread until the guard is dropped.
    ///
    /// For synchronous code: [`ContextGuard`] explains why it must not be held across `.await`, and
    /// [`in_audit_context`](crate::FutureExt::in_audit_context) is the form for futures. Bind the guard to
    /// a name such as `_context`: `let _ = ..` drops it at once.
    ///
    /// # Example: guards of nested scopes
    /// ```
    /// let audit = auditlog::testing::capture();
    /// let outer = auditlog::context().actor("alice").enter();
    /// let inner = auditlog::context().actor("bob").enter();
    /// auditlog::event("first").record()?;
    /// drop(inner);
    /// auditlog::event("second").record()?;
    /// drop(outer);
    /// let actors: Vec<_> = audit.entries().iter().map(|entry| entry.actor().to_owned()).collect();
    /// assert_eq!(actors, ["bob", "alice"]);
    /// # Ok::<(), auditlog::Error>(())
    /// ```
    #[must_use = "the context ends when the guard is dropped; bind it to a name"]
    pub fn enter(self) -> ContextGuard {
        ContextGuard {
            _entered: self.data.enter(),
        }
    }

    /// Runs `run` in the context. A closure that returns a future does not compile: use
    /// [`in_audit_context`](crate::FutureExt::in_audit_context).
    ///
    /// ```compile_fail
    /// auditlog::context().actor("job").scope(|| async { auditlog::event("swept").record() });
    /// ```
    pub fn scope<R: RunsInScope>(self, run: impl FnOnce() -> R) -> R {
        let _entered = self.enter();
        run()
    }

    pub(crate) fn is_current_disabled() -> bool {
        Arc::<ContextData>::find(|data| Some(data.disabled)).unwrap_or(false)
    }

    /// Gives an entry what the current context has.
    pub(crate) fn fill(entry: &mut LogEntry) {
        // The actor is resolved outside the borrow: its function may use a context.
        if let Some(data) = Arc::<ContextData>::innermost() {
            Self { data }.complete(entry);
        }
    }

    /// Sets the fields of an entry that a draft takes from its context: actor, ids, origin, reason and
    /// additional data. For adapters that make entries without a draft.
    ///
    /// # Example: an entry of an adapter
    /// ```
    /// use auditlog::{Context, LogEntry};
    ///
    /// let mut entry = LogEntry::new("update", "User", "42", "bob");
    /// Context::new().actor("alice").reason("moved").complete(&mut entry);
    /// assert_eq!(entry.actor(), "alice");
    /// assert_eq!(entry.reason.as_deref(), Some("moved"));
    /// ```
    pub fn complete(&self, entry: &mut LogEntry) {
        let data = &self.data;
        entry.actor = data.actor.as_ref().and_then(ActorSource::resolve);
        entry.correlation_id.clone_from(&data.correlation_id);
        entry.trace_id.clone_from(&data.trace_id);
        entry.remote_addr = data.remote_addr;
        entry.remote_port = data.remote_port;
        entry.reason.clone_from(&data.reason);
        if !data.extra.is_empty() {
            entry.additional_data.clone_from(&data.extra);
        }
    }
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let data = &self.data;
        f.debug_struct("Context")
            .field("actor", &data.actor)
            .field("correlation_id", &data.correlation_id)
            .field("trace_id", &data.trace_id)
            .field("remote_addr", &data.remote_addr)
            .field("remote_port", &data.remote_port)
            .field("reason", &data.reason)
            .field("extra", &data.extra)
            .field("disabled", &data.disabled)
            .finish()
    }
}

/// The serialized form of a context.
#[derive(Serialize, Deserialize)]
struct Serialized {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    actor: Option<Actor>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    correlation_id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    trace_id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    remote_addr: Option<IpAddr>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    remote_port: Option<u16>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    extra: Map<String, Value>,
}

/// Calls the function that returns the actor, if there is one: a job acts for the user that started
/// it. Whether recording is [disabled](Context::disabled) is not serialized: headers come from
/// outside.
impl Serialize for Context {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let data = ContextData::clone(&self.data);
        let form = Serialized {
            actor: self.resolve_actor(),
            correlation_id: data.correlation_id,
            trace_id: data.trace_id,
            remote_addr: data.remote_addr,
            remote_port: data.remote_port,
            reason: data.reason,
            extra: data.extra,
        };
        form.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Context {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let form = Serialized::deserialize(deserializer)?;
        let data = ContextData {
            actor: form.actor.map(IntoActor::into_source),
            correlation_id: form.correlation_id,
            trace_id: form.trace_id,
            remote_addr: form.remote_addr,
            remote_port: form.remote_port,
            reason: form.reason,
            extra: form.extra,
            // A header cannot switch the audit off.
            disabled: false,
        };
        Ok(Self {
            data: Arc::new(data),
        })
    }
}

/// Leaves the context when dropped. Stays on its thread.
///
/// # Not across `.await`
/// The context belongs to the thread. Futures that take turns on one thread (`join!`, `select!`,
/// `FuturesUnordered`, `LocalSet`) and hold guards across `.await` see each other's contexts: an
/// entry may get the actor of another request, or none be made beside a
/// [`disabled`](Context::disabled) one. Guards that are dropped in another order than innermost
/// first are detected, and the log is warned. The form for futures has no such limit:
///
/// ```
/// use auditlog::FutureExt as _;
///
/// # let audit = auditlog::testing::capture();
/// async fn request() -> auditlog::Result<()> {
///     auditlog::event("asked").submit().await?;
///     Ok(())
/// }
///
/// # futures::executor::block_on(async {
/// let one = request().in_audit_context(auditlog::context().actor("one"));
/// let two = request().in_audit_context(auditlog::context().actor("two"));
/// let (first, second) = futures::future::join(one, two).await;
/// # (first.unwrap(), second.unwrap());
/// # });
/// # assert_eq!(audit.entries().len(), 2);
/// ```
///
/// Clippy finds guards that are held across `.await` with these lines in `clippy.toml`:
///
/// ```toml
/// await-holding-invalid-types = [
///     "audit_core::ContextGuard",
///     "audit_core::LogGuard",
///     "audit_core::Transaction",
/// ]
/// ```
#[must_use = "the context ends when the guard is dropped; bind it to a name"]
pub struct ContextGuard {
    _entered: Entered<Arc<ContextData>>,
}

impl fmt::Debug for ContextGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ContextGuard").finish_non_exhaustive()
    }
}

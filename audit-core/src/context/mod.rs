//! The context: who acts, why, and from where.

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

/// Starts a context that inherits the current one.
///
/// # Example: everything recorded in the scope has the actor
/// ```
/// use audit_core as auditlog;
///
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
/// [`Error::NoContext`] if no context is entered here.
///
/// # Example: after authentication
/// ```
/// use audit_core as auditlog;
///
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
/// # use audit_core as auditlog;
/// auditlog::disabled(|| async { auditlog::event("import").record() });
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

/// Who acts, why, and from where: what entries take from their surroundings.
///
/// A context is a value. It is entered for a scope ([`enter`](Self::enter),
/// [`scope`](Self::scope)) or for a future
/// ([`in_audit_context`](crate::FutureExt::in_audit_context)), inherits what the current one has
/// and restores it afterwards. It does not pass to other threads or tasks by itself; take
/// [`Context::current`] along, also as JSON in a job's headers.
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
/// use audit_core::{Actor, ActorSource, IntoActor};
///
/// struct UserId(u32);
///
/// impl IntoActor for UserId {
///     fn into_source(self) -> ActorSource {
///         Actor::user(self.0.to_string()).into_source()
///     }
/// }
///
/// let context = audit_core::context().actor(UserId(7));
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
    /// Makes a context that inherits nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns the context that entries made now take from.
    pub fn current() -> Self {
        Self {
            data: Arc::<ContextData>::innermost().unwrap_or_default(),
        }
    }

    fn data(&mut self) -> &mut ContextData {
        Arc::make_mut(&mut self.data)
    }

    /// Sets who acts: an [`Actor`], its id, or a function that is called for each entry.
    pub fn actor(mut self, actor: impl IntoActor) -> Self {
        self.data().actor = Some(actor.into_source());
        self
    }

    /// Sets what ties together all that a request or job does.
    pub fn correlation_id(mut self, id: impl Into<String>) -> Self {
        self.data().correlation_id = Some(id.into());
        self
    }

    /// Sets the trace id of distributed tracing.
    pub fn trace_id(mut self, id: impl Into<String>) -> Self {
        self.data().trace_id = Some(id.into());
        self
    }

    /// Sets the address the request came from.
    pub fn remote_addr(mut self, addr: impl Into<IpAddr>) -> Self {
        self.data().remote_addr = Some(addr.into());
        self
    }

    /// Sets the port the request came from.
    pub fn remote_port(mut self, port: u16) -> Self {
        self.data().remote_port = Some(port);
        self
    }

    /// Sets why it is done.
    pub fn reason(mut self, reason: impl Into<String>) -> Self {
        self.data().reason = Some(reason.into());
        self
    }

    /// Adds a snapshot to the `additional_data` of entries.
    pub(crate) fn with_extra(mut self, key: String, value: Value) -> Self {
        self.data().extra.insert(key, value);
        self
    }

    /// Records nothing: drafts are `Skipped(Disabled)`.
    pub fn disabled(mut self) -> Self {
        self.data().disabled = true;
        self
    }

    /// Returns whether nothing is recorded in this context.
    pub fn is_disabled(&self) -> bool {
        self.data.disabled
    }

    /// Returns who acts, calling the function that returns it if there is one.
    pub fn resolve_actor(&self) -> Option<Actor> {
        self.data.actor.as_ref().and_then(ActorSource::resolve)
    }

    /// Enters the context on this thread until the guard is dropped. For synchronous code: see
    /// [`ContextGuard`] for why it must not be held across `.await`, and
    /// [`in_audit_context`](crate::FutureExt::in_audit_context) for the form for futures.
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
    /// # use audit_core as auditlog;
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

    /// Gives an entry what this context has, as drafts take it: for adapters that make entries
    /// in another way, or hand over who acts.
    ///
    /// # Example: who acts
    /// ```
    /// use audit_core::{Context, LogEntry};
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
/// use audit_core as auditlog;
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

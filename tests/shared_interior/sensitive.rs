//! Each way to hide or convert a value, with a shared value in it.

use std::cell::{Cell, OnceCell, RefCell};
use std::collections::BTreeMap;
use std::fmt;
use std::rc::Rc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, OnceLock, RwLock};

use auditlog::Sensitive;
use auditlog::prelude::*;

use crate::content::log;

fn hide<T: ?Sized>(_: &T) -> &'static str {
    "hidden"
}

const SECRET: u32 = 424_242;

/// Asserts that a change through `set` makes an entry for an `update` and for a `Tracked`, which
/// shows the secret if it is in `clear`.
fn is_told<T: Auditable + Clone + 'static>(
    case: &str,
    new: impl Fn() -> T,
    set: impl Fn(&T),
    clear: bool,
) {
    let log = log();
    log.register::<T>();
    let mut object = new();
    let entry = log.update(&mut object, |object| set(object)).into_entry();
    let mut tracked = log.track(new());
    assert!(!tracked.record().unwrap().is_recorded(), "{case}");
    set(&tracked);
    let tracked_entry = tracked.draft().into_entry();
    assert!(tracked.record().unwrap().is_recorded(), "{case}");
    assert!(!tracked.record().unwrap().is_recorded(), "{case}");
    for entry in [entry, tracked_entry] {
        let entry = entry
            .unwrap()
            .unwrap_or_else(|| panic!("{case}: unchanged"));
        let text = entry.to_canonical_json().unwrap();
        assert_eq!(text.contains("424242"), clear, "{case}: {text}");
        let redacted = entry
            .changes
            .iter()
            .any(|change| change.redaction.is_some());
        assert_eq!(redacted, !clear, "{case}: {text}");
    }
}

/// Each way to conceal a value, at each kind of place.
macro_rules! conceals {
    ($($container:ident: $type:ty = $value:expr, |$field:ident| $change:expr;)*) => {$(
        conceals!(@forms $container: $type = $value, |$field| $change;
            masked [mask] false;
            masked_in_part [mask = "last4"] false;
            hashed [hash] false;
            masked_by_a_function [mask_with = crate::sensitive::hide] false;
            whole [whole] true;
        );
    )*};
    (@forms $container:ident: $type:ty = $value:expr, |$field:ident| $change:expr;
        $($form:ident [$($attribute:tt)*] $clear:literal;)*) => {
        mod $container {
            use super::*;
            $(
                #[test]
                fn $form() {
                    #[derive(Auditable, Clone)]
                    struct Named {
                        id: u32,
                        #[audit($($attribute)*)]
                        field: $type,
                    }
                    #[derive(Auditable, Clone)]
                    struct Positional(#[audit(id)] u32, #[audit($($attribute)*)] $type);
                    #[derive(Auditable, Clone)]
                    struct New(#[audit($($attribute)*)] $type);
                    #[derive(Auditable, Clone)]
                    struct Inside {
                        #[audit($($attribute)*)]
                        field: $type,
                    }
                    #[derive(Auditable, Clone)]
                    enum Kind {
                        Held(#[audit($($attribute)*)] $type),
                        Named {
                            #[audit($($attribute)*)]
                            field: $type,
                        },
                    }
                    #[derive(Auditable, Clone)]
                    struct Around {
                        id: u32,
                        new: New,
                        #[audit(flatten)]
                        inside: Inside,
                        kinds: Vec<Kind>,
                    }
                    let set = |$field: &$type| {
                        $change;
                    };
                    let around = || Around {
                        id: 1,
                        new: New($value),
                        inside: Inside { field: $value },
                        kinds: vec![Kind::Held($value), Kind::Named { field: $value }],
                    };
                    let of = |place: &str| format!("{} {}, {place}", stringify!($container), stringify!($form));
                    is_told(&of("named"), || Named { id: 1, field: $value }, |o| set(&o.field), $clear);
                    is_told(&of("positional"), || Positional(1, $value), |o| set(&o.1), $clear);
                    is_told(&of("newtype"), around, |o| set(&o.new.0), $clear);
                    is_told(&of("flattened"), around, |o| set(&o.inside.field), $clear);
                    is_told(&of("variant"), around, |o| match &o.kinds[0] {
                        Kind::Held(field) | Kind::Named { field } => set(field),
                    }, $clear);
                    is_told(&of("fields of a variant"), around, |o| match &o.kinds[1] {
                        Kind::Held(field) | Kind::Named { field } => set(field),
                    }, $clear);
                }
            )*
        }
    };
}

conceals! {
    rc_ref_cell: Rc<RefCell<u32>> = Rc::default(), |field| *field.borrow_mut() = SECRET;
    rc_cell: Rc<Cell<u32>> = Rc::default(), |field| field.set(SECRET);
    rc_once_cell: Rc<OnceCell<u32>> = Rc::default(), |field| field.set(SECRET).unwrap();
    option_of_rc: Option<Rc<RefCell<u32>>> = Some(Rc::default()), |field| *field.as_ref().unwrap().borrow_mut() = SECRET;
    arc_mutex: Arc<Mutex<u32>> = Arc::default(), |field| *field.lock().unwrap() = SECRET;
    arc_rw_lock: Arc<RwLock<String>> = Arc::default(), |field| *field.write().unwrap() = SECRET.to_string();
    arc_once_lock: Arc<OnceLock<u32>> = Arc::default(), |field| field.set(SECRET).unwrap();
    arc_atomic: Arc<AtomicU32> = Arc::default(), |field| field.store(SECRET, Ordering::SeqCst);
    option_of_arc_atomic: Option<Arc<AtomicU32>> = Some(Arc::default()), |field| field.as_ref().unwrap().store(SECRET, Ordering::SeqCst);
    list: Vec<Rc<Cell<u32>>> = vec![Rc::default()], |field| field[0].set(SECRET);
    map: BTreeMap<u8, Arc<Mutex<u32>>> = BTreeMap::from([(1, Arc::default())]), |field| *field[&1].lock().unwrap() = SECRET;
    pair: (u8, Rc<Cell<u32>>) = (1, Rc::default()), |field| field.1.set(SECRET);
    boxed: Box<Rc<RefCell<u32>>> = Box::default(), |field| *field.borrow_mut() = SECRET;
    structure: Rc<Secret> = Rc::default(), |field| field.code.set(SECRET);
}

#[derive(Auditable, Clone, Default)]
struct Secret {
    code: Cell<u32>,
}

/// What holds a cell and is no `AuditValue`.
#[derive(Clone, Debug, Default)]
struct Handle(Rc<Cell<u32>>);

impl serde::Serialize for Handle {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u32(self.0.get())
    }
}

impl fmt::Display for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.get().fmt(f)
    }
}

impl Handle {
    fn read(&self) -> u32 {
        self.0.get()
    }
}

#[derive(Clone, Default, serde::Serialize)]
struct Foreign(u32);

#[test]
fn a_value_recorded_in_another_form_is_captured() {
    macro_rules! forms {
        ($($case:literal: [$($attribute:tt)*] $type:ty = $new:expr, |$field:ident| $change:expr, $clear:literal;)*) => {$({
            #[derive(Auditable, Clone)]
            struct Holder {
                id: u32,
                #[audit($($attribute)*)]
                field: $type,
            }
            let new = || Holder { id: 1, field: $new };
            is_told($case, new, |holder| { let $field = &holder.field; $change; }, $clear);
        })*};
    }
    forms! {
        "serde": [serde] Handle = Handle::default(), |field| field.0.set(SECRET), true;
        "serde, a lock": [serde] &'static Mutex<Foreign> = Box::leak(Box::default()), |field| field.lock().unwrap().0 = SECRET, true;
        "serde, a cell": [serde] Option<&'static RefCell<Foreign>> = Some(Box::leak(Box::default())), |field| field.unwrap().borrow_mut().0 = SECRET, true;
        "serde, masked": [serde, mask] Handle = Handle::default(), |field| field.0.set(SECRET), false;
        "serde, hashed": [serde, hash] Handle = Handle::default(), |field| field.0.set(SECRET), false;
        "debug": [debug] Handle = Handle::default(), |field| field.0.set(SECRET), true;
        "debug, masked": [debug, mask = "last4"] Handle = Handle::default(), |field| field.0.set(SECRET), false;
        "display": [display] Handle = Handle::default(), |field| field.0.set(SECRET), true;
        "display, in a list": [display] Vec<Handle> = vec![Handle::default()], |field| field[0].0.set(SECRET), true;
        "a function": [with = Handle::read] Handle = Handle::default(), |field| field.0.set(SECRET), true;
        "a function, masked": [with = Handle::read, mask] Handle = Handle::default(), |field| field.0.set(SECRET), false;
        "a function of a value": [with = read] Rc<RefCell<u32>> = Rc::default(), |field| *field.borrow_mut() = SECRET, true;
        "a sensitive value": [] Sensitive<Rc<Cell<u32>>> = Sensitive::default(), |field| field.expose().set(SECRET), false;
        "a sensitive value behind a pointer": [] Rc<RefCell<Sensitive<u32>>> = Rc::default(), |field| *field.borrow_mut() = Sensitive::new(SECRET), false;
    }
}

fn read(value: &RefCell<u32>) -> u32 {
    *value.borrow()
}

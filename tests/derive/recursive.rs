//! Types that hold themselves, and values that hold each other: no walk overflows the stack or
//! runs without end. Each test has a thread with a known stack and a time limit.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt::Debug;
use std::rc::Rc;
use std::sync::mpsc;
use std::time::Duration;

use auditlog::prelude::*;
use auditlog::{AuditValue, ValueError, diff, snapshot, try_diff, try_snapshot};
use serde_json::{Value, json};

/// Runs a test on 2 MiB of stack and fails if it takes longer than 20 seconds.
fn ends<R: Send + 'static>(test: impl FnOnce() -> R + Send + 'static) -> R {
    let (sender, receiver) = mpsc::channel();
    std::thread::Builder::new()
        .stack_size(2 << 20)
        .spawn(move || sender.send(test()))
        .expect("a thread");
    receiver
        .recv_timeout(Duration::from_secs(20))
        .expect("the walk ends")
}

fn log() -> AuditLog {
    AuditLog::builder().hash_key(1, [7; 32]).build()
}

/// Does everything that walks over a type, and over values of it.
fn all_walks<T: Auditable + Debug + Clone + 'static>(old: &T, new: &T) {
    // Without a hash key, registering looks for hashed fields.
    AuditLog::builder().build().register::<T>();
    let log = log();
    log.register::<T>();
    assert_eq!(auditlog::lint::<T>(), []);
    assert_eq!(log.described().len(), 1);
    let unknown = log.register_with::<T>(|options| options.mask("nothing.nowhere"));
    assert!(unknown.is_err());

    log.created(old).record().expect("created");
    log.updated(old, new).record().expect("updated");
    let history = log.history::<T>(old.object_pk()).expect("a history");
    assert_eq!(history.latest().state, snapshot(new));
    assert_eq!(
        history.at_version(1).expect("version 1").state,
        snapshot(old)
    );
    assert!(history.latest().complete, "{:?}", history.latest().missing);
    let mut state = snapshot(old);
    diff(old, new).apply(&mut state).expect("changes apply");
    assert_eq!(state, snapshot(new));
    assert!(old.same(old) && diff(old, old).is_empty());
}

#[derive(Auditable, Clone, Debug)]
struct Outline(Vec<Outline>);

#[derive(Auditable, Clone, Debug)]
struct Dir(BTreeMap<String, Dir>);

#[derive(Auditable, Clone, Debug)]
struct Ping(Vec<Pong>);

#[derive(Auditable, Clone, Debug)]
struct Pong(Vec<Ping>);

#[derive(Auditable, Clone, Debug)]
struct Chain(Option<Box<Chain>>);

#[derive(Auditable, Clone, Debug)]
struct There(Option<Rc<Back>>);

#[derive(Auditable, Clone, Debug)]
struct Back(Option<Rc<There>>);

#[derive(Auditable, Clone, Debug)]
struct Labelled(#[audit(label = "parts")] Vec<Labelled>);

#[derive(Auditable, Clone, Debug)]
#[audit(transparent)]
struct Transparent {
    inner: Option<Box<Transparent>>,
}

type Link<T> = Option<Box<T>>;

#[derive(Auditable, Clone, Debug)]
struct Aliased(Link<Aliased>);

#[derive(Auditable, Clone, Debug)]
struct Newtypes {
    id: u32,
    outline: Outline,
    dir: Dir,
    ping: Ping,
    chain: Chain,
    there: There,
    labelled: Labelled,
    transparent: Transparent,
    aliased: Aliased,
}

fn newtypes() -> Newtypes {
    Newtypes {
        id: 1,
        outline: Outline(vec![]),
        dir: Dir(BTreeMap::new()),
        ping: Ping(vec![]),
        chain: Chain(None),
        there: There(None),
        labelled: Labelled(vec![]),
        transparent: Transparent { inner: None },
        aliased: Aliased(None),
    }
}

#[test]
fn newtypes_that_hold_themselves() {
    ends(|| {
        let old = newtypes();
        let mut new = newtypes();
        new.outline = Outline(vec![Outline(vec![]), Outline(vec![Outline(vec![])])]);
        new.dir.0.insert("a".to_owned(), Dir(BTreeMap::new()));
        new.ping = Ping(vec![Pong(vec![])]);
        new.labelled = Labelled(vec![Labelled(vec![])]);
        all_walks(&old, &new);
    });
}

#[test]
fn long_chains_of_newtypes_are_a_typed_error() {
    fn too_deep<T: AuditValue>(a: &T, b: &T) {
        assert!(matches!(try_snapshot(a), Err(ValueError::TooDeep { .. })));
        assert!(matches!(try_diff(a, b), Err(ValueError::TooDeep { .. })));
        assert!(!a.same(b));
    }
    ends(|| {
        let depth = 5_000;
        let chain = || (0..depth).fold(Chain(None), |chain, _| Chain(Some(Box::new(chain))));
        let outline = || (0..depth).fold(Outline(vec![]), |inner, _| Outline(vec![inner]));
        let aliased = || (0..depth).fold(Aliased(None), |inner, _| Aliased(Some(Box::new(inner))));
        let there = || {
            (0..depth).fold(There(None), |there, _| {
                There(Some(Rc::new(Back(Some(Rc::new(there))))))
            })
        };
        too_deep(&chain(), &chain());
        too_deep(&outline(), &outline());
        too_deep(&aliased(), &aliased());
        let two = [there(), there()];
        too_deep(&two[0], &two[1]);
        // `Drop` recurses; it is not what is tested.
        std::mem::forget(two);
    });
}

#[derive(Auditable, Clone, Debug, Serialize, Deserialize)]
#[serde(untagged)]
enum Json {
    Null,
    Number(f64),
    Text(String),
    List(Vec<Json>),
    Map(BTreeMap<String, Json>),
}

#[derive(Auditable, Clone, Debug, Serialize, Deserialize)]
struct Document {
    id: u32,
    json: Json,
}

#[test]
fn an_untagged_enum_that_holds_itself() {
    ends(|| {
        let document = |json| Document { id: 1, json };
        let list = Json::List(vec![Json::Null, Json::Text("x".into())]);
        let map = Json::Map([("a".to_owned(), list.clone())].into());
        all_walks(&document(Json::Number(1.5)), &document(list));
        all_walks(&document(map), &document(Json::Null));
    });
}

#[derive(Auditable, Clone, Debug)]
#[audit(value)]
struct Wide {
    a: Vec<Wide>,
    b: Vec<Wide>,
    c: Option<Box<Wide>>,
    d: BTreeMap<String, Wide>,
    e: Vec<Wide>,
    f: Vec<Wide>,
    g: Vec<Wide>,
    h: Vec<Wide>,
    i: Vec<Wide>,
    j: Vec<Wide>,
    k: Vec<Wide>,
    l: Vec<Wide>,
    m: Vec<Wide>,
    n: Vec<Wide>,
    o: Vec<Wide>,
    p: Vec<Wide>,
}

impl Wide {
    fn new() -> Self {
        Self {
            a: vec![],
            b: vec![],
            c: None,
            d: BTreeMap::new(),
            e: vec![],
            f: vec![],
            g: vec![],
            h: vec![],
            i: vec![],
            j: vec![],
            k: vec![],
            l: vec![],
            m: vec![],
            n: vec![],
            o: vec![],
            p: vec![],
        }
    }
}

#[derive(Auditable, Clone, Debug)]
struct WideEntity {
    id: u32,
    wide: Wide,
}

#[test]
fn a_type_with_many_fields_of_its_own_type() {
    ends(|| {
        let old = WideEntity {
            id: 1,
            wide: Wide::new(),
        };
        let mut new = old.clone();
        new.wide.p.push(Wide::new());
        all_walks(&old, &new);
    });
}

/// Types of which each has many fields of the next: as many paths as a tree has leaves.
mod levels {
    use super::*;

    macro_rules! levels {
        ($($level:ident holds $next:ty;)*) => {$(
            #[derive(Auditable, Clone, Debug, Default)]
            pub(super) struct $level {
                a: Vec<$next>, b: Vec<$next>, c: Vec<$next>, d: Vec<$next>, e: Vec<$next>,
                f: Vec<$next>, g: Vec<$next>, h: Vec<$next>, i: Vec<$next>, j: Vec<$next>,
            }
        )*};
    }

    levels! {
        L0 holds L1; L1 holds L2; L2 holds L3; L3 holds L4; L4 holds L5; L5 holds L6; L6 holds L7;
        L7 holds L8; L8 holds L9; L9 holds Leaf;
    }

    #[derive(Auditable, Clone, Debug, Default)]
    pub(super) struct Leaf {
        password: String,
    }

    #[derive(Auditable, Clone, Debug)]
    pub(super) struct Entity {
        pub(super) id: u32,
        pub(super) first: L0,
    }
}

#[test]
fn a_secret_below_ten_billion_paths_is_found() {
    ends(|| {
        let findings = auditlog::lint::<levels::Entity>();
        assert!(!findings.is_empty() && findings.len() < 10_000);
        assert!(findings.iter().all(|finding| finding.word == "password"));
        let log = log();
        log.register::<levels::Entity>();
        assert_eq!(log.described()[0].fields.len(), 2);
        let entity = levels::Entity {
            id: 1,
            first: levels::L0::default(),
        };
        log.created(&entity).record().expect("created");
        assert!(
            log.history::<levels::Entity>(1)
                .expect("a history")
                .latest()
                .exists()
        );
    });
}

#[derive(Auditable)]
#[audit(value)]
struct Node {
    number: u32,
    links: RefCell<Vec<Rc<Node>>>,
    by_name: RefCell<BTreeMap<String, Rc<Node>>>,
    #[audit(mask)]
    secret: RefCell<Vec<Rc<Node>>>,
    #[audit(whole)]
    whole: RefCell<Vec<Rc<Node>>>,
    #[audit(set)]
    tags: Vec<String>,
}

fn nodes(numbers: std::ops::Range<u32>) -> Vec<Rc<Node>> {
    let node = |number| {
        Rc::new(Node {
            number,
            links: RefCell::default(),
            by_name: RefCell::default(),
            secret: RefCell::default(),
            whole: RefCell::default(),
            tags: vec![],
        })
    };
    numbers.map(node).collect()
}

/// Three nodes, each linked to all in one of four ways.
fn ring(way: u8) -> Rc<Node> {
    let all = nodes(0..3);
    for one in &all {
        match way {
            0 => one.links.borrow_mut().clone_from(&all),
            1 => {
                let named = all
                    .iter()
                    .map(|node| (node.number.to_string(), node.clone()));
                *one.by_name.borrow_mut() = named.collect();
            }
            2 => one.secret.borrow_mut().clone_from(&all),
            _ => one.whole.borrow_mut().clone_from(&all),
        }
    }
    all[0].clone()
}

/// A list that holds itself, through a newtype.
#[derive(Auditable)]
struct Loop(Rc<RefCell<Vec<Loop>>>);

#[test]
fn values_in_a_ring_are_refused_at_the_first_limit() {
    for way in 0..4 {
        ends(move || {
            let (a, b) = (ring(way), ring(way));
            assert!(
                matches!(try_diff(&*a, &*b), Err(ValueError::TooDeep { .. })),
                "way {way}"
            );
            assert!(matches!(try_snapshot(&*a), Err(ValueError::TooDeep { .. })));
            assert!(!a.same(&b));
        });
    }
    ends(|| {
        let endless = || {
            let inner = Loop(Rc::default());
            for _ in 0..3 {
                inner.0.borrow_mut().push(Loop(inner.0.clone()));
            }
            inner
        };
        let (a, b) = (endless(), endless());
        assert!(matches!(try_diff(&a, &b), Err(ValueError::TooDeep { .. })));
        assert!(matches!(try_snapshot(&a), Err(ValueError::TooDeep { .. })));
        assert!(!a.same(&b));
    });
}

/// No ring, but forty levels that each hold the next one twice: 2^40 nodes once written out.
fn shared() -> Rc<Node> {
    let mut levels = nodes(0..40).into_iter();
    let last = levels.next().expect("a node");
    levels.fold(last, |below, node| {
        *node.links.borrow_mut() = vec![below.clone(), below];
        node
    })
}

#[test]
fn values_that_share_their_parts_without_measure_are_too_large() {
    ends(|| {
        let value = shared();
        assert!(matches!(
            try_snapshot(&*value),
            Err(ValueError::TooLarge { .. })
        ));
        // The same value is not looked into; an equal one is.
        assert!(value.same(&value));
    });
}

#[test]
fn what_is_shared_a_few_times_is_recorded() {
    let one = Rc::new(newtypes().chain);
    let list = vec![one.clone(), one.clone(), one];
    assert_eq!(snapshot(&list), json!([null, null, null]));
    assert_eq!(
        diff(&list, &list[..2].to_vec())["[2]"].old,
        Some(Value::Null)
    );
}

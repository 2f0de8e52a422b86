//! A change as code by hand builds it.

use std::borrow::Cow;

use serde_json::Value;

/// What a change is, as code by hand would have it: the fields of `auditlog::Change`.
#[expect(dead_code, reason = "built to be as large as what it stands beside")]
pub(crate) struct ByHand {
    pub(crate) path: Cow<'static, str>,
    pub(crate) old: Option<Value>,
    pub(crate) new: Option<Value>,
    pub(crate) redaction: Option<u8>,
}

pub(crate) fn push(
    changes: &mut Vec<ByHand>,
    path: impl Into<Cow<'static, str>>,
    old: Value,
    new: Value,
) {
    changes.push(ByHand {
        path: path.into(),
        old: Some(old),
        new: Some(new),
        redaction: None,
    });
}

/// The way without a diff of one's own: both to JSON, and compare the top-level fields.
pub(crate) fn through_json<T: serde::Serialize>(old: &T, new: &T) -> Vec<ByHand> {
    let (Ok(Value::Object(old)), Ok(Value::Object(mut new))) =
        (serde_json::to_value(old), serde_json::to_value(new))
    else {
        return Vec::new();
    };
    old.into_iter()
        .filter_map(|(name, old)| {
            let new = new.remove(&name)?;
            (old != new).then(|| ByHand {
                path: name.into(),
                old: Some(old),
                new: Some(new),
                redaction: None,
            })
        })
        .collect()
}

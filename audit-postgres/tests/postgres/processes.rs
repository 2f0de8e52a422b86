use crate::Test;
pub(crate) const TESTS: &[Test] = &[];
pub(crate) fn is_child() -> bool {
    false
}
pub(crate) fn run_child() {}

//! Suggestions of similar names, for "did you mean".

/// Returns the candidate most similar to `name`, if it is similar enough to be a likely misspelling: at
/// most one edit for each three characters of the name, and one for a shorter name. Case is ignored.
///
/// # Example: a swapped letter
/// ```
/// use auditlog::backend::nearest;
///
/// let fields = ["id", "email", "address"];
/// assert_eq!(nearest("emial", fields), Some("email"));
/// assert_eq!(nearest("password", fields), None);
/// ```
pub fn nearest<'c>(name: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<&'c str> {
    candidates
        .into_iter()
        .map(|candidate| (distance(name, candidate), candidate))
        .filter(|(edits, _)| *edits <= (name.chars().count() / 3).max(1))
        .min_by_key(|(edits, _)| *edits)
        .map(|(_, candidate)| candidate)
}

/// Returns the optimal string alignment distance, ignoring case: the number of insertions, deletions,
/// replacements and swaps of adjacent characters (Damerau 1964, without edits inside a swap). Takes time
/// and memory in proportion to the product of the lengths.
///
/// The crate `strsim` is not used: the default tree of the facade has the 20 crates that it may have.
fn distance(name: &str, candidate: &str) -> usize {
    let lower = |text: &str| text.to_lowercase().chars().collect::<Vec<char>>();
    let (a, b) = (lower(name), lower(candidate));
    let mut edits = vec![vec![0; b.len() + 1]; a.len() + 1];
    for i in 0..=a.len() {
        for j in 0..=b.len() {
            edits[i][j] = if i == 0 || j == 0 {
                i + j
            } else {
                let replaced = edits[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
                let edited = replaced.min(edits[i - 1][j] + 1).min(edits[i][j - 1] + 1);
                let swap = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
                if swap {
                    edited.min(edits[i - 2][j - 2] + 1)
                } else {
                    edited
                }
            };
        }
    }
    edits[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn suggests_only_similar_names() {
        let fields = ["id", "email", "address"];
        assert_eq!(nearest("emial", fields), Some("email"));
        assert_eq!(nearest("Adress", fields), Some("address"));
        assert_eq!(nearest("password", fields), None);
    }
}

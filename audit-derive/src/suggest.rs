//! Suggestions of similar names, for "did you mean".

/// Returns `, did you mean ...?` if a candidate is similar, else the list of candidates.
pub(crate) fn hint<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> String {
    let candidates: Vec<&str> = candidates.into_iter().collect();
    if let Some(near) = nearest(word, &candidates) {
        return format!(", did you mean `{near}`?");
    }
    if candidates.is_empty() {
        return String::new();
    }
    let list: Vec<String> = candidates.iter().map(|word| format!("`{word}`")).collect();
    format!("; expected one of {}", list.join(", "))
}

/// Returns the most similar candidate, if it is similar enough to be a likely misspelling.
pub(crate) fn nearest<'a>(word: &str, candidates: &[&'a str]) -> Option<&'a str> {
    let plain = |text: &str| text.to_lowercase().replace(['_', '-', ' '], "");
    let word = plain(word);
    candidates
        .iter()
        .map(|candidate| (distance(&word, &plain(candidate)), *candidate))
        .filter(|(steps, candidate)| {
            *steps <= (word.chars().count().max(candidate.chars().count()) / 3).max(1)
        })
        .min_by_key(|(steps, _)| *steps)
        .map(|(_, candidate)| candidate)
}

/// Returns the optimal string alignment distance: the number of insertions, deletions,
/// replacements and swaps of adjacent characters.
///
/// Not from `strsim`: the facade may have 20 crates in its tree, and it has them.
fn distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().collect();
    let mut before: Vec<usize> = Vec::new();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    let mut previous = None;
    for (i, from) in left.chars().enumerate() {
        let mut next = vec![i + 1];
        for (j, &to) in right.iter().enumerate() {
            let mut steps = (row[j] + usize::from(from != to))
                .min(row[j + 1] + 1)
                .min(next[j] + 1);
            if j > 0 && previous == Some(to) && right[j - 1] == from {
                steps = steps.min(before[j - 1] + 1);
            }
            next.push(steps);
        }
        before = std::mem::replace(&mut row, next);
        previous = Some(from);
    }
    row[right.len()]
}

#[cfg(test)]
mod tests {
    use super::{distance, hint, nearest};

    #[test]
    fn counts_edits() {
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("label", "label"), 0);
        assert_eq!(distance("lable", "label"), 1);
        assert_eq!(distance("maks", "mask"), 1);
        assert_eq!(distance("kitten", "sitting"), 3);
    }

    #[test]
    fn suggests_only_similar_words() {
        assert_eq!(nearest("lable", &["level", "label"]), Some("label"));
        assert_eq!(
            nearest("first-half", &["all", "first_half"]),
            Some("first_half")
        );
        assert_eq!(nearest("colour", &["label", "mask"]), None);
    }

    #[test]
    fn lists_the_words_if_none_is_similar() {
        assert_eq!(
            hint("x", ["all", "last4"]),
            "; expected one of `all`, `last4`"
        );
        assert_eq!(hint("x", []), "");
    }
}

//! Near names, for "did you mean".

/// Returns the candidate nearest to `name`, if one is near enough to be what was meant.
pub fn nearest<'c>(name: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<&'c str> {
    candidates
        .into_iter()
        .map(|candidate| (distance(name, candidate), candidate))
        .filter(|(steps, _)| *steps <= (name.chars().count() / 3).max(1))
        .min_by_key(|(steps, _)| *steps)
        .map(|(_, candidate)| candidate)
}

/// The optimal string alignment distance, ignoring case: how many letters are replaced,
/// inserted, left out, or swapped with their neighbour.
fn distance(name: &str, candidate: &str) -> usize {
    let lower = |text: &str| text.to_lowercase().chars().collect::<Vec<char>>();
    let (a, b) = (lower(name), lower(candidate));
    let mut steps = vec![vec![0; b.len() + 1]; a.len() + 1];
    for i in 0..=a.len() {
        for j in 0..=b.len() {
            steps[i][j] = if i == 0 || j == 0 {
                i + j
            } else {
                let replaced = steps[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
                let one_sided = steps[i - 1][j].min(steps[i][j - 1]) + 1;
                let swap = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
                let swapped = if swap {
                    steps[i - 2][j - 2] + 1
                } else {
                    usize::MAX
                };
                replaced.min(one_sided).min(swapped)
            };
        }
    }
    steps[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn finds_what_was_meant_and_nothing_else() {
        let fields = ["id", "email", "address"];
        assert_eq!(nearest("emial", fields), Some("email"));
        assert_eq!(nearest("Adress", fields), Some("address"));
        assert_eq!(nearest("password", fields), None);
    }
}

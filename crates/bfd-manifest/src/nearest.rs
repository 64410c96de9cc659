/// The known name that `given` was probably meant to be.
pub(crate) fn nearest<'k>(
    given: &str,
    known: impl IntoIterator<Item = &'k str>,
) -> Option<&'k str> {
    // A third of the letters may be wrong; of short names one.
    let allowed = (given.chars().count() / 3).clamp(1, 4);
    let close = |name: &&str| name.len().abs_diff(given.len()) <= 2 * allowed;
    known
        .into_iter()
        .filter(close)
        .map(|name| (strsim::osa_distance(given, name), name))
        .filter(|(distance, _)| *distance <= allowed)
        .min()
        .map(|(_, name)| name)
}

/// The hint for an unknown name.
pub(crate) fn did_you_mean<'k>(
    given: &str,
    known: impl IntoIterator<Item = &'k str>,
) -> Option<String> {
    nearest(given, known).map(|name| format!("did you mean `{name}`?"))
}

/// `` `a`, `b` and `c` ``.
pub(crate) fn list<'k>(names: impl IntoIterator<Item = &'k str>) -> String {
    let names: Vec<String> = names.into_iter().map(|name| format!("`{name}`")).collect();
    match names.as_slice() {
        [] => String::new(),
        [one] => one.clone(),
        [all @ .., last] => format!("{} and {last}", all.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_near_names_are_offered() {
        let known = ["desired_count", "cpu", "name"];
        assert_eq!(nearest("desired_cuont", known), Some("desired_count"));
        assert_eq!(nearest("cpus", known), Some("cpu"));
        assert_eq!(nearest("memory", known), None);
        assert_eq!(nearest("", known), None);
    }
}

//! What is wrong with a template, in its place, with a way out.

use std::fmt;

use serde::Serialize;

use crate::path::Path;

/// A place in the text, both counted from one; columns are characters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Place {
    /// The line.
    pub line: u32,
    /// The column.
    pub column: u32,
}

impl fmt::Display for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}", self.line, self.column)
    }
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// Which kind of problem it is, such as `template::undeclared`.
    pub code: &'static str,
    /// The kind in words; holds no name that a user chose.
    pub headline: &'static str,
    /// What is wrong here.
    pub label: String,
    /// Where in the tree.
    pub path: Path,
    /// Where in the text, when it came from one.
    pub place: Option<Place>,
    /// What may be done about it.
    pub help: Option<String>,
}

impl Problem {
    pub(crate) fn new(code: &'static str, headline: &'static str, label: String) -> Self {
        Self { code, headline, label, path: Path::default(), place: None, help: None }
    }

    pub(crate) fn at(mut self, place: Place) -> Self {
        self.place = Some(place);
        self
    }

    pub(crate) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    pub(crate) fn maybe_help(mut self, help: Option<String>) -> Self {
        self.help = help.or(self.help);
        self
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(place) = self.place {
            write!(formatter, "{place}: ")?;
        } else if !self.path.steps().is_empty() {
            write!(formatter, "{}: ", self.path)?;
        }
        write!(formatter, "{}: {}", self.headline, self.label)?;
        if let Some(help) = &self.help {
            write!(formatter, " (help: {help})")?;
        }
        Ok(())
    }
}

/// A text that is no template.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", lines(.problems))]
pub struct TemplateError {
    problems: Vec<Problem>,
}

impl TemplateError {
    pub(crate) fn new(mut problems: Vec<Problem>) -> Self {
        sort(&mut problems);
        Self { problems }
    }

    /// Everything that was found, in the order of the text; never empty.
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }
}

fn lines(problems: &[Problem]) -> String {
    problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

/// Sorts by place, then by path, then by what is wrong.
pub(crate) fn sort(problems: &mut Vec<Problem>) {
    let key = |problem: &Problem| (problem.place, problem.path.clone(), problem.code);
    problems
        .sort_by(|one, other| key(one).cmp(&key(other)).then_with(|| one.label.cmp(&other.label)));
    problems.dedup();
}

/// The known name closest to a misspelled one, as a help.
pub(crate) fn did_you_mean<'known>(
    name: &str,
    known: impl IntoIterator<Item = &'known str>,
) -> Option<String> {
    // Beyond that length nobody misspells, and the distance costs its square.
    if name.len() > 128 {
        return None;
    }
    let most = 1 + name.chars().count() / 4;
    let close = known.into_iter().filter(|other| other.len().abs_diff(name.len()) <= most);
    let scored = close.map(|other| (strsim::damerau_levenshtein(name, other), other));
    let (distance, best) = scored.min()?;
    (distance <= most).then(|| format!("did you mean `{best}`?"))
}

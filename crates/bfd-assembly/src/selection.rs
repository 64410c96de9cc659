//! Which stacks a pattern names.

use crate::{
    assembly::Assembly,
    glob::Pattern,
    stack::{Stack, StackId},
    words::{list, nearest},
};
use std::collections::BTreeSet;
use thiserror::Error;

/// How far a selection reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// What the patterns name.
    Alone,
    /// And everything that depends on, as `cdk deploy` does by default.
    WithDependencies,
}

/// Why patterns select nothing.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SelectionError {
    #[error("no pattern is given")]
    NoPattern,
    #[error("`{pattern}` is no pattern: {reason}")]
    NotAPattern { pattern: String, reason: String },
    #[error("no stack matches `{pattern}`")]
    NoMatch {
        pattern: String,
        /// What was probably meant.
        nearest: Option<String>,
        /// The hierarchical ids of all stacks.
        known: Vec<String>,
    },
    #[error("the patterns that begin with `!` leave out every stack")]
    AllLeftOut,
}

impl SelectionError {
    /// What the user may try next.
    pub fn help(&self) -> String {
        match self {
            Self::NoPattern | Self::AllLeftOut => {
                "`**` selects every stack, `*` those outside of stages".to_owned()
            }
            Self::NotAPattern { .. } => {
                "there are `*`, `**`, `?`, `[a-z]`, `{one,other}`, `!` at the start, and `\\` \
                 before a letter that means itself"
                    .to_owned()
            }
            Self::NoMatch { nearest: Some(nearest), .. } => format!("did you mean `{nearest}`?"),
            Self::NoMatch { known, .. } if known.is_empty() => {
                "the application has no stacks".to_owned()
            }
            Self::NoMatch { known, .. } => {
                format!("there are {}", list(known.iter().map(String::as_str)))
            }
        }
    }
}

impl Assembly {
    /// The stacks that patterns name, each after those it depends on.
    ///
    /// A pattern is compared with hierarchical ids, `Stage/Stack`, as the CDK's CLI does: `*` is
    /// every stack outside of stages, `**` every stack. One that begins with `!` leaves out what
    /// it matches; when all do, they leave out of `**`. A plain name may also be the name of a
    /// stack in CloudFormation, or the id of its artifact, if it is no hierarchical id.
    ///
    /// What is left out comes back when something else depends on it.
    ///
    /// # Errors
    ///
    /// Every pattern that is wrong or that matches nothing. With the CDK's CLI one that leaves out
    /// nothing is no error; but then a slip of the pen deploys what was to be left out.
    pub fn select<P: AsRef<str>>(
        &self,
        patterns: &[P],
        reach: Reach,
    ) -> Result<Vec<&Stack>, Vec<SelectionError>> {
        if patterns.is_empty() {
            return Err(vec![SelectionError::NoPattern]);
        }
        let mut errors = Vec::new();
        let mut selected: Option<BTreeSet<StackId>> = None;
        let mut left_out = BTreeSet::new();
        for text in patterns {
            let text = text.as_ref();
            let pattern = match Pattern::parse(text) {
                Ok(pattern) => pattern,
                Err(reason) => {
                    let pattern = text.to_owned();
                    errors.push(SelectionError::NotAPattern { pattern, reason });
                    continue;
                }
            };
            let found = self.matching(text, &pattern);
            if found.is_empty() {
                errors.push(self.no_match(text));
            }
            if pattern.is_negated {
                left_out.extend(found);
            } else {
                selected.get_or_insert_default().extend(found);
            }
        }
        if !errors.is_empty() {
            return Err(errors);
        }
        let all = || self.stacks().iter().map(|stack| stack.id.clone()).collect();
        let mut selected = selected.unwrap_or_else(all);
        selected.retain(|id| !left_out.contains(id));
        if selected.is_empty() {
            return Err(vec![SelectionError::AllLeftOut]);
        }
        if reach == Reach::WithDependencies {
            selected = self.with_dependencies(&selected);
        }
        Ok(self.stacks().iter().filter(|stack| selected.contains(&stack.id)).collect())
    }

    fn matching(&self, text: &str, pattern: &Pattern) -> BTreeSet<StackId> {
        let by = |matches: &dyn Fn(&Stack) -> bool| -> BTreeSet<StackId> {
            let stacks = self.stacks().iter().filter(|stack| matches(stack));
            stacks.map(|stack| stack.id.clone()).collect()
        };
        let found = by(&|stack| pattern.matches(&stack.hierarchical_id));
        if !found.is_empty() {
            return found;
        }
        // No name has a letter that means something in a pattern.
        let name = text.strip_prefix('!').unwrap_or(text);
        by(&|stack| stack.name == name || stack.artifact == name)
    }

    fn no_match(&self, pattern: &str) -> SelectionError {
        let names = self.stacks().iter();
        let names = names.flat_map(|it| [it.hierarchical_id.as_str(), it.name.as_str()]);
        let name = pattern.strip_prefix('!');
        let nearest = nearest(name.unwrap_or(pattern), names);
        let nearest =
            nearest.map(|it| if name.is_some() { format!("!{it}") } else { it.to_owned() });
        let mut known: Vec<_> =
            self.stacks().iter().map(|stack| stack.hierarchical_id.clone()).collect();
        known.sort();
        SelectionError::NoMatch { pattern: pattern.to_owned(), nearest, known }
    }
}

//! Templates of stacks within stacks: files that a stack publishes, read with its own.

use crate::{scope::Scope, sources};
use bfd_core::{Expr, Problem, Resource};
use bfd_kinds::stack::{ASSETS, NESTED};
use std::{collections::BTreeMap, path::Path};

/// Reads those of every stack. What cannot be read is told with whatever else is published.
pub(crate) fn read(resources: &mut [Resource], scope: &Scope<'_>, problems: &mut Vec<Problem>) {
    // Applications publish one template for many stacks.
    let mut texts: BTreeMap<String, Option<String>> = BTreeMap::new();
    for stack in resources.iter_mut().filter(|it| it.inputs.contains_key(ASSETS)) {
        let place = stack.span_of(ASSETS);
        let read = |path: &str| {
            let text = texts.entry(path.to_owned()).or_insert_with(|| {
                let file = sources::join(scope.directory, Path::new(path));
                let text = (scope.options.read)(&file).ok()?;
                problems.extend(bfd_kinds::stack::mistakes(path, &text, &place));
                Some(text)
            });
            text.clone()
        };
        let nested = bfd_kinds::stack::nested(&stack.inputs, read);
        if !nested.is_empty() {
            let nested = nested.into_iter().map(|(key, text)| (key, text.into()));
            stack.inputs.insert(NESTED.to_owned(), Expr::Map(nested.collect()));
        }
    }
}

use crate::{
    declared::Index,
    nearest::{did_you_mean, list},
    node::Value,
    options::Options,
    quoted,
    sources::{self, Sources},
    template::{self, Part},
    variables::Variables,
};
use bfd_core::{Address, Environment, Expr, Problem, Reference, Span};
use bfd_kinds::{KindSpec, OutputSource};
use std::{
    ops::Range,
    path::{Path, PathBuf},
};

/// What `${…}` can stand for, and the world around it.
#[derive(Clone, Copy)]
pub(crate) struct Scope<'a> {
    pub(crate) options: &'a Options<'a>,
    pub(crate) sources: &'a Sources,
    /// The manifest's.
    pub(crate) directory: &'a Path,
    pub(crate) environment: &'a Environment,
    pub(crate) variables: &'a Variables,
    pub(crate) declared: &'a Index,
    pub(crate) reach: Reach,
}

/// What may be named from here, so that nothing is asked for before it is known.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reach {
    /// In `[environment]`: variables.
    Environment,
    /// In `[vars]`: the environment.
    Variables,
    /// Everywhere else.
    Everything,
}

/// What `${git.NAME}` can be.
pub const GIT: &[(&str, &str)] = &[
    ("branch", "The branch, `/` and what else a tag cannot have as `-`"),
    ("dirty", "`true` when files differ from the commit, else `false`"),
    ("sha", "The commit, 40 digits"),
    ("short_sha", "Its first 12 digits"),
    ("time", "When it was made, in UTC: `20260131T120000Z`"),
];

/// Text with its placeholders replaced.
pub(crate) enum Filled {
    Known(Value),
    /// Waits for other resources, each named at a place.
    Later(Expr, Vec<(Reference, Span)>),
}

enum Meaning {
    Known(Value),
    Reference(Reference),
}

impl Scope<'_> {
    /// Replaces every placeholder. `None`: something was wrong and is reported.
    pub(crate) fn fill(
        &self,
        text: &str,
        span: &Span,
        problems: &mut Vec<Problem>,
    ) -> Option<Filled> {
        let parts = match template::scan(text) {
            Ok(parts) => parts,
            Err(open) => {
                let at = self.inside(span, open.at..open.at + 2);
                let problem = Problem::error("manifest::unterminated", "`${` without `}`");
                problems.push(
                    problem
                        .at(at, "begins here and does not end")
                        .help("close it with `}`, or write `$${` for a literal `${`"),
                );
                return None;
            }
        };
        if let [Part::Placeholder { path, range }] = parts.as_slice() {
            let at = self.inside(span, range.clone());
            return Some(match self.meaning(path, &at, problems)? {
                Meaning::Known(Value::Text(text)) => Filled::Known(Value::Filled(text)),
                Meaning::Known(value) => Filled::Known(value),
                Meaning::Reference(reference) => {
                    let edge = (reference.clone(), at);
                    Filled::Later(Expr::Reference(reference), vec![edge])
                }
            });
        }
        let mut exprs: Vec<Expr> = Vec::new();
        let mut literal = String::new();
        let mut edges = Vec::new();
        let mut failed = false;
        for part in parts {
            match part {
                Part::Text(text) => literal.push_str(&text),
                Part::Placeholder { path, range } => {
                    let at = self.inside(span, range);
                    match self.meaning(path, &at, problems) {
                        None => failed = true,
                        Some(Meaning::Reference(reference)) => {
                            if !literal.is_empty() {
                                exprs.push(std::mem::take(&mut literal).into());
                            }
                            edges.push((reference.clone(), at));
                            exprs.push(Expr::Reference(reference));
                        }
                        Some(Meaning::Known(value)) => {
                            let text = value.to_text();
                            failed |= text.is_none();
                            if text.is_none() {
                                problems.push(list_inside(at));
                            }
                            literal.extend(text);
                        }
                    }
                }
            }
        }
        if failed {
            return None;
        }
        if exprs.is_empty() {
            return Some(Filled::Known(Value::Filled(literal)));
        }
        if !literal.is_empty() {
            exprs.push(literal.into());
        }
        Some(Filled::Later(Expr::Template(exprs), edges))
    }

    /// The place of some bytes of a decoded string.
    fn inside(&self, span: &Span, range: Range<usize>) -> Span {
        let source = self.sources.get(span.source).map_or("", |source| &source.text);
        let raw = source.get(span.start..span.end).unwrap_or_default();
        if !raw.starts_with(['"', '\'']) {
            return span.clone();
        }
        let start = span.start + quoted::written(raw, range.start);
        let last = span.start + quoted::written(raw, range.end.saturating_sub(1));
        Span { source: span.source, start, end: (last + 1).min(span.end).max(start) }
    }

    /// A path that is relative to the file it is written in, as seen from the manifest.
    pub(crate) fn seen_from_manifest(&self, path: &str, span: &Span) -> PathBuf {
        let source = self.sources.get(span.source);
        let here = source.map_or(Path::new(""), |source| &source.from_manifest);
        if here.as_os_str().is_empty() { path.into() } else { sources::join(here, Path::new(path)) }
    }

    fn meaning(&self, path: &str, at: &Span, problems: &mut Vec<Problem>) -> Option<Meaning> {
        let wrong = |code, headline: &str, label: String, help: String| {
            Problem::error(code, headline).at(at.clone(), label).help(help)
        };
        // `${ stack.network }` is what other tools take as well.
        let path = path.trim();
        let mut words = path.split('.');
        let first = words.next().unwrap_or_default();
        let beyond = match (self.reach, first) {
            (Reach::Environment, "var" | "git")
            | (Reach::Variables, "environment" | "git")
            | (Reach::Everything, _) => None,
            (Reach::Environment, _) => {
                Some("`[environment]` can only refer to `${var.…}` and `${git.…}`")
            }
            (Reach::Variables, _) => {
                Some("`[vars]` can only refer to `${environment.…}` and `${git.…}`")
            }
        };
        if let Some(help) = beyond {
            let label = "not known yet when this is read".to_owned();
            let code = "manifest::not_known_here";
            problems.push(wrong(
                code,
                "a reference to something not known here",
                label,
                help.into(),
            ));
            return None;
        }
        match first {
            "environment" => {
                let environment = self.environment;
                let known = ["environment.name", "environment.account", "environment.region"];
                let value = match path.strip_prefix("environment.") {
                    Some("name") => &environment.name,
                    Some("account") => &environment.account,
                    Some("region") => &environment.region,
                    _ => {
                        let hint = did_you_mean(path, known);
                        let hint = hint.unwrap_or_else(|| format!("there are {}", list(known)));
                        let label = "not a property of the environment".to_owned();
                        problems.push(wrong(
                            "manifest::unknown_reference",
                            "a reference to nothing",
                            label,
                            hint,
                        ));
                        return None;
                    }
                };
                Some(Meaning::Known(Value::Filled(value.clone())))
            }
            "git" => self.git(path, at, problems),
            "var" => self.variable(path.strip_prefix("var.").unwrap_or_default(), at, problems),
            kind => {
                let rest = path.strip_prefix(kind).unwrap_or_default();
                let rest = rest.strip_prefix('.').unwrap_or_default();
                match self.reference(kind, rest) {
                    Ok(reference) => Some(Meaning::Reference(reference)),
                    Err(Wrong { code, headline, label, help }) => {
                        problems.push(wrong(code, headline, label, help));
                        None
                    }
                }
            }
        }
    }

    /// What the work tree of the manifest says of itself.
    fn git(&self, path: &str, at: &Span, problems: &mut Vec<Problem>) -> Option<Meaning> {
        let name = path.strip_prefix("git.").unwrap_or_default();
        if !GIT.iter().any(|(known, _)| *known == name) {
            let known: Vec<String> = GIT.iter().map(|(known, _)| format!("git.{known}")).collect();
            let known = || known.iter().map(String::as_str);
            let hint = did_you_mean(path, known());
            let hint = hint.unwrap_or_else(|| format!("there are {}", list(known())));
            let problem = Problem::error("manifest::unknown_reference", "a reference to nothing");
            problems.push(problem.at(at.clone(), "not a property of the work tree").help(hint));
            return None;
        }
        match (self.options.git)(name) {
            Ok(text) => Some(Meaning::Known(Value::Filled(text))),
            Err(why) => {
                let problem = Problem::error("manifest::git", "git does not know");
                let help = "run bfd in a git work tree, or use a variable: `{ env = \"GIT_SHA\" }` in `[vars]`";
                problems.push(problem.at(at.clone(), why).help(help));
                None
            }
        }
    }

    fn variable(&self, name: &str, at: &Span, problems: &mut Vec<Problem>) -> Option<Meaning> {
        match self.variables.get(name, at) {
            Some(Ok(Value::Text(text)))
                if self.reach == Reach::Environment && template::is_template(text) =>
            {
                let headline = "a reference to something not known here";
                let problem = Problem::error("manifest::not_known_here", headline);
                problems.push(
                    problem
                        .at(at.clone(), "holds `${…}` itself")
                        .help("`[environment]` can only refer to plain variables"),
                );
                None
            }
            Some(value) => value.ok().cloned().map(Meaning::Known),
            None => {
                let hint = did_you_mean(name, self.variables.names());
                let hint = hint.unwrap_or_else(|| "declare it in `[vars]`".to_owned());
                let problem = Problem::error("manifest::unknown_variable", "unknown variable");
                problems.push(problem.at(at.clone(), "not in `[vars]`").help(hint));
                None
            }
        }
    }

    fn reference(&self, kind: &str, rest: &str) -> Result<Reference, Wrong> {
        const NOTHING: &str = "a reference to nothing";
        const LITERAL: &str = "write `$${` for a literal `${`";
        let Some(known) = self.declared.kind(kind) else {
            let kinds = self.declared.kinds().chain(["environment", "git", "var"]);
            let help = if rest.is_empty() && !kind.is_empty() {
                format!(
                    "expected `${{kind.name}}`, `${{var.name}}` or `${{environment.name}}`; {LITERAL}"
                )
            } else {
                did_you_mean(kind, kinds).unwrap_or_else(|| LITERAL.to_owned())
            };
            let label = "no kind of resource has this name".to_owned();
            return Err(Wrong {
                code: "manifest::unknown_reference",
                headline: NOTHING,
                label,
                help,
            });
        };
        let spec = known.spec;
        let (name, output) = match rest.split_once('.') {
            // `${coordinator.prefix}`: there is only one, and nobody writes its name.
            _ if spec.singleton && rest != "main" && !rest.starts_with("main.") => ("main", rest),
            Some((name, output)) => (name, output),
            None => (rest, ""),
        };
        let Some(address) = known.names.get(name) else {
            let help = self.declared.hint(kind, name);
            let label = "nothing of this name is declared".to_owned();
            return Err(Wrong {
                code: "manifest::unknown_reference",
                headline: NOTHING,
                label,
                help,
            });
        };
        let output = if output.is_empty() {
            spec.default_output.ok_or_else(|| no_output(spec, address))?
        } else {
            output
        };
        check_output(spec, address, output)?;
        Ok(Reference { of: address.clone(), output: output.to_owned() })
    }
}

fn list_inside(at: Span) -> Problem {
    Problem::error("manifest::wrong_type", "wrong type")
        .at(at, "expected text, found a list")
        .help("a list can only be the whole value: `\"${var.…}\"`")
}

struct Wrong {
    code: &'static str,
    headline: &'static str,
    label: String,
    help: String,
}

fn no_output(spec: &KindSpec, address: &Address) -> Wrong {
    let outputs: Vec<String> =
        spec.outputs.iter().map(|output| example(address, output.name, output.source)).collect();
    let help = if outputs.is_empty() {
        format!("a `{}` has no outputs", spec.name)
    } else {
        format!("write {}", outputs.join(", "))
    };
    Wrong {
        code: "manifest::unknown_output",
        headline: "a reference without an output",
        label: format!("a `{}` has no default output", spec.name),
        help,
    }
}

fn example(address: &Address, output: &str, source: OutputSource) -> String {
    let deeper = if source == OutputSource::Open { ".NAME" } else { "" };
    format!("`${{{address}.{output}{deeper}}}`")
}

fn check_output(spec: &KindSpec, address: &Address, path: &str) -> Result<(), Wrong> {
    let code = "manifest::unknown_output";
    let headline = "unknown output";
    let (first, deeper) = path.split_once('.').map_or((path, None), |(a, b)| (a, Some(b)));
    let names = || spec.outputs.iter().map(|output| output.name);
    let Some(output) = spec.output(first) else {
        let hint = did_you_mean(first, names());
        let help = hint.unwrap_or_else(|| format!("there are {}", list(names())));
        let label = format!("not an output of `{}`", spec.name);
        return Err(Wrong { code, headline, label, help });
    };
    let empty = |path: &str| path.split('.').any(str::is_empty);
    match (output.source, deeper) {
        (OutputSource::Open, Some(deeper)) if !empty(deeper) => Ok(()),
        (OutputSource::Open, _) => {
            let label = format!("`{first}` is a table");
            let help = format!("write {}", example(address, first, output.source));
            Err(Wrong { code, headline, label, help })
        }
        (_, None) => Ok(()),
        (_, Some(_)) => {
            let label = format!("`{first}` has nothing below it");
            let help = format!("write {}", example(address, first, output.source));
            Err(Wrong { code, headline, label, help })
        }
    }
}

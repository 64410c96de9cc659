//! Fields that name something outside the manifest: files and secrets.

use crate::{
    fields::Reader,
    node::{Entry, Node, Table},
    sources, words,
};
use bfd_core::{Expr, Problem, Secret, SecretSource, Span};
use bfd_kinds::{Field, Type, spec::Pattern};
use std::collections::BTreeMap;

pub(crate) const SECRET: &[Field] = &[
    Field::new(
        "env",
        Type::Name { min: 1, max: 1024, pattern: ENV },
        "The environment variable that holds the secret.",
    ),
    Field::new(
        "file",
        Type::Name { min: 1, max: 4096, pattern: PATH },
        "The file that holds the secret, relative to the file it is written in.",
    ),
    Field::new(
        "command",
        Type::List(&Type::Text),
        "A program with its arguments, such as `[\"pass\", \"show\", \"jwt\"]`. The secret is what it prints, without a newline at its end. It is run once by each bfd that compares or sends secrets or talks to AWS, in the manifest's directory; arguments are no place for secrets.",
    ),
];

const ENV: Pattern = Pattern {
    says: "letters, digits and `_`",
    regex: "^[A-Za-z_][A-Za-z0-9_]*$",
    matches: |name| {
        !name.starts_with(|c: char| c.is_ascii_digit())
            && name.bytes().all(|c| c.is_ascii_alphanumeric() || c == b'_')
    },
};

const PATH: Pattern = Pattern { says: "a path", regex: "", matches: |path| !path.contains('\0') };

impl Reader<'_> {
    pub(crate) fn file(&mut self, path: &str, span: &Span) -> Option<Expr> {
        let path = self.scope.seen_from_manifest(path, span);
        let read = sources::join(self.scope.directory, &path);
        match (self.scope.options.read)(&read) {
            Ok(text) => Some(Expr::Map(BTreeMap::from([
                ("path".to_owned(), path.to_string_lossy().into_owned().into()),
                ("text".to_owned(), text.into()),
            ]))),
            Err(error) => {
                let problem = Problem::error("manifest::unreadable", "cannot read a file");
                let help = format!("it is looked for at `{}`", read.display());
                self.report(problem.at(span.clone(), words::unreadable(&error)).help(help));
                None
            }
        }
    }

    /// A path, as seen from the manifest; whoever uses it finds out what is there.
    pub(crate) fn path(&self, path: &str, span: &Span) -> Expr {
        let path = self.scope.seen_from_manifest(path, span);
        let path = path.to_string_lossy();
        // A context may be the directory of the manifest itself.
        if path.is_empty() { ".".into() } else { path.into_owned().into() }
    }

    pub(crate) fn secret(&mut self, table: &Table, node: &Node, place: &Span) -> Option<Expr> {
        let before = self.problems.len();
        let fields = self.table(table, place, &[SECRET]);
        if self.problems.len() > before {
            return None;
        }
        let field = |name: &str| fields.get(name).and_then(Expr::as_str);
        let words = fields.get("command").and_then(Expr::as_list);
        if words.is_some_and(|words| words.iter().any(|word| word.as_str().is_none())) {
            let problem = Problem::error("manifest::not_known", "must be known when planning");
            let label = "waits for another resource";
            let help = "write the words of the command out";
            self.report(problem.at(place.clone(), label).help(help));
            return None;
        }
        let words = words.map(|words| words.iter().filter_map(Expr::as_str).map(str::to_owned));
        let source = match (field("env"), field("file"), words) {
            (Some(name), None, None) => SecretSource::Env(name.to_owned()),
            (None, None, Some(words)) if words.clone().next().is_some_and(|it| !it.is_empty()) => {
                SecretSource::Command(words.collect())
            }
            (None, Some(path), None) => {
                let path = self.scope.seen_from_manifest(path, &node.span);
                SecretSource::File(path.to_string_lossy().into_owned())
            }
            _ => {
                let problem =
                    Problem::error("manifest::secret_source", "not the source of a secret");
                let label = "needs one of `env`, `file` and `command`";
                let help = format!("write {}", words::expected(&Type::SecretSource));
                self.report(problem.at(place.clone(), label).help(help));
                return None;
            }
        };
        let address = self.address?;
        match (self.scope.options.secret_digest)(&source, self.scope.environment, address) {
            Ok(digest) => Some(Expr::Secret(Secret { source, digest })),
            Err(unreadable) => {
                let problem = Problem::error("manifest::secret_unreadable", "cannot read a secret");
                let at = table.entries.values().next().map_or(place.clone(), Entry::place);
                let otherwise = || match &source {
                    SecretSource::Env(name) => format!("set `{name}` before you run bfd"),
                    SecretSource::File(path) => format!("put the secret into `{path}`"),
                    SecretSource::Command(_) => {
                        "run it by hand, in the manifest's directory, to see why".to_owned()
                    }
                };
                let help = unreadable.help.unwrap_or_else(otherwise);
                self.report(problem.at(at, unreadable.why).help(help));
                None
            }
        }
    }
}

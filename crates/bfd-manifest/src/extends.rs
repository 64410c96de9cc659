use crate::{
    node::{self, Table},
    options::Options,
    sources::{self, Sources},
    syntax, words,
};
use bfd_core::{Problem, Span};
use std::path::{Path, PathBuf};

/// Reads a manifest and the files it extends, merged into one tree.
///
/// Syntax errors of all files are reported together; nothing else is checked in
/// a tree with holes in it.
pub(crate) fn read(
    path: &Path,
    options: &Options<'_>,
    sources: &mut Sources,
) -> Result<Table, Vec<Problem>> {
    let directory = path.parent().unwrap_or(Path::new(""));
    let mut chain = Chain { directory, options, sources, visited: Vec::new() };
    let mut problems = Vec::new();
    let mut tables = Vec::new();
    let mut next = Some(Named {
        path: PathBuf::from(path.file_name().unwrap_or(path.as_os_str())),
        place: None,
    });
    while let Some(named) = next.take() {
        match chain.read(&named) {
            Ok((table, extends)) => {
                tables.push(table);
                next = extends;
            }
            Err(more) => problems.extend(more),
        }
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    // From the far end, so that the nearest file decides what is a table.
    let merged = tables.into_iter().rev().reduce(|far, mut near| {
        node::merge(&mut near, far);
        near
    });
    Ok(merged.unwrap_or_default())
}

/// A file that is to be read, and where it is named.
struct Named {
    /// As seen from the manifest's directory.
    path: PathBuf,
    place: Option<Span>,
}

struct Chain<'a> {
    /// The manifest's.
    directory: &'a Path,
    options: &'a Options<'a>,
    sources: &'a mut Sources,
    visited: Vec<(PathBuf, Span)>,
}

impl Chain<'_> {
    fn read(&mut self, named: &Named) -> Result<(Table, Option<Named>), Vec<Problem>> {
        let shown = self.shown(&named.path);
        let text = match (self.options.read)(&shown) {
            Ok(text) => text,
            Err(error) => {
                let why = words::unreadable(&error);
                let problem = Problem::error("manifest::unreadable", "cannot read the manifest");
                return Err(vec![match &named.place {
                    Some(place) => problem
                        .at(place.clone(), why)
                        .help(format!("it is looked for at `{}`", shown.display())),
                    None => problem.help(format!("`{}`: {why}", shown.display())),
                }]);
            }
        };
        let here = named.path.parent().unwrap_or(Path::new("")).to_owned();
        let source = self.sources.add(&shown, text, here.clone());
        let text = &self.sources.get(source).expect("it was added above").text;
        let mut table = syntax::parse(source, text)?;
        let Some(extends) = table.entries.remove("extends") else { return Ok((table, None)) };
        let place = extends.value.span.clone();
        let Some(to) = extends.value.value.as_text() else {
            let label = format!("expected a path, found {}", extends.value.value.type_name());
            let problem = Problem::error("manifest::wrong_type", "wrong type").at(place, label);
            return Err(vec![problem.help("write `extends = \"base.toml\"`")]);
        };
        let to = sources::join(&here, Path::new(to));
        self.visited.push((named.path.clone(), place.clone()));
        if let Some(first) = self.visited.iter().position(|(path, _)| self.same(path, &to)) {
            return Err(vec![self.cycle(first)]);
        }
        Ok((table, Some(Named { path: to, place: Some(place) })))
    }

    /// The path as the user would say it; that of the manifest as it was said.
    fn shown(&self, path: &Path) -> PathBuf {
        if self.sources.iter().next().is_none() {
            return self.directory.join(path);
        }
        sources::join(self.directory, path)
    }

    /// Whether two paths from the manifest's directory lead to one file.
    fn same(&self, one: &Path, other: &Path) -> bool {
        sources::join(self.directory, one) == sources::join(self.directory, other)
    }

    fn cycle(&self, first: usize) -> Problem {
        let members = &self.visited[first..];
        let name = |path: &PathBuf| self.shown(path).display().to_string();
        let mut problem = Problem::error("manifest::extends_cycle", "files that extend each other");
        for (index, (_, place)) in members.iter().enumerate() {
            let (next, _) = &members[(index + 1) % members.len()];
            problem = problem.at(place.clone(), format!("extends `{}`", name(next)));
        }
        let circle = members.iter().chain(members.first()).map(|(path, _)| name(path));
        let circle = circle.collect::<Vec<_>>().join(" → ");
        problem.help(format!("the files are `{circle}`: remove one of these `extends`"))
    }
}

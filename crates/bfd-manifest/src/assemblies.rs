//! `[assembly.NAME]`: the stacks of a synthesised CDK application, as if they were written here.
//!
//! Every selected stack becomes a table `[stack."NAME/STACK"]`, every Docker image asset a table
//! `[image."NAME/HASH"]`. What a person writes under the same header lies over it, as over a
//! manifest that is extended, and everything after that, from checks to plans, knows no
//! difference.

use crate::{
    declared,
    fields::Reader,
    manifest::{BootstrapVersion, ReadAssembly},
    nearest::{list, nearest},
    node::{self, Entry, Node, Table, Value},
    scope::Scope,
    sections, sources,
};
use bfd_assembly::{
    Assembly, BuildOption, BuildSecret, Environment, FileSource, ImageBuild, ImageDestination,
    ImageSource, Packaging, Reach, Role, Stack, StackId,
};
use bfd_core::{Expr, Inputs, Problem, Span};
use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

/// What CloudFormation takes in a request: larger templates are read from their asset.
const BODY_LIMIT: u64 = bfd_kinds::stack::TEMPLATE_BODY_LIMIT as u64;
/// What the CDK's CLI sends with every stack.
const CAPABILITIES: [&str; 3] =
    ["CAPABILITY_IAM", "CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"];
/// How much of the hash of an image asset its address has.
const SHORT: usize = 12;

/// Reads every assembly, and adds what is in it to the manifest's tables.
pub(crate) fn expand(
    tree: &mut Table,
    scope: &Scope<'_>,
    problems: &mut Vec<Problem>,
) -> Vec<ReadAssembly> {
    let Some(entry) = tree.get(sections::ASSEMBLY.name).cloned() else { return Vec::new() };
    let Value::Table(assemblies) = &entry.value.value else {
        let label = format!("expected a table, found {}", entry.value.value.type_name());
        let problem = Problem::error("manifest::wrong_type", "wrong type");
        problems.push(problem.at(entry.place(), label).help("write `[assembly.NAME]`"));
        return Vec::new();
    };
    let mut read = Vec::new();
    for (name, entry) in &assemblies.entries {
        let Value::Table(table) = &entry.value.value else {
            let label = format!("expected a table, found {}", entry.value.value.type_name());
            let problem = Problem::error("manifest::wrong_type", "wrong type");
            let help = format!("write `[assembly.{name}]`");
            problems.push(problem.at(entry.place(), label).help(help));
            continue;
        };
        let made = one(name, table, entry, scope, problems);
        take_strays(tree, name, made.as_ref().map(|(tables, _)| tables), problems);
        if let Some((tables, assembly)) = made {
            node::merge(tree, tables);
            read.push(assembly);
        }
    }
    read
}

/// Takes out what was written over something that the assembly does not have: without that it is
/// half of a resource. Where the assembly itself could not be read, that has been said.
fn take_strays(
    tree: &mut Table,
    assembly: &str,
    made: Option<&Table>,
    problems: &mut Vec<Problem>,
) {
    for kind in ["stack", "image"] {
        let Some(entry) = tree.entries.get_mut(kind) else { continue };
        let Value::Table(written) = &mut entry.value.value else { continue };
        let known = made.and_then(|made| match &made.get(kind)?.value.value {
            Value::Table(known) => Some(known),
            _ => None,
        });
        let is_stray = |name: &String| {
            name.strip_prefix(assembly).is_some_and(|rest| rest.starts_with('/'))
                && known.is_none_or(|known| known.get(name).is_none())
        };
        let strays: Vec<String> =
            written.entries.keys().filter(|name| is_stray(name)).cloned().collect();
        for name in strays {
            let Some(stray) = written.entries.remove(&name) else { continue };
            if made.is_none() {
                continue;
            }
            let names = || known.into_iter().flat_map(|it| it.entries.keys()).map(String::as_str);
            let help = match nearest(&name, names()) {
                Some(near) => format!("did you mean `[{kind}.\"{near}\"]`?"),
                None => format!("there are {}", list(names())),
            };
            let label =
                format!("`[assembly.{assembly}]` has no such {kind}, or does not select it");
            let problem = Problem::error("assembly::unknown", "nothing to lie over");
            problems.push(problem.at(stray.key.clone(), label).help(help));
        }
    }
}

fn one(
    name: &str,
    table: &Table,
    entry: &Entry,
    scope: &Scope<'_>,
    problems: &mut Vec<Problem>,
) -> Option<(Table, ReadAssembly)> {
    let place = declared::place(entry);
    let mut reader = Reader::new(scope, sections::ASSEMBLY.name, None);
    let fields = reader.table(table, &place, &[sections::ASSEMBLY.fields]);
    let is_name = |name: &str| {
        !name.is_empty() && name.bytes().all(|c| c.is_ascii_alphanumeric() || b"-_".contains(&c))
    };
    if !is_name(name) {
        let problem = Problem::error("manifest::invalid_name", "malformed name");
        let problem = problem.at(entry.key.clone(), "not a name for an assembly");
        reader.report(problem.help("use letters, digits, `-` and `_`"));
    }
    problems.append(&mut reader.problems);
    let path = fields.get("path").and_then(Expr::as_str)?;
    if reader.failed {
        return None;
    }
    let at = reader.place("path");
    // What is made of it is read as if it stood in the same file.
    let seen = PathBuf::from(path);
    let directory = sources::join(scope.directory, &scope.seen_from_manifest(path, &at));
    let files = scope.options.files;
    let assembly = match Assembly::open(&directory, files) {
        Ok(assembly) => assembly,
        Err(wrong) => {
            problems.extend(wrong.0.iter().map(|problem| told(problem, &seen, &at)));
            return None;
        }
    };
    let deployer = Environment::new(&scope.environment.account, &scope.environment.region);
    let stacks = select(&assembly, &fields, &reader, &place, problems)?;
    let options = BTreeSet::<BuildOption>::new();
    if let Err(wrong) = assembly.check(&stacks, &deployer, &options, files) {
        problems.extend(wrong.0.iter().map(|problem| told(problem, &seen, &at)));
        return None;
    }
    let warnings = stacks.iter().flat_map(|stack| &stack.warnings);
    problems.extend(assembly.warnings().iter().chain(warnings).map(|warning| {
        Problem::warning("assembly::warning", "the application warns")
            .at(at.clone(), warning.to_string())
    }));
    let own = fields.get("roles").and_then(Expr::as_str) == Some("own");
    let adopt = fields.get("adopt").and_then(Expr::as_bool) == Some(true);
    let making = Making { name, seen: &seen, deployer: &deployer, at: &at, own, adopt };
    let versions =
        if own { BTreeMap::new() } else { assembly.bootstrap_requirements(&stacks, &deployer) };
    let versions = versions.into_iter().map(|((_, parameter), requirement)| BootstrapVersion {
        parameter,
        version: requirement.version,
        stacks: requirement.stacks,
        place: at.clone(),
    });
    let read = ReadAssembly { name: name.to_owned(), directory, versions: versions.collect() };
    Some((making.tables(&assembly, &stacks), read))
}

fn select<'a>(
    assembly: &'a Assembly,
    fields: &Inputs,
    reader: &Reader<'_>,
    place: &Span,
    problems: &mut Vec<Problem>,
) -> Option<Vec<&'a Stack>> {
    let written = fields.get("stacks").and_then(Expr::as_list);
    let patterns: Vec<&str> = match written {
        Some(patterns) => patterns.iter().filter_map(Expr::as_str).collect(),
        None => vec!["**"],
    };
    let alone = fields.get("exclusively").and_then(Expr::as_bool) == Some(true);
    let reach = if alone { Reach::Alone } else { Reach::WithDependencies };
    match assembly.select(&patterns, reach) {
        Ok(stacks) => Some(stacks),
        Err(wrong) => {
            let at = if written.is_some() { reader.place("stacks") } else { place.clone() };
            problems.extend(wrong.iter().map(|error| {
                Problem::error("assembly::selection", "no selection of stacks")
                    .at(at.clone(), error.to_string())
                    .help(error.help())
            }));
            None
        }
    }
}

/// A problem of an assembly, at the field that names it.
fn told(problem: &bfd_assembly::Problem, seen: &Path, at: &Span) -> Problem {
    let file = seen.join(&problem.file);
    let place = match problem.pointer.as_str() {
        "" => file.display().to_string(),
        pointer => format!("{} {pointer}", file.display()),
    };
    let told = Problem::error("assembly::invalid", problem.kind.to_string());
    let told = told.at(at.clone(), format!("{place}: {}", problem.detail));
    match &problem.help {
        Some(help) => told.help(help),
        None => told,
    }
}

/// The selected stacks, by their ids.
type Names<'a> = BTreeMap<&'a StackId, String>;
/// Where an image is put: its hash, the region, the repository and the tag.
type Place = (String, String, String, String);

/// Makes tables of what an assembly has.
struct Making<'a> {
    name: &'a str,
    /// The assembly's directory, as seen from the manifest.
    seen: &'a Path,
    deployer: &'a Environment,
    /// Where everything of it was named.
    at: &'a Span,
    /// With the credentials of whoever runs bfd.
    own: bool,
    /// What is there is taken over.
    adopt: bool,
}

impl Making<'_> {
    fn tables(&self, assembly: &Assembly, selected: &[&Stack]) -> Table {
        let names: Names<'_> =
            selected.iter().map(|stack| (&stack.id, stack.resolved(self.deployer).name)).collect();
        let places = self.places(selected);
        let mut stacks = BTreeMap::new();
        let mut images = BTreeMap::new();
        for stack in selected {
            let resolved = stack.resolved(self.deployer);
            let mut waits = self.waits(assembly, &stack.dependencies, &names);
            for manifest in &resolved.asset_manifests {
                let before = self.waits(assembly, &manifest.dependencies, &names);
                for (id, image) in &manifest.images {
                    let ImageSource::Build(build) = &image.source else { continue };
                    for destination in image.destinations.values() {
                        let name = &places[&self.place(id, destination)];
                        waits.insert(format!("image.{name}"));
                        images.insert(name.clone(), self.image(build, destination, &before));
                    }
                }
            }
            let name = format!("{}/{}", self.name, resolved.name);
            stacks.insert(name, self.stack(&resolved, &waits));
        }
        let kinds = [("stack", stacks), ("image", images)];
        self.table(
            kinds
                .into_iter()
                .filter(|(_, all)| !all.is_empty())
                .map(|(kind, all)| (kind.to_owned(), self.table(all))),
        )
        .into_table()
    }

    /// The addresses of selected stacks; of one that is not, those that it would wait for itself.
    fn waits(
        &self,
        assembly: &Assembly,
        dependencies: &BTreeSet<StackId>,
        names: &Names<'_>,
    ) -> BTreeSet<String> {
        let mut waits = BTreeSet::new();
        let mut seen: BTreeSet<&StackId> = BTreeSet::new();
        let mut open: Vec<&StackId> = dependencies.iter().collect();
        while let Some(id) = open.pop() {
            if !seen.insert(id) {
                continue;
            }
            if let Some(name) = names.get(id) {
                waits.insert(format!("stack.{}/{name}", self.name));
            } else {
                open.extend(assembly.stack(id).into_iter().flat_map(|stack| &stack.dependencies));
            }
        }
        waits
    }

    /// One image goes to each place once, whichever stacks publish it there; the first of its
    /// places in their order has its hash alone for a name.
    fn places(&self, selected: &[&Stack]) -> BTreeMap<Place, String> {
        let all: BTreeSet<Place> = selected
            .iter()
            .flat_map(|stack| stack.resolved(self.deployer).asset_manifests)
            .flat_map(|manifest| manifest.images)
            .flat_map(|(id, image)| {
                let destinations = image.destinations.into_values();
                destinations.map(|it| self.place(&id, &it)).collect::<Vec<_>>()
            })
            .collect();
        let mut count: BTreeMap<String, usize> = BTreeMap::new();
        let named = all.into_iter().map(|place| {
            let short: String = place.0.chars().take(SHORT).collect();
            let number = count.entry(short.clone()).or_default();
            let suffix = if *number == 0 { String::new() } else { format!("-{number}") };
            *number += 1;
            (place, format!("{}/{short}{suffix}", self.name))
        });
        named.collect()
    }

    fn place(&self, id: &str, to: &ImageDestination) -> Place {
        let region = to.region.clone().unwrap_or_else(|| self.deployer.region.clone());
        (id.to_owned(), region, to.repository.clone(), to.tag.clone())
    }

    fn stack(&self, stack: &Stack, waits: &BTreeSet<String>) -> Made {
        let mut fields = vec![
            ("name", Made::text(&stack.name)),
            ("template", self.path(&stack.template.path)),
            ("capabilities", self.list(CAPABILITIES)),
        ];
        let texts = |all: &BTreeMap<String, String>| {
            self.table(all.iter().map(|(name, text)| (name.clone(), Made::text(text))))
        };
        if !stack.parameters.is_empty() {
            fields.push(("parameters", texts(&stack.parameters)));
        }
        if !stack.tags.is_empty() {
            fields.push(("tags", texts(&stack.tags)));
        }
        if !stack.notification_arns.is_empty() {
            fields.push(("notification_arns", self.list(&stack.notification_arns)));
        }
        if let Some(protected) = stack.termination_protection {
            fields.push(("termination_protection", Made(Value::Bool(protected))));
        }
        if !waits.is_empty() {
            fields.push(("depends_on", self.list(waits)));
        }
        if self.adopt {
            fields.push(("adopt", Made(Value::Bool(true))));
        }
        if !self.own {
            let deploy = stack.deploy_role.as_ref().map(|role| ("deploy_role", self.role(role)));
            let execution = stack.execution_role_arn.as_ref();
            fields.extend(deploy);
            fields.extend(execution.map(|arn| ("role_arn", Made::text(arn))));
        }
        let assets = self.assets(stack);
        if !assets.is_empty() {
            fields.push(("assets", self.table(assets)));
        }
        self.fields(fields)
    }

    /// What is published, by the name that the CDK gave it. The template of the stack is among it
    /// only where CloudFormation cannot be sent it.
    fn assets(&self, stack: &Stack) -> BTreeMap<String, Made> {
        let is_large = stack.template.size.is_some_and(|size| size > BODY_LIMIT);
        let mut assets = BTreeMap::new();
        for manifest in &stack.asset_manifests {
            for (id, file) in &manifest.files {
                let FileSource::Path { path, packaging } = &file.source else { continue };
                let url = |bucket: &str, key: &str| format!("s3://{bucket}/{key}");
                for (place, to) in file.destinations.values().enumerate() {
                    let is_template =
                        stack.template_url.as_deref() == Some(url(&to.bucket, &to.key).as_str());
                    if is_template && !is_large {
                        continue;
                    }
                    let mut fields = vec![
                        ("path", self.path(path)),
                        ("packaging", Made::text(packaging_name(*packaging))),
                        ("bucket", Made::text(&to.bucket)),
                        ("key", Made::text(&to.key)),
                    ];
                    fields.extend(to.region.as_ref().map(|region| ("region", Made::text(region))));
                    if is_template {
                        fields.push(("template", Made(Value::Bool(true))));
                    }
                    if let Some(role) = to.role.as_ref().filter(|_| !self.own) {
                        fields.push(("role", self.role(role)));
                    }
                    let suffix = if place == 0 { String::new() } else { format!("-{place}") };
                    assets.insert(format!("{id}{suffix}"), self.fields(fields));
                }
            }
        }
        assets
    }

    fn image(&self, build: &ImageBuild, to: &ImageDestination, waits: &BTreeSet<String>) -> Made {
        let region = to.region.clone().unwrap_or_else(|| self.deployer.region.clone());
        let registry = bfd_kinds::image::registry(&bfd_core::Environment {
            name: String::new(),
            account: self.deployer.account.clone(),
            region,
        });
        let texts = |all: &BTreeMap<String, String>| {
            self.table(all.iter().map(|(name, text)| (name.clone(), Made::text(text))))
        };
        let mut fields = vec![
            ("context", self.path(&build.directory)),
            ("repository_uri", Made::text(&format!("{registry}/{}", to.repository))),
            ("tag", Made::text(&to.tag)),
            ("existing_tag", Made::text("use")),
        ];
        if !waits.is_empty() {
            fields.push(("depends_on", self.list(waits)));
        }
        if let Some(dockerfile) = &build.dockerfile {
            fields.push(("dockerfile", Made::text(&dockerfile.display().to_string())));
        }
        fields.extend(build.target.as_ref().map(|target| ("target", Made::text(target))));
        fields.extend(build.platform.as_ref().map(|platform| ("platform", Made::text(platform))));
        if !build.arguments.is_empty() {
            fields.push(("args", texts(&build.arguments)));
        }
        if !build.secrets.is_empty() {
            let sources = build.secrets.iter().filter_map(|(id, secret)| {
                let source = match secret {
                    BuildSecret::Environment(name) => ("env", Made::text(name)),
                    BuildSecret::File(path) => ("file", self.path(&build.directory.join(path))),
                    BuildSecret::Other => return None,
                };
                Some((id.clone(), self.fields(vec![source])))
            });
            fields.push(("secrets", self.table(sources)));
        }
        let caches: Vec<String> = build.cache_from.iter().map(ToString::to_string).collect();
        if !caches.is_empty() {
            fields.push(("cache_from", self.list(&caches)));
        }
        if let Some(cache) = &build.cache_to {
            fields.push(("cache_to", self.list([cache.to_string()])));
        }
        if let Some(role) = to.role.as_ref().filter(|_| !self.own) {
            fields.push(("push_role", self.role(role)));
        }
        self.fields(fields)
    }

    fn role(&self, role: &Role) -> Made {
        let mut fields = vec![("arn", Made::text(&role.arn))];
        fields.extend(role.external_id.as_ref().map(|id| ("external_id", Made::text(id))));
        self.fields(fields)
    }

    /// A path of the assembly, as seen from the manifest.
    fn path(&self, path: &Path) -> Made {
        Made::text(&sources::join(self.seen, path).display().to_string())
    }

    fn list<T: AsRef<str>>(&self, texts: impl IntoIterator<Item = T>) -> Made {
        let node = |text: T| Made::text(text.as_ref()).at(self.at);
        Made(Value::List(texts.into_iter().map(node).collect()))
    }

    fn fields(&self, fields: Vec<(&str, Made)>) -> Made {
        self.table(fields.into_iter().map(|(name, value)| (name.to_owned(), value)))
    }

    fn table(&self, entries: impl IntoIterator<Item = (String, Made)>) -> Made {
        let entry = |made: Made| Entry { key: self.at.clone(), value: made.at(self.at) };
        let entries = entries.into_iter().map(|(name, made)| (name, entry(made)));
        Made(Value::Table(Table { entries: entries.collect() }))
    }
}

/// A value that nobody wrote. Text in it refers to nothing.
struct Made(Value);

impl Made {
    fn text(text: &str) -> Self {
        Self(Value::Filled(text.to_owned()))
    }

    fn at(self, span: &Span) -> Node {
        Node { value: self.0, span: span.clone() }
    }

    fn into_table(self) -> Table {
        match self.0 {
            Value::Table(table) => table,
            _ => Table::default(),
        }
    }
}

fn packaging_name(packaging: Packaging) -> &'static str {
    match packaging {
        Packaging::File => "file",
        Packaging::Zip => "zip",
    }
}

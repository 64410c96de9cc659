use crate::{
    declared,
    fields::Reader,
    manifest::{Approval, Backend, Deletes, Guard, ProviderKind, ProviderSettings, StateSettings},
    node::{Entry, Table, Value},
    scope::Scope,
    sections::{self, Section},
    sources, words,
};
use bfd_core::{Environment, Expr, Inputs, Problem, SourceId, Span, plan::Rollback};
use std::{collections::BTreeMap, path::Path, time::Duration};

const TAGS: &str = "tags";

/// What the sections say, beside `[environment]` and `[vars]`.
pub(crate) struct Settings {
    pub(crate) tags: BTreeMap<String, String>,
    pub(crate) provider: ProviderSettings,
    pub(crate) state: StateSettings,
    pub(crate) rollback: Rollback,
    pub(crate) log_lines: usize,
    pub(crate) deployments: usize,
    pub(crate) guard: Guard,
}

/// The default of `[rollback] log_lines`.
const LOG_LINES: usize = 20;
/// The default of `[rollback] deployments`.
const DEPLOYMENTS: usize = 3;
/// The default of `[state] lease`.
const LEASE: Duration = Duration::from_mins(1);

/// Reads `[environment]`. What is missing in it is replaced by something of the
/// right shape, so that the rest can be checked.
pub(crate) fn environment(
    tree: &Table,
    scope: &Scope<'_>,
    problems: &mut Vec<Problem>,
) -> Environment {
    if tree.get(sections::ENVIRONMENT.name).is_none() {
        let example = sections::ENVIRONMENT.fields.iter().filter(|field| field.required);
        let example: Vec<String> = example.map(words::example).collect();
        let source = SourceId::default();
        // The beginning, and not nothing: that would be no place at all.
        let first = scope.sources.get(source).and_then(|source| source.text.chars().next());
        let beginning = Span::new(source, 0..first.map_or(0, char::len_utf8));
        problems.push(
            Problem::error("manifest::missing_section", "missing section")
                .at(beginning, "needs `[environment]`")
                .help(format!("add `[environment]` with `{}`", example.join("`, `"))),
        );
    }
    let entry = tree.get(sections::ENVIRONMENT.name);
    let early = |name: &str| name != TAGS;
    let fields = section(entry, early, &sections::ENVIRONMENT, scope, problems).0;
    let field = |name: &str, otherwise: &str| {
        fields.get(name).and_then(Expr::as_str).unwrap_or(otherwise).to_owned()
    };
    Environment {
        name: field("name", "environment"),
        account: field("account", "000000000000"),
        region: field("region", "us-east-1"),
    }
}

/// Reads all other sections.
pub(crate) fn settings(tree: &Table, scope: &Scope<'_>, problems: &mut Vec<Problem>) -> Settings {
    let mut read =
        |wanted: &Section| section(tree.get(wanted.name), |_| true, wanted, scope, problems);
    let (provider, _) = read(&sections::PROVIDER);
    let (state, places) = read(&sections::STATE);
    let (rollback, _) = read(&sections::ROLLBACK);
    let (guard, _) = read(&sections::GUARD);
    // Only the tags: the rest was read before variables were known.
    let entry = tree.get(sections::ENVIRONMENT.name);
    let late = Section { fields: sections::TAGS, ..sections::ENVIRONMENT };
    let tags = section(entry, |name| name == TAGS, &late, scope, problems).0;
    let default = Rollback::default();
    let kind = match text(&provider, "kind") {
        Some("sandbox") => ProviderKind::Sandbox,
        _ => ProviderKind::Aws,
    };
    Settings {
        tags: tags
            .get(TAGS)
            .and_then(Expr::as_map)
            .into_iter()
            .flatten()
            .filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned())))
            .collect(),
        provider: ProviderSettings {
            kind,
            endpoint_url: text(&provider, "endpoint_url").map(str::to_owned),
            profile: text(&provider, "profile").map(str::to_owned),
        },
        state: self::state(&state, kind, &places, scope, problems),
        rollback: Rollback {
            on_failure: flag(&rollback, "on_failure").unwrap_or(default.on_failure),
            deadline: rollback
                .get("deadline")
                .and_then(Expr::as_i64)
                .and_then(|seconds| seconds.try_into().ok())
                .unwrap_or(default.deadline),
        },
        log_lines: rollback
            .get("log_lines")
            .and_then(Expr::as_i64)
            .and_then(|lines| lines.try_into().ok())
            .unwrap_or(LOG_LINES),
        deployments: rollback
            .get("deployments")
            .and_then(Expr::as_i64)
            .and_then(|deployments| deployments.try_into().ok())
            .unwrap_or(DEPLOYMENTS),
        guard: Guard {
            deletes: match text(&guard, "deletes") {
                Some("allow") => Deletes::Allow,
                Some("forbid") => Deletes::Forbid,
                _ => Deletes::Confirm,
            },
            fallback_images: text(&guard, "fallback_images") != Some("forbid"),
            approval: match text(&guard, "approval") {
                Some("saved_plan") => Approval::SavedPlan,
                _ => Approval::None,
            },
            plan_age: guard
                .get("plan_age")
                .and_then(Expr::as_i64)
                .and_then(|seconds| seconds.try_into().ok())
                .map_or(Guard::default().plan_age, Duration::from_secs),
            max_changes: guard
                .get("max_changes")
                .and_then(Expr::as_i64)
                .and_then(|changes| changes.try_into().ok()),
        },
    }
}

/// Reads those fields of a section that are wanted, and says where they were written.
fn section(
    entry: Option<&Entry>,
    wanted: impl Fn(&str) -> bool,
    section: &Section,
    scope: &Scope<'_>,
    problems: &mut Vec<Problem>,
) -> (Inputs, BTreeMap<String, Span>) {
    let Some(entry) = entry else { return Default::default() };
    let mut reader = Reader::new(scope, section.name, None);
    let place = declared::place(entry);
    let fields = match &entry.value.value {
        Value::Table(table) => {
            let entries = table.entries.iter().filter(|(name, _)| wanted(name));
            let table = Table { entries: entries.map(|(k, e)| (k.clone(), e.clone())).collect() };
            reader.table(&table, &place, &[section.fields])
        }
        // Said once, by whoever reads it first.
        _ if !wanted(section.fields[0].name) => Inputs::new(),
        other => {
            let label = format!("expected a table, found {}", other.type_name());
            reader.report(
                Problem::error("manifest::wrong_type", "wrong type")
                    .at(entry.place(), label)
                    .help(format!("write `[{}]`", section.name)),
            );
            Inputs::new()
        }
    };
    problems.append(&mut reader.problems);
    (fields, reader.spans)
}

fn text<'i>(inputs: &'i Inputs, name: &str) -> Option<&'i str> {
    inputs.get(name).and_then(Expr::as_str)
}

fn flag(inputs: &Inputs, name: &str) -> Option<bool> {
    inputs.get(name).and_then(Expr::as_bool)
}

/// What only one of the backends has.
const LOCAL: &[&str] = &["directory"];
const S3: &[&str] = &["bucket", "prefix", "region", "kms_key", "lease"];

fn state(
    fields: &Inputs,
    provider: ProviderKind,
    places: &BTreeMap<String, Span>,
    scope: &Scope<'_>,
    problems: &mut Vec<Problem>,
) -> StateSettings {
    let place = |name: &str| places.get(name).cloned().unwrap_or_default();
    let is_s3 = text(fields, "backend") == Some("s3");
    let (own, others) = if is_s3 { ("s3", LOCAL) } else { ("local", S3) };
    for name in others.iter().filter(|name| fields.contains_key(**name)) {
        let other = if is_s3 { "local" } else { "s3" };
        let problem = Problem::error("manifest::not_for_backend", "a field of another backend")
            .at(place(name), format!("only for `backend = \"{other}\"`"))
            .help(format!("remove it; this state is `{own}`"));
        problems.push(problem);
    }
    if is_s3 {
        if provider == ProviderKind::Sandbox {
            let problem = Problem::error("manifest::sandbox_state", "state of a sandbox in S3")
                .at(place("backend"), "the sandbox's world is on this machine alone")
                .help("leave it out: state is then kept in `.bfd/<name>` beside the manifest");
            problems.push(problem);
        }
        if !fields.contains_key("bucket") && !places.contains_key("bucket") {
            let problem = Problem::error("manifest::missing_field", "missing field")
                .at(place("backend"), "needs `bucket`")
                .help("add `bucket = \"…\"`: the bucket that the team shares");
            problems.push(problem);
        }
        let environment = &scope.environment;
        let prefix = text(fields, "prefix").unwrap_or_default().trim_matches('/');
        let seconds = fields.get("lease").and_then(Expr::as_i64);
        return StateSettings {
            backend: Backend::S3 {
                bucket: text(fields, "bucket").unwrap_or_default().to_owned(),
                prefix: format!("{prefix}/{}", environment.name).trim_matches('/').to_owned(),
                region: text(fields, "region").unwrap_or(&environment.region).to_owned(),
                kms_key: text(fields, "kms_key").map(str::to_owned),
                lease: seconds
                    .and_then(|seconds| seconds.try_into().ok())
                    .map_or(LEASE, Duration::from_secs),
            },
        };
    }
    let directory = match text(fields, "directory") {
        Some(path) => scope.seen_from_manifest(path, &place("directory")),
        None => Path::new(".bfd").join(&scope.environment.name),
    };
    StateSettings {
        backend: Backend::Local { directory: sources::join(scope.directory, &directory) },
    }
}

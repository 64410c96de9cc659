//! The two to four things that tell a new or vanishing resource from its neighbours.

use super::{
    fields::{Side, leaves},
    resources::{grave_of_new, graves},
};
use crate::views::{
    value::{SECRET, bare, image, visible},
    words::count,
};
use bfd_core::{
    Environment, Value,
    plan::{Action, Change, Effect, FieldChange, Op, Plan},
};
use bfd_template::Template;
use std::collections::BTreeMap;

/// Characters of a value that fit among other facts.
const SHORT: usize = 48;

/// The most telling fields of the object that comes (or, for a delete, goes).
pub(crate) fn facts(plan: &Plan, change: &Change) -> Vec<String> {
    let fields =
        if change.fields.is_empty() { fields_of_step(plan, change) } else { change.fields.clone() };
    let gone = change.action == Action::Delete;
    let object = Object {
        environment: &plan.environment,
        graves: grave_of_new(plan, change).as_ref().map(graves),
        sides: leaves(&fields)
            .into_iter()
            .map(|(path, _, leaf)| {
                (visible(&path.join(".")).into_owned(), if gone { leaf.before } else { leaf.after })
            })
            .filter(|(_, side)| *side != Side::Absent)
            .collect(),
    };
    object.facts(change.kind.as_str())
}

/// What the plan's step knows, for a change that lists no fields.
fn fields_of_step(plan: &Plan, change: &Change) -> Vec<FieldChange> {
    let Some(step) = plan.steps.iter().find(|step| step.address == change.address) else {
        return Vec::new();
    };
    let field = |path: &str, before, after, known| FieldChange {
        path: path.to_owned(),
        before,
        after,
        sensitive: false,
        known,
        effect: Effect::None,
    };
    match &step.op {
        Op::Create { inputs, .. } | Op::Update { inputs, .. } | Op::Adopt { inputs, .. } => inputs
            .iter()
            .map(|(name, expr)| {
                let value = expr.resolve(&|_: &_| None::<Value>).ok();
                let known = value.is_some();
                field(name, None, value, known)
            })
            .collect(),
        Op::Delete { prior } => prior
            .inputs
            .iter()
            .map(|(name, value)| field(name, Some(value.clone()), None, true))
            .collect(),
    }
}

struct Object<'a> {
    environment: &'a Environment,
    /// What of a new stack has to be looked at.
    graves: Option<String>,
    sides: BTreeMap<String, Side>,
}

impl Object<'_> {
    fn facts(&self, kind: &str) -> Vec<String> {
        let facts = match kind {
            "coordinator" => {
                vec![self.short("parameter_prefix"), self.counted("config", "setting")]
            }
            "repository" => vec![
                self.short("name"),
                self.short("tag_mutability").map(|is| format!("{is} tags")),
                self.number("keep_images").map(|keep| format!("keeps {}", count(keep, "image"))),
                self.flag("scan_on_push", "scans on push"),
            ],
            "image" => self.image(),
            "parameter" => vec![self.assignment(), self.short("type").filter(|is| is != "String")],
            "stack" => {
                vec![self.short("name"), self.resources(), self.counted("parameters", "parameter")]
            }
            "service" => self.service(),
            _ => vec![self.short("name")],
        };
        let facts: Vec<String> = facts.into_iter().flatten().collect();
        if facts.is_empty() { self.first_scalars() } else { facts }
    }

    fn image(&self) -> Vec<Option<String>> {
        let at = match (self.text("repository"), self.text("reference")) {
            (Some(repository), Some(reference)) => {
                let joint = if reference.contains(':') { '@' } else { ':' };
                Some(image(&format!("{repository}{joint}{reference}"), self.environment))
            }
            (place, _) if self.text("origin").is_some() => {
                let place = place.or_else(|| self.text("repository_uri"));
                let tag = self.text("tag").map_or(String::new(), |tag| format!(":{tag}"));
                place.map(|place| format!("{}{tag}", image(place, self.environment)))
            }
            _ => self.text("uri").map(|uri| image(uri, self.environment)),
        };
        let made = self.made();
        // What it is pulled from says nothing new beside where it is.
        let source = made.or_else(|| self.short("source").filter(|_| at.is_none()));
        let instead = match self.text("first_deploy") {
            Some(_) => "not there yet, so no tasks",
            None => "the fallback image",
        };
        let fallback = self.flag("fallback_active", instead);
        vec![at, source, fallback]
    }

    /// What becomes of an image that bfd pushes.
    fn made(&self) -> Option<String> {
        if self.flag("fallback_active", "").is_some() {
            return None;
        }
        let origin = self.text("origin")?;
        if matches!(origin, "context" | "files")
            && let Some(used) = self.flag("was_there", "used as it is there")
        {
            return Some(used);
        }
        match origin {
            "context" => self.short("make.context").map(|context| format!("built from {context}")),
            "archive" => self.short("make.archive").map(|archive| format!("from {archive}")),
            "files" => {
                let base = self.short("make.base").filter(|base| base != "scratch");
                let base = base.map_or(String::new(), |base| format!(" over {base}"));
                self.counted("make.files", "file").map(|files| format!("{files}{base}"))
            }
            "copy" => {
                let source = image(self.text("source")?, self.environment);
                Some(format!("copied from {source}"))
            }
            _ => None,
        }
    }

    fn service(&self) -> Vec<Option<String>> {
        let size = match (self.text("task_definition.cpu"), self.text("task_definition.memory")) {
            (Some(cpu), Some(memory)) => Some(format!("{cpu} cpu and {memory} MiB")),
            _ => None,
        };
        let tasks = match (
            self.number("desired_count"),
            self.number("autoscaling.min"),
            self.number("autoscaling.max"),
        ) {
            (Some(desired), ..) => Some(count(desired, "task")),
            (None, Some(min), Some(max)) => Some(format!("{min} to {}", count(max, "task"))),
            _ => None,
        };
        let tasks = match (tasks, size) {
            (Some(tasks), Some(size)) => Some(format!("{tasks} of {size}")),
            (tasks, size) => tasks.or(size),
        };
        let containers = self.containers();
        let alone = containers.len() == 1;
        let images = containers.into_iter().map(|(name, side)| {
            let image = match side {
                Side::Value(Value::String(of)) => image(of, self.environment),
                _ => "(image known after apply)".to_owned(),
            };
            Some(if alone { image } else { format!("{name} {image}") })
        });
        let name = match (self.short("name"), self.short("cluster")) {
            (Some(name), Some(cluster)) => Some(format!("{name} on {cluster}")),
            (name, _) => name,
        };
        [name, tasks].into_iter().chain(images).collect()
    }

    /// The image of each container.
    fn containers(&self) -> Vec<(&str, &Side)> {
        let image = |(path, side)| {
            let path: &String = path;
            let name = path.strip_prefix("task_definition.containers.")?.strip_suffix(".image")?;
            Some((name, side))
        };
        self.sides.iter().filter_map(image).collect()
    }

    fn first_scalars(&self) -> Vec<String> {
        let scalars = self.sides.keys().filter_map(|path| {
            let value = self.short(path)?;
            Some(format!("{path} {value}"))
        });
        scalars.take(3).collect()
    }

    fn text(&self, path: &str) -> Option<&str> {
        match self.sides.get(path)? {
            Side::Value(value) => value.as_str(),
            _ => None,
        }
    }

    fn number(&self, path: &str) -> Option<usize> {
        match self.sides.get(path)? {
            Side::Value(value) => usize::try_from(value.as_u64()?).ok(),
            _ => None,
        }
    }

    fn flag(&self, path: &str, says: &str) -> Option<String> {
        (self.sides.get(path)? == &Side::Value(Value::Bool(true))).then(|| says.to_owned())
    }

    /// A value on one line, or what can be said about it.
    fn short(&self, path: &str) -> Option<String> {
        Some(match self.sides.get(path)? {
            Side::Value(Value::String(text)) if text.contains('\n') => {
                count(text.lines().count(), "line")
            }
            Side::Value(value) => bare(value),
            Side::Secret => SECRET.to_owned(),
            Side::Unknown => format!("({path} known after apply)"),
            Side::Absent | Side::ChangedOutside(_) => return None,
        })
    }

    /// `/bellyfed/dev/api/url = https://…`; of a long value only the length.
    fn assignment(&self) -> Option<String> {
        let name = self.short("name")?;
        Some(match self.short("value") {
            None => name,
            Some(value) if value.chars().count() <= SHORT => format!("{name} = {value}"),
            Some(value) => {
                format!("{name} = ({})", count(value.chars().count(), "character"))
            }
        })
    }

    /// How many resources a template declares, or how long it is where it cannot be read.
    fn resources(&self) -> Option<String> {
        let text = self.text("template")?;
        Some(match Template::parse(text) {
            Ok(template) => {
                let all = count(template.resources().count(), "resource");
                match &self.graves {
                    Some(graves) => format!("{all} ({graves})"),
                    None => all,
                }
            }
            Err(_) => format!("template of {}", count(text.lines().count(), "line")),
        })
    }

    fn counted(&self, map: &str, noun: &str) -> Option<String> {
        let prefix = format!("{map}.");
        let entries = self.sides.keys().filter(|path| path.starts_with(&prefix)).count();
        (entries > 0).then(|| count(entries, noun))
    }
}

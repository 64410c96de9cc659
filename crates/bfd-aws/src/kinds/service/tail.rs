//! The last log lines of containers that failed, for the failure's details.
//!
//! Reading them must neither hide nor delay the failure: it is bounded in time, and what goes
//! wrong with it is one more line.

use super::causes::{Failed, Stopped};
use crate::{Aws, error};
use aws_sdk_ecs::types::{LogConfiguration, LogDriver, TaskDefinition};
use bfd_provider::{ErrorClass, ProviderError};
use futures_util::future::join_all;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Mutex,
    time::Duration,
};

/// Tasks whose streams are read: the last ones tell what the earlier ones told.
const TASKS: usize = 3;
/// Lines arrive some seconds after they were written.
const BETWEEN_LOOKS: Duration = Duration::from_secs(1);
const PATIENCE: Duration = Duration::from_secs(5);
/// For the definition and for the lines, an answer that does not come included.
const LIMIT: Duration = Duration::from_secs(8);
/// Characters of one line.
const WIDTH: usize = 500;

/// A stream of one container of one task.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Stream {
    task: String,
    container: String,
    group: String,
    name: String,
}

/// What was found in a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Found {
    Lines(Vec<String>),
    /// Why there are none.
    None(String),
}

/// The details to add to a failure for those of its tasks that failed and will fail again.
pub(super) async fn details(aws: &Aws, definition: &str, stopped: &[Stopped]) -> Vec<String> {
    let latest = latest(stopped);
    if aws.log_lines() == 0 || latest.is_empty() {
        return Vec::new();
    }
    let streams = tokio::select! {
        biased;
        streams = streams(aws, definition, &latest) => streams,
        () = aws.sleep(LIMIT) => Err(late()),
    };
    let streams = match streams {
        Ok(streams) => streams,
        Err(why) => return vec![format!("no log lines: {why}")],
    };
    let reads = streams.into_iter().map(|stream| async move {
        let last = Mutex::new(late());
        let found = tokio::select! {
            biased;
            found = read(aws, &stream, &last) => found,
            () = aws.sleep(LIMIT) => Found::None(last.into_inner().expect("nobody panics with it")),
        };
        (stream, found)
    });
    told(join_all(reads).await)
}

fn late() -> String {
    format!("no answer within {} s", LIMIT.as_secs())
}

/// The last tasks that failed for a cause that lasts, and whose containers ran; newest first.
fn latest(stopped: &[Stopped]) -> Vec<&Stopped> {
    let mut failed: BTreeMap<&str, &Stopped> = BTreeMap::new();
    for task in stopped.iter().filter(|it| it.is_lasting() && !it.failed.is_empty()) {
        failed.insert(&task.task, task);
    }
    let mut failed: Vec<&Stopped> = failed.into_values().collect();
    failed.sort_by(|a, b| b.at.cmp(&a.at).then_with(|| a.task.cmp(&b.task)));
    failed.truncate(TASKS);
    failed
}

/// The streams of the containers that failed; none for those that log elsewhere.
async fn streams(aws: &Aws, definition: &str, tasks: &[&Stopped]) -> Result<Vec<Stream>, String> {
    let request = aws.ecs.describe_task_definition().task_definition(definition);
    let answer = aws.call("ecs:DescribeTaskDefinition", request.send()).await;
    let definition = answer.map_err(|refused| why(&refused))?.task_definition;
    let Some(definition) = definition else { return Ok(Vec::new()) };
    let all = tasks.iter().flat_map(|task| {
        task.failed.iter().filter_map(|failed| stream(&definition, &task.task, failed))
    });
    Ok(all.collect())
}

/// The stream's name: "awslogs-stream-prefix" in the ECS developer guide.
fn stream(definition: &TaskDefinition, task: &str, failed: &Failed) -> Option<Stream> {
    let container = failed.container.as_str();
    let declared =
        definition.container_definitions().iter().find(|it| it.name() == Some(container))?;
    let configuration = declared.log_configuration()?;
    if configuration.log_driver != LogDriver::Awslogs {
        return None;
    }
    let name = match option(configuration, "awslogs-stream-prefix") {
        Some(prefix) => format!("{prefix}/{container}/{task}"),
        // Named by the container's id.
        None => failed.runtime_id.clone()?,
    };
    let group = option(configuration, "awslogs-group")?;
    Some(Stream { task: task.to_owned(), container: container.to_owned(), group, name })
}

fn option(configuration: &LogConfiguration, name: &str) -> Option<String> {
    configuration.options()?.get(name).filter(|value| !value.is_empty()).cloned()
}

/// Reads the last lines, and looks again while there are none. `last` is why there were none
/// when it last looked, should its time be over before it has its answer.
async fn read(aws: &Aws, stream: &Stream, last: &Mutex<String>) -> Found {
    let begun = aws.now();
    loop {
        let lines = aws.logs.last_lines(&stream.group, &stream.name, aws.log_lines());
        let missing = match aws.call("logs:GetLogEvents", lines).await {
            Ok(lines) if lines.is_empty() => "the stream is empty".to_owned(),
            Ok(lines) => return Found::Lines(clean(aws, &lines)),
            Err(refused) if refused.class == ErrorClass::NotFound => why(&refused),
            Err(refused) => return Found::None(why(&refused)),
        };
        let waited = aws.now().duration_since(begun).unwrap_or_default();
        let missing = format!("{missing} (after {} s)", waited.as_secs());
        if waited + BETWEEN_LOOKS > PATIENCE {
            return Found::None(missing);
        }
        *last.lock().expect("nobody panics with it") = missing;
        aws.sleep(BETWEEN_LOOKS).await;
    }
}

/// Without secrets, which may go over several lines, and cut to a width.
fn clean(aws: &Aws, lines: &[String]) -> Vec<String> {
    let text = aws.secrets.redact(&lines.join("\n"));
    let all: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    // An event may hold several lines; the last ones count.
    let last = &all[all.len().saturating_sub(aws.log_lines())..];
    last.iter().map(|line| cut(line)).collect()
}

fn cut(line: &str) -> String {
    match line.char_indices().nth(WIDTH) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line.to_owned(),
    }
}

/// Why there are no lines, and where a permission lacks, which.
fn why(refused: &ProviderError) -> String {
    let operation = &refused.operation;
    if refused.class == ErrorClass::AccessDenied {
        return format!("the role in use lacks `{operation}`");
    }
    let said = error::message(refused).map(str::to_owned);
    said.unwrap_or_else(|| format!("{operation}: {}", refused.source))
}

/// Each container's lines under a heading; what was told already is told once.
fn told(found: Vec<(Stream, Found)>) -> Vec<String> {
    let mut details = Vec::new();
    let mut known: BTreeMap<(String, Vec<String>), String> = BTreeMap::new();
    let mut reasons: BTreeSet<String> = BTreeSet::new();
    for (stream, found) in found {
        let Stream { task, container, group, name } = stream;
        let place = format!("container `{container}`, task {task}");
        match found {
            Found::Lines(lines) => {
                let heading = format!("last log lines of {place} (`{group}`, `{name}`)");
                let content = (container, lines.clone());
                if let Some(first) = known.get(&content) {
                    details.push(format!("{heading}: the same as of task {first}"));
                    continue;
                }
                known.insert(content, task);
                details.push(format!("{heading}:"));
                details.extend(lines.into_iter().map(|line| format!("| {line}")));
            }
            Found::None(why) => {
                // A denial is one for all streams.
                if reasons.insert(why.clone()) {
                    details.push(format!("no log lines of {place} (`{group}`): {why}"));
                }
            }
        }
    }
    details
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(task: &str, found: Found) -> (Stream, Found) {
        let stream = Stream {
            task: task.to_owned(),
            container: "web".to_owned(),
            group: "/app".to_owned(),
            name: format!("ecs/web/{task}"),
        };
        (stream, found)
    }

    #[test]
    fn what_is_the_same_is_told_once() {
        let lines = || Found::Lines(vec!["no such table".to_owned()]);
        let denied = || Found::None("the role in use lacks `logs:GetLogEvents`".to_owned());
        assert_eq!(
            told(vec![at("1", lines()), at("2", lines())]),
            [
                "last log lines of container `web`, task 1 (`/app`, `ecs/web/1`):",
                "| no such table",
                "last log lines of container `web`, task 2 (`/app`, `ecs/web/2`): the same as of task 1",
            ]
        );
        assert_eq!(
            told(vec![at("1", denied()), at("2", denied())]),
            [
                "no log lines of container `web`, task 1 (`/app`): the role in use lacks `logs:GetLogEvents`"
            ]
        );
    }

    #[test]
    fn long_lines_are_cut_between_letters() {
        assert_eq!(cut("short"), "short");
        let long = "ü".repeat(WIDTH + 1);
        assert_eq!(cut(&long), format!("{}…", "ü".repeat(WIDTH)));
    }
}

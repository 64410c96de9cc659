use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::settings;
use crate::json;

/// One entry of a service's `deployments`: a revision and the tasks that run it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Deployment {
    /// `ecs-svc/…`, which its tasks carry as `startedBy`.
    pub(super) id: String,
    /// The service revision's id.
    pub(super) revision: String,
    pub(super) task_definition: String,
    pub(super) is_primary: bool,
    pub(super) desired: usize,
    pub(super) created_at: f64,
    pub(super) updated_at: f64,
    pub(super) rollout: Rollout,
    pub(super) reason: String,
    /// Tasks that failed, since the last that became healthy unless configured otherwise.
    pub(super) failures: usize,
    /// Rounds of failures in a row, which the wait before the next launch follows.
    pub(super) setbacks: usize,
    /// No task is launched before.
    pub(super) launch_at: f64,
    /// The service deployment that reports on it.
    pub(super) tracker: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(super) enum Rollout {
    InProgress,
    Completed,
    Failed,
}

impl Deployment {
    pub(super) fn view(&self, counts: Counts, revision: &Value) -> Value {
        let mut view = settings::shared_view(revision);
        let own = json!({
            "id": self.id,
            "status": if self.is_primary { "PRIMARY" } else { "ACTIVE" },
            "taskDefinition": self.task_definition,
            "desiredCount": if self.is_primary { self.desired } else { counts.running },
            "runningCount": counts.running,
            "pendingCount": counts.pending,
            "failedTasks": self.failures,
            "createdAt": json::time(self.created_at),
            "updatedAt": json::time(self.updated_at),
            "rolloutState": self.rollout,
            "rolloutStateReason": self.reason,
        });
        if let Value::Object(own) = own {
            json::object(&mut view).extend(own);
        }
        view
    }
}

/// How many tasks of something there are.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counts {
    pub(super) running: usize,
    pub(super) pending: usize,
}

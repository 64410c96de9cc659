//! The canonical form of every kind: what `inputs` and `outputs` hold in plans,
//! in state, and between the engine and the provider.
//!
//! Desired inputs are lowered to it by the kind, observed objects are read into
//! it by `bfd-aws`, so that one generic comparison serves all kinds. Absent,
//! `null`, `[]` and `{}` mean the same. What has a natural name is a map by that
//! name (containers, environment, tags), what is a set is sorted, defaults that
//! AWS reads back are filled in.
//!
//! | kind | inputs | outputs | id |
//! |---|---|---|---|
//! | `coordinator` | `parameter_prefix`, `config {key: text}`, `tags {}` | `prefix` | the prefix |
//! | `repository` | `name`, `tag_mutability` (`immutable`, `mutable`), `scan_on_push`, `keep_images`, `lifecycle_policy` (JSON text, instead of `keep_images`), `policy` (JSON text), `kms_key`, `force_delete`, `tags {}` | `name`, `arn`, `uri`, `registry_id` | the name |
//! | `image` | `source` (as written), `repository` (literal ECR name) and `reference` (tag or `sha256:…`) when it lives in the registry of the environment, `fallback {image, port, health_check, command, desired_count}`; once settled also `uri` (pinned by digest where one is known), `digest`, `fallback_active` | `uri`, `digest`, `fallback_active` | the uri |
//! | `parameter` | `name`, `type`, `value` (text, or a secret), `description`, `tier`, `key_id`, `allowed_pattern`, `data_type`, `tags {}` | `name`, `arn`, `version` (number), `last_modified` (seconds) | the name |
//! | `stack` | `name`, `template` (the text), `parameters {}`, `tags {}`, `capabilities []`, `termination_protection`, `role_arn`, `stack_policy` (JSON text) | `name`, `arn`, `status`, `last_updated` (seconds), `outputs {}` | the name |
//! | `cluster` | `name`, `container_insights` (`enabled`, `disabled`, `enhanced`), `capacity_providers []`, `default_capacity_provider_strategy []` (AWS's spelling, sorted), `tags {}` | `name`, `arn` | the name |
//! | `service` | see below | `name`, `arn`, `task_definition` (ARN), `deployment` (id or ARN that was proven), `proven` (text: how) | `cluster/name` |
//!
//! **Service.** `name`, `cluster` (literal name), `desired_count`, `tags {}`,
//! `autoscaling {min, max, target_cpu, target_memory, scale_in_cooldown, scale_out_cooldown}`
//! (then `desired_count` is absent), `proven`, and AWS's own shapes:
//!
//! - `task_definition`: RegisterTaskDefinition in AWS's spelling, without
//!   `tags`, with `containerDefinitions` replaced by `containers {name: definition}`;
//!   in each definition `environment {name: value}` and `secrets {name: valueFrom}`
//!   are maps, `portMappings`, `mountPoints`, `volumesFrom`,
//!   `systemControls`, `ulimits` are sorted, `command`, `entryPoint`, `dependsOn`, `links` are
//!   not, nor are `environmentFiles`, of which the first that has a variable counts; `cpu` and `memory` of the task are text.
//! - `service`: CreateService in AWS's spelling, without `serviceName`, `cluster`,
//!   `taskDefinition`, `desiredCount`, `clientToken`, `tags`; sets sorted.
//!
//! `proven` is always declared as `true`. It is observed as `false` while the service's
//! current deployment rolls out or when that has failed, so that a deployment which
//! no run saw through is a difference, and the next run sees it through. A server that
//! reports no rollouts, and a service that is to run no task, count as proven; so does
//! what a rollback has shown to serve while the rest of it drains. Where the one who
//! puts a service back finds `false` recorded, there is no health to wait for.
//!
//! [`crate::service`] converts both shapes from what ECS answers and to what it is asked.
//!
//! **Image.** `source` is text as written, with `${repository.web.uri}` in it where the
//! repository is one of the manifest: the edge is in `depends_on`, so that planning
//! does not wait for the repository.
//!
//! **Stack.** `capabilities` are sent with every change and are no property of the
//! stack: AWS sees no change in them alone, so what is recorded counts as observed.
//!
//! A secret is [`bfd_core::Secret`]; a value that cannot be read back and is
//! known to have changed is `{"$changed_outside": "version 4"}`, which equals nothing.

use bfd_core::{Value, plan::FORMAT_VERSION};
use serde_json::json;

/// The JSON Schema (draft-07) of [`super::json()`].
///
/// Fields may be added, so nothing forbids unknown ones.
pub fn schema() -> Value {
    json!({
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "bfd plan",
        "description": "What `bfd plan --format json` prints. Fields may be added; none is renamed.",
        "type": "object",
        "required": [
            "format_version", "environment", "base", "summary",
            "changes", "steps", "drift", "warnings"
        ],
        "properties": {
            "format_version": { "const": FORMAT_VERSION },
            "environment": { "type": "string", "description": "The name of the environment." },
            "account": { "type": "string", "description": "The AWS account, twelve digits." },
            "region": { "type": "string" },
            "endpoint": {
                "type": ["string", "null"],
                "description": "Set when the calls do not go to AWS's own endpoints."
            },
            "back_to": {
                "type": "string",
                "description": "The id of the run whose environment it goes back to, where it does."
            },
            "base": {
                "description": "The state the plan was computed from; apply refuses any other.",
                "type": "object",
                "required": ["lineage", "serial"],
                "properties": {
                    "lineage": { "type": "string" },
                    "serial": count()
                }
            },
            "summary": {
                "description": "How many resources each action touches.",
                "type": "object",
                "required": ["create", "update", "replace", "delete", "adopt", "unchanged"],
                "properties": {
                    "create": count(), "update": count(), "replace": count(),
                    "delete": count(), "adopt": count(), "unchanged": count()
                }
            },
            "changes": list("change"),
            "steps": list("step"),
            "drift": list("drift"),
            "stack_drift": {
                "description": "With `--drift`: what CloudFormation found within the recorded stacks. Absent when it was not asked.",
                "type": "array",
                "items": { "$ref": "#/definitions/stack_drift" }
            },
            "warnings": list("warning"),
            "digest": {
                "type": "string",
                "description": "With `-o`, and of a saved plan: what `bfd apply FILE` repeats, `sha256:…`."
            },
            "made_at": {
                "type": "string",
                "description": "With `-o`, and of a saved plan: when it was made, RFC 3339."
            },
            "rollback": {
                "type": "object",
                "required": ["on_failure", "deadline"],
                "properties": {
                    "on_failure": { "type": "boolean" },
                    "deadline": { "type": "integer", "minimum": 0, "description": "Seconds." },
                    "estimate": {
                        "description": "The worst case of a run that fails: `detection` until the failure is known, `undo` until everything is back after that. Absent when there is nothing to undo.",
                        "type": "object",
                        "required": ["detection", "undo"],
                        "properties": {
                            "detection": { "$ref": "#/definitions/share" },
                            "undo": { "$ref": "#/definitions/share" }
                        }
                    }
                }
            }
        },
        "definitions": definitions()
    })
}

fn count() -> Value {
    json!({ "type": "integer", "minimum": 0 })
}

fn list(of: &str) -> Value {
    json!({ "type": "array", "items": { "$ref": format!("#/definitions/{of}") } })
}

fn through() -> Value {
    json!({
        "description": "By what an expression that stays as it is comes to another value.",
        "type": "array",
        "items": {
            "type": "object",
            "required": ["by", "name"],
            "properties": {
                "by": { "enum": ["parameter", "mapping", "condition", "resource", "output"] },
                "name": { "type": "string" },
                "before": { "type": ["string", "null"], "description": "Of a parameter; `null`: not known yet." },
                "after": { "type": ["string", "null"], "description": "Of a parameter; `null`: not known yet." }
            }
        }
    })
}

fn resource() -> Value {
    json!({
        "description": "A resource of a stack that changes.",
        "type": "object",
        "required": ["logical_id", "type", "action", "replacement", "weight", "properties"],
        "properties": {
            "logical_id": { "type": "string", "description": "Behind those of the stacks that it is within: `Nested/Role`." },
            "type": { "type": "string", "description": "Such as `AWS::DynamoDB::Table`." },
            "action": {
                "enum": ["create", "update", "replace", "delete", "none"],
                "description": "`none`: nothing happens to the object, as for a change of metadata."
            },
            "replacement": {
                "enum": ["no", "maybe", "always"],
                "description": "Whether another object takes its place."
            },
            "weight": {
                "enum": ["stateful_deleted", "stateful_replaced", "iam", "network", "other"],
                "description": "What the change is about, the gravest first."
            },
            "metadata_only": { "type": "boolean" },
            "kept": {
                "type": "boolean",
                "description": "Whether the object of a resource that leaves the stack stays."
            },
            "properties": list("property")
        }
    })
}

fn previewed() -> Value {
    json!({
        "description": "What CloudFormation says of a resource, in its own words.",
        "type": "object",
        "required": ["logical_id", "type", "action", "replacement", "scope", "properties"],
        "properties": {
            "logical_id": { "type": "string", "description": "Of a resource in a nested stack `Network/Vpc`." },
            "type": { "type": "string", "description": "Such as `AWS::SQS::Queue`." },
            "action": { "type": "string", "description": "`Add`, `Modify`, `Remove`, `Import`, `Dynamic`." },
            "replacement": { "enum": ["no", "maybe", "always"], "description": "Whether another object takes its place." },
            "scope": { "type": "array", "items": { "type": "string" }, "description": "`Properties`, `Tags`, `Metadata` and so on." },
            "properties": { "type": "array", "items": { "type": "string" }, "description": "The properties that differ." },
            "policy": { "type": "string", "description": "What becomes of an object that goes, such as `Retain`, `Snapshot`, `ReplaceAndRetain`." }
        }
    })
}

fn stack_drift() -> Value {
    json!({
        "description": "What was changed within a stack since its template was applied. No step of a plan repairs it.",
        "type": "object",
        "required": ["address", "in_sync", "not_checked", "resources"],
        "properties": {
            "address": { "$ref": "#/definitions/address" },
            "in_sync": { "type": "integer", "minimum": 0, "description": "How many resources are as the template says." },
            "not_checked": { "type": "integer", "minimum": 0, "description": "How many are of types that CloudFormation does not look at." },
            "resources": {
                "description": "The others, those of nested stacks included.",
                "type": "array",
                "items": {
                    "type": "object",
                    "required": ["logical_id", "type", "deleted", "fields"],
                    "properties": {
                        "logical_id": { "type": "string", "description": "Of a resource in a nested stack `Network/Vpc`." },
                        "type": { "type": "string", "description": "Such as `AWS::SQS::Queue`." },
                        "deleted": { "type": "boolean", "description": "The object is no longer there." },
                        "fields": list("field")
                    }
                }
            }
        }
    })
}

#[expect(clippy::too_many_lines, reason = "one table of definitions")]
fn definitions() -> Value {
    json!({
        "address": {
            "type": "string",
            "description": "`kind.name`, such as `service.web`.",
            "pattern": "^[A-Za-z0-9_/-]+\\.[A-Za-z0-9_/-]+$"
        },
        "change": {
            "description": "What happens to one resource.",
            "type": "object",
            "required": ["address", "kind", "action", "fields", "undo"],
            "properties": {
                "address": { "$ref": "#/definitions/address" },
                "kind": { "type": "string" },
                "action": { "enum": ["create", "update", "replace", "delete", "adopt"] },
                "fields": list("field"),
                "restarts_tasks": {
                    "type": "boolean",
                    "description": "Whether running tasks are replaced by new ones."
                },
                "undo": {
                    "enum": ["exact", "approximate", "none"],
                    "description": "How well a rollback restores the object."
                },
                "resources": {
                    "description": "Of an update of a stack: the resources that change within it, the gravest first. Of a new stack: those of permissions and network access.",
                    "type": "array",
                    "items": { "$ref": "#/definitions/resource" }
                },
                "sections": {
                    "description": "Beside `resources`: what changes in the rest of the template.",
                    "type": "array",
                    "items": { "$ref": "#/definitions/section" }
                },
                "change_set": {
                    "description": "With `--change-sets`: what CloudFormation itself says of a change of a stack. Absent when it was not asked, or refused.",
                    "type": "array",
                    "items": { "$ref": "#/definitions/previewed" }
                },
                "loses_data": {
                    "description": "Of a stack: whether what is stored in its resources is lost, or may be. Absent where it is not.",
                    "const": true
                },
                "notes": {
                    "description": "Why an undo is not exact, or why a replacement is needed.",
                    "type": "array",
                    "items": { "type": "string" }
                }
            }
        },
        "resource": resource(),
        "stack_drift": stack_drift(),
        "previewed": previewed(),
        "property": {
            "description": "A part of a resource that changes. Secrets are hidden.",
            "type": "object",
            "required": ["path", "before", "after", "replacement"],
            "properties": {
                "path": { "type": "string", "description": "From the top of the resource: `Properties.KeySchema`." },
                "before": { "description": "`null`: not there." },
                "after": { "description": "`null`: not there." },
                "same_value": { "type": "boolean", "description": "Written differently, and comes to what it was." },
                "through": through(),
                "replacement": { "enum": ["no", "maybe", "always"], "description": "Whether that replaces the object." }
            }
        },
        "section": {
            "description": "A part of a template outside of resources that changes. Secrets are hidden.",
            "type": "object",
            "required": ["path", "before", "after"],
            "properties": {
                "path": { "type": "string", "description": "From the top of the template: `Outputs.Name.Value`." },
                "before": { "description": "`null`: not there." },
                "after": { "description": "`null`: not there." },
                "through": through()
            }
        },
        "field": {
            "description": "One field that changes.",
            "type": "object",
            "required": ["path", "before", "after", "sensitive", "known", "effect"],
            "properties": {
                "path": {
                    "type": "string",
                    "description": "The dotted path in the canonical form. A list is one field."
                },
                "before": { "description": "`null` if not set; `\"(secret)\"` for a secret." },
                "after": { "description": "As `before`; `null` as well when not yet known." },
                "sensitive": {
                    "type": "boolean",
                    "description": "The field is a secret; that it is listed says that it changes."
                },
                "known": { "type": "boolean", "description": "`false`: known after apply." },
                "effect": {
                    "enum": ["none", "restarts_tasks", "replaces"],
                    "description": "What changing the field does to the running object."
                }
            }
        },
        "step": {
            "description": "One operation apply performs.",
            "type": "object",
            "required": ["id", "address", "op", "phase", "after"],
            "properties": {
                "id": count(),
                "address": { "$ref": "#/definitions/address" },
                "op": { "enum": ["create", "update", "adopt", "delete"] },
                "phase": {
                    "enum": ["deploy", "cleanup"],
                    "description": "Deploy steps can be undone; cleanup steps run last and only go forward."
                },
                "after": {
                    "description": "The steps that must have succeeded before.",
                    "type": "array",
                    "items": count()
                }
            }
        },
        "drift": {
            "description": "An object that is not as it was recorded.",
            "type": "object",
            "required": ["address", "fields"],
            "properties": {
                "address": { "$ref": "#/definitions/address" },
                "gone": { "type": "boolean", "description": "The object is no longer there." },
                "fields": list("field")
            }
        },
        "share": {
            "description": "Seconds, and the resource that takes the most of them.",
            "type": "object",
            "required": ["seconds", "address", "fields"],
            "properties": {
                "seconds": count(),
                "address": { "$ref": "#/definitions/address" },
                "fields": {
                    "description": "What the fields of that resource account for, the longest first.",
                    "type": "array",
                    "items": {
                        "type": "object",
                        "required": ["field", "seconds"],
                        "properties": {
                            "field": {
                                "type": "string",
                                "description": "From the top of the manifest, such as `service.web.container.web.health_check.interval`."
                            },
                            "seconds": count()
                        }
                    }
                }
            }
        },
        "warning": {
            "type": "object",
            "required": ["message"],
            "properties": {
                "address": {
                    "anyOf": [{ "$ref": "#/definitions/address" }, { "type": "null" }]
                },
                "message": { "type": "string" },
                "help": { "type": ["string", "null"] }
            }
        }
    })
}

//! `AWS::IAM::Role`.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{Made, Subject, already_exists, opaque, text};
use crate::iam::Role;
use crate::world::World;

/// How long a session may be where the role does not say, in seconds.
const HOUR: u32 = 3600;

pub(super) fn create(
    world: &mut World,
    subject: &Subject,
    properties: &Value,
) -> Result<Made, String> {
    let mut made = opaque::create(world, subject, properties);
    let name = made.physical_id.clone();
    if world.roles.all.contains_key(&name) {
        return Err(already_exists(world, &subject.kind, &name));
    }
    let path = match text(&properties["Path"]) {
        path if path.is_empty() => "/".to_owned(),
        path => path,
    };
    let arn = format!("arn:aws:iam::{}:role{path}{name}", world.account);
    made.attributes.insert("Arn".to_owned(), json!(arn));
    let id = text(&made.attributes["RoleId"]);
    world.roles.all.insert(name, read(arn, id, properties));
    Ok(made)
}

pub(super) fn update(
    world: &mut World,
    made: &Made,
    properties: &Value,
) -> BTreeMap<String, Value> {
    let attribute = |name: &str| text(made.attributes.get(name).unwrap_or(&Value::Null));
    let role = read(attribute("Arn"), attribute("RoleId"), properties);
    world.roles.all.insert(made.physical_id.clone(), role);
    made.attributes.clone()
}

pub(super) fn delete(world: &mut World, name: &str) {
    world.roles.all.remove(name);
}

fn read(arn: String, id: String, properties: &Value) -> Role {
    let longest = text(&properties["MaxSessionDuration"]).parse().unwrap_or(HOUR);
    let trust = properties["AssumeRolePolicyDocument"].clone();
    Role { arn, id, trust, longest_session: longest }
}

//! STS: who is asking, and taking on a role.

use std::collections::BTreeMap;

use aws_smithy_types::DateTime;
use aws_smithy_types::date_time::Format;
use serde::{Deserialize, Serialize};

use crate::error::QueryError;
use crate::iam::Asker;
use crate::router::escape;
use crate::world::World;

/// The one caller there is, but for sessions of roles.
const USER: &str = "user/sandbox";

/// The shortest and the longest session there may be, in seconds.
const DURATIONS: std::ops::RangeInclusive<u32> = 900..=43_200;

/// How long a session is that says nothing, and at most when one role leads to another.
const HOUR: u32 = 3600;

/// Sessions of roles, by their access key. Signatures are not checked, so that the secret keys
/// need not be remembered.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Sessions {
    all: BTreeMap<String, Session>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Session {
    arn: String,
    id: String,
    role: String,
    until: f64,
}

pub(crate) fn handle(
    world: &mut World,
    now: f64,
    action: &str,
    params: &BTreeMap<String, String>,
    access_key: &str,
) -> Result<String, QueryError> {
    match action {
        "GetCallerIdentity" => {
            let session = world.sessions.all.get(access_key);
            let id = session.map_or("AIDASANDBOXSANDBOXSA", |session| &session.id);
            Ok(format!(
                "<Arn>{}</Arn><UserId>{}</UserId><Account>{}</Account>",
                escape(&arn(world, access_key)),
                escape(id),
                world.account
            ))
        }
        "AssumeRole" => assume(world, now, params, access_key),
        _ => Err(QueryError::unknown_action(action)),
    }
}

/// The ARN of the one user; IAM is global and has no region.
pub(crate) fn caller(world: &World) -> String {
    format!("arn:aws:iam::{}:{USER}", world.account)
}

/// The ARN of whoever has an access key.
pub(crate) fn arn(world: &World, access_key: &str) -> String {
    world.sessions.all.get(access_key).map_or_else(|| caller(world), |session| session.arn.clone())
}

/// Whether an access key was a session's, which is over.
pub(crate) fn is_expired(world: &World, now: f64, access_key: &str) -> bool {
    world.sessions.all.get(access_key).is_some_and(|session| session.until <= now)
}

/// The access key in a signature.
pub(crate) fn access_key(authorization: &str) -> &str {
    authorization
        .split_once("Credential=")
        .and_then(|(_, credential)| credential.split('/').next())
        .unwrap_or_default()
}

fn validation(message: impl Into<String>) -> QueryError {
    QueryError::new("ValidationError", message)
}

fn constraint(value: &str, member: &str, rule: &str) -> QueryError {
    validation(format!(
        "1 validation error detected: Value {value} at '{member}' failed to satisfy constraint: \
         {rule}"
    ))
}

fn assume(
    world: &mut World,
    now: f64,
    params: &BTreeMap<String, String>,
    access_key: &str,
) -> Result<String, QueryError> {
    let text = |name: &str| params.get(name).map(String::as_str).filter(|text| !text.is_empty());
    let missing = |member: &str| constraint("null", member, "Member must not be null");
    let wanted = text("RoleArn").ok_or_else(|| missing("roleArn"))?;
    let session_name = text("RoleSessionName").ok_or_else(|| missing("roleSessionName"))?;
    check_text(session_name, "roleSessionName", "[\\w+=,.@-]*", "+=,.@-_", 64)?;
    let external_id = text("ExternalId");
    if let Some(id) = external_id {
        check_text(id, "externalId", "[\\w+=,.@:\\/-]*", "+=,.@:/-_", 1224)?;
    }
    if !wanted.starts_with("arn:") || wanted.split(':').count() < 6 {
        return Err(validation(format!("{wanted} is invalid")));
    }
    let duration = duration(text("DurationSeconds"))?;
    let tags = (1..).take_while(|index| params.contains_key(&format!("Tags.member.{index}.Key")));
    let tags = tags.count();
    if tags > 50 {
        return Err(validation(
            "1 validation error detected: Value at 'tags' failed to satisfy constraint: Member \
             must have length less than or equal to 50",
        ));
    }
    let caller_arn = arn(world, access_key);
    let chained = world.sessions.all.get(access_key).map(|session| session.role.clone());
    let denied = |action: &str| {
        let message = format!(
            "User: {caller_arn} is not authorized to perform: {action} on resource: {wanted}"
        );
        QueryError { status: 403, code: "AccessDenied".into(), message }
    };
    let (name, role) = world.roles.find(wanted).ok_or_else(|| denied("sts:AssumeRole"))?;
    let asker =
        Asker { arn: &caller_arn, role: chained.as_deref(), account: &world.account, external_id };
    if !role.trusts(&asker, "sts:AssumeRole") {
        return Err(denied("sts:AssumeRole"));
    }
    if tags > 0 && !role.trusts(&asker, "sts:TagSession") {
        return Err(denied("sts:TagSession"));
    }
    if chained.is_some() && duration > HOUR {
        return Err(validation(
            "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by \
             role chaining",
        ));
    }
    if duration > role.longest_session {
        return Err(validation(
            "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.",
        ));
    }
    let session = Session {
        arn: format!("arn:aws:sts::{}:assumed-role/{name}/{session_name}", world.account),
        id: format!("{}:{session_name}", role.id),
        role: wanted.to_owned(),
        until: (now + f64::from(duration)).floor(),
    };
    Ok(begin(world, now, session))
}

/// Remembers a session and answers with its credentials.
fn begin(world: &mut World, now: f64, session: Session) -> String {
    // A day after its end nobody asks any more with a session's key.
    world.sessions.all.retain(|_, session| session.until + 86_400.0 > now);
    let key = format!("ASIA{}", &world.next_hex().to_uppercase()[..16]);
    let secret = world.sign(&format!("secret/{key}"));
    let token = world.sign(&format!("token/{key}"));
    let until = DateTime::from_secs_f64(session.until).fmt(Format::DateTime).unwrap_or_default();
    let answer = format!(
        "<Credentials><AccessKeyId>{key}</AccessKeyId><SecretAccessKey>{}</SecretAccessKey>\
         <SessionToken>{token}{token}</SessionToken><Expiration>{until}</Expiration>\
         </Credentials><AssumedRoleUser><AssumedRoleId>{}</AssumedRoleId><Arn>{}</Arn>\
         </AssumedRoleUser>",
        &secret[..40],
        escape(&session.id),
        escape(&session.arn)
    );
    world.sessions.all.insert(key, session);
    answer
}

fn check_text(
    text: &str,
    member: &str,
    pattern: &str,
    marks: &str,
    longest: usize,
) -> Result<(), QueryError> {
    let quoted = format!("'{text}'");
    if text.len() < 2 {
        let rule = "Member must have length greater than or equal to 2";
        return Err(constraint(&quoted, member, rule));
    }
    if text.len() > longest {
        let rule = format!("Member must have length less than or equal to {longest}");
        return Err(constraint(&quoted, member, &rule));
    }
    if text.chars().all(|each| each.is_ascii_alphanumeric() || marks.contains(each)) {
        return Ok(());
    }
    let rule = format!("Member must satisfy regular expression pattern: {pattern}");
    Err(constraint(&quoted, member, &rule))
}

fn duration(text: Option<&str>) -> Result<u32, QueryError> {
    let Some(text) = text else { return Ok(HOUR) };
    let duration = text
        .parse::<u32>()
        .map_err(|_| QueryError::new("MalformedInput", "Value cannot be parsed as an integer"))?;
    if DURATIONS.contains(&duration) {
        return Ok(duration);
    }
    let rule = if duration < *DURATIONS.start() {
        format!("Member must have value greater than or equal to {}", DURATIONS.start())
    } else {
        format!("Member must have value less than or equal to {}", DURATIONS.end())
    };
    Err(constraint(&format!("'{duration}'"), "durationSeconds", &rule))
}

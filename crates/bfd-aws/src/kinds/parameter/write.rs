//! Writing parameters, for `parameter` and `coordinator`.

use super::{read, written::Written};
use crate::{Aws, client::Made, error, inputs, tags, tags::Tags};
use aws_sdk_ssm::{
    operation::put_parameter::builders::PutParameterFluentBuilder,
    types::{ParameterTier, ParameterType, ResourceTypeForTagging, Tag},
};
use bfd_core::{Owner, Properties, Secret, Value, to_text};
use bfd_provider::{Context, ErrorClass, ProviderError};
use zeroize::Zeroizing;

pub(crate) const PUT: &str = "ssm:PutParameter";
/// The most names that DeleteParameters takes.
const NAMES: usize = 10;
/// The account's own key, which encrypts where no other is named.
const OWN_KEY: &str = "alias/aws/ssm";

/// What PutParameter takes beside the name and the value.
const SETTINGS: &[&str] =
    &["value", "type", "description", "tier", "key_id", "allowed_pattern", "data_type"];

/// Whether only PutParameter brings a parameter from one to the other.
pub(super) fn needs_put(before: &Properties, after: &Properties) -> bool {
    SETTINGS.iter().any(|field| inputs::differs(before, after, field))
}

/// The plaintext of the value that inputs name.
pub(super) fn reveal(aws: &Aws, inputs: &Properties) -> Result<Zeroizing<String>, ProviderError> {
    let value = inputs.get("value").unwrap_or(&Value::Null);
    if let Some(secret) = Secret::from_value(value) {
        let plaintext = aws.secrets.reveal(&secret);
        return plaintext.map(Zeroizing::new).map_err(|unavailable| {
            ProviderError::new(PUT, ErrorClass::Local, unavailable)
                .hint("set it as it was when the plan was made, or plan again")
        });
    }
    match value {
        Value::Null | Value::Object(_) => {
            Err(ProviderError::new(PUT, ErrorClass::Local, "the value is not known"))
        }
        value => Ok(Zeroizing::new(to_text(value))),
    }
}

/// A request with everything that inputs declare, and resets of what only `before` did.
fn request(
    aws: &Aws,
    name: &str,
    before: &Properties,
    after: &Properties,
    plaintext: &str,
) -> PutParameterFluentBuilder {
    let text = |field| inputs::text(after, field).map(str::to_owned);
    let was = |field| inputs::text(before, field).is_some();
    let kind = text("type").unwrap_or_else(|| "String".to_owned());
    let is_secure = kind == "SecureString";
    // Absent may mean unchanged, so what is removed is said. Both texts may be empty:
    // <https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_PutParameter.html>
    let or_none = |field| text(field).or_else(|| was(field).then(String::new));
    let key = text("key_id").or_else(|| was("key_id").then(|| OWN_KEY.to_owned()));
    let data_type = text("data_type").or_else(|| was("data_type").then(|| "text".to_owned()));
    aws.ssm
        .put_parameter()
        .name(name)
        .value(plaintext)
        .r#type(ParameterType::from(kind.as_str()))
        .set_description(or_none("description"))
        .set_key_id(key.filter(|_| is_secure))
        .set_allowed_pattern(or_none("allowed_pattern"))
        .set_data_type(data_type)
        .set_tier(text("tier").map(|tier| ParameterTier::from(tier.as_str())))
}

/// Creates a parameter; one that exists is refused, unless it is what a lost call made.
pub(crate) async fn create(
    aws: &Aws,
    name: &str,
    inputs: &Properties,
    context: &Context,
) -> Result<Written, ProviderError> {
    let plaintext = reveal(aws, inputs)?;
    let send = request(aws, name, &Properties::new(), inputs, &plaintext)
        .set_tags(sdk_tags(&tags::declared(inputs))?)
        .send();
    match aws.make(PUT, context, send).await {
        Ok(Made::Surely(answer)) => Ok(Written::now(aws, answer.version)),
        Ok(Made::Perhaps(exists)) => recognize(aws, name, inputs, &plaintext, exists).await,
        Err(refused) if refused.class == ErrorClass::AlreadyExists => {
            let owner = read::read_tags(aws, name).await.map(|tags| tags::owner(&tags));
            Err(belongs(refused, name, &owner.unwrap_or(Owner::Unknown)))
        }
        Err(refused) => Err(error::redact(refused, &plaintext)),
    }
}

/// Writes a new version of a parameter.
pub(crate) async fn overwrite(
    aws: &Aws,
    name: &str,
    before: &Properties,
    after: &Properties,
    plaintext: &str,
) -> Result<Written, ProviderError> {
    let send = request(aws, name, before, after, plaintext).overwrite(true).send();
    let answer = aws.call(PUT, send).await.map_err(|err| error::redact(err, plaintext))?;
    Ok(Written::now(aws, answer.version))
}

/// Decides whether a parameter that exists is what our own lost call made.
async fn recognize(
    aws: &Aws,
    name: &str,
    wanted: &Properties,
    plaintext: &str,
    exists: ProviderError,
) -> Result<Written, ProviderError> {
    let look = || async { Ok(read::describe(aws, &[name.to_owned()].into()).await?.remove(name)) };
    let Ok(Some(found)) = aws.look_again(look).await else { return Err(exists.in_doubt()) };
    let there = super::observe::inputs_of(&found);
    let declared =
        SETTINGS.iter().filter(|field| **field != "value" && wanted.contains_key(**field));
    // AWS answers with the tier that it chose.
    let mut same = declared
        .filter(|field| **field != "tier" || wanted["tier"] != "Intelligent-Tiering")
        .all(|field| !inputs::differs(&there, wanted, field));
    let Ok(tags) = read::read_tags(aws, name).await else { return Err(exists.in_doubt()) };
    same = same && tags == tags::declared(wanted);
    // Only now the value: it takes the permission to decrypt.
    if !same {
        return Err(belongs(error::redact(exists, plaintext), name, &tags::owner(&tags)));
    }
    match aws.look_again(|| read::plaintext(aws, name)).await {
        Ok(Some(value)) if *value == *plaintext => Ok(Written::observed(&found)),
        Ok(Some(_)) => Err(belongs(error::redact(exists, plaintext), name, &tags::owner(&tags))),
        Ok(None) | Err(_) => Err(error::redact(exists, plaintext).in_doubt()),
    }
}

fn belongs(mut exists: ProviderError, name: &str, owner: &Owner) -> ProviderError {
    // Whatever the answer was, or if there was none: what is there is somebody else's.
    exists.class = ErrorClass::AlreadyExists;
    let hint = match owner {
        Owner::Stack(stack) => format!("rename the parameter here, or remove it from `{stack}`"),
        _ => "plan again: an existing object is taken over with `adopt = true`".to_owned(),
    };
    exists
        .detail(format!("the parameter `{name}` was not made by this run; {}", tags::says(owner)))
        .hint(hint)
}

/// Sets and removes tags, in at most one call each.
pub(crate) async fn retag(
    aws: &Aws,
    name: &str,
    before: &Tags,
    after: &Tags,
) -> Result<(), ProviderError> {
    let (set, removed) = tags::difference(before, after);
    if let Some(set) = sdk_tags(&set)? {
        let request = aws
            .ssm
            .add_tags_to_resource()
            .resource_type(ResourceTypeForTagging::Parameter)
            .resource_id(name)
            .set_tags(Some(set));
        aws.call("ssm:AddTagsToResource", request.send()).await?;
    }
    if !removed.is_empty() {
        let request = aws
            .ssm
            .remove_tags_from_resource()
            .resource_type(ResourceTypeForTagging::Parameter)
            .resource_id(name)
            .set_tag_keys(Some(removed));
        aws.call("ssm:RemoveTagsFromResource", request.send()).await?;
    }
    Ok(())
}

/// Deletes parameters, ten at a time. Those that are gone already are deleted, too.
pub(crate) async fn delete(aws: &Aws, names: &[String]) -> Result<(), ProviderError> {
    for names in names.chunks(NAMES) {
        let request = aws.ssm.delete_parameters().set_names(Some(names.to_vec()));
        aws.call("ssm:DeleteParameters", request.send()).await?;
    }
    Ok(())
}

/// `None` rather than an empty list: AWS refuses those.
fn sdk_tags(tags: &Tags) -> Result<Option<Vec<Tag>>, ProviderError> {
    let built = tags.iter().map(|(key, value)| {
        Tag::builder()
            .key(key)
            .value(value)
            .build()
            .map_err(|wrong| ProviderError::new(PUT, ErrorClass::Local, wrong))
    });
    let built: Vec<Tag> = built.collect::<Result<_, _>>()?;
    Ok((!built.is_empty()).then_some(built))
}

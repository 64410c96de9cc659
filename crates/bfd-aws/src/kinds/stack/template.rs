//! Where CloudFormation finds a template: in the request, or, when it is too large for that, in
//! a bucket.
//!
//! Source: "AWS CloudFormation quotas" in its user guide: 51,200 bytes in a request, 1 MB in S3,
//! which its refusal ("Template may not exceed 1000000 bytes in size") says more exactly.

use super::assets;
use crate::{Aws, Bucket, S3Objects, Settings};
use bfd_core::Properties;
use bfd_image::Digest;
use bfd_kinds::stack::{ASSETS, TEMPLATE_BODY_LIMIT};
use bfd_provider::{ErrorClass, ProviderError};
use bfd_store::{Condition, ObjectError, ObjectFailure, Objects};

/// In place of assets, those of the same stack whose template is another: this one goes into the
/// same bucket.
pub(super) const BESIDE: &str = "beside";

/// A bucket that large templates go through.
#[derive(Clone, Debug)]
pub struct TemplateBucket {
    pub bucket: Bucket,
    pub region: String,
    /// What the keys of templates begin with, without a `/` at its end.
    pub prefix: String,
}

/// The same, with a connection.
#[derive(Debug)]
pub(crate) struct Templates {
    of: TemplateBucket,
    /// What stands in for AWS, if anything does.
    endpoint: Option<String>,
    objects: S3Objects,
}

/// What a request says of a template: one of the two.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Sent {
    pub(super) body: Option<String>,
    pub(super) url: Option<String>,
}

impl Templates {
    pub(crate) fn new(settings: &Settings) -> Option<Self> {
        let of = settings.templates.clone()?;
        let settings = Settings { region: of.region.clone(), ..settings.clone() };
        let endpoint = settings.endpoint_url.clone();
        let objects = S3Objects::new(settings, of.bucket.clone());
        Some(Self { of, endpoint, objects })
    }

    /// Puts a template under a key that depends on its content alone. One that is there already
    /// stays: other stacks may be made of it right now.
    async fn put(&self, template: &str) -> Result<String, ObjectError> {
        let TemplateBucket { bucket, region, prefix } = &self.of;
        let digest = Digest::of(template.as_bytes());
        let key = format!("{prefix}/{}", digest.hex());
        match self.objects.put(&key, template.into(), Condition::Absent).await {
            Ok(_) | Err(ObjectError::Changed) => {}
            Err(refused) => return Err(refused),
        }
        let suffix = if region.starts_with("cn-") { ".cn" } else { "" };
        let own = || format!("https://s3.{region}.amazonaws.com{suffix}");
        let server = self.endpoint.clone().unwrap_or_else(own);
        Ok(format!("{}/{}/{key}", server.trim_end_matches('/'), bucket.name))
    }
}

/// Makes a template ready to be sent.
pub(super) async fn ready(
    aws: &Aws,
    operation: &'static str,
    template: &str,
    inputs: &Properties,
) -> Result<Sent, ProviderError> {
    if template.len() <= TEMPLATE_BODY_LIMIT {
        return Ok(Sent { body: Some(template.to_owned()), url: None });
    }
    if let Some(url) = assets::template_url(aws, inputs) {
        return Ok(Sent { body: None, url: Some(url) });
    }
    if let Some(beside) = inputs.get(BESIDE) {
        let assets = Properties::from([(ASSETS.to_owned(), beside.clone())]);
        if let Some(url) = assets::put_beside(aws, &assets, template).await? {
            return Ok(Sent { body: None, url: Some(url) });
        }
    }
    let Some(templates) = &aws.templates else {
        let why = format!(
            "the template has {} bytes; CloudFormation takes {TEMPLATE_BODY_LIMIT} in a request",
            template.len()
        );
        return Err(ProviderError::new(operation, ErrorClass::InvalidRequest, why)
            .hint("keep the state in a bucket: larger templates go through it"));
    };
    let url = templates.put(template).await.map_err(|error| refused(&error))?;
    Ok(Sent { body: None, url: Some(url) })
}

fn refused(error: &ObjectError) -> ProviderError {
    const OPERATION: &str = "s3:PutObject";
    let of = |class, failure: &ObjectFailure| {
        let refused = ProviderError::new(OPERATION, class, failure.message.clone());
        let refused = refused.without_effect();
        match &failure.hint {
            Some(hint) => refused.hint(hint.clone()),
            None => refused,
        }
    };
    match error {
        ObjectError::Unanswered(failure) => of(ErrorClass::NetworkFailure, failure),
        ObjectError::Refused(failure) => of(ErrorClass::AccessDenied, failure),
        other => {
            let class = ErrorClass::ServiceInternalError;
            ProviderError::new(OPERATION, class, other.to_string()).without_effect()
        }
    }
}

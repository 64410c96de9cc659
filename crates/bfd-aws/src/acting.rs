//! Roles that bfd takes on for some of its calls, as the CDK's bootstrap stack has them.
//!
//! A role is assumed once for a connection, with the credentials of whoever runs bfd, and again
//! when its credentials run out. Where it may not be assumed, everything goes on with the
//! caller's own credentials if they are of the role's account, as the CDK's CLI does.

use crate::{Aws, client::client, error};
use aws_config::SdkConfig;
use aws_credential_types::{
    Credentials,
    provider::{self, ProvideCredentials, SharedCredentialsProvider, error::CredentialsError},
};
use aws_sdk_sts::{
    operation::assume_role::builders::AssumeRoleFluentBuilder, types::Credentials as Assumed,
};
use bfd_core::{Properties, Value};
use bfd_provider::{ErrorClass, ProviderError};
use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::SystemTime,
};
use tokio::sync::OnceCell;

const OPERATION: &str = "sts:AssumeRole";
/// Names the session in CloudTrail; AWS takes 2 to 64 characters.
const SESSION: &str = "bfd";

/// A role, as stacks and images name it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Role {
    pub(crate) arn: String,
    pub(crate) external_id: Option<String>,
}

impl Role {
    /// Reads a table of canonical inputs.
    pub(crate) fn read(value: &Value) -> Option<Self> {
        let text = |name: &str| value.get(name).and_then(Value::as_str).map(str::to_owned);
        Some(Self { arn: text("arn")?, external_id: text("external_id") })
    }

    /// The role that the calls for an object are made with, if not with the caller's own.
    pub(crate) fn of(inputs: &Properties) -> Option<Self> {
        FIELDS.iter().find_map(|field| Self::read(inputs.get(*field)?))
    }

    /// `arn:PARTITION:iam::ACCOUNT:role/NAME`
    pub(crate) fn account(&self) -> &str {
        self.arn.split(':').nth(4).unwrap_or_default()
    }
}

/// Where canonical inputs name it: of stacks, and of images.
pub(crate) const FIELDS: [&str; 2] = [bfd_kinds::stack::DEPLOY_ROLE, "push_role"];

/// What is made once for each key, by whoever asks first.
type Cells<K, V> = Mutex<BTreeMap<K, Arc<OnceCell<V>>>>;

/// The configurations of roles that were assumed.
#[derive(Default)]
pub(crate) struct Roles {
    /// `None`: the caller's own.
    configs: Cells<Role, Option<SdkConfig>>,
    connections: Cells<Role, Option<Arc<Aws>>>,
    buckets: Cells<(Option<Role>, String), aws_sdk_s3::Client>,
}

impl fmt::Debug for Roles {
    /// Nothing of credentials.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Roles").finish_non_exhaustive()
    }
}

/// The cell of a key; made when it is asked for first.
fn cell<K: Ord, V>(cells: &Cells<K, V>, key: K) -> Arc<OnceCell<V>> {
    let mut cells = cells.lock().unwrap_or_else(PoisonError::into_inner);
    Arc::clone(cells.entry(key).or_default())
}

impl Aws {
    /// The connection with which the calls for an object are made; `None` is this one.
    pub(crate) async fn acting(
        &self,
        role: Option<&Role>,
    ) -> Result<Option<Arc<Self>>, ProviderError> {
        let Some(role) = role else { return Ok(None) };
        let cell = cell(&self.roles.connections, role.clone());
        let connect = async {
            let config = self.config_of(role).await?;
            Ok::<_, ProviderError>(config.map(|config| Arc::new(self.with(&config))))
        };
        cell.get_or_try_init(|| connect).await.cloned()
    }

    /// A client of S3 in a region, with the credentials of a role.
    pub(crate) async fn bucket_client(
        &self,
        role: Option<&Role>,
        region: &str,
    ) -> Result<aws_sdk_s3::Client, ProviderError> {
        let cell = cell(&self.roles.buckets, (role.cloned(), region.to_owned()));
        let connect = async {
            let assumed = match role {
                Some(role) => self.config_of(role).await?,
                None => None,
            };
            let config = assumed.as_ref().unwrap_or(self.config());
            // Other servers have no host name for each bucket.
            let is_other = self.endpoint_url().is_some();
            Ok::<_, ProviderError>(client!(
                aws_sdk_s3,
                config,
                |config: aws_sdk_s3::config::Builder| config
                    .force_path_style(is_other)
                    .region(aws_config::Region::new(region.to_owned()))
            ))
        };
        cell.get_or_try_init(|| connect).await.cloned()
    }

    /// The configuration for a role; `None` when it may not be assumed and the caller's own
    /// credentials are of its account.
    async fn config_of(&self, role: &Role) -> Result<Option<SdkConfig>, ProviderError> {
        let cell = cell(&self.roles.configs, role.clone());
        let assume = async {
            let first = match assume(self, role).await {
                Ok(first) => first,
                Err(refused) if is_denied(&refused) && role.account() == self.account() => {
                    self.remarks.denied(&role.arn);
                    return Ok(None);
                }
                Err(refused) => {
                    let hint = "let whoever runs bfd assume the role, or say `roles = \"own\"` \
                                for the assembly";
                    return Err(refused.hint(hint));
                }
            };
            let provider = Assuming {
                sts: self.sts.clone(),
                role: role.clone(),
                first: Mutex::new(Some(first)),
            };
            let provider = SharedCredentialsProvider::new(provider);
            Ok(Some(self.config().to_builder().credentials_provider(provider).build()))
        };
        cell.get_or_try_init(|| assume).await.cloned()
    }
}

/// A role that is not there is denied, too: STS does not tell them apart.
fn is_denied(refused: &ProviderError) -> bool {
    refused.class == ErrorClass::AccessDenied
        || error::code(refused).is_some_and(|code| code == "AccessDenied")
}

fn request(sts: &aws_sdk_sts::Client, role: &Role) -> AssumeRoleFluentBuilder {
    let request = sts.assume_role().role_arn(&role.arn).role_session_name(SESSION);
    request.set_external_id(role.external_id.clone())
}

async fn assume(aws: &Aws, role: &Role) -> Result<Assumed, ProviderError> {
    let answer = aws.call(OPERATION, request(&aws.sts, role).send()).await?;
    answer.credentials.ok_or_else(|| {
        let why = "STS answered without credentials";
        ProviderError::new(OPERATION, ErrorClass::ServiceInternalError, why)
    })
}

/// Assumes a role again when its credentials have run out.
struct Assuming {
    sts: aws_sdk_sts::Client,
    role: Role,
    /// Those that it was found out with that the role may be assumed.
    first: Mutex<Option<Assumed>>,
}

impl fmt::Debug for Assuming {
    /// Nothing of credentials.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Assuming").field("role", &self.role).finish_non_exhaustive()
    }
}

impl ProvideCredentials for Assuming {
    fn provide_credentials<'a>(&'a self) -> provider::future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        provider::future::ProvideCredentials::new(async move {
            let first = self.first.lock().unwrap_or_else(PoisonError::into_inner).take();
            let assumed = if let Some(first) = first {
                first
            } else {
                let answer = Box::pin(request(&self.sts, &self.role).send()).await;
                let answer = answer.map_err(CredentialsError::provider_error)?;
                answer.credentials.ok_or_else(|| {
                    CredentialsError::provider_error("STS answered without credentials")
                })?
            };
            let expires = SystemTime::try_from(assumed.expiration).ok();
            Ok(Credentials::new(
                assumed.access_key_id,
                assumed.secret_access_key,
                Some(assumed.session_token),
                expires,
                "AssumeRole",
            ))
        })
    }
}

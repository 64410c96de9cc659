//! A sandbox, a connection to it, and ways to say what should be so.

use bfd_aws::{AwsProvider, Settings, Transport};
use bfd_core::{
    Address, Expr, Inputs, Object, Observed, Properties, ResourceState, Secret, SecretSource, Value,
};
use bfd_provider::{
    Context, Progress, Provider, ProviderError, SecretUnavailable, Secrets, Token, Wanted, redact,
};
use bfd_sandbox::{Options, Sandbox};
use std::{collections::BTreeMap, future::Future, sync::Arc};
use tokio_util::sync::CancellationToken;

/// A client of somebody else's, for what bfd would not do.
macro_rules! client {
    ($sdk:ident, $sandbox:expr) => {
        $sdk::Client::from_conf(
            $sdk::Config::builder()
                .behavior_version($sdk::config::BehaviorVersion::v2026_01_12())
                .region($sdk::config::Region::new("ap-southeast-1"))
                .credentials_provider(aws_credential_types::Credentials::new(
                    "other", "other", None, None, "test",
                ))
                .http_client($sandbox.http_client())
                .time_source($sandbox.time_source())
                .sleep_impl($sandbox.sleep())
                .build(),
        )
    };
}

/// The plaintexts of a test, by the variable they would come from.
#[derive(Debug, Default)]
pub(crate) struct Plaintexts(BTreeMap<String, String>);

impl Secrets for Plaintexts {
    fn reveal(&self, secret: &Secret) -> Result<String, SecretUnavailable> {
        let SecretSource::Env(name) = &secret.source else { panic!("no files in tests") };
        let missing = || SecretUnavailable::Missing(secret.source.clone());
        self.0.get(name).cloned().ok_or_else(missing)
    }

    fn redact(&self, text: &str) -> String {
        let known = |text: String, plain: &String| text.replace(plain, redact::REDACTED);
        redact::redact(&self.0.values().fold(text.to_owned(), known))
    }
}

pub(crate) fn secret(variable: &str, digest: &str) -> Value {
    Secret { source: SecretSource::Env(variable.to_owned()), digest: digest.to_owned() }.to_value()
}

#[derive(Debug)]
pub(crate) struct World {
    pub(crate) sandbox: Sandbox,
    pub(crate) aws: AwsProvider,
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::with_secrets(&[]).await
    }

    pub(crate) async fn with_secrets(plaintexts: &[(&str, &str)]) -> Self {
        let sandbox = Sandbox::open(Options::default()).unwrap();
        let plaintexts = plaintexts.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
        let secrets = Arc::new(Plaintexts(plaintexts.collect()));
        let aws = connect(&sandbox, secrets, Settings::LOG_LINES).await;
        Self { sandbox, aws }
    }

    /// With so many log lines of a container that fails.
    pub(crate) async fn with_log_lines(log_lines: usize) -> Self {
        let sandbox = Sandbox::open(Options::default()).unwrap();
        let aws = connect(&sandbox, Arc::new(Plaintexts::default()), log_lines).await;
        Self { sandbox, aws }
    }

    /// Another connection to the same world, as another person has it.
    pub(crate) async fn someone_else(&self, plaintexts: &[(&str, &str)]) -> AwsProvider {
        let plaintexts = plaintexts.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
        let secrets = Arc::new(Plaintexts(plaintexts.collect()));
        connect(&self.sandbox, secrets, Settings::LOG_LINES).await
    }

    /// What came of `work`, and the operations it took.
    pub(crate) async fn counting<T>(&self, work: impl Future<Output = T>) -> (T, Vec<String>) {
        let before = self.sandbox.requests().len();
        let done = work.await;
        let operations = self.sandbox.requests().into_iter().skip(before);
        (done, operations.map(|request| request.operation).collect())
    }

    pub(crate) async fn create(
        &self,
        at: &str,
        inputs: &Value,
    ) -> Result<ResourceState, ProviderError> {
        let made = self.aws.create(&address(at), &properties(inputs), &context()).await?;
        Ok(state(at, made))
    }

    pub(crate) async fn update(
        &self,
        at: &str,
        prior: &ResourceState,
        inputs: &Value,
    ) -> Result<ResourceState, ProviderError> {
        let made = self.aws.update(&address(at), prior, &properties(inputs), &context()).await?;
        Ok(state(at, made))
    }

    pub(crate) async fn restore(
        &self,
        at: &str,
        current: &ResourceState,
        prior: &ResourceState,
    ) -> Result<ResourceState, ProviderError> {
        let made = self.aws.restore(&address(at), current, prior, &context()).await?;
        Ok(state(at, made))
    }

    pub(crate) async fn delete(
        &self,
        at: &str,
        prior: &ResourceState,
    ) -> Result<(), ProviderError> {
        self.aws.delete(&address(at), prior, &context()).await
    }

    /// Looks for a recorded object.
    pub(crate) async fn observe(&self, at: &str, prior: &ResourceState) -> Option<Observed> {
        let inputs = expressions(&prior.inputs);
        self.look(at, Some(&inputs), Some(prior)).await
    }

    /// Looks for an object that is desired and not recorded.
    pub(crate) async fn find(&self, at: &str, inputs: &Value) -> Option<Observed> {
        let inputs = expressions(&properties(inputs));
        self.look(at, Some(&inputs), None).await
    }

    async fn look(
        &self,
        at: &str,
        inputs: Option<&Inputs>,
        prior: Option<&ResourceState>,
    ) -> Option<Observed> {
        let address = address(at);
        let wanted = Wanted { address: &address, inputs, prior };
        let mut seen = self.aws.observe(&[wanted]).await.unwrap();
        assert_eq!(seen.len(), 1, "an entry for every address");
        seen.remove(&address).unwrap()
    }

    /// The object is there, and reads back as every field that was declared.
    pub(crate) async fn assert_quiet(&self, at: &str, recorded: &ResourceState) {
        let observed = self.observe(at, recorded).await.expect("it is there");
        assert_eq!(observed.object.id, recorded.id);
        assert_eq!(observed.notes, Vec::<String>::new());
        for (field, declared) in &recorded.inputs {
            let there = observed.object.inputs.get(field).unwrap_or(&Value::Null);
            assert!(is_within(declared, there), "{at}: {field} is {there}, declared {declared}");
        }
    }

    pub(crate) fn ssm(&self) -> aws_sdk_ssm::Client {
        client!(aws_sdk_ssm, self.sandbox)
    }

    pub(crate) fn ecs(&self) -> aws_sdk_ecs::Client {
        client!(aws_sdk_ecs, self.sandbox)
    }

    pub(crate) fn ecr(&self) -> aws_sdk_ecr::Client {
        client!(aws_sdk_ecr, self.sandbox)
    }

    pub(crate) fn cloudformation(&self) -> aws_sdk_cloudformation::Client {
        client!(aws_sdk_cloudformation, self.sandbox)
    }

    pub(crate) fn s3(&self) -> aws_sdk_s3::Client {
        client!(aws_sdk_s3, self.sandbox)
    }

    pub(crate) fn secrets_manager(&self) -> aws_sdk_secretsmanager::Client {
        client!(aws_sdk_secretsmanager, self.sandbox)
    }

    /// Waits until nothing runs on a stack any more, in the time of the sandbox.
    pub(crate) async fn at_rest(&self, stack: &str) {
        loop {
            let read = self.cloudformation().describe_stacks().stack_name(stack).send().await;
            let read = read.unwrap().stacks.unwrap();
            if !read[0].stack_status().unwrap().as_str().ends_with("IN_PROGRESS") {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_secs(1)).await;
        }
    }

    /// The plaintext that SSM holds now.
    pub(crate) async fn value_of(&self, name: &str) -> Option<String> {
        let answer = self.ssm().get_parameter().name(name).with_decryption(true).send().await;
        answer.ok()?.parameter?.value
    }
}

async fn connect(sandbox: &Sandbox, secrets: Arc<dyn Secrets>, log_lines: usize) -> AwsProvider {
    let settings = Settings {
        region: "ap-southeast-1".to_owned(),
        endpoint_url: None,
        profile: None,
        transport: Some(Transport::new(
            sandbox.http_client(),
            sandbox.time_source(),
            sandbox.sleep(),
        )),
        account: "123456789012".to_owned(),
        log_lines,
        docker_config: None,
        directory: std::path::PathBuf::new(),
        scratch: std::env::temp_dir(),
        templates: None,
    };
    AwsProvider::connect(settings, secrets).await.unwrap()
}

/// Absent, `null`, `[]` and `{}` are the same; of a map, what was declared counts.
fn is_within(declared: &Value, there: &Value) -> bool {
    match (declared, there) {
        (Value::Object(declared), Value::Object(there)) => declared
            .iter()
            .all(|(key, value)| is_within(value, there.get(key).unwrap_or(&Value::Null))),
        (declared, there) => {
            let empty = |v: &Value| match v {
                Value::Null => true,
                Value::Array(all) => all.is_empty(),
                Value::Object(all) => all.is_empty(),
                _ => false,
            };
            declared == there || (empty(declared) && empty(there))
        }
    }
}

pub(crate) fn address(at: &str) -> Address {
    at.parse().unwrap()
}

pub(crate) fn properties(inputs: &Value) -> Properties {
    inputs.as_object().unwrap().clone().into_iter().collect()
}

pub(crate) fn expressions(inputs: &Properties) -> Inputs {
    inputs.iter().map(|(name, value)| (name.clone(), Expr::from(value.clone()))).collect()
}

pub(crate) fn state(at: &str, object: Object) -> ResourceState {
    ResourceState {
        kind: address(at).kind().clone(),
        id: object.id,
        inputs: object.inputs,
        outputs: object.outputs,
        depends_on: std::collections::BTreeSet::default(),
    }
}

pub(crate) fn context() -> Context {
    Context {
        token: Token("run-1".to_owned()),
        repeated: false,
        run_began: String::new(),
        undo: false,
        progress: Progress::default(),
        turn_back: CancellationToken::new(),
    }
}

pub(crate) fn repeated() -> Context {
    Context { repeated: true, ..context() }
}

use crate::{
    Aws, Settings,
    acting::{self, Role},
    client::is_write,
    error,
    kinds::{self, KindCalls, Reading, coordinator, repository},
};
use async_trait::async_trait;
use bfd_core::{
    Address, Kind, Object, Observation, Properties, ResourceState, Value,
    plan::{Plan, UndoProblem},
};
use bfd_provider::{
    Context, Earlier, ErrorClass, Identity, Progress, Provider, ProviderError, Secrets, Wanted,
};
use bfd_store::Tenure;
use futures_util::future::{join_all, try_join_all};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

/// Says that a failed call may have left its object, where nobody knows better: its answer was
/// lost, or an earlier process made the same call and died. The undo looks.
///
/// The plan has seen that nothing was there. What "exists already", and is not known again as
/// ours, is somebody else's.
fn if_in_doubt(
    error: ProviderError,
    context: &Context,
    object: impl FnOnce() -> Option<Object>,
) -> ProviderError {
    let may_have_arrived = is_write(&error.operation)
        && matches!(error.class, ErrorClass::NetworkFailure | ErrorClass::ServiceInternalError);
    let is_foreign = error.class == ErrorClass::AlreadyExists;
    let is_in_doubt = error.in_doubt.unwrap_or(may_have_arrived || context.repeated);
    if error.left.is_some() || is_foreign || !is_in_doubt {
        return error;
    }
    match object() {
        Some(object) => error.leaving(object),
        None => error,
    }
}

/// Takes secrets out of what AWS said: reasons and refusals quote what they are about.
fn redacted(aws: &Aws, mut error: ProviderError) -> ProviderError {
    for detail in &mut error.details {
        *detail = aws.secrets.redact(detail);
    }
    let mut error = error::rewrite(error, |said| aws.secrets.redact(said));
    // What is not a refusal is told with all of its causes, and each of them may quote.
    let message = error.to_failure().message;
    let clean = aws.secrets.redact(&message);
    if clean != message {
        error.source = clean.into();
    }
    error
}

/// The same of what a call tells while it is at work: it is shown, and kept in the journal.
fn discreet(aws: &Aws, context: &Context) -> Context {
    let (progress, secrets) = (context.progress.clone(), Arc::clone(&aws.secrets));
    let tell = move |line: String| progress.tell(secrets.redact(&line));
    Context { progress: Progress::new(tell), ..context.clone() }
}

/// The most names that GetParameters takes.
const NAMES: usize = 10;

/// How old a read may be; AWS publishes no figure, and what is seen are seconds.
pub(crate) const SETTLING: Duration = Duration::from_secs(5);

/// AWS, or what stands in for it, behind the engine's trait.
#[derive(Clone, Debug)]
pub struct AwsProvider(Arc<Aws>);

impl AwsProvider {
    /// Prepares the clients. Sends nothing: the first request is the first to fail.
    pub async fn connect(
        settings: Settings,
        secrets: Arc<dyn Secrets>,
    ) -> Result<Self, ProviderError> {
        Ok(Self(Arc::new(Aws::connect(settings, secrets).await)))
    }

    /// How many HTTP requests left since the connection was made, retries included.
    pub fn request_count(&self) -> u64 {
        self.0.request_count()
    }

    /// From here on nothing is sent unless the lock is still held: a process that was frozen,
    /// and whose lock went to somebody else, does not go on where it was.
    pub fn only_under(&self, tenure: Arc<dyn Tenure>) {
        self.0.only_under(tenure);
    }

    /// The values of plain parameters in Parameter Store; those that are not there are left out.
    /// `role`, a table with an `arn` as stacks have it, is for callers who may not read themselves.
    pub async fn parameter_values(
        &self,
        names: &BTreeSet<String>,
        role: Option<&Value>,
    ) -> Result<BTreeMap<String, String>, ProviderError> {
        let own = Self::values(self.aws(), names).await;
        let denied = matches!(&own, Err(refused) if refused.class == ErrorClass::AccessDenied);
        let Some(role) = role.and_then(Role::read).filter(|_| denied) else { return own };
        let other = self.aws().acting(Some(&role)).await?;
        Self::values(other.as_deref().unwrap_or(self.aws()), names).await
    }

    async fn values(
        aws: &Aws,
        names: &BTreeSet<String>,
    ) -> Result<BTreeMap<String, String>, ProviderError> {
        let names: Vec<String> = names.iter().cloned().collect();
        let reads = names.chunks(NAMES).map(|names| {
            let request = aws.ssm.get_parameters().set_names(Some(names.to_vec()));
            aws.call("ssm:GetParameters", request.send())
        });
        let found = try_join_all(reads).await?.into_iter();
        let found = found.flat_map(|answer| answer.parameters.unwrap_or_default());
        Ok(found.filter_map(|one| Some((one.name?, one.value?))).collect())
    }

    /// What was seen while looking that is no object: a plan tells it.
    pub fn remarks(&self) -> BTreeMap<Address, String> {
        self.0.remarks.all()
    }

    /// The roles that could not be assumed so far, in whose place whoever runs bfd acts.
    pub fn denied_roles(&self) -> BTreeSet<String> {
        self.0.remarks.denied_roles()
    }

    pub fn aws(&self) -> &Aws {
        &self.0
    }

    async fn look(&self, wanted: &[Wanted<'_>]) -> Result<Observation, ProviderError> {
        let mut by_role: BTreeMap<Option<Role>, Vec<Wanted<'_>>> = BTreeMap::new();
        for one in wanted {
            by_role.entry(role_of(one)).or_default().push(*one);
        }
        let reads = by_role.iter().map(|(role, wanted)| async move {
            let other = self.aws().acting(role.as_ref()).await?;
            self.look_as(other.as_deref().unwrap_or(self.aws()), wanted).await
        });
        Ok(try_join_all(reads).await?.into_iter().flatten().collect())
    }

    async fn look_as(
        &self,
        aws: &Aws,
        wanted: &[Wanted<'_>],
    ) -> Result<Observation, ProviderError> {
        let mut by_kind: BTreeMap<&Kind, Vec<Wanted<'_>>> = BTreeMap::new();
        for one in wanted {
            by_kind.entry(one.address.kind()).or_default().push(*one);
        }
        let own = self.aws();
        let reading = Reading { aws, own, repositories: repository::Listing::new(wanted) };
        let reads = by_kind.into_iter().map(|(kind, mut wanted)| {
            // The same requests whatever the order of asking.
            wanted.sort_by_key(|one| one.address);
            let reading = &reading;
            async move { Self::calls(kind)?.observe(reading, &wanted).await }
        });
        Ok(try_join_all(reads).await?.into_iter().flatten().collect())
    }

    async fn check(
        &self,
        plan: &Plan,
        targets: &[(&Address, &ResourceState)],
        earlier: &[Earlier<'_>],
    ) -> Vec<UndoProblem> {
        let checks = kinds::KINDS.iter().map(|(kind, calls)| async move {
            let is_of = |address: &Address| address.kind().as_str() == *kind;
            let targets: Vec<_> = targets.iter().copied().filter(|(at, _)| is_of(at)).collect();
            let earlier: Vec<_> = earlier.iter().copied().filter(|it| is_of(it.address)).collect();
            calls.check_undo(self.aws(), plan, &targets, &earlier).await
        });
        let mut found: Vec<UndoProblem> = join_all(checks).await.into_iter().flatten().collect();
        found.sort_by(|a, b| a.address.cmp(&b.address));
        found
    }

    fn calls(kind: &Kind) -> Result<&'static dyn KindCalls, ProviderError> {
        kinds::find(kind.as_str()).ok_or_else(|| {
            let why = format!("this version of bfd has no calls for the kind `{kind}`");
            ProviderError::new("bfd", ErrorClass::Local, why)
        })
    }
}

/// The role that an object is read with: the declared one, else the recorded one.
fn role_of(wanted: &Wanted<'_>) -> Option<Role> {
    let Some(inputs) = wanted.inputs else { return Role::of(&wanted.prior?.inputs) };
    let declared = acting::FIELDS.iter().find_map(|field| inputs.get(*field))?;
    Role::read(&declared.resolve(&|_| None).ok()?)
}

/// Whether something that is recorded was not found, or not all of it.
///
/// A read may be older than the record: an object that was made a moment ago must not be
/// taken for one that somebody deleted.
fn is_missing(wanted: &Wanted<'_>, seen: &Observation) -> bool {
    let Some(prior) = wanted.prior else { return false };
    let Some(Some(observed)) = seen.get(wanted.address) else { return true };
    // The coordinator's entries are objects of their own.
    let entries = |inputs: &Properties| inputs.get("config").and_then(Value::as_object).cloned();
    let there = entries(&observed.object.inputs).unwrap_or_default();
    prior.kind.as_str() == "coordinator"
        && entries(&prior.inputs).unwrap_or_default().keys().any(|key| !there.contains_key(key))
}

#[async_trait]
impl Provider for AwsProvider {
    async fn identity(&self) -> Result<Identity, ProviderError> {
        let aws = self.aws();
        let caller =
            aws.call("sts:GetCallerIdentity", aws.sts.get_caller_identity().send()).await?;
        Ok(Identity {
            account: caller.account.unwrap_or_default(),
            arn: caller.arn.unwrap_or_default(),
            region: aws.region().to_owned(),
        })
    }

    async fn observe(&self, wanted: &[Wanted<'_>]) -> Result<Observation, ProviderError> {
        let mut seen = self.look(wanted).await?;
        let missing: Vec<Wanted<'_>> =
            wanted.iter().filter(|one| is_missing(one, &seen)).copied().collect();
        if !missing.is_empty() {
            self.aws().sleep(SETTLING).await;
            seen.extend(self.look(&missing).await?);
        }
        Ok(seen)
    }

    async fn check_undo(
        &self,
        plan: &Plan,
        targets: &[(&Address, &ResourceState)],
        earlier: &[Earlier<'_>],
    ) -> Vec<UndoProblem> {
        let found = self.check(plan, targets, earlier).await;
        if found.iter().all(|problem| problem.undo.is_none()) {
            return found;
        }
        // A read may be older than what was made a moment ago.
        self.aws().sleep(SETTLING).await;
        self.check(plan, targets, earlier).await
    }

    async fn create(
        &self,
        address: &Address,
        inputs: &Properties,
        context: &Context,
    ) -> Result<Object, ProviderError> {
        let calls = Self::calls(address.kind())?;
        let discreet = discreet(self.aws(), context);
        let other = self.aws().acting(Role::of(inputs).as_ref()).await?;
        let aws = other.as_deref().unwrap_or(self.aws());
        let made = calls.create(aws, address, inputs, &discreet).await;
        made.map_err(|error| {
            let error = redacted(self.aws(), error);
            if_in_doubt(error, context, || calls.by_name(inputs))
        })
    }

    async fn update(
        &self,
        address: &Address,
        prior: &ResourceState,
        inputs: &Properties,
        context: &Context,
    ) -> Result<Object, ProviderError> {
        let calls = Self::calls(address.kind())?;
        let discreet = discreet(self.aws(), context);
        let other = self.aws().acting(Role::of(inputs).as_ref()).await?;
        let aws = other.as_deref().unwrap_or(self.aws());
        let made = calls.update(aws, address, prior, inputs, &discreet).await;
        made.map_err(|error| {
            if_in_doubt(redacted(self.aws(), error), context, || {
                let object = calls.by_name(inputs)?;
                Some(Object { id: prior.id.clone(), outputs: prior.outputs.clone(), ..object })
            })
        })
    }

    async fn restore(
        &self,
        address: &Address,
        current: &ResourceState,
        prior: &ResourceState,
        context: &Context,
    ) -> Result<Object, ProviderError> {
        let calls = Self::calls(address.kind())?;
        let discreet = discreet(self.aws(), context);
        let other = self.aws().acting(Role::of(&prior.inputs).as_ref()).await?;
        let aws = other.as_deref().unwrap_or(self.aws());
        let restored = calls.restore(aws, address, current, prior, &discreet).await;
        restored.map_err(|error| redacted(self.aws(), error))
    }

    async fn delete(
        &self,
        address: &Address,
        prior: &ResourceState,
        context: &Context,
    ) -> Result<(), ProviderError> {
        let calls = Self::calls(address.kind())?;
        let discreet = discreet(self.aws(), context);
        let other = self.aws().acting(Role::of(&prior.inputs).as_ref()).await?;
        let aws = other.as_deref().unwrap_or(self.aws());
        let deleted = calls.delete(aws, address, prior, &discreet).await;
        deleted.map_err(|error| redacted(self.aws(), error))
    }

    async fn record_deployment(
        &self,
        coordinator: &ResourceState,
        record: &Value,
    ) -> Result<(), ProviderError> {
        coordinator::record_deployment(self.aws(), coordinator, record).await
    }
}

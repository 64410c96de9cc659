//! A cloud that fails on command.

use async_trait::async_trait;
use bfd_core::{Address, Object, Observation, Observed, Properties, ResourceState, Value};
use bfd_provider::{Context, ErrorClass, Identity, Provider, ProviderError, Wanted};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

#[derive(Clone, Debug, Default)]
pub(crate) struct FakeCloud(Arc<Mutex<Inner>>);

#[derive(Debug, Default)]
pub(crate) struct Inner {
    pub(crate) objects: BTreeMap<String, Properties>,
    answered: BTreeMap<String, Object>,
    next_id: u32,
    calls: usize,
    /// The number of the call that fails.
    pub(crate) fail_at: Option<usize>,
    /// Every call from this one on fails.
    pub(crate) fail_from: Option<usize>,
    /// The failing call takes effect before it fails, as a timeout does.
    pub(crate) late: bool,
    /// Refuses to delete what another object still refers to.
    pub(crate) strict: bool,
    /// Calls that never answer.
    pub(crate) hang_from: Option<usize>,
    pub(crate) panic_at: Option<usize>,
    /// How long a call takes, by how many have begun before it.
    pub(crate) pace: Option<fn(u32) -> Duration>,
    begun: u32,
}

impl Inner {
    /// Takes the next calls for new ones, as those of another run are.
    pub(crate) fn forget(&mut self) {
        self.answered.clear();
    }
}

impl FakeCloud {
    pub(crate) fn with(&self, change: impl FnOnce(&mut Inner)) {
        change(&mut self.inner());
    }

    pub(crate) fn objects(&self) -> BTreeMap<String, Properties> {
        self.inner().objects.clone()
    }

    pub(crate) fn calls(&self) -> usize {
        self.inner().calls
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    async fn mutate(
        &self,
        context: &Context,
        leaves: bool,
        effect: impl FnOnce(&mut Inner) -> Object + Send,
    ) -> Result<Object, ProviderError> {
        tokio::task::yield_now().await;
        let pace = {
            let mut inner = self.inner();
            inner.begun += 1;
            inner.pace.map(|pace| pace(inner.begun))
        };
        if let Some(pace) = pace {
            tokio::time::sleep(pace).await;
        }
        let (hangs, panics) = {
            let inner = self.inner();
            let this = inner.calls;
            (inner.hang_from.is_some_and(|from| this >= from), inner.panic_at == Some(this))
        };
        if hangs {
            std::future::pending::<()>().await;
        }
        let mut inner = self.inner();
        if let Some(answer) = inner.answered.get(&context.token.0) {
            return Ok(answer.clone());
        }
        let this = inner.calls;
        inner.calls += 1;
        assert!(!panics, "told to panic");
        let fails = inner.fail_at == Some(this) || inner.fail_from.is_some_and(|from| this >= from);
        if fails {
            let left = (inner.late && leaves).then(|| effect(&mut inner));
            // The token covers failed calls too: a repeat must find what this one left.
            if let Some(object) = &left {
                inner.answered.insert(context.token.0.clone(), object.clone());
            }
            let error = ProviderError::new("fake:Call", ErrorClass::NotStabilized, "injected");
            return Err(match left {
                Some(left) => error.leaving(left),
                None => error,
            });
        }
        let object = effect(&mut inner);
        inner.answered.insert(context.token.0.clone(), object.clone());
        Ok(object)
    }
}

pub(crate) fn object(id: &str, inputs: Properties) -> Object {
    let arn = Value::from(format!("arn:{id}"));
    Object { id: id.to_owned(), inputs, outputs: BTreeMap::from([("arn".to_owned(), arn)]) }
}

#[async_trait]
impl Provider for FakeCloud {
    async fn identity(&self) -> Result<Identity, ProviderError> {
        let text = String::new;
        Ok(Identity { account: text(), arn: text(), region: text() })
    }

    async fn observe(&self, wanted: &[Wanted<'_>]) -> Result<Observation, ProviderError> {
        let inner = self.inner();
        let look = |wanted: &Wanted<'_>| {
            let id = &wanted.prior?.id;
            let inputs = inner.objects.get(id)?.clone();
            Some(Observed { object: object(id, inputs), owner: None, notes: Vec::new() })
        };
        Ok(wanted.iter().map(|wanted| (wanted.address.clone(), look(wanted))).collect())
    }

    async fn create(
        &self,
        _: &Address,
        inputs: &Properties,
        context: &Context,
    ) -> Result<Object, ProviderError> {
        let create = |inner: &mut Inner| {
            inner.next_id += 1;
            let id = format!("new-{}", inner.next_id);
            inner.objects.insert(id.clone(), inputs.clone());
            object(&id, inputs.clone())
        };
        self.mutate(context, true, create).await
    }

    async fn update(
        &self,
        _: &Address,
        prior: &ResourceState,
        inputs: &Properties,
        context: &Context,
    ) -> Result<Object, ProviderError> {
        let update = |inner: &mut Inner| {
            inner.objects.insert(prior.id.clone(), inputs.clone());
            object(&prior.id, inputs.clone())
        };
        self.mutate(context, true, update).await
    }

    async fn restore(
        &self,
        address: &Address,
        current: &ResourceState,
        prior: &ResourceState,
        context: &Context,
    ) -> Result<Object, ProviderError> {
        self.update(address, current, &prior.inputs, context).await
    }

    async fn delete(
        &self,
        _: &Address,
        prior: &ResourceState,
        context: &Context,
    ) -> Result<(), ProviderError> {
        let delete = |inner: &mut Inner| {
            let arn = Value::from(format!("arn:{}", prior.id));
            let used = inner.objects.values().any(|o| o.values().any(|value| *value == arn));
            assert!(!inner.strict || !used, "{} deleted while in use", prior.id);
            inner.objects.remove(&prior.id);
            object(&prior.id, Properties::new())
        };
        self.mutate(context, false, delete).await.map(drop)
    }

    async fn record_deployment(&self, _: &ResourceState, _: &Value) -> Result<(), ProviderError> {
        Ok(())
    }
}

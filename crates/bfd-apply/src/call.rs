use bfd_core::{
    Address, Inputs, Properties, ResourceState, Run, State, Task, UnknownOutput,
    journal::{Event, Failure},
    plan::{Op, Step},
};
use bfd_provider::{Context, Object, Progress, Provider, ProviderError, Token};
use bfd_store::RunHeader;
use std::collections::BTreeSet;
use std::mem;
use tokio_util::sync::CancellationToken;

/// One provider call, with everything it needs resolved while the state still has it.
#[derive(Debug)]
pub(crate) struct Call {
    step: Step,
    task: Task,
    inputs: Result<Properties, UnknownOutput>,
    current: Option<ResourceState>,
    /// What the state recorded before the run.
    before: Option<ResourceState>,
    context: Context,
}

impl Call {
    pub(crate) fn new(
        run: &Run,
        task: Task,
        header: &RunHeader,
        repeated: bool,
        progress: Progress,
        turn_back: CancellationToken,
    ) -> Self {
        let step = run.plan().step(task.step());
        let state = run.state();
        let inputs = match &step.op {
            Op::Create { inputs, .. } | Op::Update { inputs, .. } | Op::Adopt { inputs, .. } => {
                resolve(inputs, state)
            }
            Op::Delete { .. } => Ok(Properties::new()),
        };
        let turn_back = match task {
            Task::Do(_) => turn_back,
            // A rollback has nowhere to turn to.
            Task::Undo(_) => CancellationToken::new(),
        };
        Self {
            step: step.clone(),
            task,
            inputs,
            current: state.resources.get(&step.address).cloned(),
            before: run.plan().refreshed.resources.get(&step.address).cloned(),
            context: Context {
                token: token(&header.run, task),
                repeated,
                run_began: header.started_at.clone(),
                undo: matches!(task, Task::Undo(_)),
                progress,
                turn_back,
            },
        }
    }

    pub(crate) async fn perform(self, provider: &dyn Provider) -> Event {
        match self.task {
            Task::Do(_) => match self.forward(provider).await {
                Ok(result) => Event::Succeeded { result },
                Err(Refused { failure, left }) => {
                    Event::Failed { failure: *failure, left: left.map(|left| *left) }
                }
            },
            Task::Undo(_) => match self.backward(provider).await {
                Ok(result) => Event::UndoSucceeded { result },
                Err(Refused { failure, .. }) => Event::UndoFailed { failure: *failure },
            },
        }
    }

    async fn forward(self, provider: &dyn Provider) -> Result<Option<ResourceState>, Refused> {
        let Self { step, inputs, context, .. } = self;
        let at = &step.address;
        let inputs = inputs.map_err(|err| Refused {
            failure: Box::new(Failure { message: err.to_string(), ..Failure::default() }),
            left: None,
        })?;
        match step.op {
            Op::Create { depends_on, .. } => {
                let answer = provider.create(at, &inputs, &context).await;
                recorded(at, answer, inputs, depends_on)
            }
            Op::Update { prior, depends_on, .. } | Op::Adopt { prior, depends_on, .. } => {
                let answer = provider.update(at, &prior, &inputs, &context).await;
                recorded(at, answer, inputs, depends_on)
            }
            Op::Delete { prior } => {
                let answer = provider.delete(at, &prior, &context).await;
                // A delete that failed may have begun: what it left is put back by the undo.
                match answer {
                    Ok(()) => Ok(None),
                    Err(err) => {
                        let left = err.left.is_some().then(|| Box::new(prior));
                        Err(Refused { failure: Box::new(err.to_failure()), left })
                    }
                }
            }
        }
    }

    async fn backward(self, provider: &dyn Provider) -> Result<Option<ResourceState>, Refused> {
        let Self { step, current, before, context, .. } = self;
        let at = &step.address;
        match step.op {
            Op::Create { .. } => {
                let created = current.expect("what was created is in the state");
                let answer = provider.delete(at, &created, &context).await;
                answer
                    .map(|()| None)
                    .map_err(|err| Refused { failure: Box::new(err.to_failure()), left: None })
            }
            Op::Update { prior, .. } | Op::Adopt { prior, .. } => {
                let current = current.expect("what was updated is in the state");
                let answer = provider.restore(at, &current, &prior, &context).await;
                // `prior` holds what the update was about to change; the record stays what it was.
                let before = before.unwrap_or(prior);
                recorded(at, answer, before.inputs, before.depends_on)
            }
            Op::Delete { prior } => {
                let answer = match current.filter(|current| current.id == prior.id) {
                    Some(left) => provider.restore(at, &left, &prior, &context).await,
                    None => provider.create(at, &prior.inputs, &context).await,
                };
                recorded(at, answer, prior.inputs, prior.depends_on)
            }
        }
    }
}

/// Names a call by run, step and direction: at most 32 characters, the same after a crash.
fn token(run_id: &str, task: Task) -> Token {
    let direction = match task {
        Task::Do(_) => 'd',
        Task::Undo(_) => 'u',
    };
    let mut number = task.step().0;
    let mut digits = Vec::new();
    loop {
        digits.push(char::from_digit(number % 36, 36).expect("a digit below 36"));
        number /= 36;
        if number == 0 {
            break;
        }
    }
    let number: String = digits.into_iter().rev().collect();
    Token(format!("{run_id}-{number}{direction}"))
}

fn resolve(inputs: &Inputs, state: &State) -> Result<Properties, UnknownOutput> {
    let lookup = |reference: &_| state.output(reference);
    inputs.iter().map(|(name, expr)| Ok((name.clone(), expr.resolve(&lookup)?))).collect()
}

struct Refused {
    failure: Box<Failure>,
    left: Option<Box<ResourceState>>,
}

fn recorded(
    at: &Address,
    answer: Result<Object, ProviderError>,
    inputs: Properties,
    depends_on: BTreeSet<Address>,
) -> Result<Option<ResourceState>, Refused> {
    let record = |Object { id, outputs, .. }: Object, inputs| ResourceState {
        kind: at.kind().clone(),
        id,
        inputs,
        outputs,
        depends_on,
    };
    match answer {
        Ok(object) => Ok(Some(record(object, inputs))),
        Err(mut err) => {
            // What is left in the middle is not what was wanted: whoever left it says what it is.
            let left = err.left.take().map(|mut object| {
                let found = mem::take(&mut object.inputs);
                Box::new(record(*object, found))
            });
            Err(Refused { failure: Box::new(err.to_failure()), left })
        }
    }
}

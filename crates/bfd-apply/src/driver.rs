use crate::{ApplyError, Clock, Ended, Reporter, Session, Unended, call::Call};
use bfd_core::{
    Outcome, Run, Task,
    journal::{Entry, Event, Failure},
    plan::{Op, Plan, StepId},
};
use bfd_provider::{Progress, Provider};
use bfd_store::{RunHeader, StateGuard, Unfinished};
use std::{
    collections::{BTreeMap, BTreeSet},
    mem,
    pin::Pin,
    sync::Arc,
    time::Duration,
};
use tokio::{
    sync::mpsc,
    task::{Id, JoinError, JoinSet},
};
use tokio_util::sync::CancellationToken;

/// Carries out a plan, to its end or back to its beginning.
pub async fn apply(
    plan: Plan,
    header: &RunHeader,
    session: Session<'_>,
) -> Result<Ended, ApplyError> {
    if session.guard.unfinished().is_some() {
        return Err(ApplyError::UnfinishedRun);
    }
    let state = session.guard.snapshot().version.clone();
    if plan.base != state {
        return Err(ApplyError::StalePlan { plan: plan.base, state });
    }
    session.guard.begin(header, &plan).await.map_err(ApplyError::NotBegun)?;
    Driver::new(Run::new(plan), header, 0, session).drive().await
}

/// Finishes a run that an earlier process left behind: forward if nothing had
/// failed, back otherwise. `None` when there is none.
pub async fn recover(session: Session<'_>) -> Result<Option<Ended>, ApplyError> {
    let Some(Unfinished { header, plan, entries }) = session.guard.unfinished().cloned() else {
        return Ok(None);
    };
    let seq = entries.last().map_or(0, |entry| entry.seq + 1);
    let run = Run::resume(plan, &entries)?;
    Driver::new(run, &header, seq, session).drive().await.map(Some)
}

/// Closes an unfinished run as it is, for when a person has seen to the rest.
///
/// What the journal knows becomes the state; nothing is called.
pub async fn abandon(guard: &mut dyn StateGuard) -> Result<bool, ApplyError> {
    let Some(Unfinished { plan, entries, .. }) = guard.unfinished().cloned() else {
        return Ok(false);
    };
    let environment = plan.environment.clone();
    let run = Run::resume(plan, &entries)?;
    guard.commit(&environment, run.record_of_state()).await?;
    Ok(true)
}

struct Driver<'a> {
    run: Run,
    header: RunHeader,
    seq: u64,
    provider: Arc<dyn Provider>,
    guard: &'a mut dyn StateGuard,
    reporter: &'a mut dyn Reporter,
    clock: Arc<dyn Clock>,
    parallelism: usize,
    cancel: CancellationToken,
    abort: CancellationToken,
    running: JoinSet<Event>,
    tasks: BTreeMap<Id, Task>,
    progress: mpsc::UnboundedSender<(StepId, String)>,
    heard: mpsc::UnboundedReceiver<(StepId, String)>,
    turn_back: CancellationToken,
}

/// What is believed and not durable yet, and the calls that wait for it.
#[derive(Default)]
struct Batch {
    entries: Vec<Entry>,
    calls: Vec<(Task, Call)>,
    /// Steps that have come to an end.
    ended: BTreeSet<StepId>,
    /// Whether any of it is more than progress.
    is_durable: bool,
    /// Whether any of it turns the run around.
    is_urgent: bool,
}

impl<'a> Driver<'a> {
    fn new(run: Run, header: &RunHeader, seq: u64, session: Session<'a>) -> Self {
        let (progress, heard) = mpsc::unbounded_channel();
        Self {
            run,
            header: header.clone(),
            seq,
            provider: session.provider,
            guard: session.guard,
            reporter: session.reporter,
            clock: session.clock,
            parallelism: session.limits.parallelism.max(1),
            cancel: session.cancel,
            abort: session.abort,
            running: JoinSet::new(),
            tasks: BTreeMap::new(),
            progress,
            heard,
            turn_back: CancellationToken::new(),
        }
    }

    async fn drive(mut self) -> Result<Ended, ApplyError> {
        let clock = self.clock.clone();
        let mut deadline: Option<Pin<Box<dyn Future<Output = ()> + Send + '_>>> = None;
        let mut canceled = false;
        let mut batch = Batch::default();
        self.announce(self.run.interrupted(), true, &mut batch)?;
        loop {
            // What has happened makes the next steps possible: both go into one write.
            let room = self.parallelism.saturating_sub(self.running.len() + batch.calls.len());
            self.announce(self.run.next_tasks(room), false, &mut batch)?;
            self.settle(mem::take(&mut batch)).await?;
            if self.run.unwinding() && deadline.is_none() {
                self.turn_back.cancel();
                deadline =
                    Some(clock.sleep(Duration::from_secs(self.run.plan().rollback.deadline)));
            }
            if self.running.is_empty() {
                return self.end().await;
            }
            let linger = self.guard.linger();
            let mut waiting: Option<Pin<Box<dyn Future<Output = ()> + Send + '_>>> = None;
            let mut is_extended = false;
            loop {
                tokio::select! {
                    biased;
                    Some((step, message)) = self.heard.recv() => {
                        self.believe(Some(step), Event::Progress { message }, &mut batch)?;
                    }
                    Some(finished) = self.running.join_next_with_id() => {
                        self.finish(finished, &mut batch)?;
                    }
                    () = self.abort.cancelled() => {
                        self.settle(batch).await?;
                        return Ok(self.leave(Unended::Aborted));
                    }
                    () = self.cancel.cancelled(), if !canceled => {
                        canceled = true;
                        self.believe(None, Event::Canceled, &mut batch)?;
                    }
                    () = async { deadline.as_mut().expect("checked by the guard").await }, if deadline.is_some() => {
                        self.settle(batch).await?;
                        return Ok(self.leave(Unended::Deadline));
                    }
                    () = async { waiting.as_mut().expect("checked by the guard").await }, if waiting.is_some() => {
                        if is_extended {
                            break;
                        }
                        is_extended = true;
                        waiting = Some(clock.sleep(linger.at_most.saturating_sub(linger.usually)));
                    }
                }
                self.gather(&mut batch)?;
                // What went wrong waits for nothing, and neither does the last one.
                if batch.is_urgent || self.running.is_empty() {
                    break;
                }
                if !batch.is_durable || linger.usually.is_zero() {
                    break;
                }
                if is_extended && (batch.ended.len() >= linger.enough || self.releases(&batch)) {
                    break;
                }
                waiting.get_or_insert_with(|| clock.sleep(linger.usually));
            }
        }
    }

    /// Whether steps wait for what has ended. Others that wait only do so for room.
    fn releases(&self, batch: &Batch) -> bool {
        let run = &self.run;
        run.unwinding()
            || run
                .next_tasks(usize::MAX)
                .iter()
                .any(|task| !run.plan().step(task.step()).after.is_disjoint(&batch.ended))
    }

    /// Takes what else has happened in the meantime, without waiting for more.
    fn gather(&mut self, batch: &mut Batch) -> Result<(), ApplyError> {
        let mut ended = Vec::new();
        while let Some(finished) = self.running.try_join_next_with_id() {
            ended.push(finished);
        }
        // What a call has told it told before its end.
        while let Ok((step, message)) = self.heard.try_recv() {
            self.believe(Some(step), Event::Progress { message }, batch)?;
        }
        ended.into_iter().try_for_each(|finished| self.finish(finished, batch))
    }

    /// Announces tasks; they run when that is durable.
    fn announce(
        &mut self,
        tasks: Vec<Task>,
        repeated: bool,
        batch: &mut Batch,
    ) -> Result<(), ApplyError> {
        // Resolve before the entry exists, while every dependency is still in the state.
        let calls: Vec<(Task, Call)> =
            tasks.into_iter().map(|task| (task, self.call(task, repeated))).collect();
        for (task, _) in &calls {
            let event = match task {
                Task::Do(_) => Event::Started,
                Task::Undo(_) => Event::UndoStarted,
            };
            self.believe(Some(task.step()), event, batch)?;
        }
        batch.calls.extend(calls);
        Ok(())
    }

    fn call(&self, task: Task, repeated: bool) -> Call {
        let (heard, step) = (self.progress.clone(), task.step());
        let progress = Progress::new(move |message| drop(heard.send((step, message))));
        Call::new(&self.run, task, &self.header, repeated, progress, self.turn_back.clone())
    }

    fn finish(
        &mut self,
        finished: Result<(Id, Event), JoinError>,
        batch: &mut Batch,
    ) -> Result<(), ApplyError> {
        let (id, event) = match finished {
            Ok((id, event)) => (id, Some(event)),
            Err(error) => (error.id(), None),
        };
        let task = self.tasks.remove(&id).expect("every call has its task");
        let event = event.unwrap_or_else(|| self.panicked(task));
        batch.ended.insert(task.step());
        self.believe(Some(task.step()), event, batch)
    }

    /// A call that panicked may have done anything: what it was about is undone.
    fn panicked(&self, task: Task) -> Event {
        let failure = Failure {
            message: "the call panicked".to_owned(),
            hint: Some("this is a bug in bfd; look at the object before the next apply".to_owned()),
            ..Failure::default()
        };
        match (task, &self.run.plan().step(task.step()).op) {
            (Task::Undo(_), _) => Event::UndoFailed { failure },
            (Task::Do(_), Op::Update { prior, .. } | Op::Adopt { prior, .. }) => {
                Event::Failed { failure, left: Some(prior.clone()) }
            }
            (Task::Do(_), Op::Create { .. } | Op::Delete { .. }) => {
                Event::Failed { failure, left: None }
            }
        }
    }

    /// Believes an event. Nobody acts on it, and nobody is shown it, before it is durable.
    fn believe(
        &mut self,
        step: Option<StepId>,
        event: Event,
        batch: &mut Batch,
    ) -> Result<(), ApplyError> {
        self.run.record(step, &event)?;
        batch.is_durable |= event.must_be_durable();
        batch.is_urgent |=
            matches!(event, Event::Failed { .. } | Event::UndoFailed { .. } | Event::Canceled);
        batch.entries.push(Entry { seq: self.seq, at: self.clock.now(), step, event });
        self.seq += 1;
        Ok(())
    }

    /// Makes what is believed durable, then shows it, then lets its calls run. In that order.
    async fn settle(&mut self, batch: Batch) -> Result<(), ApplyError> {
        let Batch { entries, calls, .. } = batch;
        if entries.is_empty() {
            return Ok(());
        }
        self.guard.append(&entries).await?;
        for entry in &entries {
            self.reporter.on_entry(entry.step.map(|id| self.run.plan().step(id)), entry);
        }
        for (task, call) in calls {
            let provider = self.provider.clone();
            let handle = self.running.spawn(async move { call.perform(&*provider).await });
            self.tasks.insert(handle.id(), task);
        }
        Ok(())
    }

    async fn end(self) -> Result<Ended, ApplyError> {
        let outcome = self.run.outcome();
        if outcome == Outcome::Stuck {
            return Ok(Ended { outcome, left_open: Some(Unended::UndoFailed) });
        }
        let environment = self.run.plan().environment.clone();
        self.guard.commit(&environment, self.run.record_of_state()).await?;
        Ok(Ended { outcome, left_open: None })
    }

    /// Leaves with calls under way. All that was announced is in the journal.
    fn leave(mut self, why: Unended) -> Ended {
        self.running.abort_all();
        Ended { outcome: Outcome::Stuck, left_open: Some(why) }
    }
}

/// The steps of a run that are not settled: what a person has to look at.
pub fn unsettled(run: &Run) -> BTreeSet<StepId> {
    let open =
        |id: &StepId| matches!(run.status(*id).name(), "started" | "undoing" | "undo_failed");
    run.plan().steps.iter().map(|step| step.id).filter(open).collect()
}

use std::error::Error;
use std::io;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use aws_smithy_async::rt::sleep::SharedAsyncSleep;
use aws_smithy_async::time::SharedTimeSource;
use aws_smithy_runtime_api::client::http::{SharedHttpClient, SharedHttpConnector};
use http_body_util::BodyExt;
use hyper::body::{Body, Bytes};
use serde_json::Value;

use crate::blob::Spool;
use crate::client::Client;
use crate::clock::Clock;
use crate::fault::{Arrival, Fault, RequestLog, Script};
use crate::image::Behaviour;
use crate::options::Options;
use crate::router::{Answer, Call, Head, parse_form};
use crate::store::{Intent, Store};
use crate::world::{World, mix};
use crate::{cloudformation, ecr, secretsmanager, ssm};

/// A handle on an embedded AWS; clones share one world, one clock and one script of faults.
#[derive(Clone, Debug)]
pub struct Sandbox(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    clock: Clock,
    latency: Duration,
    store: Mutex<Store>,
    traffic: Mutex<Traffic>,
    /// Names requests. Not part of the world: reading must leave it as it was.
    requests: AtomicU64,
}

#[derive(Debug, Default)]
struct Traffic {
    script: Script,
    log: Vec<RequestLog>,
}

/// Why a request got no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Broken {
    /// Before it had an effect.
    Before,
    /// After it had its effect.
    After,
}

impl Sandbox {
    /// Starts an empty world or loads the one in the file.
    ///
    /// # Errors
    /// The file cannot be read or written, or is not a world of this format; a speed that is
    /// not positive.
    pub fn open(options: Options) -> io::Result<Self> {
        if !(options.speed.is_finite() && options.speed > 0.0) {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "the speed is not positive"));
        }
        let (speed, latency) = (options.speed, options.latency);
        let (store, now) = Store::open(options)?;
        Ok(Self(Arc::new(Inner {
            clock: Clock::new(now, speed),
            latency,
            store: Mutex::new(store),
            traffic: Mutex::default(),
            requests: AtomicU64::new(0),
        })))
    }

    /// Leaves an empty world in the file, also where what is in it cannot be read.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn empty(options: Options) -> io::Result<()> {
        Store::empty(options)
    }

    /// Another sandbox with a copy of this world at `time`, in virtual seconds since 1970. It has
    /// no faults, an empty log, and a clock of its own: the runtime's that this is called in.
    #[must_use]
    pub fn fork(&self, time: f64) -> Self {
        let store = self.store().fork();
        Self(Arc::new(Inner {
            clock: Clock::new(time, self.0.clock.speed()),
            latency: self.0.latency,
            store: Mutex::new(store),
            traffic: Mutex::default(),
            requests: AtomicU64::new(0),
        }))
    }

    /// The SDK's HTTP client: every request is answered here, and none leaves the process.
    pub fn http_client(&self) -> SharedHttpClient {
        SharedHttpClient::new(Client::new(self.clone()))
    }

    /// The same for requests that are no operations of the SDK, such as a registry's.
    pub fn connector(&self) -> SharedHttpConnector {
        SharedHttpConnector::new(Client::new(self.clone()))
    }

    /// The SDK's time source: the sandbox's own clock.
    pub fn time_source(&self) -> SharedTimeSource {
        SharedTimeSource::new(self.0.clock.clone())
    }

    /// The SDK's sleep, in the sandbox's own time.
    pub fn sleep(&self) -> SharedAsyncSleep {
        SharedAsyncSleep::new(self.0.clock.clone())
    }

    /// Virtual seconds since 1970.
    pub fn now(&self) -> f64 {
        self.0.clock.now()
    }

    /// Scripts a fault for the next request of an operation that has none yet.
    ///
    /// Operations are spelled as IAM spells them, `ecs:CreateService`; `ecs:*` and `*` stand for
    /// any. Faults of one operation are used in the order in which they were scripted.
    pub fn inject(&self, operation: &str, fault: Fault) {
        self.traffic().script.push(operation, fault);
    }

    /// Lets `decision` say of every request on its arrival what goes wrong with it.
    ///
    /// Faults that were scripted with [`Sandbox::inject`] come first. A later decision replaces
    /// an earlier one.
    pub fn decide(&self, decision: impl FnMut(&Arrival<'_>) -> Option<Fault> + Send + 'static) {
        self.traffic().script.decide(Some(Box::new(decision)));
    }

    /// Takes back what [`Sandbox::decide`] was given: from here nothing goes wrong by itself.
    pub fn behave_well(&self) {
        self.traffic().script.decide(None);
    }

    /// Every request so far, in order of arrival.
    pub fn requests(&self) -> Vec<RequestLog> {
        self.traffic().log.clone()
    }

    /// Starts over with an empty world, no faults and no log. The clock goes on.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn reset(&self) -> io::Result<()> {
        *self.traffic() = Traffic::default();
        self.store().reset(&self.0.clock)
    }

    /// Says how containers behave whose image's name contains `image`, as part of the world.
    ///
    /// The latest rule that matches counts, and it counts when a container starts. An image of
    /// the sandbox's own registry is found by any of its tags, even where a digest is deployed.
    ///
    /// # Panics
    /// The file cannot be written.
    pub fn behave(&self, image: &str, behaviour: Behaviour) {
        self.change(|world, _| world.behaviours.set(image, behaviour));
    }

    /// Lets containers whose image's name contains `image` write a line to their log when they
    /// start, after the lines that they were told before.
    ///
    /// # Panics
    /// The file cannot be written.
    pub fn say(&self, image: &str, line: &str) {
        self.change(|world, _| world.logs.say(image, line));
    }

    /// Lets the registry's passwords, from the next one on, be good for so long only.
    ///
    /// # Panics
    /// The file cannot be written.
    pub fn limit_passwords(&self, life: Duration) {
        self.change(|world, _| world.password_life = Some(life.as_secs_f64()));
    }

    /// Makes a resource of a stack fail with this reason whenever it is made or changed.
    ///
    /// `Id:delete` makes its deletion fail, `Id:rollback` its way back after a failed update;
    /// an empty reason takes the failure away.
    ///
    /// # Panics
    /// The file cannot be written.
    pub fn fail_resource(&self, stack: &str, logical_id: &str, reason: &str) {
        self.change(|world, _| cloudformation::script_failure(world, stack, logical_id, reason));
    }

    /// Makes an image known that any account can pull: `name:tag`, or `name:*` for every tag.
    ///
    /// It listens on `port` only, or on whatever is asked for when that is `None`.
    ///
    /// # Panics
    /// The file cannot be written.
    pub fn add_public_image(&self, name: &str, port: Option<u16>) {
        self.change(|world, _| world.public_images.add(name, port, &[]));
    }

    /// Puts a minimal image under a tag, with its repository when there is none, and returns
    /// its digest. The same repository and tag always give the same digest.
    ///
    /// # Panics
    /// The file cannot be written, or the repository's name or the tag is not a valid one.
    pub fn push_image(&self, repository: &str, tag: &str) -> String {
        self.change(|world, now| ecr::push_minimal_image(world, now, repository, tag))
            .unwrap_or_else(|error| panic!("{}: {}", error.code, error.message))
    }

    /// The whole world up to now, for assertions that every object is as before.
    ///
    /// Reading it is no request: nothing is logged and no fault is used.
    pub fn snapshot(&self) -> Value {
        let now = self.now();
        let mut store = self.store();
        let current = store.transact(&self.0.clock, Intent::Read, |world, _| world.snapshot());
        current.unwrap_or_else(|_| {
            let mut world = store.world().clone();
            world.advance(now);
            world.snapshot()
        })
    }

    /// What a parameter holds, secret or not, for assertions that it is as before.
    pub fn parameter(&self, name: &str) -> Option<String> {
        ssm::plaintext(self.store().world(), name)
    }

    /// The current text of a secret, by its name or ARN, for assertions that it is as before.
    pub fn secret(&self, id: &str) -> Option<String> {
        secretsmanager::text(self.store().world(), id, None, None).ok().flatten()
    }

    /// Answers one request as AWS would, after the latency and with the scripted fault.
    pub(crate) async fn exchange<B>(&self, head: Head, body: B) -> Result<Answer, Exchange>
    where
        B: Body<Data = Bytes> + Send,
        B::Error: Into<Cause>,
    {
        let mut body = pin!(body);
        let has_body = !body.is_end_stream() && body.size_hint().upper() != Some(0);
        let known = {
            let store = self.store();
            let known = Call::of_head(&head, has_body, store.world());
            if known.is_none() && is_elsewhere(&head) {
                return Err(Exchange::Unreachable(head.host));
            }
            known
        };
        // Its body is still to come.
        let is_open = known.is_some();
        let mut call = if let Some(call) = known {
            call
        } else {
            // Its operation is in its body, as often as not.
            let mut bytes = Spool::Memory(Vec::new());
            if let Some(error) = receive(body.as_mut(), &mut bytes, u64::MAX).await? {
                return Err(Exchange::Body(error));
            }
            match Call::route(&head, bytes.finish()?.to_vec()?) {
                Ok(call) => call,
                Err(answer) => return Ok(answer),
            }
        };
        let number = self.0.requests.fetch_add(1, Ordering::Relaxed);
        let request_id = request_id(number);
        let fault = self.meet(&call, number);
        self.0.clock.wait(self.0.latency).await;
        let is_read = !matches!(
            fault,
            Some((
                Fault::ResetBefore
                    | Fault::Hang
                    | Fault::Throttle
                    | Fault::ServerError
                    | Fault::AccessDenied,
                _
            ))
        );
        if is_open && is_read {
            let limit = match fault {
                Some((Fault::BrokenBody(limit), _)) => limit,
                _ => u64::MAX,
            };
            let mut bytes = if call.is_upload() && has_body {
                Spool::new(&self.store().world().blobs)?
            } else {
                Spool::Memory(Vec::new())
            };
            let error = receive(body, &mut bytes, limit).await?;
            call.receive(bytes.finish()?);
            if let Some(error) = error {
                self.break_off(&call)?;
                return Err(Exchange::Body(error));
            }
        }
        let Some((fault, operation)) = fault else { return Ok(self.apply(&call, &request_id)?) };
        match fault {
            Fault::Delay(delay) => {
                self.0.clock.wait(delay).await;
                Ok(self.apply(&call, &request_id)?)
            }
            Fault::LostAnswer => {
                self.apply(&call, &request_id)?;
                Err(Exchange::Broken(Broken::After))
            }
            Fault::ResetBefore => Err(Exchange::Broken(Broken::Before)),
            Fault::BrokenBody(_) => {
                self.break_off(&call)?;
                Err(Exchange::Broken(Broken::Before))
            }
            Fault::Hang => std::future::pending().await,
            Fault::Unanswered => {
                self.apply(&call, &request_id)?;
                std::future::pending().await
            }
            Fault::Stale(age) => {
                let mut store = self.store();
                // Due events of the present belong to the present: what is read is the past.
                store.transact(&self.0.clock, Intent::Read, |_, _| ())?;
                let time = self.now() - age.as_secs_f64();
                Ok(store.read_past(time, |world, then| call.answer(world, then, &request_id))?)
            }
            fault @ (Fault::Throttle | Fault::ServerError | Fault::AccessDenied) => {
                let store = self.store();
                call.refuse(fault, store.world(), &operation, &request_id)
                    .ok_or_else(|| io::Error::other("the fault has no answer").into())
            }
        }
    }

    /// Logs the request, once for each permission that it needs, until one meets a fault.
    fn meet(&self, call: &Call, number: u64) -> Option<(Fault, String)> {
        let (at, is_write) = (self.now(), call.intent() == Intent::Write);
        let mut traffic = self.traffic();
        for operation in call.operations() {
            let arrival = Arrival { number, operation: &operation, is_write, at };
            let fault = traffic.script.meet(&arrival);
            traffic.log.push(RequestLog { at, operation: operation.clone(), fault });
            if let Some(fault) = fault {
                return Some((fault, operation));
            }
        }
        None
    }

    fn break_off(&self, call: &Call) -> io::Result<()> {
        self.store().transact(&self.0.clock, call.intent(), |world, now| {
            call.break_off(world, now);
        })
    }

    fn apply(&self, call: &Call, request_id: &str) -> io::Result<Answer> {
        self.store().transact(&self.0.clock, call.intent(), |world, now| {
            call.answer(world, now, request_id)
        })
    }

    /// A change by a test's own hand, which has nowhere to pass an error on to.
    fn change<R>(&self, change: impl FnOnce(&mut World, f64) -> R) -> R {
        self.store()
            .transact(&self.0.clock, Intent::Write, change)
            .unwrap_or_else(|error| panic!("the sandbox's file: {error}"))
    }

    fn store(&self) -> MutexGuard<'_, Store> {
        self.0.store.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn traffic(&self) -> MutexGuard<'_, Traffic> {
        self.0.traffic.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

type Cause = Box<dyn Error + Send + Sync>;

/// Reads a body frame by frame up to a limit. An error of the body is what is given back.
async fn receive<B>(
    mut body: Pin<&mut B>,
    bytes: &mut Spool,
    limit: u64,
) -> io::Result<Option<Cause>>
where
    B: Body<Data = Bytes>,
    B::Error: Into<Cause>,
{
    let mut left = limit;
    while left > 0 {
        let frame = match body.frame().await {
            None => break,
            Some(Err(error)) => return Ok(Some(error.into())),
            Some(Ok(frame)) => frame,
        };
        let Ok(mut data) = frame.into_data() else { continue };
        data.truncate(usize::try_from(left).unwrap_or(usize::MAX));
        bytes.push(&data)?;
        left -= data.len() as u64;
    }
    Ok(None)
}

/// Whether a request in process is for somebody who is not here.
///
/// Requests of the SDK are never: they name an operation, or post a form.
fn is_elsewhere(head: &Head) -> bool {
    let is_registry = head.path == "/v2" || head.path.starts_with("/v2/");
    let is_fetch = matches!(head.method.as_str(), "GET" | "HEAD");
    !head.is_socket
        && head.header("x-amz-target").is_empty()
        && (is_registry || (is_fetch && !parse_form(&head.query).contains_key("Action")))
}

/// Why there is no answer to pass on.
#[derive(Debug)]
pub(crate) enum Exchange {
    Broken(Broken),
    /// Nobody is at that host.
    Unreachable(String),
    /// The request's body broke off.
    Body(Cause),
    /// The sandbox itself failed: its file cannot be read or written.
    File(io::Error),
}

impl From<io::Error> for Exchange {
    fn from(error: io::Error) -> Self {
        Self::File(error)
    }
}

fn request_id(number: u64) -> String {
    let (high, low) = (mix(number), mix(!number));
    format!(
        "{:08x}-{:04x}-4{:03x}-a{:03x}-{:012x}",
        high >> 32,
        (high >> 16) & 0xffff,
        high & 0xfff,
        low >> 52,
        low & 0xffff_ffff_ffff
    )
}

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use aws_smithy_async::rt::sleep::SharedAsyncSleep;
use aws_smithy_async::time::SharedTimeSource;
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use serde_json::Value;

use crate::client::Client;
use crate::clock::Clock;
use crate::fault::{Arrival, Fault, RequestLog, Script};
use crate::image::Behaviour;
use crate::options::Options;
use crate::router::{Answer, Call, Request};
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
    pub(crate) async fn exchange(&self, request: Request) -> Result<Answer, Exchange> {
        let call = match Call::route(request) {
            Ok(call) => call,
            Err(answer) => return Ok(answer),
        };
        let number = self.0.requests.fetch_add(1, Ordering::Relaxed);
        let request_id = request_id(number);
        let fault = {
            let (at, operation) = (self.now(), call.name());
            let is_write = call.intent() == Intent::Write;
            let mut traffic = self.traffic();
            let arrival = Arrival { number, operation: &operation, is_write, at };
            let fault = traffic.script.meet(&arrival);
            traffic.log.push(RequestLog { at, operation, fault });
            fault
        };
        self.0.clock.wait(self.0.latency).await;
        match fault {
            None => Ok(self.apply(&call, &request_id)?),
            Some(Fault::Delay(delay)) => {
                self.0.clock.wait(delay).await;
                Ok(self.apply(&call, &request_id)?)
            }
            Some(Fault::LostAnswer) => {
                self.apply(&call, &request_id)?;
                Err(Exchange::Broken(Broken::After))
            }
            Some(Fault::ResetBefore) => Err(Exchange::Broken(Broken::Before)),
            Some(Fault::Hang) => std::future::pending().await,
            Some(Fault::Unanswered) => {
                self.apply(&call, &request_id)?;
                std::future::pending().await
            }
            Some(Fault::Stale(age)) => {
                let mut store = self.store();
                // Due events of the present belong to the present: what is read is the past.
                store.transact(&self.0.clock, Intent::Read, |_, _| ())?;
                let time = self.now() - age.as_secs_f64();
                Ok(store.read_past(time, |world, then| call.answer(world, then, &request_id))?)
            }
            Some(fault @ (Fault::Throttle | Fault::ServerError | Fault::AccessDenied)) => {
                let store = self.store();
                call.refuse(fault, store.world(), &request_id)
                    .ok_or_else(|| io::Error::other("the fault has no answer").into())
            }
        }
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

/// Why there is no answer to pass on.
#[derive(Debug)]
pub(crate) enum Exchange {
    Broken(Broken),
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

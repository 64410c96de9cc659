//! Faults injected in front of an emulator.

use std::ops::Deref;
use std::time::Duration;

use serde_json::{Value, json};

use crate::emulators::python;
use crate::http;
use crate::server::Server;

/// A fault for the next matching requests.
///
/// What a request is matched by is its target, action, method and path, for
/// example `AmazonSSM.PutParameter POST /`; a part of it is enough.
#[derive(Debug, Clone)]
#[must_use = "a fault does nothing before `FaultProxy::inject`"]
pub struct Fault {
    kind: &'static str,
    request: String,
    times: u32,
    skipped: u64,
    delay: Duration,
    bytes: u64,
}

impl Fault {
    /// Refuses the request as throttled, in the words of its protocol.
    pub fn throttle(request: &str) -> Self {
        Self::new("throttle", request)
    }

    /// Answers with an internal error.
    pub fn internal_error(request: &str) -> Self {
        Self::new("http500", request)
    }

    /// Ends the connection before the request reaches the emulator.
    pub fn lost_request(request: &str) -> Self {
        Self::new("drop_before", request)
    }

    /// Ends the connection after the emulator has applied the request.
    pub fn lost_answer(request: &str) -> Self {
        Self::new("drop_after", request)
    }

    /// Keeps the request, and never answers: what a client that is killed now has asked for
    /// has not happened.
    pub fn held_request(request: &str) -> Self {
        Self::new("hold_before", request)
    }

    /// Never answers a request that the emulator has applied: what a client that is killed now
    /// has asked for has happened.
    pub fn held_answer(request: &str) -> Self {
        Self::new("hold_after", request)
    }

    /// Passes the request on after a while.
    pub fn delay(request: &str, delay: Duration) -> Self {
        Self { delay, ..Self::new("delay", request) }
    }

    /// Ends both connections in the middle of the request's body.
    pub fn cut(request: &str, bytes: u64) -> Self {
        Self { bytes, ..Self::new("cut", request) }
    }

    /// How many requests are hit instead of one.
    pub fn times(mut self, times: u32) -> Self {
        self.times = times;
        self
    }

    /// How many matching requests pass before.
    pub fn after(mut self, requests: u64) -> Self {
        self.skipped = requests;
        self
    }

    fn new(kind: &'static str, request: &str) -> Self {
        let request = request.to_owned();
        Self { kind, request, times: 1, skipped: 0, delay: Duration::ZERO, bytes: 0 }
    }

    fn rule(&self) -> Value {
        let milliseconds = u64::try_from(self.delay.as_millis()).expect("a delay is short");
        json!({
            "kind": self.kind,
            "match": self.request,
            "count": self.times,
            "skip": self.skipped,
            "ms": milliseconds,
            "bytes": self.bytes,
        })
    }
}

/// A proxy in front of an emulator; its port takes the emulator's place.
#[derive(Debug)]
pub struct FaultProxy {
    server: Server,
}

impl FaultProxy {
    /// Starts a proxy that passes everything on.
    #[track_caller]
    pub fn in_front_of(emulator: &Server) -> Self {
        Self::in_front_of_port(emulator.port())
    }

    /// The same in front of whatever answers on a port of this machine.
    #[track_caller]
    pub fn in_front_of_port(port: u16) -> Self {
        let mut command = python("fault_proxy.py");
        command.args(["--upstream", &port.to_string()]);
        Self { server: Server::start_on_its_own_port("fault_proxy", command) }
    }

    /// Replaces the faults to come, and forgets what was recorded.
    #[track_caller]
    pub fn inject(&self, faults: impl IntoIterator<Item = Fault>) {
        let rules: Vec<_> = faults.into_iter().map(|fault| fault.rule()).collect();
        self.control("POST", &Value::from(rules).to_string());
    }

    /// The requests that were hit since the last [`inject`](Self::inject).
    #[track_caller]
    pub fn injected(&self) -> Vec<String> {
        let report = self.control("GET", "");
        let pairs = report["injected"].as_array().expect("the proxy reports a list");
        pairs.iter().map(|pair| text(&pair[1])).collect()
    }

    /// All requests since the last [`inject`](Self::inject), in order.
    #[track_caller]
    pub fn requests(&self) -> Vec<String> {
        let report = self.control("GET", "");
        report["requests"].as_array().expect("the proxy reports a list").iter().map(text).collect()
    }

    /// Whether a request has come to where it is held.
    #[track_caller]
    pub fn is_holding(&self) -> bool {
        self.control("GET", "")["held"].as_u64().expect("the proxy reports a number") > 0
    }

    #[track_caller]
    fn control(&self, method: &str, body: &str) -> Value {
        let response = http::request(method, self.port(), "/_fault", body)
            .unwrap_or_else(|error| panic!("{self:?} does not answer: {error}"));
        assert_eq!(response.status, 200, "the proxy refused {body}: {}", response.body);
        serde_json::from_str(&response.body).expect("the proxy reports JSON")
    }
}

impl Deref for FaultProxy {
    type Target = Server;

    fn deref(&self) -> &Server {
        &self.server
    }
}

fn text(value: &Value) -> String {
    value.as_str().expect("the proxy reports text").to_owned()
}

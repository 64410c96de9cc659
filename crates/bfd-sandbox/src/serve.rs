use std::future::Future;
use std::io;
use std::pin::pin;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::router::Head;
use crate::sandbox::{Broken, Exchange, Sandbox};

impl Sandbox {
    /// Serves the same AWS over HTTP, until `shutdown` is done: for the AWS CLI, boto3 and
    /// anything else that takes an endpoint.
    ///
    /// Signatures are not checked. Connections still open at the end are closed.
    ///
    /// # Errors
    /// The listener fails.
    pub async fn serve(
        &self,
        listener: TcpListener,
        shutdown: impl Future<Output = ()>,
    ) -> io::Result<()> {
        let mut shutdown = pin!(shutdown);
        let mut connections = JoinSet::new();
        loop {
            let stream = tokio::select! {
                biased;
                () = &mut shutdown => return Ok(()),
                // Reaped as they end, so that a long session does not collect them.
                Some(_) = connections.join_next() => continue,
                accepted = listener.accept() => accepted?.0,
            };
            let sandbox = self.clone();
            connections.spawn(async move {
                let service = service_fn(move |request| answer(sandbox.clone(), request));
                // A client that goes away in the middle is its own affair.
                let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
            });
        }
    }
}

/// An error closes the connection without an answer, as the fault wants it.
async fn answer(
    sandbox: Sandbox,
    request: hyper::Request<Incoming>,
) -> Result<hyper::Response<Full<Bytes>>, io::Error> {
    let (parts, body) = request.into_parts();
    let mut head = Head {
        method: parts.method.as_str().to_owned(),
        path: parts.uri.path().to_owned(),
        query: parts.uri.query().unwrap_or_default().to_owned(),
        is_socket: true,
        ..Head::default()
    };
    for (name, value) in &parts.headers {
        if let Ok(value) = value.to_str() {
            head.add(name.as_str(), value);
        }
    }
    head.host = head.header("host").to_owned();
    let answer = sandbox.exchange(head, body).await.map_err(|error| match error {
        Exchange::Broken(Broken::Before) => io::Error::from(io::ErrorKind::ConnectionReset),
        Exchange::Broken(Broken::After) => io::Error::from(io::ErrorKind::ConnectionAborted),
        Exchange::Unreachable(host) => io::Error::other(host),
        Exchange::Body(error) => io::Error::other(error),
        Exchange::File(error) => error,
    })?;
    let mut response = hyper::Response::builder().status(answer.status);
    for (name, value) in answer.headers {
        response = response.header(name.as_ref(), value);
    }
    response.body(Full::new(answer.body)).map_err(io::Error::other)
}

use std::future::Future;
use std::io;
use std::pin::pin;

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::router::Request;
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
    let body = body.collect().await.map_err(io::Error::other)?.to_bytes().to_vec();
    let header = |name: &str| {
        let value = parts.headers.get(name).and_then(|value| value.to_str().ok());
        value.unwrap_or_default().to_owned()
    };
    let request = Request {
        target: header("x-amz-target"),
        host: header("host"),
        authorization: header("authorization"),
        query: parts.uri.query().unwrap_or_default().to_owned(),
        body,
    };
    let answer = sandbox.exchange(request).await.map_err(|error| match error {
        Exchange::Broken(Broken::Before) => io::Error::from(io::ErrorKind::ConnectionReset),
        Exchange::Broken(Broken::After) => io::Error::from(io::ErrorKind::ConnectionAborted),
        Exchange::File(error) => error,
    })?;
    let mut response = hyper::Response::builder().status(answer.status);
    for (name, value) in answer.headers {
        response = response.header(name, value);
    }
    response.body(Full::new(Bytes::from(answer.body))).map_err(io::Error::other)
}

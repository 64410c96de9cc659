use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;

use crate::router::Head;
use crate::sandbox::{Broken, Exchange, Sandbox};

/// The SDK's transport with the sandbox at its other end.
#[derive(Clone, Debug)]
pub(crate) struct Client(Sandbox);

impl Client {
    pub(crate) fn new(sandbox: Sandbox) -> Self {
        Self(sandbox)
    }
}

impl HttpClient for Client {
    fn http_connector(
        &self,
        _: &HttpConnectorSettings,
        _: &RuntimeComponents,
    ) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

impl HttpConnector for Client {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let sandbox = self.0.clone();
        HttpConnectorFuture::new(async move {
            let (head, body) = read(request)?;
            let answer = sandbox.exchange(head, body).await.map_err(|error| match error {
                Exchange::Broken(Broken::Before) => {
                    ConnectorError::io("connection reset by peer".into())
                }
                Exchange::Broken(Broken::After) => {
                    ConnectorError::io("connection closed before message completed".into())
                }
                Exchange::Unreachable(host) => {
                    ConnectorError::io(format!("failed to look up the address of {host}").into())
                }
                Exchange::Body(error) => ConnectorError::io(error),
                Exchange::File(error) => ConnectorError::user(error.into()),
            })?;
            let status = answer
                .status
                .try_into()
                .map_err(|_| ConnectorError::user("the status is out of range".into()))?;
            let mut response = HttpResponse::new(status, SdkBody::from(answer.body));
            for (name, value) in answer.headers {
                response.headers_mut().insert(name, value);
            }
            Ok(response)
        })
    }
}

fn read(mut request: HttpRequest) -> Result<(Head, SdkBody), ConnectorError> {
    let uri: http::Uri = request
        .uri()
        .parse()
        .map_err(|error: http::uri::InvalidUri| ConnectorError::user(error.into()))?;
    let body = std::mem::replace(request.body_mut(), SdkBody::taken());
    let mut head = Head {
        method: request.method().to_owned(),
        path: uri.path().to_owned(),
        query: uri.query().unwrap_or_default().to_owned(),
        host: uri.authority().map_or("", http::uri::Authority::as_str).to_owned(),
        ..Head::default()
    };
    for (name, value) in request.headers() {
        head.add(name, value);
    }
    Ok((head, body))
}

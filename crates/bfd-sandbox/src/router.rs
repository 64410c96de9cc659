use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::Write as _;

use hyper::body::Bytes;
use serde_json::{Value, json};

use crate::blob::Content;
use crate::ecr::distribution::{self, Ask};
use crate::error::{JsonError, QueryError};
use crate::fault::Fault;
use crate::store::Intent;
use crate::world::World;
use crate::{cloudformation, ecr, ecs, logs, s3, scaling, secretsmanager, ssm, sts};

/// What the sandbox needs of an HTTP request but its body, wherever it came from.
#[derive(Clone, Debug, Default)]
pub(crate) struct Head {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) query: String,
    /// With its port, if one was told.
    pub(crate) host: String,
    /// Whether it came over a socket, where every host is this one.
    pub(crate) is_socket: bool,
    pub(crate) headers: BTreeMap<String, String>,
}

impl Head {
    /// Keeps a header; the values of one that comes several times are one list.
    pub(crate) fn add(&mut self, name: &str, value: &str) {
        let kept = self.headers.entry(name.to_ascii_lowercase()).or_default();
        if !kept.is_empty() {
            kept.push_str(", ");
        }
        kept.push_str(value);
    }

    /// A header's value, empty when there is none.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }

    /// Where the sandbox serves, as this client spells it; `None` in process.
    pub(crate) fn origin(&self) -> Option<String> {
        self.is_socket.then(|| format!("http://{}", self.host))
    }
}

/// An HTTP answer.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(Cow<'static, str>, String)>,
    pub(crate) body: Bytes,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Service {
    Ecr,
    Ssm,
    Ecs,
    Scaling,
    CloudFormation,
    Sts,
    Logs,
    SecretsManager,
    S3,
}

/// A request that has found its operation.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    service: Service,
    operation: String,
    /// Of whoever sent it; empty where nobody signed.
    access_key: String,
    body: Body,
}

#[derive(Clone, Debug)]
enum Body {
    /// With where the sandbox serves, if it is on a socket.
    Json(Vec<u8>, Option<String>),
    Form(BTreeMap<String, String>),
    Registry(Box<Ask>),
    Bucket(Box<s3::Ask>),
}

impl Service {
    fn from_target(prefix: &str) -> Option<Self> {
        Some(match prefix {
            "AmazonEC2ContainerRegistry_V20150921" => Self::Ecr,
            "AmazonSSM" => Self::Ssm,
            "AmazonEC2ContainerServiceV20141113" => Self::Ecs,
            "AnyScaleFrontendService" => Self::Scaling,
            "Logs_20140328" => Self::Logs,
            "secretsmanager" => Self::SecretsManager,
            _ => return None,
        })
    }

    fn from_name(name: &str) -> Option<Self> {
        Some(match name {
            "cloudformation" => Self::CloudFormation,
            "sts" => Self::Sts,
            _ => return None,
        })
    }

    /// The name as IAM's actions spell it.
    fn name(self) -> &'static str {
        match self {
            Self::Ecr => "ecr",
            Self::Ssm => "ssm",
            Self::Ecs => "ecs",
            Self::Scaling => "application-autoscaling",
            Self::CloudFormation => "cloudformation",
            Self::Sts => "sts",
            Self::Logs => "logs",
            Self::SecretsManager => "secretsmanager",
            Self::S3 => "s3",
        }
    }

    /// The code with which the service answers its own mistakes.
    fn server_error(self) -> &'static str {
        match self {
            Self::Ecr | Self::Ecs => "ServerException",
            Self::Ssm => "InternalServerError",
            Self::Scaling => "InternalServiceException",
            Self::SecretsManager => "InternalServiceError",
            Self::Logs => "ServiceUnavailableException",
            Self::S3 => "InternalError",
            Self::CloudFormation | Self::Sts => "InternalFailure",
        }
    }
}

impl Call {
    /// A request to the container registry or to S3: its head alone says what it is.
    pub(crate) fn of_head(head: &Head, has_body: bool, world: &World) -> Option<Self> {
        if !head.header("x-amz-target").is_empty() {
            return None;
        }
        if distribution::is_registry(head, world) || distribution::is_bucket(head, world) {
            return Some(Self {
                service: Service::Ecr,
                operation: String::new(),
                access_key: String::new(),
                body: Body::Registry(Box::new(Ask::new(head.clone(), has_body))),
            });
        }
        let ask = s3::Ask::read(head)?;
        Some(Self {
            service: Service::S3,
            operation: String::new(),
            access_key: sts::access_key(head.header("authorization")).to_owned(),
            body: Body::Bucket(Box::new(ask)),
        })
    }

    /// Finds the operation: by `x-amz-target`, else by the form's `Action` and the signature's
    /// scope or the host, so that one endpoint serves every service.
    pub(crate) fn route(head: &Head, body: Vec<u8>) -> Result<Self, Answer> {
        let target = head.header("x-amz-target");
        let access_key = sts::access_key(head.header("authorization")).to_owned();
        if let Some((prefix, operation)) = target.rsplit_once('.') {
            let Some(service) = Service::from_target(prefix) else {
                return Err(json_error(&JsonError::unknown_operation(target), ""));
            };
            let operation = operation.to_owned();
            let body = Body::Json(body, head.origin());
            return Ok(Self { service, operation, access_key, body });
        }
        let mut form = parse_form(&head.query);
        form.extend(parse_form(&String::from_utf8_lossy(&body)));
        let service = scope(head.header("authorization"))
            .and_then(Service::from_name)
            .or_else(|| Service::from_name(head.host.split('.').next().unwrap_or_default()));
        match (service, form.get("Action")) {
            (Some(service), Some(action)) => {
                let operation = action.clone();
                Ok(Self { service, operation, access_key, body: Body::Form(form) })
            }
            _ => Err(query_error(
                Service::Sts,
                &QueryError::new("InvalidAction", "the sandbox does not know this service"),
                "",
            )),
        }
    }

    /// `ssm:GetParameters`; several where one request needs several permissions.
    pub(crate) fn operations(&self) -> Vec<String> {
        match &self.body {
            Body::Registry(ask) => ask.operations().into_iter().map(str::to_owned).collect(),
            Body::Bucket(ask) => ask.operations().into_iter().map(str::to_owned).collect(),
            _ => vec![self.name()],
        }
    }

    /// Whether the body is bytes of a layer or an object, which may be many.
    pub(crate) fn is_upload(&self) -> bool {
        match &self.body {
            Body::Registry(ask) => ask.is_upload(),
            Body::Bucket(ask) => ask.is_upload(),
            Body::Json(..) | Body::Form(_) => false,
        }
    }

    /// Takes the body of a request that is known before its body is.
    pub(crate) fn receive(&mut self, content: Content) {
        match &mut self.body {
            Body::Registry(ask) => ask.receive(content),
            Body::Bucket(ask) => ask.receive(content),
            Body::Json(..) | Body::Form(_) => {}
        }
    }

    /// What remains when the connection breaks before the body's end.
    pub(crate) fn break_off(&self, world: &mut World, now: f64) {
        if let Body::Registry(ask) = &self.body {
            ask.break_off(world, now);
        }
    }

    fn name(&self) -> String {
        format!("{}:{}", self.service.name(), self.operation)
    }

    pub(crate) fn intent(&self) -> Intent {
        if let Body::Registry(ask) = &self.body {
            return if ask.is_write() { Intent::Write } else { Intent::Read };
        }
        if let Body::Bucket(ask) = &self.body {
            return if ask.is_write() { Intent::Write } else { Intent::Read };
        }
        let reads = ["Describe", "List", "Get", "BatchGet", "BatchCheck", "Validate"];
        if reads.iter().any(|prefix| self.operation.starts_with(prefix)) {
            Intent::Read
        } else {
            Intent::Write
        }
    }

    /// Applies the call to the world.
    pub(crate) fn answer(&self, world: &mut World, now: f64, request_id: &str) -> Answer {
        if sts::is_expired(world, now, &self.access_key) {
            return self.expired(request_id);
        }
        match &self.body {
            Body::Registry(ask) => {
                let mut answer = ask.answer(world, now);
                answer.headers.push(("x-amzn-requestid".into(), request_id.to_owned()));
                answer
            }
            Body::Bucket(ask) => ask.answer(world, now, request_id),
            Body::Json(body, origin) => match self.json(world, now, body, origin.as_deref()) {
                Ok(value) => json_answer(200, value.to_string().into_bytes(), request_id),
                Err(error) => json_error(&error, request_id),
            },
            Body::Form(params) => {
                let inner = match self.service {
                    Service::CloudFormation => {
                        cloudformation::handle(world, now, &self.operation, params)
                    }
                    _ => sts::handle(world, now, &self.operation, params, &self.access_key),
                };
                match inner {
                    Ok(inner) => self.query_answer(&inner, request_id),
                    Err(error) => query_error(self.service, &error, request_id),
                }
            }
        }
    }

    fn json(
        &self,
        world: &mut World,
        now: f64,
        body: &[u8],
        origin: Option<&str>,
    ) -> Result<Value, JsonError> {
        let body: Value = if body.is_empty() {
            json!({})
        } else {
            serde_json::from_slice(body).map_err(|error| {
                JsonError::new("SerializationException", format!("the body is not JSON: {error}"))
            })?
        };
        match self.service {
            Service::Ecr => ecr::answer(world, now, &self.operation, &body, origin),
            Service::Ssm => ssm::handle(world, now, &self.operation, &body),
            Service::Ecs => ecs::handle(world, now, &self.operation, &body),
            Service::Scaling => scaling::handle(world, now, &self.operation, &body),
            Service::Logs => logs::handle(world, now, &self.operation, &body),
            Service::SecretsManager => secretsmanager::handle(world, now, &self.operation, &body),
            Service::CloudFormation | Service::Sts | Service::S3 => {
                Err(JsonError::unknown_operation(&self.operation))
            }
        }
    }

    /// The answer that a scripted fault of `operation` gives in the service's place, if it is one
    /// that answers.
    pub(crate) fn refuse(
        &self,
        fault: Fault,
        world: &World,
        operation: &str,
        request_id: &str,
    ) -> Option<Answer> {
        if let Body::Registry(ask) = &self.body {
            return ask.refuse(fault, world, operation, request_id);
        }
        if let Body::Bucket(ask) = &self.body {
            return ask.refuse(fault, world, operation, request_id);
        }
        let is_query = matches!(self.body, Body::Form(_));
        let (status, code, message) = match fault {
            Fault::Throttle if is_query => (400, "Throttling", "Rate exceeded".to_owned()),
            Fault::Throttle => (400, "ThrottlingException", "Rate exceeded".to_owned()),
            Fault::ServerError => {
                (500, self.service.server_error(), "The server failed to answer".to_owned())
            }
            Fault::AccessDenied => (
                if is_query { 403 } else { 400 },
                if is_query { "AccessDenied" } else { "AccessDeniedException" },
                format!(
                    "User: {} is not authorized to perform: {} on resource: * because no \
                     identity-based policy allows the {1} action",
                    sts::arn(world, &self.access_key),
                    operation,
                ),
            ),
            _ => return None,
        };
        Some(if is_query {
            let error = QueryError { status, code: code.into(), message };
            query_error(self.service, &error, request_id)
        } else {
            json_error(&JsonError { status, code: code.into(), message }, request_id)
        })
    }

    /// The refusal of a session that is over.
    fn expired(&self, request_id: &str) -> Answer {
        let message = "The security token included in the request is expired";
        match &self.body {
            Body::Bucket(ask) => ask.expired(request_id),
            Body::Form(_) => {
                let message = message.to_owned();
                let error = QueryError { status: 403, code: "ExpiredToken".into(), message };
                query_error(self.service, &error, request_id)
            }
            Body::Json(..) | Body::Registry(_) => {
                json_error(&JsonError::new("ExpiredTokenException", message), request_id)
            }
        }
    }

    fn query_answer(&self, inner: &str, request_id: &str) -> Answer {
        let action = &self.operation;
        let xmlns = namespace(self.service);
        xml_answer(
            200,
            format!(
                "<{action}Response xmlns=\"{xmlns}\"><{action}Result>{inner}</{action}Result>\
                 <ResponseMetadata><RequestId>{request_id}</RequestId></ResponseMetadata>\
                 </{action}Response>"
            ),
            request_id,
        )
    }
}

fn namespace(service: Service) -> &'static str {
    match service {
        Service::CloudFormation => "http://cloudformation.amazonaws.com/doc/2010-05-15/",
        _ => "https://sts.amazonaws.com/doc/2011-06-15/",
    }
}

fn json_answer(status: u16, body: Vec<u8>, request_id: &str) -> Answer {
    let headers = vec![
        ("content-type".into(), "application/x-amz-json-1.1".to_owned()),
        ("x-amzn-requestid".into(), request_id.to_owned()),
    ];
    Answer { status, headers, body: body.into() }
}

fn json_error(error: &JsonError, request_id: &str) -> Answer {
    let body = json!({ "__type": error.code, "message": error.message });
    let mut answer = json_answer(error.status, body.to_string().into_bytes(), request_id);
    answer.headers.push(("x-amzn-errortype".into(), error.code.to_string()));
    answer
}

fn xml_answer(status: u16, body: String, request_id: &str) -> Answer {
    let headers = vec![
        ("content-type".into(), "text/xml".to_owned()),
        ("x-amzn-requestid".into(), request_id.to_owned()),
    ];
    Answer { status, headers, body: body.into() }
}

fn query_error(service: Service, error: &QueryError, request_id: &str) -> Answer {
    let kind = if error.status < 500 { "Sender" } else { "Receiver" };
    xml_answer(
        error.status,
        format!(
            "<ErrorResponse xmlns=\"{}\"><Error><Type>{kind}</Type><Code>{}</Code>\
             <Message>{}</Message></Error><RequestId>{request_id}</RequestId></ErrorResponse>",
            namespace(service),
            escape(&error.code),
            escape(&error.message),
        ),
        request_id,
    )
}

/// The service in a signature's credential scope: `…/20260101/eu-west-1/sts/aws4_request`.
fn scope(authorization: &str) -> Option<&str> {
    let credential = authorization.split_once("Credential=")?.1;
    credential.split([',', ' ']).next()?.rsplit('/').nth(1)
}

/// Text as it may stand inside an XML element.
pub(crate) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            // XML 1.0 has no way to write these.
            control if control.is_control() && !matches!(control, '\n' | '\t' | '\r') => {
                let _ = write!(escaped, "\\u{{{:x}}}", u32::from(control));
            }
            other => escaped.push(other),
        }
    }
    escaped
}

/// The pairs of a query, or of a body that is a form.
pub(crate) fn parse_form(text: &str) -> BTreeMap<String, String> {
    text.split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decode(&key.replace('+', " ")), decode(&value.replace('+', " ")))
        })
        .collect()
}

/// Undoes percent encoding; a broken escape stands for itself.
pub(crate) fn decode(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let escape = (byte == b'%').then(|| text.get(at + 1..at + 3)).flatten();
        if let Some(number) = escape.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            decoded.push(number);
            at += 3;
        } else {
            decoded.push(byte);
            at += 1;
        }
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms() {
        let form = parse_form("Action=CreateStack&A=b%20c+d%2F%zz&%E2%82%AC=");
        assert_eq!(form["Action"], "CreateStack");
        assert_eq!(form["A"], "b c d/%zz");
        assert_eq!(form["€"], "");
    }

    #[test]
    fn scopes() {
        let header = "AWS4-HMAC-SHA256 Credential=AKID/20260101/eu-west-1/cloudformation/aws4_request, SignedHeaders=host";
        assert_eq!(scope(header), Some("cloudformation"));
        assert_eq!(scope("Basic abc"), None);
    }
}

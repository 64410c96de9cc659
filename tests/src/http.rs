//! Requests to the emulators' own control endpoints.
//!
//! One request per connection over HTTP/1.0, which keeps answers unchunked: a
//! client library would be the biggest dependency of the tests.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::Value;

use crate::emulators::REGION;

/// Long enough for a server on a busy machine, short enough to fail a test.
const TIMEOUT: Duration = Duration::from_secs(30);

/// An answer.
#[derive(Debug)]
pub struct Response {
    pub status: u16,
    pub body: String,
}

/// Sends one request to a port of this machine.
pub fn request(method: &str, port: u16, path: &str, body: &str) -> io::Result<Response> {
    send(method, port, path, "", body)
}

/// Calls an operation of AWS's JSON protocol, unsigned, for servers that do not look:
/// many times faster than the AWS CLI. `target` is such as `AmazonSSM.GetParameters`.
///
/// # Panics
/// When it does not answer, or refuses.
#[track_caller]
pub fn call(port: u16, target: &str, body: &Value) -> Value {
    json_call(port, target, "", body)
}

/// The same in an account of a server that takes it from the access key.
#[track_caller]
pub fn call_in_account(port: u16, account: &str, target: &str, body: &Value) -> Value {
    // The service in the credential's scope is not looked at: the target says it.
    json_call(port, target, &authorization(account, "any"), body)
}

/// Calls an operation of AWS's query protocol in an account, and returns the XML.
///
/// # Panics
/// When it does not answer, or refuses.
#[track_caller]
pub fn query_in_account(port: u16, account: &str, service: &str, form: &str) -> String {
    let mut headers = "Content-Type: application/x-www-form-urlencoded\r\n".to_owned();
    headers.push_str(&authorization(account, service));
    let response = send("POST", port, "/", &headers, form);
    let response = response.unwrap_or_else(|error| panic!("{form} has no answer: {error}"));
    assert_eq!(response.status, 200, "{form}: {}", response.body);
    response.body
}

#[track_caller]
fn json_call(port: u16, target: &str, more: &str, body: &Value) -> Value {
    let headers =
        format!("Content-Type: application/x-amz-json-1.1\r\nX-Amz-Target: {target}\r\n{more}");
    let response = send("POST", port, "/", &headers, &body.to_string());
    let response = response.unwrap_or_else(|error| panic!("{target} has no answer: {error}"));
    assert_eq!(response.status, 200, "{target} {body}: {}", response.body);
    serde_json::from_str(&response.body).expect("the answer is JSON")
}

/// The header of a signed request, without a signature that anyone would accept who looks.
fn authorization(account: &str, service: &str) -> String {
    format!(
        "Authorization: AWS4-HMAC-SHA256 Credential={account}/20260101/{REGION}/{service}/aws4_request, \
         SignedHeaders=host, Signature=0\r\n"
    )
}

fn send(method: &str, port: u16, path: &str, headers: &str, body: &str) -> io::Result<Response> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let mut stream = TcpStream::connect_timeout(&address, TIMEOUT)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    let length = body.len();
    write!(
        stream,
        "{method} {path} HTTP/1.0\r\nHost: {address}\r\nContent-Length: {length}\r\n{headers}\r\n{body}"
    )?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    parse(&answer).ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, answer))
}

fn parse(answer: &str) -> Option<Response> {
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let status = head.split(' ').nth(1)?.parse().ok()?;
    Some(Response { status, body: body.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_taken_apart() {
        let response = parse("HTTP/1.0 404 Not Found\r\nServer: x\r\n\r\nnothing\r\n\r\nhere");

        let response = response.unwrap();
        assert_eq!(response.status, 404);
        assert_eq!(response.body, "nothing\r\n\r\nhere");
    }

    #[test]
    fn half_an_answer_is_none() {
        assert!(parse("HTTP/1.0 200 OK\r\nServer: x\r\n").is_none());
    }
}

//! The sandbox on a socket, asked by hand: one endpoint for every service.

use std::time::Duration;

use bfd_sandbox::{Fault, Options, Sandbox};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;

/// Sends one request and reads until the connection ends.
async fn ask(address: std::net::SocketAddr, headers: &str, body: &str) -> String {
    let mut stream = TcpStream::connect(address).await.expect("connects");
    let request = format!(
        "POST / HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-length: {}\r\n{headers}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).await.expect("sends");
    let mut answer = Vec::new();
    // A broken connection may be an error or an early end.
    let _ = stream.read_to_end(&mut answer).await;
    String::from_utf8(answer).expect("text")
}

#[tokio::test]
async fn one_endpoint_serves_every_service() {
    let sandbox =
        Sandbox::open(Options { latency: Duration::ZERO, ..Options::default() }).expect("opens");
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("binds");
    let address = listener.local_addr().expect("an address");
    let (stop, stopped) = oneshot::channel::<()>();
    let server = {
        let sandbox = sandbox.clone();
        tokio::spawn(async move {
            let shutdown = async move {
                let _ = stopped.await;
            };
            sandbox.serve(listener, shutdown).await
        })
    };
    let scope = |service: &str| {
        format!(
            "authorization: AWS4-HMAC-SHA256 Credential=A/20260101/eu-west-1/{service}/aws4_request, SignedHeaders=host, Signature=0"
        )
    };
    let who = ask(address, &scope("sts"), "Action=GetCallerIdentity&Version=2011-06-15").await;
    assert!(
        who.starts_with("HTTP/1.1 200 OK") && who.contains("<Account>123456789012</Account>"),
        "{who}"
    );
    let stacks =
        ask(address, &scope("cloudformation"), "Action=NoSuchAction&Version=2010-05-15").await;
    assert!(stacks.starts_with("HTTP/1.1 400") && stacks.contains("<ErrorResponse"), "{stacks}");

    let put = r#"{"Name":"/a","Value":"x","Type":"String"}"#;
    let target = "x-amz-target: AmazonSSM.PutParameter";
    sandbox.inject("ssm:PutParameter", Fault::LostAnswer);
    assert_eq!(ask(address, target, put).await, "", "applied, then the connection breaks");
    let again = ask(address, target, put).await;
    assert!(again.contains("x-amzn-errortype: ParameterAlreadyExists"), "{again}");
    assert!(again.contains(r#""__type":"ParameterAlreadyExists""#), "{again}");
    let unknown = ask(address, "x-amz-target: Other.Operation", "{}").await;
    assert!(unknown.contains("UnknownOperationException"), "{unknown}");

    stop.send(()).expect("still serving");
    server.await.expect("ends").expect("without an error");
}

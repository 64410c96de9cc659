//! The bucket in S3 that the registry's layers are fetched from.

use hyper::body::Bytes;

use crate::router::{Answer, Head, decode, escape, parse_form};
use crate::world::World;

/// How long an address is good for, in seconds.
const LIFETIME: f64 = 3600.0;

/// Where the bucket is on a socket, which has one host for everything.
const ON_SOCKET: &str = "/starport-layer-bucket/";

/// The address of a layer, signed: whoever has it may fetch the layer until it ends.
pub(crate) fn download_url(
    world: &World,
    now: f64,
    repository: &str,
    digest: &str,
    origin: Option<&str>,
) -> String {
    let path = format!("{}/{repository}/{digest}", world.account);
    let expires_at = (now + LIFETIME).floor();
    let signature = world.sign(&format!("layer/{path}/{expires_at}"));
    let start = match origin {
        Some(origin) => format!("{origin}{ON_SOCKET}"),
        None => format!("https://{}/", host(world)),
    };
    format!("{start}{path}?Expires={expires_at}&Signature={signature}")
}

/// Whether the request is for the bucket and not for the registry.
pub(crate) fn is_bucket(head: &Head, world: &World) -> bool {
    if head.is_socket { head.path.starts_with(ON_SOCKET) } else { head.host == host(world) }
}

/// The key that a request to the bucket asks for.
pub(super) fn key(head: &Head) -> Option<String> {
    let path = decode(&head.path);
    if head.is_socket {
        return path.strip_prefix(ON_SOCKET).map(str::to_owned);
    }
    let is_bucket = head.host.contains("-starport-layer-bucket.s3.");
    is_bucket.then(|| path.trim_start_matches('/').to_owned())
}

pub(super) fn get(world: &World, now: f64, head: &Head, key: &str) -> Answer {
    // A client that passes its registry's password on is refused. On a socket both have one
    // host, and clients rightly keep it.
    if !head.is_socket && !head.header("authorization").is_empty() {
        return refuse(
            400,
            "InvalidArgument",
            "Only one auth mechanism allowed; only the X-Amz-Algorithm query parameter, Signature \
             query string parameter or the Authorization header should be specified",
            "",
        );
    }
    let query = parse_form(&head.query);
    let expires_at: f64 = query.get("Expires").and_then(|it| it.parse().ok()).unwrap_or_default();
    let signature = world.sign(&format!("layer/{key}/{expires_at}"));
    if head.method != "GET" || query.get("Signature") != Some(&signature) {
        return refuse(
            403,
            "SignatureDoesNotMatch",
            "The request signature we calculated does not match the signature you provided. Check your key and signing method.",
            "",
        );
    }
    if expires_at <= now {
        return refuse(403, "AccessDenied", "Request has expired", "");
    }
    let Some((size, read)) = object(world, key) else {
        return refuse(404, "NoSuchKey", "The specified key does not exist.", "");
    };
    let (status, start, length) = match Part::parse(head.header("range"), size) {
        Part::All => (200, 0, size),
        Part::Some(start, length) => (206, start, length),
        Part::Outside => {
            let text = "The requested range is not satisfiable";
            return refuse(416, "InvalidRange", text, "");
        }
    };
    let Some(body) = read(start, length) else {
        return refuse(500, "InternalError", "We encountered an internal error.", "");
    };
    let mut headers = vec![
        ("content-type".into(), "application/octet-stream".to_owned()),
        ("accept-ranges".into(), "bytes".to_owned()),
    ];
    if status == 206 {
        let end = (start + length).saturating_sub(1);
        headers.push(("content-range".into(), format!("bytes {start}-{end}/{size}")));
    }
    Answer { status, headers, body }
}

pub(super) fn refuse(status: u16, code: &str, message: &str, request_id: &str) -> Answer {
    let body = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>{code}</Code><Message>{}\
         </Message><RequestId>{request_id}</RequestId></Error>",
        escape(message)
    );
    let headers = vec![("content-type".into(), "application/xml".to_owned())];
    Answer { status, headers, body: body.into() }
}

/// The bucket's name is AWS's.
fn host(world: &World) -> String {
    format!("prod-{0}-starport-layer-bucket.s3.{0}.amazonaws.com", world.region)
}

type Read<'a> = Box<dyn Fn(u64, u64) -> Option<Bytes> + 'a>;

/// The size of an object, and how to read from it.
fn object<'a>(world: &'a World, key: &str) -> Option<(u64, Read<'a>)> {
    let (name, digest) = key.strip_prefix(&format!("{}/", world.account))?.rsplit_once('/')?;
    let repository = world.ecr.repositories.get(name)?;
    let size = repository.blob_size(&world.blobs, digest)?;
    let digest = digest.to_owned();
    Some((
        size,
        Box::new(move |start, length| {
            if world.blobs.size(&digest).is_some() {
                return world.blobs.read(&digest, start, length).ok();
            }
            let text = repository.config(&digest)?.as_bytes();
            let start = usize::try_from(start).ok()?;
            let end = start.checked_add(usize::try_from(length).ok()?)?;
            text.get(start..end).map(Bytes::copy_from_slice)
        }),
    ))
}

/// What a `Range` asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    All,
    /// Where it starts, and its length.
    Some(u64, u64),
    /// Nothing that there is.
    Outside,
}

impl Part {
    pub(crate) fn parse(header: &str, size: u64) -> Self {
        // Several parts at once, and what is no range, are answered with everything, as S3 does.
        let asked = header.strip_prefix("bytes=").filter(|asked| !asked.contains(','));
        let Some((start, end)) = asked.and_then(|asked| asked.split_once('-')) else {
            return Self::All;
        };
        let last = size.saturating_sub(1);
        let (start, end) = match (start.parse::<u64>(), end.parse::<u64>()) {
            (Ok(start), Ok(end)) if start <= end => (start, end.min(last)),
            (Ok(start), Err(_)) if end.is_empty() => (start, last),
            (Err(_), Ok(0)) if start.is_empty() => return Self::Outside,
            (Err(_), Ok(count)) if start.is_empty() => (size.saturating_sub(count), last),
            _ => return Self::All,
        };
        if start < size { Self::Some(start, end - start + 1) } else { Self::Outside }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges() {
        for (header, part) in [
            ("", Part::All),
            ("bytes=0-3", Part::Some(0, 4)),
            ("bytes=8-", Part::Some(8, 2)),
            ("bytes=8-99", Part::Some(8, 2)),
            ("bytes=-3", Part::Some(7, 3)),
            ("bytes=-30", Part::Some(0, 10)),
            ("bytes=10-", Part::Outside),
            ("bytes=-0", Part::Outside),
            ("bytes=3-1", Part::All),
            ("bytes=0-1,4-5", Part::All),
            ("lines=0-1", Part::All),
        ] {
            assert_eq!(Part::parse(header, 10), part, "{header}");
        }
    }
}

use crate::router::{Head, decode};

/// An object that an address names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Location {
    pub(crate) bucket: String,
    pub(crate) key: String,
    pub(crate) version: Option<String>,
}

/// What a host says of a request to S3.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Host {
    /// `None` where the bucket is in the path.
    pub(super) bucket: Option<String>,
    /// `None` where the host names none.
    pub(super) region: Option<String>,
}

impl Host {
    /// `BUCKET.s3.REGION.amazonaws.com` and its older and shorter spellings.
    pub(super) fn parse(host: &str) -> Option<Self> {
        let name = host.split(':').next()?.strip_suffix(".amazonaws.com")?;
        let labels: Vec<&str> = name.split('.').collect();
        // From the end: the name of a bucket may have an `s3` of its own.
        let service =
            labels.iter().rposition(|label| *label == "s3" || label.starts_with("s3-"))?;
        let rest: Vec<&str> =
            labels[service + 1..].iter().copied().filter(|label| *label != "dualstack").collect();
        let region = match (labels[service].strip_prefix("s3-"), rest.as_slice()) {
            (None, []) => None,
            (None, [region]) => Some((*region).to_owned()),
            (Some(region), []) => Some(region.to_owned()),
            _ => return None,
        };
        let bucket = Some(labels[..service].join(".")).filter(|bucket| !bucket.is_empty());
        Some(Self { bucket, region })
    }

    /// On a socket every host is this one; `BUCKET.localhost` names a bucket nevertheless.
    fn of_socket(host: &str) -> Self {
        let name = host.split(':').next().unwrap_or_default();
        let bucket = name.strip_suffix(".localhost").map(str::to_owned);
        Self { bucket, region: None }
    }
}

/// The host, the bucket and the key of a request, if it is one to S3.
pub(super) fn of_request(head: &Head) -> Option<(Host, String, String)> {
    let host = match Host::parse(&head.host) {
        Some(host) => host,
        None if head.is_socket && is_signed_for_s3(head) => Host::of_socket(&head.host),
        None => return None,
    };
    let (bucket, key) = split(&host, &decode(&head.path));
    Some((host, bucket, key))
}

fn split(host: &Host, path: &str) -> (String, String) {
    let path = path.strip_prefix('/').unwrap_or(path);
    if let Some(bucket) = &host.bucket {
        return (bucket.clone(), path.to_owned());
    }
    let (bucket, key) = path.split_once('/').unwrap_or((path, ""));
    (bucket.to_owned(), key.to_owned())
}

fn is_signed_for_s3(head: &Head) -> bool {
    let credential = head.header("authorization").split_once("Credential=").map(|(_, rest)| rest);
    let in_query = decode(&head.query);
    let presigned = in_query.split_once("X-Amz-Credential=").map(|(_, rest)| rest);
    credential
        .or(presigned)
        .and_then(|credential| credential.split([',', ' ', '&']).next()?.rsplit('/').nth(1))
        .is_some_and(|service| service == "s3")
}

impl Location {
    /// Reads the address of an object: with the bucket in the host or in the path, at S3 or at
    /// any other host, which is taken for the sandbox's own.
    pub(crate) fn parse(url: &str) -> Option<Self> {
        let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"))?;
        let (authority, rest) = rest.split_once('/')?;
        let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
        let host = Host::parse(authority).unwrap_or_else(|| Host::of_socket(authority));
        let (bucket, key) = split(&host, &decode(path));
        let version = query.split('&').find_map(|pair| pair.strip_prefix("versionId=")).map(decode);
        let is_whole = !bucket.is_empty() && !key.is_empty();
        is_whole.then_some(Self { bucket, key, version })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts() {
        let host = |bucket: Option<&str>, region: Option<&str>| {
            Some(Host { bucket: bucket.map(str::to_owned), region: region.map(str::to_owned) })
        };
        for (text, expected) in [
            ("a.s3.eu-west-1.amazonaws.com", host(Some("a"), Some("eu-west-1"))),
            ("a.b.s3.eu-west-1.amazonaws.com", host(Some("a.b"), Some("eu-west-1"))),
            ("a.s3.dualstack.eu-west-1.amazonaws.com", host(Some("a"), Some("eu-west-1"))),
            ("s3.eu-west-1.amazonaws.com:443", host(None, Some("eu-west-1"))),
            ("s3-eu-west-1.amazonaws.com", host(None, Some("eu-west-1"))),
            ("a.s3.amazonaws.com", host(Some("a"), None)),
            ("s3.amazonaws.com", host(None, None)),
            ("ecs.eu-west-1.amazonaws.com", None),
            ("s3.example.com", None),
        ] {
            assert_eq!(Host::parse(text), expected, "{text}");
        }
    }

    #[test]
    fn addresses_of_objects() {
        let expected = Location { bucket: "a".into(), key: "b/c d".into(), version: None };
        for url in [
            "https://a.s3.eu-west-1.amazonaws.com/b/c%20d",
            "https://s3.eu-west-1.amazonaws.com/a/b/c%20d",
            "https://s3.amazonaws.com/a/b/c%20d",
            "http://127.0.0.1:4566/a/b/c%20d",
            "http://a.localhost:4566/b/c%20d",
        ] {
            assert_eq!(Location::parse(url), Some(expected.clone()), "{url}");
        }
        let versioned = Location::parse("https://a.s3.amazonaws.com/k?versionId=7").unwrap();
        assert_eq!(versioned.version.as_deref(), Some("7"));
        for none in
            ["s3://a/b", "https://s3.amazonaws.com/a", "/a/b", "https://a.s3.amazonaws.com/"]
        {
            assert_eq!(Location::parse(none), None, "{none}");
        }
    }
}

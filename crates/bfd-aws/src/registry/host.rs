//! Where a registry is, and whose.

use super::url;
use crate::Aws;

/// A registry as it is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Host {
    /// As references have it: `docker.io`, `127.0.0.1:5000`.
    pub(super) name: String,
    /// `https://registry-1.docker.io`, without a slash at its end.
    pub(super) base: String,
    pub(super) ecr: Option<Ecr>,
}

/// A registry of ECR: an account's in a region.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Ecr {
    pub(super) account: String,
    pub(super) region: String,
}

impl Host {
    pub(super) fn new(aws: &Aws, name: &str) -> Self {
        let name = name.to_ascii_lowercase();
        let own = Ecr { account: aws.account().to_owned(), region: aws.region().to_owned() };
        let mut ecr = Ecr::parse(&name);
        let mut base = base(&name);
        if let Some(endpoint) = aws.endpoint_url() {
            let endpoint = endpoint.trim_end_matches('/');
            if ecr.as_ref() == Some(&own) {
                endpoint.clone_into(&mut base);
            } else if ecr.is_none() && url::origin(endpoint) == url::origin(&base) {
                // What stands in for AWS names its repositories by its own address.
                ecr = Some(own);
            }
        }
        Self { name, base, ecr }
    }
}

impl Ecr {
    /// `ACCOUNT.dkr.ecr.REGION.amazonaws.com`, in China with `.cn`, with FIPS or with both
    /// versions of IP.
    ///
    /// Source: "Amazon ECR endpoints and quotas".
    fn parse(name: &str) -> Option<Self> {
        let (account, rest) = name.split_once(".dkr")?;
        let region = match rest.strip_prefix("-ecr").or_else(|| rest.strip_prefix(".ecr")) {
            Some(rest) => rest.strip_prefix("-fips").unwrap_or(rest).strip_prefix('.')?,
            None => return None,
        };
        let region =
            [".amazonaws.com", ".amazonaws.com.cn", ".on.aws", ".on.amazonwebservices.com.cn"]
                .iter()
                .find_map(|domain| region.strip_suffix(domain))?;
        let is_account = account.len() == 12 && account.bytes().all(|c| c.is_ascii_digit());
        (is_account && !region.contains('.'))
            .then(|| Self { account: account.to_owned(), region: region.to_owned() })
    }
}

fn base(name: &str) -> String {
    match name {
        "docker.io" => "https://registry-1.docker.io".to_owned(),
        name if url::is_loopback(name) => format!("http://{name}"),
        name => format!("https://{name}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn registries_of_ecr_are_known_by_their_names() {
        let parse = |name| Ecr::parse(name).map(|it| (it.account, it.region));
        let at = |region: &str| Some(("123456789012".to_owned(), region.to_owned()));
        assert_eq!(parse("123456789012.dkr.ecr.eu-west-1.amazonaws.com"), at("eu-west-1"));
        assert_eq!(parse("123456789012.dkr.ecr.cn-north-1.amazonaws.com.cn"), at("cn-north-1"));
        assert_eq!(parse("123456789012.dkr.ecr-fips.us-east-1.amazonaws.com"), at("us-east-1"));
        assert_eq!(parse("123456789012.dkr-ecr.eu-west-1.on.aws"), at("eu-west-1"));
        for other in [
            "public.ecr.aws",
            "docker.io",
            "1.dkr.ecr.eu-west-1.amazonaws.com",
            "123456789012.dkr.ecr.eu-west-1.amazonaws.com.evil.io",
            "123456789012.dkr.ecr.evil.io.amazonaws.com",
        ] {
            assert_eq!(parse(other), None, "{other}");
        }
    }
}

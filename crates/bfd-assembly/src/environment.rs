//! Accounts and regions, and the placeholders that stand for them.

use std::fmt;

/// An account and a region to deploy to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Environment {
    /// Twelve digits.
    pub account: String,
    pub region: String,
}

impl Environment {
    pub fn new(account: impl Into<String>, region: impl Into<String>) -> Self {
        Self { account: account.into(), region: region.into() }
    }

    /// The partition that the region is in, `aws` when its name says nothing else.
    ///
    /// From the prefixes of `partitions.json`, which all SDKs of AWS carry.
    pub fn partition(&self) -> &'static str {
        const PARTITIONS: &[(&str, &str)] = &[
            ("cn-", "aws-cn"),
            ("us-gov-", "aws-us-gov"),
            ("us-iso-", "aws-iso"),
            ("us-isob-", "aws-iso-b"),
            ("eu-isoe-", "aws-iso-e"),
            ("us-isof-", "aws-iso-f"),
            ("eusc-", "aws-eusc"),
        ];
        let found = PARTITIONS.iter().find(|(prefix, _)| self.region.starts_with(prefix));
        found.map_or("aws", |(_, partition)| partition)
    }

    /// A text with `${AWS::Partition}`, `${AWS::AccountId}` and `${AWS::Region}` replaced.
    ///
    /// As plain text, like the CDK does. Other placeholders stay. Not for templates: there the
    /// same text is CloudFormation's.
    #[must_use]
    pub fn replace(&self, text: &str) -> String {
        text.replace("${AWS::Partition}", self.partition())
            .replace("${AWS::AccountId}", &self.account)
            .replace("${AWS::Region}", &self.region)
    }
}

impl fmt::Display for Environment {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "aws://{}/{}", self.account, self.region)
    }
}

/// The account and the region that a stack was synthesised for.
///
/// What is `None` was not known, and is that of whoever deploys.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct DeclaredEnvironment {
    pub account: Option<String>,
    pub region: Option<String>,
}

const UNKNOWN_ACCOUNT: &str = "unknown-account";
const UNKNOWN_REGION: &str = "unknown-region";

impl DeclaredEnvironment {
    /// Reads `aws://ACCOUNT/REGION`; the names are those that the CDK's CLI takes.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (account, region) = text.strip_prefix("aws://")?.split_once('/')?;
        let is_account = |letter: char| letter.is_ascii_alphanumeric() || "-@._".contains(letter);
        let is_region =
            |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '-';
        let fits = !account.is_empty()
            && !region.is_empty()
            && account.chars().all(is_account)
            && region.chars().all(is_region);
        fits.then(|| Self {
            account: (account != UNKNOWN_ACCOUNT).then(|| account.to_owned()),
            region: (region != UNKNOWN_REGION).then(|| region.to_owned()),
        })
    }

    /// The environment it is when whoever deploys is in `deployer`.
    #[must_use]
    pub fn within(&self, deployer: &Environment) -> Environment {
        Environment {
            account: self.account.clone().unwrap_or_else(|| deployer.account.clone()),
            region: self.region.clone().unwrap_or_else(|| deployer.region.clone()),
        }
    }
}

impl fmt::Display for DeclaredEnvironment {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let account = self.account.as_deref().unwrap_or(UNKNOWN_ACCOUNT);
        let region = self.region.as_deref().unwrap_or(UNKNOWN_REGION);
        write!(formatter, "aws://{account}/{region}")
    }
}

/// What has placeholders.
pub(crate) trait Placeholders {
    /// Calls `replace` with every text that may have one.
    fn each_text(&mut self, replace: &mut dyn FnMut(&mut String));

    fn fill(&mut self, environment: &Environment) {
        self.each_text(&mut |text| *text = environment.replace(text));
    }
}

impl Placeholders for String {
    fn each_text(&mut self, replace: &mut dyn FnMut(&mut String)) {
        replace(self);
    }
}

impl<T: Placeholders> Placeholders for Option<T> {
    fn each_text(&mut self, replace: &mut dyn FnMut(&mut String)) {
        for it in self.iter_mut() {
            it.each_text(replace);
        }
    }
}

impl<T: Placeholders> Placeholders for Vec<T> {
    fn each_text(&mut self, replace: &mut dyn FnMut(&mut String)) {
        for it in self.iter_mut() {
            it.each_text(replace);
        }
    }
}

impl<K: Ord, T: Placeholders> Placeholders for std::collections::BTreeMap<K, T> {
    fn each_text(&mut self, replace: &mut dyn FnMut(&mut String)) {
        for it in self.values_mut() {
            it.each_text(replace);
        }
    }
}

impl Placeholders for serde_json::Value {
    fn each_text(&mut self, replace: &mut dyn FnMut(&mut String)) {
        match self {
            Self::String(text) => replace(text),
            Self::Array(items) => items.iter_mut().for_each(|it| it.each_text(replace)),
            Self::Object(fields) => fields.values_mut().for_each(|it| it.each_text(replace)),
            Self::Null | Self::Bool(_) | Self::Number(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_region_says_the_partition() {
        let partition = |region: &str| Environment::new("123456789012", region).partition();

        assert_eq!(partition("ap-southeast-1"), "aws");
        assert_eq!(partition("us-east-1"), "aws");
        assert_eq!(partition("cn-north-1"), "aws-cn");
        assert_eq!(partition("us-gov-west-1"), "aws-us-gov");
        assert_eq!(partition("us-iso-east-1"), "aws-iso");
        assert_eq!(partition("us-isob-east-1"), "aws-iso-b");
        assert_eq!(partition("eusc-de-east-1"), "aws-eusc");
    }

    #[test]
    fn placeholders_are_plain_text() {
        let environment = Environment::new("123456789012", "cn-north-1");

        assert_eq!(
            environment.replace("arn:${AWS::Partition}:iam::${AWS::AccountId}:role/${AWS::Region}"),
            "arn:aws-cn:iam::123456789012:role/cn-north-1"
        );
        assert_eq!(environment.replace("${AWS::URLSuffix} ${x} $"), "${AWS::URLSuffix} ${x} $");
    }

    #[test]
    fn what_is_unknown_is_the_deployers() {
        let deployer = Environment::new("123456789012", "eu-west-1");
        let within = |text: &str| {
            DeclaredEnvironment::parse(text).map(|it| it.within(&deployer).to_string())
        };

        let all = within("aws://unknown-account/unknown-region");
        assert_eq!(all.as_deref(), Some("aws://123456789012/eu-west-1"));
        let half = within("aws://unknown-account/us-east-1");
        assert_eq!(half.as_deref(), Some("aws://123456789012/us-east-1"));
        for wrong in ["", "aws://", "aws://1/", "aws:///r", "aws://1/r/s", "aws://1/R", "1/r"] {
            assert_eq!(within(wrong), None, "{wrong}");
        }
    }
}

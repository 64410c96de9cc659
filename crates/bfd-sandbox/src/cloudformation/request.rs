//! Reading the flat members of a query-protocol request.

use std::collections::BTreeMap;

use super::errors::{constraint, missing_member, validation};
use super::parameters::Given;
use crate::error::QueryError;
use crate::s3::{self, Location};
use crate::tags::Tags;
use crate::world::World;

/// <https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cloudformation-limits.html>
const LONGEST_BODY: usize = 51_200;
const LONGEST_DOCUMENT: usize = 1_000_000;

/// A request's members.
#[derive(Clone, Copy, Debug)]
pub(super) struct Request<'a> {
    params: &'a BTreeMap<String, String>,
}

impl<'a> Request<'a> {
    pub(super) fn new(params: &'a BTreeMap<String, String>) -> Self {
        Self { params }
    }

    pub(super) fn get(self, member: &str) -> Option<&'a str> {
        self.params.get(member).map(String::as_str).filter(|text| !text.is_empty())
    }

    pub(super) fn required(self, member: &str) -> Result<&'a str, QueryError> {
        self.get(member).ok_or_else(|| missing_member(&lower_first(member)))
    }

    pub(super) fn flag(self, member: &str) -> bool {
        self.get(member).is_some_and(|text| text.eq_ignore_ascii_case("true"))
    }

    /// A list of text; `None` where the request does not mention it.
    pub(super) fn texts(self, member: &str) -> Option<Vec<String>> {
        let count = self.count(member, "");
        if count == 0 && !self.params.contains_key(member) {
            return None;
        }
        Some(
            (1..=count)
                .filter_map(|index| self.get(&format!("{member}.member.{index}")))
                .map(str::to_owned)
                .collect(),
        )
    }

    /// How many members a list has: AWS numbers them from one without gaps.
    fn count(self, member: &str, inside: &str) -> usize {
        // No list of the API is longer.
        (1..=1000)
            .take_while(|index| {
                let exact = format!("{member}.member.{index}");
                let nested = format!("{exact}.{inside}");
                self.params.contains_key(&exact)
                    || self
                        .params
                        .range(nested.clone()..)
                        .next()
                        .is_some_and(|(key, _)| key.starts_with(&format!("{exact}.")))
            })
            .count()
    }

    pub(super) fn parameters(self) -> Result<BTreeMap<String, Given>, QueryError> {
        let mut given = BTreeMap::new();
        for index in 1..=self.count("Parameters", "") {
            let member = |name: &str| format!("Parameters.member.{index}.{name}");
            let key = self
                .get(&member("ParameterKey"))
                .ok_or_else(|| validation("Parameter key must not be empty"))?;
            let value = self.params.get(&member("ParameterValue"));
            let previous = self.flag(&member("UsePreviousValue"));
            let entry = match (value, previous) {
                (Some(value), true) if !value.is_empty() => {
                    return Err(validation(format!(
                        "Invalid input for parameter key {key}. Cannot specify usePreviousValue as true and non empty value for a parameter"
                    )));
                }
                (_, true) => Given::Previous,
                (Some(value), false) => Given::Value(value.clone()),
                (None, false) => {
                    return Err(validation(format!(
                        "Invalid input for parameter key {key}. You must specify either a value or set usePreviousValue to true"
                    )));
                }
            };
            if given.insert(key.to_owned(), entry).is_some() {
                return Err(validation(format!("Parameter {key} is specified more than once")));
            }
        }
        Ok(given)
    }

    /// The stack's tags; `None` where the request does not mention them.
    pub(super) fn tags(self) -> Result<Option<Tags>, QueryError> {
        let count = self.count("Tags", "");
        if count == 0 && !self.params.contains_key("Tags") {
            return Ok(None);
        }
        let mut tags = Tags::new();
        for index in 1..=count {
            let key = self.get(&format!("Tags.member.{index}.Key")).unwrap_or_default();
            let value = self.params.get(&format!("Tags.member.{index}.Value"));
            if key.is_empty() || key.chars().count() > 128 {
                return Err(constraint(
                    key,
                    &format!("tags.{index}.member.key"),
                    "Member must have length less than or equal to 128",
                ));
            }
            if key.starts_with("aws:") {
                return Err(validation(format!(
                    "Tag keys cannot start with aws: which is reserved for system use; key {key}"
                )));
            }
            if tags.insert(key.to_owned(), value.cloned().unwrap_or_default()).is_some() {
                return Err(validation(
                    "Duplicate tag keys found. Please note that Tag keys are case insensitive.",
                ));
            }
        }
        if tags.len() > 50 {
            return Err(validation("The number of tags exceeds the limit of 50"));
        }
        Ok(Some(tags))
    }

    /// The template of the request, if it brings one.
    pub(super) fn template_body(self, world: &World) -> Result<Option<String>, QueryError> {
        match (self.get("TemplateBody"), self.get("TemplateURL")) {
            (Some(_), Some(_)) => {
                Err(validation("Only one of TemplateBody or TemplateUrl can be specified."))
            }
            (Some(body), None) if body.len() > LONGEST_BODY => Err(constraint(
                body,
                "templateBody",
                "Member must have length less than or equal to 51200",
            )),
            (None, Some(url)) => document(world, url, "TemplateURL").map(Some),
            (body, None) => Ok(body.map(str::to_owned)),
        }
    }

    /// The name of a stack that is to be made.
    pub(super) fn new_stack_name(self) -> Result<&'a str, QueryError> {
        let name = self.required("StackName")?;
        let valid = name.starts_with(|first: char| first.is_ascii_alphabetic())
            && name.chars().all(|each| each.is_ascii_alphanumeric() || each == '-');
        if !valid {
            return Err(constraint(
                name,
                "stackName",
                "Member must satisfy regular expression pattern: [a-zA-Z][-a-zA-Z0-9]*",
            ));
        }
        if name.len() > 128 {
            return Err(constraint(
                name,
                "stackName",
                "Member must have length less than or equal to 128",
            ));
        }
        Ok(name)
    }

    /// What tells one request from another: everything but the protocol's own members.
    pub(super) fn fingerprint(self) -> String {
        let mut text = String::new();
        for (key, value) in self.params {
            if key != "Version" {
                text.push_str(key);
                text.push('=');
                text.push_str(value);
                text.push('\n');
            }
        }
        super::ids::digest(&text)
    }
}

/// Reads a document from S3, for the member of a request that holds its address.
pub(super) fn document(world: &World, url: &str, member: &str) -> Result<String, QueryError> {
    let location = Location::parse(url)
        .ok_or_else(|| validation(format!("{member} must be a supported URL.")))?;
    // A bucket that is not here may be anybody's.
    if world.s3.get(&location.bucket).is_none() {
        return Err(s3_error("Access Denied"));
    }
    let text =
        s3::text(world, &location).ok_or_else(|| s3_error("The specified key does not exist."))?;
    if text.len() > LONGEST_DOCUMENT {
        return Err(validation(format!(
            "Template may not exceed {LONGEST_DOCUMENT} bytes in size."
        )));
    }
    Ok(text)
}

fn s3_error(message: &str) -> QueryError {
    validation(format!(
        "S3 error: {message}\nFor more information check http://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html"
    ))
}

fn lower_first(member: &str) -> String {
    let mut letters = member.chars();
    letters.next().map_or_else(String::new, |first| first.to_lowercase().chain(letters).collect())
}

/// One page of a listing and the token of the next.
pub(super) fn page<T>(
    items: Vec<T>,
    token: Option<&str>,
    size: usize,
) -> Result<(Vec<T>, Option<String>), QueryError> {
    let start = match token {
        None => 0,
        Some(token) => token
            .strip_prefix("page-")
            .and_then(|text| text.parse::<usize>().ok())
            .ok_or_else(|| validation(format!("Token {token} is invalid")))?,
    };
    let end = start.saturating_add(size);
    let next = (items.len() > end).then(|| format!("page-{end}"));
    Ok((items.into_iter().skip(start).take(size).collect(), next))
}

//! Intrinsic functions: their short form made long, and one form for those that have two.
//!
//! <https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/intrinsic-function-reference.html>

use serde_json::Value;

use crate::node::{Content, Node};
use crate::problem::{Problem, did_you_mean};

/// The functions that are written `!Name` for `Fn::Name`.
const FUNCTIONS: &[&str] = &[
    "And",
    "Base64",
    "Cidr",
    "Contains",
    "EachMemberEquals",
    "EachMemberIn",
    "Equals",
    "FindInMap",
    "ForEach",
    "GetAZs",
    "GetAtt",
    "GetStackOutput",
    "If",
    "ImportValue",
    "Join",
    "Length",
    "Not",
    "Or",
    "RefAll",
    "Select",
    "Split",
    "Sub",
    "ToJsonString",
    "Transform",
    "ValueOf",
    "ValueOfAll",
];

/// The two whose long form has no `Fn::`.
const BARE: &[&str] = &["Condition", "Ref"];

/// Puts a value below the function that a YAML tag names.
pub(crate) fn apply(name: &str, node: Node) -> Result<Node, Problem> {
    if BARE.contains(&name) {
        return Ok(Node::single(name.to_owned(), node));
    }
    if FUNCTIONS.contains(&name) {
        return Ok(Node::single(format!("Fn::{name}"), node));
    }
    let known = FUNCTIONS.iter().chain(BARE).copied();
    Err(Problem::new(
        "template::function",
        "unknown function",
        format!("`!{name}` is not one of CloudFormation's"),
    )
    .at(node.place)
    .help("a text that begins with `!` needs quotes")
    .maybe_help(did_you_mean(name, known)))
}

/// Gives what can be written in two ways one form, in the whole tree.
///
/// `Fn::GetAtt` takes `A.B` in YAML and a list of both everywhere; the name of the resource
/// ends at the first dot, as attributes of nested stacks are called `Outputs.Name`.
pub(crate) fn canonical(node: &mut Node) {
    match &mut node.content {
        Content::Scalar(_) => {}
        Content::List(items) => items.iter_mut().for_each(canonical),
        Content::Map(members) => {
            if let [member] = members.as_mut_slice()
                && member.key == "Fn::GetAtt"
                && let Content::Scalar(Value::String(text)) = &member.node.content
                && let Some((resource, attribute)) = text.split_once('.')
            {
                let place = member.node.place;
                let both = vec![Node::text(place, resource), Node::text(place, attribute)];
                member.node = Node::list(place, both);
            }
            for member in members {
                canonical(&mut member.node);
            }
        }
    }
}

/// The function and its argument, if the value is a call of one.
pub(crate) fn call(value: &Value) -> Option<(&str, &Value)> {
    let map = value.as_object().filter(|map| map.len() == 1)?;
    let (name, argument) = map.iter().next()?;
    let is_call =
        name == "Ref" || name == "Condition" && argument.is_string() || name.starts_with("Fn::");
    is_call.then_some((name.as_str(), argument))
}

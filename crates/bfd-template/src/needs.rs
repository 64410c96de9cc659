//! What a template must be acknowledged for.
//!
//! <https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/using-iam-template.html>

use serde::Serialize;
use serde_json::{Value, json};

use crate::template::{Template, has_macro, members};

/// The types that need a capability, with the property that names them.
const IAM_TYPES: &[(&str, Option<&str>)] = &[
    ("AWS::IAM::AccessKey", None),
    ("AWS::IAM::Group", Some("GroupName")),
    ("AWS::IAM::InstanceProfile", Some("InstanceProfileName")),
    ("AWS::IAM::ManagedPolicy", Some("ManagedPolicyName")),
    ("AWS::IAM::Policy", None),
    ("AWS::IAM::Role", Some("RoleName")),
    ("AWS::IAM::User", Some("UserName")),
    ("AWS::IAM::UserToGroupAddition", None),
];

/// The capabilities that a template needs.
///
/// What its nested stacks need is not in it: their templates are elsewhere.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Needs {
    /// `CAPABILITY_IAM`, or `CAPABILITY_NAMED_IAM`, which includes it.
    pub iam: bool,
    /// `CAPABILITY_NAMED_IAM`: an IAM resource has a name of its own.
    pub named_iam: bool,
    /// `CAPABILITY_AUTO_EXPAND`: a macro makes another template of it.
    pub auto_expand: bool,
}

impl Needs {
    /// The capabilities by their names, without those that another includes.
    pub fn capabilities(self) -> Vec<&'static str> {
        let mut names = Vec::new();
        if self.auto_expand {
            names.push("CAPABILITY_AUTO_EXPAND");
        }
        if self.named_iam {
            names.push("CAPABILITY_NAMED_IAM");
        } else if self.iam {
            names.push("CAPABILITY_IAM");
        }
        names
    }
}

impl Template {
    /// The capabilities that it needs.
    pub fn needs(&self) -> Needs {
        let mut needs = Needs {
            auto_expand: self.tree().get("Transform").is_some() || has_macro(self.tree()),
            ..Needs::default()
        };
        for resource in declared(self.tree().get("Resources")) {
            let type_name = resource.get("Type").and_then(Value::as_str);
            let iam = IAM_TYPES.iter().find(|(name, _)| Some(*name) == type_name);
            let Some((_, name)) = iam else { continue };
            needs.iam = true;
            let name = name.and_then(|name| resource.get("Properties")?.get(name));
            needs.named_iam |= name.is_some_and(|name| *name != json!({ "Ref": "AWS::NoValue" }));
        }
        needs
    }
}

/// The resources of a section, and those that its loops make.
fn declared(section: Option<&Value>) -> Vec<&Value> {
    let mut found = Vec::new();
    for (key, value) in members(section) {
        match value {
            Value::Array(loops) if key.starts_with("Fn::ForEach") => {
                found.extend(loops.iter().flat_map(|each| declared(Some(each))));
            }
            resource => found.push(resource),
        }
    }
    found
}

//! What the public resource registry says of every resource type.
//!
//! `resources/registry.txt` is condensed from the schemas that `CloudFormation` publishes
//! (<https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/resource-type-schemas.html>)
//! by the script beside it: names, the identifier that `Ref` returns, the attributes of
//! `Fn::GetAtt`, what is required, and which changes replace a resource.

use std::sync::OnceLock;

static TEXT: &str = include_str!("resources/registry.txt");

/// One resource type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Type {
    pub(super) identifier: Vec<&'static str>,
    pub(super) attributes: Vec<&'static str>,
    pub(super) create_only: Vec<&'static str>,
    pub(super) required: Vec<&'static str>,
    pub(super) tags: Option<(&'static str, TagStyle)>,
    pub(super) properties: Vec<&'static str>,
    /// Whether properties and attributes other than the known ones are fine.
    pub(super) open: bool,
}

/// How a type spells its tags.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TagStyle {
    /// A list of `Key` and `Value`.
    List,
    /// An object.
    Map,
}

/// Looks a type up; `None` is what AWS calls unrecognized.
pub(super) fn find(name: &str) -> Option<Type> {
    if is_custom(name) {
        return Some(custom());
    }
    let lines = LINES.get_or_init(|| TEXT.lines().collect());
    let index =
        lines.binary_search_by(|line| line.split('|').next().unwrap_or("").cmp(name)).ok()?;
    let mut fields = lines[index].split('|').skip(1);
    let mut list = || -> Vec<&'static str> {
        fields.next().unwrap_or("").split(',').filter(|item| !item.is_empty()).collect()
    };
    let identifier = list();
    let attributes = list();
    let create_only = list();
    let required = list();
    let _write_only = list();
    let tags = list().first().and_then(|tags| {
        let (property, style) = tags.split_once(':')?;
        Some((property, if style == "map" { TagStyle::Map } else { TagStyle::List }))
    });
    let properties = list();
    let open = name == "AWS::CloudFormation::Stack";
    Some(Type { identifier, attributes, create_only, required, tags, properties, open })
}

/// Whether a change of a property makes a new object: the property itself, or a part of it
/// that the schema calls create-only.
pub(super) fn replaces(kind: &Type, property: &str) -> bool {
    kind.create_only.contains(&property)
}

/// Whether a Lambda function, which the sandbox does not run, would make the resource.
pub(super) fn is_custom(name: &str) -> bool {
    name.starts_with("Custom::") || name == "AWS::CloudFormation::CustomResource"
}

/// Which capability a type asks for, if any.
///
/// <https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_CreateStack.html>
pub(super) fn needs_iam_capability(name: &str) -> Option<IamName> {
    match name {
        "AWS::IAM::Role" => Some(IamName(Some("RoleName"))),
        "AWS::IAM::User" => Some(IamName(Some("UserName"))),
        "AWS::IAM::Group" => Some(IamName(Some("GroupName"))),
        "AWS::IAM::ManagedPolicy" => Some(IamName(Some("ManagedPolicyName"))),
        "AWS::IAM::InstanceProfile" => Some(IamName(Some("InstanceProfileName"))),
        "AWS::IAM::AccessKey"
        | "AWS::IAM::Policy"
        | "AWS::IAM::UserToGroupAddition"
        | "AWS::IAM::GroupPolicy"
        | "AWS::IAM::RolePolicy"
        | "AWS::IAM::UserPolicy" => Some(IamName(None)),
        _ => None,
    }
}

/// The property by which an IAM resource gets a name of the user's choice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct IamName(pub(super) Option<&'static str>);

static LINES: OnceLock<Vec<&'static str>> = OnceLock::new();

fn custom() -> Type {
    Type {
        identifier: vec!["Id"],
        attributes: Vec::new(),
        create_only: vec!["ServiceToken"],
        required: vec!["ServiceToken"],
        tags: None,
        properties: vec!["ServiceToken"],
        open: true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted_for_the_search() {
        let names: Vec<&str> = TEXT.lines().filter_map(|line| line.split('|').next()).collect();
        assert!(names.is_sorted());
        assert!(names.iter().all(|name| find(name).is_some()));
    }

    #[test]
    fn facts_that_templates_rely_on() {
        let parameter = find("AWS::SSM::Parameter").unwrap();
        assert_eq!(parameter.required, ["Type", "Value"]);
        assert!(replaces(&parameter, "Name") && !replaces(&parameter, "Value"));
        assert_eq!(parameter.tags, Some(("Tags", TagStyle::Map)));
        let network = find("AWS::EC2::VPC").unwrap();
        assert!(replaces(&network, "CidrBlock"));
        assert!(find("AWS::ECS::Cluster").unwrap().attributes.contains(&"Arn"));
        assert_eq!(find("AWS::Nonsense::Thing"), None);
        assert!(find("Custom::Anything").unwrap().open);
    }
}

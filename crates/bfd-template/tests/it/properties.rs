//! What holds for any template.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use bfd_template::{
    Context, Difference, Effect, PropertyDiff, ResourceDiff, Template, TemplateDiff,
};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use crate::{CDK, WEB_JSON, WEB_YAML, parse};

/// Decides how a tree is written: the order of keys, the style, the form of functions.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }

    fn shuffled<'map>(
        &mut self,
        map: &'map Map<String, Value>,
    ) -> Vec<(&'map String, &'map Value)> {
        let mut members: Vec<_> = map.iter().collect();
        for index in (1..members.len()).rev() {
            let other = usize::try_from(self.roll(index as u64 + 1)).unwrap();
            members.swap(index, other);
        }
        members
    }

    fn space(&mut self) -> &'static str {
        ["", " ", "\n", "  \t"][usize::try_from(self.roll(4)).unwrap()]
    }
}

fn to_json(value: &Value, dice: &mut Dice) -> String {
    let space = dice.space();
    match value {
        Value::Object(map) => {
            let members: Vec<String> = dice
                .shuffled(map)
                .into_iter()
                .map(|(key, value)| {
                    format!("{space}{}:{space}{}", json!(key), to_json(value, dice))
                })
                .collect();
            format!("{{{}{space}}}", members.join(","))
        }
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(|item| to_json(item, dice)).collect();
            format!("[{}{space}]", items.join(&format!(",{space}")))
        }
        scalar => scalar.to_string(),
    }
}

/// The short form of a function with its argument in flow style, when there is one.
fn short(value: &Value, dice: &mut Dice) -> Option<String> {
    let map = value.as_object().filter(|map| map.len() == 1)?;
    let (name, argument) = map.iter().next()?;
    let tag = match name.as_str() {
        "Ref" => "Ref",
        name => name.strip_prefix("Fn::")?,
    };
    if let ("GetAtt", Value::Array(both)) = (tag, argument)
        && dice.roll(2) == 0
    {
        return Some(format!("!GetAtt {}.{}", both[0].as_str()?, both[1].as_str()?));
    }
    // Two tags cannot stand before one value, and a scalar behind a tag is text.
    let argument = match argument {
        Value::String(_) | Value::Array(_) => flow(argument, dice),
        Value::Object(_) => to_json(argument, &mut Dice(0)).replace(['\n', '\t'], " "),
        _ => return None,
    };
    Some(format!("!{tag} {argument}"))
}

fn yaml_scalar(value: &Value, dice: &mut Dice) -> String {
    match value {
        Value::String(text) => {
            let mut characters = text.chars();
            let is_word = characters.next().is_some_and(|first| first.is_ascii_alphabetic())
                && characters
                    .all(|character| character.is_ascii_alphanumeric() || character == '-')
                && !["yes", "no", "on", "off", "true", "false", "null"]
                    .contains(&text.to_lowercase().as_str());
            match dice.roll(3) {
                0 if is_word => text.clone(),
                1 if !text.contains(['\n', '\t']) => format!("'{}'", text.replace('\'', "''")),
                _ => value.to_string(),
            }
        }
        Value::Bool(true) => {
            ["true", "yes", "On", "TRUE"][usize::try_from(dice.roll(4)).unwrap()].to_owned()
        }
        Value::Bool(false) => {
            ["false", "no", "off", "False"][usize::try_from(dice.roll(4)).unwrap()].to_owned()
        }
        Value::Null => ["null", "~"][usize::try_from(dice.roll(2)).unwrap()].to_owned(),
        other => other.to_string(),
    }
}

fn flow(value: &Value, dice: &mut Dice) -> String {
    if dice.roll(2) == 0
        && let Some(short) = short(value, dice)
    {
        return short;
    }
    match value {
        Value::Object(map) => {
            let members: Vec<String> = dice
                .shuffled(map)
                .into_iter()
                .map(|(key, value)| format!("{}: {}", json!(key), flow(value, dice)))
                .collect();
            format!("{{{}}}", members.join(", "))
        }
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(|item| flow(item, dice)).collect();
            format!("[{}]", items.join(", "))
        }
        scalar => yaml_scalar(scalar, dice),
    }
}

/// A value as what follows `key:` or `-`, block style at times.
fn block(value: &Value, indent: usize, dice: &mut Dice) -> String {
    let pad = " ".repeat(indent);
    match value {
        Value::Object(map) if !map.is_empty() && dice.roll(4) > 0 => {
            if dice.roll(2) == 0
                && let Some(short) = short(value, dice)
            {
                return format!(" {short}\n");
            }
            let mut text = String::from(" # a comment\n");
            for (key, value) in dice.shuffled(map) {
                let _ = write!(text, "{pad}{}:{}", json!(key), block(value, indent + 2, dice));
            }
            text
        }
        Value::Array(items) if !items.is_empty() && dice.roll(4) > 0 => {
            let mut text = String::from("\n");
            for item in items {
                let _ = write!(text, "{pad}-{}", block(item, indent + 2, dice));
            }
            text
        }
        Value::String(text)
            if dice.roll(3) == 0
                && text
                    .lines()
                    .all(|line| !line.trim().is_empty() && !line.starts_with([' ', '\t']))
                && text.ends_with('\n')
                && !text.ends_with("\n\n") =>
        {
            let lines: Vec<_> = text.lines().map(|line| format!("{pad}{line}")).collect();
            format!(" |\n{}\n", lines.join("\n"))
        }
        other => format!(" {}\n", flow(other, dice)),
    }
}

fn to_yaml(value: &Value, dice: &mut Dice) -> String {
    let Value::Object(map) = value else { panic!("a template is a map") };
    let mut text = String::new();
    for (key, value) in dice.shuffled(map) {
        let _ = write!(text, "{key}:{}", block(value, 2, dice));
    }
    text
}

fn text() -> impl Strategy<Value = Value> {
    prop_oneof![
        "[ -~äé✓😀\\n]{0,12}".prop_map(Value::from),
        prop::sample::select(vec![
            "yes",
            "No",
            "null",
            "~",
            "",
            "012345678901",
            "2012-10-17",
            "1:30",
            "0x1F",
            "1_000",
            "1.10",
            "- a",
            "a: b",
            "# c",
            "a #b",
            "{{resolve:ssm:/a}}",
            "&a",
            "*a",
            "!Ref x",
            "<<",
            "=",
            "'",
            "\"",
            "line\nline\n",
            " lead",
            "trail ",
            "a\\b",
            "%",
            "@",
            "`",
            "?",
            "-",
            ":",
            "...",
            "---",
            "on\n",
        ])
        .prop_map(Value::from),
    ]
}

fn scalar() -> impl Strategy<Value = Value> {
    prop_oneof![
        4 => text(),
        1 => any::<i64>().prop_map(Value::from),
        1 => (-1000_i32..1000).prop_map(|number| json!(f64::from(number) / 8.0)),
        1 => any::<bool>().prop_map(Value::from),
        1 => Just(Value::Null),
    ]
}

fn function(argument: impl Strategy<Value = Value> + Clone) -> impl Strategy<Value = Value> {
    prop_oneof![
        "[A-Z][a-z0-9]{0,5}".prop_map(|name| json!({ "Ref": name })),
        ("[A-Z][a-z]{0,5}", "[A-Z][a-z]{0,5}(\\.[A-Z][a-z]{0,3})?")
            .prop_map(|(name, attribute)| json!({ "Fn::GetAtt": [name, attribute] })),
        "[ -~]{0,12}".prop_map(|text| json!({ "Fn::Sub": text })),
        ("[ -~]{0,12}", argument.clone())
            .prop_map(|(text, value)| json!({ "Fn::Sub": [text, { "X": value }] })),
        ("[A-Z][a-z]{0,5}", argument.clone(), argument.clone())
            .prop_map(|(name, one, other)| json!({ "Fn::If": [name, one, other] })),
        prop::collection::vec(argument.clone(), 0..3)
            .prop_map(|items| json!({ "Fn::Join": ["-", items] })),
        argument
            .clone()
            .prop_map(|value| json!({ "Fn::Base64": { "Fn::Sub": ["x", { "X": value }] } })),
        "[a-z]{0,5}".prop_map(|name| json!({ "Fn::ImportValue": name })),
    ]
}

fn value() -> impl Strategy<Value = Value> {
    scalar().prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(
                "[A-Za-z]{1,6}|Key|Name|Tags|a:b|[ -~]{1,5}",
                inner.clone(),
                0..4
            )
            .prop_map(|map| Value::Object(map.into_iter().collect())),
            prop::collection::btree_map("[a-c]", inner.clone(), 0..3).prop_map(|map| {
                let named = |(name, value)| json!({ "Name": name, "Value": value });
                Value::Array(map.into_iter().map(named).collect())
            }),
            function(inner),
        ]
    })
}

fn template() -> impl Strategy<Value = Value> {
    let types = prop::sample::select(vec![
        "AWS::S3::Bucket",
        "AWS::ECS::Service",
        "AWS::IAM::Role",
        "AWS::Lambda::Function",
        "My::Own::Type",
    ]);
    let properties = prop::collection::btree_map("P[0-4]|BucketName|Tags", value(), 0..5);
    let resource = (types, properties)
        .prop_map(|(name, properties)| json!({ "Type": name, "Properties": properties }));
    let resources = prop::collection::btree_map("R[0-4]", resource, 1..5);
    let outputs = prop::collection::btree_map("O[0-2]", value(), 0..3);
    let mappings = prop::collection::btree_map("M[0-1]", value(), 0..2);
    (resources, outputs, mappings).prop_map(|(resources, outputs, mappings)| {
        json!({
            "AWSTemplateFormatVersion": "2010-09-09",
            "Resources": resources,
            "Outputs": outputs,
            "Mappings": mappings,
        })
    })
}

fn between(old: &Template, new: &Template) -> TemplateDiff {
    Difference::between(old, new, &BTreeMap::new(), &BTreeMap::new())
}

/// All of a difference but its direction.
fn mirrored(diff: &TemplateDiff) -> TemplateDiff {
    let resource = |mut resource: ResourceDiff| {
        resource.effect = match resource.effect {
            Effect::Create => Effect::Delete,
            Effect::Delete => Effect::Create,
            other => other,
        };
        for property in &mut resource.properties {
            std::mem::swap(&mut property.before, &mut property.after);
        }
        resource
    };
    let mut diff = diff.clone();
    diff.resources = diff.resources.into_iter().map(resource).collect();
    for section in &mut diff.sections {
        std::mem::swap(&mut section.before, &mut section.after);
    }
    diff
}

/// Without what deletion alone says, and which type counts.
fn undirected(mut diff: TemplateDiff) -> TemplateDiff {
    for resource in &mut diff.resources {
        resource.weight = bfd_template::Weight::Other;
        resource.kept = false;
        resource.type_name.clear();
        // Of one that is made its parts may be told, of one that leaves they are not.
        let is_one_sided = |each: &PropertyDiff| each.before.is_none() || each.after.is_none();
        if matches!(resource.effect, Effect::Create | Effect::Delete)
            && resource.properties.iter().all(is_one_sided)
        {
            resource.properties.clear();
        }
        // Whether a property replaces is told by the new type.
        if resource.properties.iter().any(|property| property.path.to_string() == "Type") {
            resource
                .properties
                .iter_mut()
                .for_each(|each| each.replaces = bfd_template::Replaces::No);
        }
    }
    diff.resources.sort_by(|one, other| one.logical.cmp(&other.logical));
    diff
}

/// Everything there is to ask of a text; nothing of it may panic.
fn ask_everything(text: &str) {
    let Ok(template) = Template::parse(text) else { return };
    let web = parse(WEB_YAML);
    let values = BTreeMap::from([("X".to_owned(), "y".to_owned())]);
    let context =
        Context { region: Some("eu-west-1".to_owned()), ..Context::of_parameters(&values) };
    let problems = template.check();
    assert!(problems.iter().all(|problem| problem.place.is_some_and(|place| place.line > 0)));
    template.check_parameters(&values);
    template.named_resources(&context);
    template.imports(&context);
    template.exports(&context);
    template.nested_stacks();
    template.needs();
    assert!(between(&template, &template).is_empty());
    between(&template, &web).lines();
    Difference::between(&web, &template, &BTreeMap::new(), &values).lines_within(3);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

    #[test]
    fn a_template_is_the_same_however_it_is_written(tree in template(), seed in any::<u64>()) {
        let (json, yaml) = (to_json(&tree, &mut Dice(seed)), to_yaml(&tree, &mut Dice(seed)));
        let long = to_yaml(&tree, &mut Dice(seed.rotate_left(7)));
        let plain = parse(&tree.to_string());

        prop_assert_eq!(plain.tree(), &tree);
        for text in [&json, &yaml, &long] {
            let other = Template::parse(text).map_err(|error| {
                TestCaseError::fail(format!("{error}\nof\n{text}"))
            })?;
            prop_assert_eq!(other.tree(), &tree, "{}", text);
            prop_assert!(between(&plain, &other).is_empty(), "{}", text);
        }
    }

    #[test]
    fn one_changed_property_is_one_line(tree in template(), pick in any::<prop::sample::Index>()) {
        let mut changed = tree.clone();
        let mut paths = Vec::new();
        for (logical, resource) in tree["Resources"].as_object().unwrap() {
            for property in resource["Properties"].as_object().unwrap().keys() {
                paths.push((logical.clone(), property.clone()));
            }
        }
        prop_assume!(!paths.is_empty());
        let (logical, property) = pick.get(&paths);
        changed["Resources"][logical]["Properties"][property] = json!("something else");
        let (one, other) = (parse(&tree.to_string()), parse(&changed.to_string()));

        let diff = between(&one, &other);

        let own: Vec<_> = diff.resources.iter().filter(|each| each.logical == *logical).collect();
        prop_assert_eq!(own.len(), 1);
        prop_assert_eq!(own[0].properties.len(), 1);
        prop_assert_eq!(own[0].properties[0].path.to_string(), format!("Properties.{property}"));
        // Any other line tells what the replacement of that one resource reaches.
        let followers = diff.resources.iter().filter(|each| each.logical != *logical);
        for follower in followers {
            prop_assert!(own[0].effect == Effect::Replacement || own[0].effect == Effect::MayReplace);
            prop_assert!(follower.properties.iter().all(|each| !each.through.is_empty()));
        }
        prop_assert!(diff.sections.is_empty());
    }

    #[test]
    fn backwards_is_mirrored(old in template(), new in template()) {
        let (old, new) = (parse(&old.to_string()), parse(&new.to_string()));

        let (there, back) = (between(&old, &new), between(&new, &old));

        prop_assert_eq!(undirected(mirrored(&there)), undirected(back));
        prop_assert_eq!(there.is_empty(), there.lines().is_empty());
    }

    #[test]
    fn any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        ask_everything(&String::from_utf8_lossy(&bytes));
    }

    #[test]
    fn any_tokens(tokens in prop::collection::vec(prop::sample::select(vec![
        "Resources", "Type", "Properties", "Ref", "Fn::Sub", "Fn::GetAtt", "Fn::If", "Conditions", "A",
        "Parameters", "DependsOn", "Metadata", "Condition", ": ", ":", "\n", "\n  ", "\n    ", "- ", "!Ref ",
        "!Sub ", "!GetAtt ", "[", "]", "{", "}", ", ", "\"", "'", "&a ", "*a", "| ", "> ", "${A}", "${", "}",
        "<<", "? ", "---\n", "...\n", "%YAML 1.1\n", "# c\n", "\t", "null", "1", "é", "\\", "!", "!!",
        "!!set ", "!<x> ",
    ]), 0..40)) {
        ask_everything(&tokens.concat());
    }

    #[test]
    fn any_cut_or_damage(
        which in 0..3_usize,
        at in any::<prop::sample::Index>(),
        put in prop::sample::select(vec!["", "{", "}", "[", "\"", ":", "\n", "- ", "!", "&x ", "*x", "\u{0}", "null"]),
        to_end in any::<bool>(),
    ) {
        let text = [WEB_YAML, WEB_JSON, CDK][which];
        let at = at.index(text.len());
        prop_assume!(text.is_char_boundary(at));
        let rest = if to_end { "" } else { &text[at + 1..] };
        ask_everything(&format!("{}{put}{rest}", &text[..at]));
    }
}

/// A template of about the given size in bytes.
fn large(size: usize, count: u64) -> String {
    let mut resources = Map::new();
    let mut bytes = 0;
    for number in 0_u64.. {
        let resource = json!({
            "Type": "AWS::ECS::Service",
            "DependsOn": if number > 0 { vec![format!("Service{}", number - 1)] } else { vec![] },
            "Properties": {
                "ServiceName": { "Fn::Sub": format!("${{AWS::StackName}}-{number}") },
                "DesiredCount": count,
                "Tags": [{ "Key": "Name", "Value": format!("service-{number}") }],
                "LoadBalancers": [{ "ContainerName": "web", "ContainerPort": 80 }],
            },
            "Metadata": { "aws:cdk:path": format!("Shop/Service{number}/Resource") },
        });
        bytes += resource.to_string().len() + 20;
        resources.insert(format!("Service{number}"), resource);
        if bytes > size {
            break;
        }
    }
    json!({ "Resources": resources }).to_string()
}

#[test]
fn a_large_template_is_read_and_compared() {
    let (old, new) = (large(200_000, 1), large(200_000, 2));
    assert!(old.len() > 190_000);
    let (one, other) = (parse(&old), parse(&new));
    let as_yaml = parse(&to_yaml(one.tree(), &mut Dice(1)));

    assert_eq!(one.check(), []);
    assert!(between(&one, &as_yaml).is_empty());
    let diff = between(&one, &other);

    assert_eq!(diff.resources.len(), one.resources().count());
    assert_eq!(diff.lines().len(), one.resources().count());
}

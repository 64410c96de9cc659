//! Stacks within stacks.

use std::collections::BTreeMap;
use std::sync::Arc;

use bfd_template::{Context, Difference, Effect, Shared, TemplateDiff};

use crate::parse;

/// A stack with one within it, whose template is kept under `key`.
fn outer(key: &str, more: &str) -> String {
    format!(
        "Parameters:\n  Size: {{Type: String, Default: small}}\n\
         Resources:\n  \
         Net: {{Type: AWS::EC2::VPC, Properties: {{CidrBlock: 10.0.0.0/16}}}}\n  \
         Inner:\n    Type: AWS::CloudFormation::Stack\n    Properties:\n      \
         TemplateURL: !Sub \"https://s3.${{AWS::Region}}.${{AWS::URLSuffix}}/assets/{key}\"\n      \
         Parameters: {{Net: !Ref Net, Size: !Ref Size}}\n{more}"
    )
}

const INNER: &str = "Parameters:\n  Net: {Type: String}\n  Size: {Type: String}\n\
    Resources:\n  \
    Data: {Type: AWS::S3::Bucket, Properties: {BucketName: data}}\n  \
    Group: {Type: AWS::EC2::SecurityGroup, Properties: {GroupDescription: a, VpcId: !Ref Net}}\n  \
    Queue: {Type: AWS::SQS::Queue, Properties: {DelaySeconds: 1, Tags: [{Key: size, Value: !Ref Size}]}}\n\
    Outputs:\n  Bucket: {Value: !Ref Data}\n  Group: {Value: !Ref Group}\n";

fn with(kept: &[(&str, &str)], parameters: &[(&str, &str)]) -> Context {
    let kept = kept.iter().map(|(key, text)| ((*key).to_owned(), Arc::new(parse(text))));
    let given: BTreeMap<String, String> = crate::given(parameters);
    Context { nested: kept.collect(), parameters: given, ..Context::default() }
}

#[track_caller]
fn between(old: &str, new: &str, context: &Context) -> TemplateDiff {
    Difference::of((&parse(old), context), (&parse(new), context))
}

#[test]
fn what_changes_within_is_listed_in_place_of_another_template() {
    let changed = INNER.replace("DelaySeconds: 1", "DelaySeconds: 2");
    let kept = with(&[("a.json", INNER), ("b.json", &changed)], &[]);
    let (old, new) = (outer("a.json", ""), outer("b.json", ""));

    let difference = between(&old, &new, &kept);
    assert_eq!(
        difference.lines(),
        ["~ Inner/Queue (AWS::SQS::Queue) Properties.DelaySeconds: 1 → 2"]
    );
    assert!(difference.resources.iter().all(bfd_template::ResourceDiff::is_undone_in_place));
    // Without the templates all that is known is that there is another one.
    let opaque = between(&old, &new, &Context::default());
    assert_eq!(opaque.resources.len(), 1);
    assert_eq!(opaque.resources[0].logical, "Inner");
    assert!(!opaque.resources[0].is_undone_in_place());
}

#[test]
fn another_way_to_write_it_is_no_change() {
    let turned = INNER.replace("{DelaySeconds: 1, ", "{ \"DelaySeconds\":  1, ") + "# turned\n";
    let kept = with(&[("a.json", INNER), ("b.json", &turned)], &[]);
    let (old, new) = (parse(&outer("a.json", "")), parse(&outer("b.json", "")));

    assert!(Difference::of((&old, &kept), (&new, &kept)).is_empty());
    assert!(!Difference::is_update((&old, &kept), (&new, &kept)));
}

#[test]
fn an_output_alone_is_an_update_and_reaches_who_reads_it() {
    let reader = "  Told: {Type: AWS::SSM::Parameter, Properties: {Type: String, Value: !GetAtt Inner.Outputs.Bucket}}\n  \
                  Other: {Type: AWS::SSM::Parameter, Properties: {Type: String, Value: !GetAtt Inner.Outputs.BucketName}}\n";
    let changed = INNER.replace("{Value: !Ref Data}", "{Value: !GetAtt Data.Arn}");
    let kept = with(&[("a.json", INNER), ("b.json", &changed)], &[]);
    let (old, new) = (outer("a.json", reader), outer("b.json", reader));

    let difference = between(&old, &new, &kept);
    let lines = difference.lines();
    assert_eq!(difference.resources.len(), 2, "{lines:?}");
    assert!(lines[0].starts_with("~ Inner (AWS::CloudFormation::Stack) Properties.TemplateURL"));
    assert_eq!(
        lines[1],
        "~ Told (AWS::SSM::Parameter) Properties.Value: !GetAtt Inner.Outputs.Bucket through output Inner/Bucket"
    );
}

#[test]
fn what_is_replaced_within_reaches_who_reads_it_outside() {
    let reader = "  Told: {Type: AWS::SSM::Parameter, Properties: {Type: String, Value: !GetAtt Inner.Outputs.Bucket}}\n";
    let changed = INNER.replace("BucketName: data", "BucketName: others");
    let kept = with(&[("a.json", INNER), ("b.json", &changed)], &[]);

    let difference = between(&outer("a.json", reader), &outer("b.json", reader), &kept);
    let seen: Vec<(&str, Effect)> =
        difference.resources.iter().map(|it| (it.logical.as_str(), it.effect)).collect();
    // The gravest first: a bucket is emptied.
    assert_eq!(seen, [("Inner/Data", Effect::Replacement), ("Told", Effect::Update)]);
}

#[test]
fn what_the_outer_stack_gives_arrives_within() {
    let kept = |size| with(&[("a.json", INNER)], &[("Size", size)]);
    let template = parse(&outer("a.json", ""));
    let difference = Difference::of((&template, &kept("s")), (&template, &kept("l")));
    let names: Vec<&str> = difference.resources.iter().map(|it| it.logical.as_str()).collect();
    assert_eq!(names, ["Inner", "Inner/Queue"], "{:?}", difference.lines());

    // What only AWS knows is the same while its expression is, and as long as that is.
    assert!(Difference::of((&template, &kept("s")), (&template, &kept("s"))).is_empty());
    let moved = outer("a.json", "").replace("10.0.0.0/16", "10.1.0.0/16");
    let difference = between(&outer("a.json", ""), &moved, &kept("s"));
    let seen: Vec<(&str, Effect)> =
        difference.resources.iter().map(|it| (it.logical.as_str(), it.effect)).collect();
    assert!(seen.contains(&("Inner/Group", Effect::MayReplace)), "{seen:?}");
    assert!(!seen.iter().any(|(name, _)| *name == "Inner/Queue"), "{seen:?}");
}

#[test]
fn a_stack_comes_and_goes_with_what_is_in_it() {
    let kept = with(&[("a.json", INNER)], &[]);
    let (without, whole) = (
        "Resources: {Net: {Type: AWS::EC2::VPC, Properties: {CidrBlock: 10.0.0.0/16}}}",
        outer("a.json", ""),
    );
    let names = |difference: &TemplateDiff| -> Vec<String> {
        difference.resources.iter().map(|it| it.logical.clone()).collect()
    };
    let all = ["Inner", "Inner/Data", "Inner/Group", "Inner/Queue"];
    let sorted = |mut names: Vec<String>| {
        names.sort();
        names
    };
    assert_eq!(sorted(names(&between(without, &whole, &kept))), all);
    let gone = between(&whole, without, &kept);
    assert_eq!(sorted(names(&gone)), all);
    assert_eq!(names(&gone)[0], "Inner/Data", "what is stored goes with it");
    // One that is let go keeps what is in it.
    let retained = whole.replace("Stack\n", "Stack\n    DeletionPolicy: Retain\n");
    assert_eq!(names(&between(&retained, without, &kept)), ["Inner"]);
}

#[test]
fn what_is_shared_by_name_is_shared_from_within() {
    let inner = "Resources:\n  One: {Type: AWS::SSM::Parameter, Properties: {Name: /one, Type: String, Value: !ImportValue there}}\n\
                 Outputs:\n  Here: {Value: a, Export: {Name: here}}\n";
    let kept = with(&[("a.json", inner)], &[]);
    let template = parse(&outer("a.json", ""));

    let export = |name: &str| Shared::Export(name.to_owned());
    assert_eq!(
        template.gives(&kept),
        [export("here"), Shared::Parameter("/one".to_owned())].into()
    );
    assert_eq!(template.takes(&kept), [export("there")].into());
    assert!(template.gives(&Context::default()).is_empty());
    assert!(!template.may_export_more(&kept));
    let open = inner.replace("{Name: here}", "{Name: !Ref One}");
    assert!(template.may_export_more(&with(&[("a.json", &open)], &[])));
}

#[test]
fn one_within_itself_has_an_end() {
    let inner = outer("a.json", "");
    let kept = with(&[("a.json", &inner)], &[]);
    let empty = "Resources: {Net: {Type: AWS::EC2::VPC, Properties: {CidrBlock: 10.0.0.0/16}}}";

    let difference = between(empty, &inner, &kept);
    assert_eq!(difference.resources.len(), 3, "{:?}", difference.lines());
}

#[test]
fn a_secret_of_the_outer_stack_is_one_within() {
    let outer = "Parameters:\n  Key: {Type: String, NoEcho: true}\n\
        Resources:\n  Inner:\n    Type: AWS::CloudFormation::Stack\n    Properties:\n      \
        TemplateURL: https://s3.amazonaws.com/assets/a.json\n      Parameters: {Given: !Ref Key}\n";
    let inner = "Parameters:\n  Given: {Type: String}\n\
        Resources:\n  One: {Type: AWS::SSM::Parameter, Properties: {Type: String, Value: !Ref Given}}\n";
    let kept = |key| with(&[("a.json", inner)], &[("Key", key)]);
    let template = parse(outer);

    let difference =
        Difference::of((&template, &kept("first-secret")), (&template, &kept("second-secret")));
    assert!(difference.resources.iter().any(|it| it.logical == "Inner/One"));
    let told = format!("{difference:?} {:?}", difference.lines());
    assert!(!told.contains("first-secret") && !told.contains("second-secret"), "{told}");
}

//! What a stack knows of its template.

use crate::harness::{World, expr};
use bfd_core::{
    Expr, Inputs, Properties, Secret, SecretSource, Value,
    plan::{Effect, FieldChange, Undo},
};
use bfd_kinds::{
    spec::{Content, Update},
    stack::SPEC,
};
use serde_json::json;

const TEMPLATE: &str = "Parameters:
  Size: {Type: String}
  Key: {Type: String, NoEcho: true, Default: none}
Resources:
  Table: {Type: AWS::DynamoDB::Table, Properties: {TableName: !Ref Size}}
  Bucket: {Type: AWS::S3::Bucket}
  Kept: {Type: AWS::S3::Bucket, DeletionPolicy: Retain}
  Topic: {Type: AWS::SNS::Topic}
";

fn content() -> Content {
    SPEC.content.expect("a stack has a template")
}

fn present(template: &str, parameters: Value) -> Properties {
    let all = [("template", json!(template)), ("parameters", parameters)];
    all.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

fn desired(template: &str, parameters: &Value) -> Inputs {
    let all = [("template", template.into()), ("parameters", expr(parameters))];
    all.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

#[test]
fn what_is_taken_over_anew_may_take_data_away() {
    let template = "Parameters:\n  Name: {Type: 'AWS::SSM::Parameter::Value<String>'}\nResources:\n  \
                    Table: {Type: AWS::DynamoDB::Table, Properties: {TableName: !Ref Name}}\n";
    let mut prior = present(template, json!({ "Name": "/name" }));
    let mut inputs = desired(template, &json!({ "Name": "/name" }));
    let mut losses = |took: &str, shall: &str| {
        prior.insert("ssm_parameters".to_owned(), json!(took));
        inputs.insert("ssm_parameters".to_owned(), shall.into());
        (content().losses)(&Update { prior: &prior, inputs: &inputs, fields: &[] })
    };
    assert_eq!(losses("as stored 1", "as stored 1"), []);
    for (took, shall) in [("as stored 1", "as stored 2"), ("older than /name", "as stored")] {
        let lost = losses(took, shall);
        assert_eq!(lost.len(), 1, "{lost:?}");
        assert!(lost[0].message.contains("may be replaced by an empty one") && !lost[0].kept);
    }
}

#[test]
fn outputs_stay_unless_something_else_is_taken_over() {
    let template = |delay: u8| {
        format!(
            "Resources:\n  Queue: {{Type: AWS::SQS::Queue}}\n  Other: {{Type: AWS::SQS::Queue, \
             Properties: {{DelaySeconds: {delay}}}}}\nOutputs:\n  Queue: {{Value: !Ref Queue}}\n  \
             Other: {{Value: !Ref Other}}\n"
        )
    };
    let mut prior = present(&template(1), json!({}));
    let mut inputs = desired(&template(2), &json!({}));
    let steady = |prior: &Properties, inputs: &Inputs| (content().steady_outputs)(prior, inputs);
    assert_eq!(steady(&prior, &inputs), ["Queue".to_owned()].into());

    prior.insert("ssm_parameters".to_owned(), json!("as stored 1"));
    inputs.insert("ssm_parameters".to_owned(), "as stored 2".into());
    assert_eq!(steady(&prior, &inputs), [].into());
    inputs.insert("ssm_parameters".to_owned(), "as stored 1".into());
    assert_eq!(steady(&prior, &inputs), ["Queue".to_owned()].into());
}

#[test]
fn data_that_an_update_takes_away_is_named() {
    let without = TEMPLATE
        .replace("  Bucket: {Type: AWS::S3::Bucket}\n", "")
        .replace("  Kept: {Type: AWS::S3::Bucket, DeletionPolicy: Retain}\n", "")
        .replace("  Topic: {Type: AWS::SNS::Topic}\n", "");
    let prior = present(TEMPLATE, json!({ "Size": "a" }));
    let inputs = desired(&without, &json!({ "Size": "b" }));

    let update = Update { prior: &prior, inputs: &inputs, fields: &[] };
    let losses = (content().losses)(&update);
    let (undo, why) = (content().undo)(&update);

    let said: Vec<&str> = losses.iter().map(|loss| loss.message.as_str()).collect();
    assert_eq!(
        said,
        [
            "`Bucket` (AWS::S3::Bucket) is deleted, with what is stored in it",
            "`Table` (AWS::DynamoDB::Table) is replaced by an empty one, because of \
             `Properties.TableName`",
        ]
    );
    assert_eq!(undo, Undo::Approximate);
    assert_eq!(
        why.expect("a reason"),
        "CloudFormation cannot restore what is stored in `Bucket` (AWS::S3::Bucket), `Table` \
         (AWS::DynamoDB::Table)"
    );
    let same = desired(TEMPLATE, &json!({ "Size": "a" }));
    let same = Update { inputs: &same, ..update };
    assert_eq!((content().losses)(&same), []);
    assert_eq!((content().undo)(&same), (Undo::Exact, None));
}

#[test]
fn what_waits_for_another_resource_may_take_data_away() {
    let prior = present(TEMPLATE, json!({ "Size": "a" }));
    let inputs = desired(TEMPLATE, &json!({ "Size": "${stack.other.outputs.Size}" }));

    let losses = (content().losses)(&Update { prior: &prior, inputs: &inputs, fields: &[] });

    assert_eq!(losses.len(), 1, "{losses:?}");
    assert!(losses[0].message.contains("may be replaced by an empty one"), "{losses:?}");
}

#[test]
fn what_changes_nothing_stays_as_it_is_there() {
    let secret = |source: &str, digest: &str| Secret {
        source: SecretSource::Env(source.to_owned()),
        digest: digest.to_owned(),
    };
    let there = present(TEMPLATE, json!({ "Size": "a", "Key": secret("A", "one").to_value() }));
    let commented = format!("# a comment\n{TEMPLATE}");
    let kept = |key: Secret| {
        let mut inputs = desired(&commented, &json!({ "Size": "a", "Gone": null }));
        let Some(Expr::Map(parameters)) = inputs.get_mut("parameters") else { panic!("a map") };
        parameters.insert("Key".to_owned(), Expr::Secret(key));
        (content().keep)(&mut inputs, &there, Some(&there));
        inputs
    };
    let other = kept(secret("B", "two"));
    assert_eq!(other["template"], TEMPLATE.into());
    let parameters = other["parameters"].as_map().expect("a map");
    assert_eq!(parameters["Key"], Expr::Secret(secret("A", "one")), "it reaches nothing");
    // The same secret from elsewhere is where it is now.
    let same = kept(secret("B", "one"));
    assert_eq!(
        same["parameters"].as_map().expect("a map")["Key"],
        Expr::Secret(secret("B", "one"))
    );
}

#[test]
fn what_changes_something_is_taken_as_it_is_written() {
    let there = present(TEMPLATE, json!({ "Size": "a", "Key": "old" }));
    let wanted =
        desired(&format!("# a comment\n{TEMPLATE}"), &json!({ "Size": "b", "Key": "new" }));
    let mut inputs = wanted.clone();

    (content().keep)(&mut inputs, &there, Some(&there));

    assert_eq!(inputs, wanted);
    // Of a stack that is half way nothing is known.
    let broken =
        Properties::from([("template".to_owned(), json!({ "$changed_outside": "UPDATE_FAILED" }))]);
    (content().keep)(&mut inputs, &broken, None);
    assert_eq!(inputs, wanted);
}

#[test]
fn values_of_no_echo_parameters_are_hidden_however_they_are_given() {
    let (there, wanted) = (Properties::new(), desired(TEMPLATE, &json!({ "Key": "hunter2" })));
    let hidden: Vec<String> = (content().hidden)(&wanted, &there).into_iter().collect();
    assert_eq!(hidden, ["parameters.Key"]);
}

#[test]
fn what_stays_is_in_the_template_and_is_told() {
    let of = |retain: Value| {
        let fields = json!({
            "name": "data", "template": {"path": "t.yaml", "text": TEMPLATE}, "retain": retain,
            "parameters": {"Size": "a"},
        });
        World::default().lower("stack.data", &fields)
    };

    let list = of(json!(["Table", "Bucket", "Table"]));
    let list = list.value();
    assert_eq!(list["retain"], json!(["Bucket", "Table"]));
    let recorded = Properties::from([
        ("template".to_owned(), json!(TEMPLATE)),
        ("retain".to_owned(), list["retain"].clone()),
    ]);
    assert_eq!(
        (content().kept)(&recorded),
        [
            "`Bucket` (AWS::S3::Bucket) leaves the stack and is kept",
            "`Table` (AWS::DynamoDB::Table) leaves the stack and is kept",
            "`Kept` (AWS::S3::Bucket) leaves the stack and is kept, by its `DeletionPolicy`"
        ]
    );
    assert_eq!((content().lost_with)(&recorded), None, "the topic holds nothing");
    let all = Properties::from([("template".to_owned(), json!(TEMPLATE))]);
    let (gone, _) = (content().lost_with)(&all).expect("a loss");
    assert_eq!(
        gone,
        "`Bucket` (AWS::S3::Bucket), `Table` (AWS::DynamoDB::Table) are deleted, with what is stored"
    );
    let forgotten = all.into_iter().chain([("retain".to_owned(), json!(true))]).collect();
    assert_eq!((content().lost_with)(&forgotten), None, "it stays as it is");
    assert_eq!(of(json!(true)).value()["retain"], json!(true));
    assert_eq!(of(json!(false)).value().get("retain"), None);
    let unknown = of(json!(["Tabel"]));
    assert_eq!(unknown.codes(), [("stack::retain", "retain")]);
}

/// A change of a template, as a plan has it.
fn of_template() -> FieldChange {
    FieldChange {
        path: "template".to_owned(),
        before: Some(json!("old")),
        after: Some(json!("new")),
        sensitive: false,
        known: true,
        effect: Effect::None,
    }
}

#[test]
fn what_changes_in_place_is_undone_exactly() {
    let template = |kind: &str, property: &str, value: &str| {
        format!("Resources:\n  A: {{Type: {kind}, Properties: {{{property}: {value}}}}}\n")
    };
    let undo = |before: &str, after: &str| {
        let (prior, inputs) = (present(before, json!({})), desired(after, &json!({})));
        (content().undo)(&Update { prior: &prior, inputs: &inputs, fields: &[of_template()] }).0
    };
    let parameter = |value: &str| template("AWS::SSM::Parameter", "Value", value);
    assert_eq!(undo(&parameter("a"), &parameter("b")), Undo::Exact);
    let more = format!("{}  B: {{Type: AWS::SNS::Topic}}\n", parameter("a"));
    // What is made goes again, but not at once; another object, or nobody knows.
    assert_eq!(undo(&parameter("a"), &more), Undo::Approximate);
    assert_eq!(undo(&more, &parameter("a")), Undo::Approximate);
    let name = |value: &str| template("AWS::SSM::Parameter", "Name", value);
    assert_eq!(undo(&name("/a"), &name("/b")), Undo::Approximate);
    let unknown = |value: &str| template("Vendor::Own::Thing", "Value", value);
    assert_eq!(undo(&unknown("a"), &unknown("b")), Undo::Approximate);
    // Versions go up, and storage grows.
    let database = |property: &str, value: &str| template("AWS::RDS::DBInstance", property, value);
    for (property, before, after) in
        [("EngineVersion", "14", "15"), ("AllocatedStorage", "20", "40")]
    {
        let taken_back = undo(&database(property, before), &database(property, after));
        assert_eq!(taken_back, Undo::Approximate, "{property}");
    }
    assert_eq!(
        undo(&database("MonitoringInterval", "0"), &database("MonitoringInterval", "5")),
        Undo::Exact
    );
    let custom = |value: &str| template("AWS::CloudFormation::CustomResource", "Value", value);
    assert_eq!(undo(&custom("a"), &custom("b")), Undo::Approximate);
    let nested = |value: &str| template("AWS::CloudFormation::Stack", "TemplateURL", value);
    assert_eq!(undo(&nested("a"), &nested("b")), Undo::Approximate);
}

#[test]
fn what_is_read_from_parameter_store_is_undone_as_well_as_what_it_reaches() {
    let template = |property: &str| {
        format!(
            "Parameters: {{Url: {{Type: 'AWS::SSM::Parameter::Value<String>', Default: /url}}}}
Resources:
  A: {{Type: AWS::SSM::Parameter, Properties: {{{property}: !Ref Url}}}}
  B: {{Type: AWS::SNS::Topic, Properties: {{TopicName: b}}}}
"
        )
    };
    let version =
        bfd_core::Reference { of: "parameter.url".parse().unwrap(), output: "version".to_owned() };
    let later = Expr::Template(vec!["as stored ".into(), Expr::Reference(version)]);
    let undo = |template: &str, took: &str| {
        let (mut prior, mut inputs) = (present(template, json!({})), desired(template, &json!({})));
        prior.insert("ssm_parameters".to_owned(), json!(took));
        inputs.insert("ssm_parameters".to_owned(), later.clone());
        (content().undo)(&Update { prior: &prior, inputs: &inputs, fields: &[] }).0
    };
    assert_eq!(undo(&template("Value"), "as stored 1"), Undo::Exact);
    // Another name is another object.
    assert_eq!(undo(&template("Name"), "as stored 1"), Undo::Approximate);
    assert_eq!(undo(&template("Value"), "older than /url"), Undo::Approximate);
}

#[test]
fn what_aws_never_gives_back_is_no_change() {
    let mut present = present(TEMPLATE, json!({ "Size": "a" }));
    present.insert("role_arn".to_owned(), json!("arn:aws:iam::123456789012:role/cfn"));
    present.insert("ssm_parameters".to_owned(), json!("as stored 1"));
    let mut inputs = desired(TEMPLATE, &json!({ "Size": "b" }));
    inputs.insert("ssm_parameters".to_owned(), "as stored 2".into());

    (content().keep)(&mut inputs, &present, None);

    assert_eq!(inputs["role_arn"], "arn:aws:iam::123456789012:role/cfn".into());
    // Whoever wrote it since: the value is the one that the stack has.
    assert_eq!(inputs["ssm_parameters"], "as stored 1".into());
    present.insert("ssm_parameters".to_owned(), json!("older than /url"));
    (content().keep)(&mut inputs, &present, None);
    assert_eq!(inputs["ssm_parameters"], "as stored 1".into(), "what is older is updated");
}

#[test]
fn what_is_within_nested_stacks_counts_where_it_is_known() {
    let outer = |key: &str| {
        format!(
            "Resources:\n  In: {{Type: AWS::CloudFormation::Stack, Properties: \
             {{TemplateURL: 'https://s3.amazonaws.com/b/{key}'}}}}\n"
        )
    };
    let queue = |name: &str, delay: u64| {
        format!(
            "Resources:\n  Q: {{Type: AWS::SQS::Queue, Properties: {{QueueName: {name}, DelaySeconds: {delay}}}}}\n"
        )
    };
    let prior = |key: &str, text: &str| {
        let mut prior = present(&outer(key), json!({}));
        prior.insert("nested".to_owned(), json!({ key: text }));
        prior
    };
    let wanted = |key: &str, text: &str| {
        let mut wanted = desired(&outer(key), &json!({}));
        wanted.insert("nested".to_owned(), Expr::Map([(key.to_owned(), text.into())].into()));
        wanted
    };
    let before = prior("a.json", &queue("q", 1));
    let undo = |wanted: &Inputs| {
        let update = Update { prior: &before, inputs: wanted, fields: &[of_template()] };
        ((content().undo)(&update), (content().losses)(&update))
    };

    let ((exact, _), losses) = undo(&wanted("b.json", &queue("q", 2)));
    assert_eq!((exact, losses.len()), (Undo::Exact, 0));
    let ((_, why), losses) = undo(&wanted("b.json", &queue("another", 1)));
    let lost = "CloudFormation cannot restore what is stored in `In/Q` (AWS::SQS::Queue)";
    assert_eq!((why.as_deref(), losses.len()), (Some(lost), 1));
    // Not recorded by an earlier version: all that is known is that the template is another.
    let (approximate, _) = (content().undo)(&Update {
        prior: &present(&outer("a.json"), json!({})),
        inputs: &wanted("b.json", &queue("q", 2)),
        fields: &[of_template()],
    });
    assert_eq!(approximate, Undo::Approximate);

    let (gone, _) = (content().lost_with)(&before).expect("a loss");
    assert_eq!(gone, "`In/Q` (AWS::SQS::Queue) is deleted, with what is stored");
    let mut retained = before.clone();
    retained.insert("retain".to_owned(), json!(["In"]));
    assert_eq!((content().lost_with)(&retained), None, "it is kept with what is in it");
    // Written otherwise, and kept elsewhere: no update, so that what is there stays recorded.
    let mut turned = wanted("b.json", &format!("{}# turned\n", queue("q", 1)));
    (content().keep)(&mut turned, &before, None);
    assert_eq!(turned["template"].as_str(), Some(outer("a.json").as_str()));
    assert_eq!(turned["nested"], wanted("a.json", &queue("q", 1))["nested"]);
}

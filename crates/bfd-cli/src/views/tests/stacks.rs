//! What an update of a stack looks like, resource by resource.

use super::{
    fixture::{at, change, empty, field, secret},
    legible, markdown, styles,
};
use crate::views::{Style, plan, value};
use bfd_core::{
    Expr, Inputs, Properties, ResourceState, Value,
    plan::{
        Action, FieldChange, Op, Phase, Plan, Preview, PreviewedResource, Replacement, Step, StepId,
    },
};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};

const OLD: &str = r#"
Parameters:
  Retention: {Type: Number, Default: 7}
  Password: {Type: String, NoEcho: true}
Resources:
  Role:
    Type: AWS::IAM::Role
    Properties:
      AssumeRolePolicyDocument:
        Statement:
          - {Effect: Allow, Action: "sts:AssumeRole", Principal: {Service: ecs-tasks.amazonaws.com}}
  Group:
    Type: AWS::EC2::SecurityGroup
    Properties:
      GroupDescription: web
      SecurityGroupIngress:
        - {IpProtocol: tcp, FromPort: 443, ToPort: 443, CidrIp: 10.0.0.0/16}
  Orders:
    Type: AWS::DynamoDB::Table
    Properties:
      KeySchema: [{AttributeName: id, KeyType: HASH}]
      AttributeDefinitions: [{AttributeName: id, AttributeType: S}]
      BillingMode: PAY_PER_REQUEST
  Uploads:
    Type: AWS::S3::Bucket
  Archive:
    Type: AWS::S3::Bucket
    DeletionPolicy: Retain
  WebLogs:
    Type: AWS::Logs::LogGroup
    Properties: {RetentionInDays: !Ref Retention}
  JobLogs:
    Type: AWS::Logs::LogGroup
    Properties: {RetentionInDays: !Ref Retention}
  Connection:
    Type: AWS::SSM::Parameter
    Properties: {Type: String, Value: !Sub "postgres://app:${Password}@db"}
Outputs:
  Retention: {Value: !Ref Retention}
"#;

/// With an open door, a wider role, another key of the table, and without the buckets.
fn new() -> String {
    OLD.replace("CidrIp: 10.0.0.0/16", "CidrIp: 0.0.0.0/0")
        .replace("Service: ecs-tasks.amazonaws.com", "AWS: \"*\"")
        .replace("AttributeName: id", "AttributeName: order")
        .replace("  Uploads:\n    Type: AWS::S3::Bucket\n", "")
        .replace("  Archive:\n    Type: AWS::S3::Bucket\n    DeletionPolicy: Retain\n", "")
        .replace("Outputs:\n", "  Topic: {Type: AWS::SNS::Topic}\nOutputs:\n")
}

/// A plan that updates one stack from one template with its parameters to another.
fn update(before: (&str, Value), after: (&str, Value), fields: Vec<FieldChange>) -> Plan {
    let properties = |template: &str, parameters: Value| {
        Properties::from([
            ("name".to_owned(), json!("data")),
            ("template".to_owned(), json!(template)),
            ("parameters".to_owned(), parameters),
        ])
    };
    let prior = ResourceState {
        kind: at("stack.data").kind().clone(),
        id: "data".to_owned(),
        inputs: properties(before.0, before.1),
        outputs: Properties::new(),
        depends_on: BTreeSet::new(),
    };
    let inputs = properties(after.0, after.1);
    let inputs: Inputs = inputs.into_iter().map(|(name, it)| (name, Expr::from(it))).collect();
    let op = Op::Update { prior, inputs, depends_on: BTreeSet::new() };
    let step = Step {
        id: StepId(0),
        address: at("stack.data"),
        phase: Phase::Deploy,
        op,
        after: BTreeSet::new(),
        undone_after: BTreeSet::new(),
        path_seconds: 60,
    };
    Plan {
        changes: vec![change("stack.data", Action::Update, fields)],
        steps: vec![step],
        ..empty()
    }
}

fn everything() -> Plan {
    let password = |digest: &str| secret(digest);
    let hidden = FieldChange {
        sensitive: true,
        ..field("parameters.Password", password("d1"), password("d2"))
    };
    update(
        (OLD, json!({ "Retention": "7", "Password": password("d1") })),
        (&new(), json!({ "Retention": "30", "Password": password("d2") })),
        vec![
            field("template", json!(OLD), json!(new())),
            field("parameters.Retention", json!("7"), json!("30")),
            hidden,
            field("tags.Owner", Value::Null, json!("kitchen")),
        ],
    )
}

#[test]
fn an_update_of_a_stack_is_told_by_its_resources() {
    for (how, style) in styles() {
        insta::assert_snapshot!(
            format!("stack_{how}"),
            legible(&plan::text(&everything(), &style))
        );
    }
}

#[test]
fn reviewers_get_the_resources_in_the_details() {
    insta::assert_snapshot!("stack_markdown", markdown(&everything()));
}

#[test]
fn programs_get_the_resources() {
    let mut json = plan::json(&everything());
    // Its template as a text is of no interest here.
    let fields = json["changes"][0]["fields"].as_array_mut().expect("fields");
    fields.retain(|field| field["path"] != "template");
    insta::assert_snapshot!("stack_json", value::pretty(&json["changes"]));
}

#[test]
fn a_parameter_reaches_resources_though_the_template_stays() {
    let with = |retention: &str| json!({ "Retention": retention, "Password": secret("d1") });
    let fields = vec![field("parameters.Retention", json!("7"), json!("30"))];
    let plan = update((OLD, with("7")), (OLD, with("30")), fields);

    let text = plan::text(&plan, &Style::PLAIN);

    insta::assert_snapshot!("stack_parameter", text);
}

#[test]
fn what_is_known_after_apply_may_replace() {
    let template = "Parameters: {Name: {Type: String}}\nResources:\n  Queue:\n    \
        Type: AWS::SQS::Queue\n    Properties: {QueueName: !Ref Name}\n";
    let later = FieldChange { known: false, ..field("parameters.Name", json!("a"), Value::Null) };
    let mut plan = update((template, json!({ "Name": "a" })), (template, json!({})), vec![later]);
    if let Op::Update { inputs, .. } = &mut plan.steps[0].op {
        let reference = bfd_core::Reference { of: at("stack.other"), output: "outputs.A".into() };
        let parameters = BTreeMap::from([("Name".to_owned(), Expr::Reference(reference))]);
        inputs.insert("parameters".to_owned(), Expr::Map(parameters));
    }

    insta::assert_snapshot!("stack_later", plan::text(&plan, &Style::PLAIN));
}

#[test]
fn what_is_read_from_parameter_store_is_told_in_words() {
    let template = "Parameters:
  Url: {Type: 'AWS::SSM::Parameter::Value<String>', Default: /shop/url}
  Key: {Type: 'AWS::SSM::Parameter::Value<String>', Default: /shop/key}
Resources: {Queue: {Type: AWS::SQS::Queue}}
";
    let told = |before: Value, after: Option<Value>| {
        let known = after.is_some();
        let after = after.unwrap_or_default();
        let reading = FieldChange { known, ..field("ssm_parameters", before, after) };
        let mut plan = update((template, json!({})), (template, json!({})), vec![reading]);
        let of = bfd_core::Reference { of: at("parameter.url"), output: "version".into() };
        if let Op::Update { inputs, .. } = &mut plan.steps[0].op
            && !known
        {
            let parts = vec!["as stored".into(), " ".into(), Expr::Reference(of)];
            inputs.insert("ssm_parameters".to_owned(), Expr::Template(parts));
        }
        let url = ResourceState {
            kind: at("parameter.url").kind().clone(),
            id: "/shop/url".to_owned(),
            inputs: Properties::from([("name".to_owned(), json!("/shop/url"))]),
            outputs: Properties::new(),
            depends_on: BTreeSet::new(),
        };
        plan.refreshed.resources.insert(at("parameter.url"), url);
        let (text, markdown) = (plan::text(&plan, &Style::PLAIN), markdown(&plan));
        assert!(!text.contains("as stored") && !markdown.contains("as stored"), "{text}{markdown}");
        let line = markdown.lines().find_map(|line| line.strip_prefix("! ")).expect("it is told");
        let words: Vec<&str> = text.split_whitespace().collect();
        assert!(words.join(" ").contains(&format!("~ {line}")), "{text}");
        line.to_owned()
    };
    let stored = || json!("as stored 3");
    assert_eq!(told(stored(), None), "reads /shop/url (parameter.url) again");
    assert_eq!(told(Value::Null, None), "reads /shop/key and /shop/url (parameter.url)");
    assert_eq!(
        told(json!("older than /shop/key"), None),
        "reads /shop/key and /shop/url (parameter.url) again; /shop/key changed since"
    );
    assert_eq!(
        told(json!("older than /shop/url"), Some(stored())),
        "reads /shop/url (parameter.url) again, which changed since"
    );
    assert_eq!(told(stored(), Some(Value::Null)), "reads nothing from Parameter Store any more");
}

#[test]
fn no_view_shows_a_secret_of_a_stack() {
    let with = |password: &str| json!({ "Retention": "7", "Password": password });
    let hidden = FieldChange {
        sensitive: true,
        ..field("parameters.Password", json!("hunter2-old"), json!("hunter2-new"))
    };
    let plan = update((OLD, with("hunter2-old")), (&new(), with("hunter2-new")), vec![hidden]);
    let views = [plan::text(&plan, &Style::PLAIN), markdown(&plan), plan::json(&plan).to_string()];
    assert!(views.iter().all(|view| view.contains("Connection")), "it is reached: {views:?}");
    assert!(views.iter().all(|view| !view.contains("hunter2")), "{views:?}");
}

/// A plan that makes a stack.
fn create(template: &str) -> Plan {
    let mut plan = update(("", json!({})), (template, json!({ "Password": secret("d1") })), vec![]);
    plan.changes[0].action = Action::Create;
    let Op::Update { inputs, depends_on, .. } = plan.steps[0].op.clone() else {
        unreachable!("it is an update")
    };
    plan.steps[0].op = Op::Create { inputs, depends_on };
    plan
}

#[test]
fn a_new_stack_shows_who_may_do_and_reach_what() {
    let new = create(OLD);
    for (how, style) in styles() {
        insta::assert_snapshot!(format!("stack_new_{how}"), legible(&plan::text(&new, &style)));
    }
    insta::assert_snapshot!("stack_new_markdown", markdown(&new));
    let json = plan::json(&new);
    super::promises::check_schema(&plan::schema(), &json);
    let named: Vec<&str> = json["changes"][0]["resources"]
        .as_array()
        .expect("resources")
        .iter()
        .filter_map(|resource| resource["logical_id"].as_str())
        .collect();
    assert_eq!(named, ["Role", "Group"], "the gravest first, and nothing else");
    // What has nothing of it stays one line.
    let new = create("Resources: {Topic: {Type: AWS::SNS::Topic}}");
    assert!(plan::text(&new, &Style::PLAIN).contains("data, 1 resource, 1 parameter\n"));
    assert_eq!(plan::json(&new)["changes"][0].get("resources"), None);
}

#[test]
fn the_secret_of_a_new_stack_is_not_in_what_is_shown_of_it() {
    let policy = "{Statement: [{Resource: !Ref Password, Sid: !Sub \"x${Password}\"}]}";
    let role = format!(
        "Parameters: {{Password: {{Type: String, NoEcho: true, Default: hunter2}}}}\nResources:\n  \
         Policy:\n    Type: AWS::IAM::ManagedPolicy\n    Properties: {{PolicyDocument: {policy}}}\n"
    );
    let new = create(&role);
    let views = [plan::text(&new, &Style::PLAIN), markdown(&new)];
    assert!(views.iter().all(|view| view.contains("PolicyDocument")), "{views:?}");
    assert!(views.iter().all(|view| !view.contains("hunter2")), "{views:?}");
}

#[test]
fn a_template_that_cannot_be_read_is_compared_as_text() {
    let fields = vec![field("template", json!("no: template: at all"), json!(OLD))];
    let plan = update(("no: template: at all", json!({})), (OLD, json!({})), fields);
    let text = plan::text(&plan, &Style::PLAIN);
    assert!(text.contains("- no: template: at all"), "{text}");
}

/// The same, and what CloudFormation says of it.
fn previewed() -> Plan {
    let resource = |logical_id: &str, type_name: &str, action: &str| PreviewedResource {
        logical_id: logical_id.to_owned(),
        type_name: type_name.to_owned(),
        action: action.to_owned(),
        replacement: Replacement::No,
        scope: vec!["Properties".to_owned()],
        properties: vec![],
        policy: None,
    };
    let replaced = |logical_id: &str, type_name: &str, replacement, property: &str| {
        let properties = vec![property.to_owned()];
        PreviewedResource { replacement, properties, ..resource(logical_id, type_name, "Modify") }
    };
    let resources = vec![
        PreviewedResource {
            policy: Some("Retain".to_owned()),
            ..resource("Archive", "AWS::S3::Bucket", "Remove")
        },
        replaced("Orders", "AWS::DynamoDB::Table", Replacement::Always, "KeySchema"),
        replaced("Plugin/Made", "Custom::Thing", Replacement::Maybe, "Version"),
        PreviewedResource {
            scope: vec!["Metadata".to_owned(), "Tags".to_owned()],
            ..resource("Role", "AWS::IAM::Role", "Modify")
        },
    ];
    let mut plan = everything();
    plan.previews = vec![Preview { address: at("stack.data"), resources }];
    let added =
        vec![resource("A", "AWS::SNS::Topic", "Add"), resource("B", "AWS::SNS::Topic", "Add")];
    plan.changes.push(change("stack.other", Action::Create, vec![]));
    plan.previews.push(Preview { address: at("stack.other"), resources: added });
    plan
}

#[test]
fn what_cloudformation_says_is_told_beside_it() {
    for (how, style) in styles() {
        let text = legible(&plan::text(&previewed(), &style));
        insta::assert_snapshot!(format!("stack_previewed_{how}"), text);
    }
    insta::assert_snapshot!("stack_previewed_markdown", markdown(&previewed()));
    let json = plan::json(&previewed());
    super::promises::check_schema(&plan::schema(), &json);
    insta::assert_snapshot!(
        "stack_previewed_json",
        value::pretty(&json["changes"][0]["change_set"])
    );
    assert_eq!(plan::json(&everything())["changes"][0].get("change_set"), None, "nobody asked");
}

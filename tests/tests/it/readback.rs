//! What was applied is what the AWS CLI reads, field by field.

use std::collections::BTreeSet;

use bfd_tests::{AwsCli, Project};
use serde_json::{Value, json};

use crate::world::{list, pick};

const SECRET: &str = "hunter2-of-readback";
const SECURE: &str = r#"
[parameter.jwt]
name = "/bellyfed/local/jwt"
type = "SecureString"
value_from = { env = "JWT_SECRET" }
tags = { Owner = "web" }

[parameter.zones]
name = "/bellyfed/local/zones"
type = "StringList"
value = ["a", "b"]
"#;

#[test]
fn the_aws_cli_reads_what_was_applied() {
    let project = Project::of_repository("local").with("JWT_SECRET", SECRET);
    let file = "environments/local.toml";
    let manifest = project.workspace().read(file);
    project.workspace().write(file, manifest + SECURE);
    project.apply().run().succeeds();
    let server = project.serve();
    let aws = AwsCli::new(server.url());

    repositories(&aws);
    parameters(&aws);
    stacks(&aws);
    cluster(&aws);
    let revision = service(&aws, &outputs(&aws, "BellyfedNetworkStack-local"));
    task_definition(&aws, &revision, &outputs(&aws, "BellyfedInfrastructureStack-local"));
}

fn repositories(aws: &AwsCli) {
    let answer = aws.call(["ecr", "describe-repositories"]);
    let repositories = list(&answer["repositories"]);

    let names: Vec<_> = repositories.iter().map(|it| &it["repositoryName"]).collect();
    assert_eq!(names, ["bellyfed-local", "bellyfed-local-frontend"]);
    for repository in repositories {
        assert_eq!(repository["imageTagMutability"], "IMMUTABLE");
        assert_eq!(repository["imageScanningConfiguration"], json!({ "scanOnPush": true }));
    }
    let arn = repositories[0]["repositoryArn"].as_str().expect("an ARN");
    let tags = aws.call(["ecr", "list-tags-for-resource", "--resource-arn", arn]);
    assert_eq!(tags_of(&tags["tags"], "Key", "Value"), environment_tags());
    let policy = aws.call(["ecr", "get-lifecycle-policy", "--repository-name", "bellyfed-local"]);
    let policy: Value =
        serde_json::from_str(policy["lifecyclePolicyText"].as_str().expect("a text")).unwrap();
    let selection = &policy["rules"][0]["selection"];
    assert_eq!(
        pick(selection, &["countType", "countNumber"]),
        json!({ "countType": "imageCountMoreThan", "countNumber": 100 })
    );
}

fn parameters(aws: &AwsCli) {
    let path = ["ssm", "get-parameters-by-path", "--recursive", "--path"];
    let read = |extra: &[&str]| {
        let answer = aws.call([&path[..], &["/bellyfed/local"], extra].concat());
        let all = list(&answer["Parameters"]).iter();
        let all = all.filter(|it| it["Name"] != "/bellyfed/local/deployment/last-deployment");
        all.map(|it| pick(it, &["Name", "Type", "Value"])).collect::<Vec<_>>()
    };
    let parameter =
        |name: &str, of: &str, value: &str| json!({ "Name": name, "Type": of, "Value": value });

    assert_eq!(
        read(&["--with-decryption"]),
        [
            parameter("/bellyfed/local/api/url", "String", "https://api-local.bellyfed.com"),
            parameter("/bellyfed/local/deployment/deploy-ecs-service", "String", "true"),
            parameter("/bellyfed/local/deployment/deploy-infra-stack", "String", "true"),
            parameter("/bellyfed/local/jwt", "SecureString", SECRET),
            parameter("/bellyfed/local/zones", "StringList", "a,b"),
        ]
    );
    // Encrypted for who does not ask for more.
    assert!(!Value::from(read(&[])).to_string().contains(SECRET));
    let described = aws.call(["ssm", "describe-parameters"]);
    let url =
        list(&described["Parameters"]).iter().find(|it| it["Name"] == "/bellyfed/local/api/url");
    assert_eq!(url.expect("it is listed")["Description"], "Where the site finds its API");
    let of = ["ssm", "list-tags-for-resource", "--resource-type", "Parameter", "--resource-id"];
    let tags = aws.call([&of[..], &["/bellyfed/local/jwt"]].concat());
    let mut expected = environment_tags();
    expected["Owner"] = "web".into();
    assert_eq!(tags_of(&tags["TagList"], "Key", "Value"), expected);
}

fn stacks(aws: &AwsCli) {
    let answer = aws.call(["cloudformation", "describe-stacks"]);
    let find = |name: &str| {
        let stack = list(&answer["Stacks"]).iter().find(|it| it["StackName"] == name);
        stack.unwrap_or_else(|| panic!("no {name} in {answer}"))
    };

    let network = find("BellyfedNetworkStack-local");
    assert_eq!(network["StackStatus"], "CREATE_COMPLETE");
    assert_eq!(
        tags_of(&network["Parameters"], "ParameterKey", "ParameterValue"),
        json!({ "Cidr": "10.0.0.0/16", "Environment": "local" })
    );
    assert_eq!(tags_of(&network["Tags"], "Key", "Value"), environment_tags());
    let infrastructure = find("BellyfedInfrastructureStack-local");
    assert_eq!(infrastructure["Capabilities"], json!(["CAPABILITY_NAMED_IAM"]));
}

/// The outputs of a stack by their names.
fn outputs(aws: &AwsCli, stack: &str) -> Value {
    let answer = aws.call(["cloudformation", "describe-stacks", "--stack-name", stack]);
    tags_of(&answer["Stacks"][0]["Outputs"], "OutputKey", "OutputValue")
}

fn cluster(aws: &AwsCli) {
    let describe =
        "ecs describe-clusters --include SETTINGS TAGS --clusters bellyfed-local-cluster";
    let cluster = aws.call(describe.split(' '))["clusters"][0].clone();
    let settings = json!([{ "name": "containerInsights", "value": "enabled" }]);
    assert_eq!(cluster["settings"], settings);
    assert_eq!(tags_of(&cluster["tags"], "key", "value"), environment_tags());
}

/// Returns the revision that the service runs.
fn service(aws: &AwsCli, network: &Value) -> String {
    let describe = "ecs describe-services --include TAGS --cluster bellyfed-local-cluster \
                    --services bellyfed-local";
    let service = aws.call(describe.split_whitespace())["services"][0].clone();
    let expected = json!({
        "status": "ACTIVE",
        "desiredCount": 1,
        "runningCount": 1,
        "launchType": "FARGATE",
        "healthCheckGracePeriodSeconds": 60,
    });
    is_part_of(&expected, &service);
    assert_eq!(tags_of(&service["tags"], "key", "value"), environment_tags());
    let expected = json!({
        "deploymentCircuitBreaker": { "enable": true, "rollback": true },
        "maximumPercent": 200,
        "minimumHealthyPercent": 100,
    });
    is_part_of(&expected, &service["deploymentConfiguration"]);
    let vpc = &service["networkConfiguration"]["awsvpcConfiguration"];
    let texts = |values: &[Value]| values.iter().map(Value::to_string).collect::<BTreeSet<_>>();
    let subnets = [network["SubnetA"].clone(), network["SubnetB"].clone()];
    assert_eq!(texts(list(&vpc["subnets"])), texts(&subnets));
    assert_eq!(vpc["securityGroups"], json!([network["ServiceSecurityGroup"]]));
    assert_eq!(vpc["assignPublicIp"], "ENABLED");
    service["taskDefinition"].as_str().expect("an ARN").to_owned()
}

fn task_definition(aws: &AwsCli, revision: &str, infrastructure: &Value) {
    let describe = "ecs describe-task-definition --include TAGS --task-definition";
    let answer = aws.call(describe.split(' ').chain([revision]));
    let definition = &answer["taskDefinition"];
    is_part_of(
        &json!({
            "family": "bellyfed-local", "cpu": "256", "memory": "512", "networkMode": "awsvpc",
            "requiresCompatibilities": ["FARGATE"],
            "executionRoleArn": infrastructure["ExecutionRoleArn"],
            "taskRoleArn": infrastructure["TaskRoleArn"],
        }),
        definition,
    );
    let container = &list(&definition["containerDefinitions"])[0];
    let secret = infrastructure["AppSecretArn"].as_str().expect("an ARN");
    // The repository is empty: the fallback, with its own port and health check.
    is_part_of(
        &json!({
            "name": "web",
            "image": "public.ecr.aws/nginx/nginx:alpine",
            "essential": true,
            "portMappings": [{ "containerPort": 80, "hostPort": 80, "protocol": "tcp" }],
            "healthCheck": {
                "command": ["CMD-SHELL", "curl -f http://localhost/ || exit 1"],
                "interval": 10, "timeout": 5, "retries": 3, "startPeriod": 40,
            },
            "environment": [
                { "name": "API_URL", "value": "https://api-local.bellyfed.com" },
                { "name": "ENVIRONMENT", "value": "local" },
                { "name": "REGION", "value": "ap-southeast-1" },
            ],
            "secrets": [
                { "name": "GOOGLE_MAPS_API_KEY", "valueFrom": format!("{secret}:GOOGLE_MAPS_API_KEY::") },
                { "name": "JWT_SECRET", "valueFrom": format!("{secret}:JWT_SECRET::") },
            ],
            "logConfiguration": {
                "logDriver": "awslogs",
                "options": {
                    "awslogs-group": infrastructure["LogGroup"],
                    "awslogs-region": "ap-southeast-1",
                    "awslogs-stream-prefix": "ecs",
                },
            },
        }),
        container,
    );
    let tags = tags_of(&answer["tags"], "key", "value");
    assert_eq!(pick(&tags, &["Application", "ManagedBy"]), environment_tags());
}

fn environment_tags() -> Value {
    json!({ "Application": "Bellyfed", "ManagedBy": "bfd" })
}

/// Asserts that an object has these members, whatever else it has.
#[track_caller]
fn is_part_of(expected: &Value, object: &Value) {
    let names: Vec<&str> =
        expected.as_object().expect("an object").keys().map(String::as_str).collect();
    assert_eq!(pick(object, &names), *expected);
}

/// A list of names and values, by name.
#[track_caller]
fn tags_of(tags: &Value, key: &str, value: &str) -> Value {
    let tag = |tag: &Value| (tag[key].as_str().expect("a name").to_owned(), tag[value].clone());
    list(tags).iter().map(tag).collect()
}

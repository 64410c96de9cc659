//! What exists, seen from outside.

use bfd_tests::{AwsCli, Project, http};
use serde_json::{Value, json};

/// Every object that the embedded AWS has, without what it only remembers having had.
#[track_caller]
pub(crate) fn existing(project: &Project) -> Vec<String> {
    let world = project.world();
    let mut found = Vec::new();
    let mut add = |what: &str, objects: &Value, exists: &dyn Fn(&Value) -> bool| {
        let objects = objects.as_object().unwrap_or_else(|| panic!("no {what} in the world"));
        let names = objects.iter().filter(|(_, object)| exists(object)).map(|(name, _)| name);
        found.extend(names.map(|name| format!("{what} {name}")));
    };
    let is_active = |object: &Value| object["status"] != "INACTIVE";
    add("repository", &world["ecr"]["repositories"], &|_| true);
    add("parameter", &world["ssm"], &|_| true);
    add("log group", &world["logs"]["groups"], &|_| true);
    add("secret", &world["secrets"], &|_| true);
    add("cluster", &world["ecs"]["clusters"], &is_active);
    add("service", &world["ecs"]["services"], &is_active);
    add("task definition", &world["ecs"]["families"], &|family| {
        let revisions = family["revisions"].as_object().expect("a family has revisions");
        revisions.values().any(|revision| is_active(&revision["body"]))
    });
    add("task", &world["ecs"]["tasks"], &|task| task["status"] != "STOPPED");
    add("stack", &world["stacks"]["all"], &|stack| stack["status"] != "DELETE_COMPLETE");
    add("target", &world["scaling"]["targets"], &|_| true);
    found
}

/// What the AWS CLI reads of an environment without stacks: all that its owner would
/// miss, and nothing that tells only how it came about.
#[track_caller]
pub(crate) fn read_by_the_aws_cli(aws: &AwsCli, cluster: &str) -> Value {
    let repositories = aws.call(["ecr", "describe-repositories"]);
    let parameters =
        ["ssm", "get-parameters-by-path", "--path", "/", "--recursive", "--with-decryption"];
    let parameters = aws.call(parameters);
    let arns = aws.call(["ecs", "list-services", "--cluster", cluster]);
    let mut describe =
        vec!["ecs", "describe-services", "--cluster", cluster, "--include", "TAGS", "--services"];
    describe.extend(list(&arns["serviceArns"]).iter().filter_map(Value::as_str));
    let services = aws.call(describe);
    json!({
        "repositories": repositories["repositories"],
        "parameters": list(&parameters["Parameters"])
            .iter()
            // The record of the last deployment is about the deployment.
            .filter(|it| !it["Name"].as_str().is_some_and(|name| name.ends_with("/last-deployment")))
            .map(|it| pick(it, &["Name", "Type", "Value"]))
            .collect::<Vec<_>>(),
        "services": list(&services["services"])
            .iter()
            .map(|it| pick(it, &[
                "serviceName", "status", "desiredCount", "runningCount", "taskDefinition",
                "deploymentConfiguration", "networkConfiguration", "healthCheckGracePeriodSeconds", "tags",
            ]))
            .collect::<Vec<_>>(),
    })
}

/// Pushes an image of one config and no layers, tagged `v1`, to a sandbox that is served.
pub(crate) fn push(port: u16, repository: &str) {
    // The SHA-256 of `{}`, and its base64.
    const DIGEST: &str = "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a";
    const BLOB: &str = "e30=";
    let call = |operation: &str, mut body: Value| {
        body["repositoryName"] = repository.into();
        let target = format!("AmazonEC2ContainerRegistry_V20150921.{operation}");
        http::call(port, &target, &body)
    };
    let upload = call("InitiateLayerUpload", json!({}))["uploadId"].clone();
    let blob = json!({
        "uploadId": upload, "partFirstByte": 0, "partLastByte": 1, "layerPartBlob": BLOB,
    });
    call("UploadLayerPart", blob);
    call("CompleteLayerUpload", json!({ "uploadId": upload, "layerDigests": [DIGEST] }));
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": {
            "mediaType": "application/vnd.oci.image.config.v1+json", "digest": DIGEST, "size": 2,
        },
        "layers": [],
    });
    call("PutImage", json!({ "imageManifest": manifest.to_string(), "imageTag": "v1" }));
}

/// A list of an answer.
#[track_caller]
pub(crate) fn list(value: &Value) -> &[Value] {
    value.as_array().unwrap_or_else(|| panic!("not a list: {value}"))
}

/// Some members of an object.
pub(crate) fn pick(object: &Value, members: &[&str]) -> Value {
    members.iter().map(|member| ((*member).to_owned(), object[member].clone())).collect()
}

/// The addresses of a plan with what happens to each.
#[track_caller]
pub(crate) fn changes(plan: &Value) -> Vec<String> {
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    let of = |change: &Value| format!("{} {}", text(&change["action"]), text(&change["address"]));
    list(&plan["changes"]).iter().map(of).collect()
}

/// The paths of what changes at one address.
#[track_caller]
pub(crate) fn fields(plan: &Value, address: &str) -> Vec<String> {
    let change = list(&plan["changes"]).iter().find(|change| change["address"] == address);
    let change = change.unwrap_or_else(|| panic!("no change of {address} in {plan}"));
    list(&change["fields"]).iter().filter_map(|it| it["path"].as_str().map(str::to_owned)).collect()
}

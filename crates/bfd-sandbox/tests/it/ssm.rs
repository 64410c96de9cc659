//! Parameters.

use aws_sdk_ssm::types::{
    ParameterStringFilter, ParameterTier, ParameterType, ResourceTypeForTagging, Tag,
};

use crate::support::{Lab, code, refusal};

#[tokio::test(start_paused = true)]
async fn versions_and_overwriting() {
    let lab = Lab::new();
    let put = |value: &str| {
        lab.ssm.put_parameter().name("/app/url").value(value).r#type(ParameterType::String)
    };
    let made = put("one").send().await.expect("puts");
    assert_eq!(
        (made.version, made.tier.as_ref().map(ParameterTier::as_str)),
        (1, Some("Standard"))
    );
    assert_eq!(code(put("two").send().await), "ParameterAlreadyExists");
    let tag = Tag::builder().key("a").value("b").build().expect("a tag");
    let tagged = put("two").overwrite(true).tags(tag.clone()).send().await;
    assert!(
        refusal(tagged)
            .1
            .starts_with("Invalid request: tags and overwrite can't be used together.")
    );
    assert_eq!(put("two").overwrite(true).send().await.expect("overwrites").version, 2);
    let other = put("two").r#type(ParameterType::StringList).overwrite(true).send().await;
    assert_eq!(code(other), "HierarchyTypeMismatchException");
    let untyped = lab.ssm.put_parameter().name("/app/other").value("x").send().await;
    assert_eq!(refusal(untyped).1, "A parameter type is required when you create a parameter.");

    let get = |name: &str| lab.ssm.get_parameter().name(name).send();
    let value = async |name: &str| get(name).await.expect("gets").parameter.and_then(|it| it.value);
    assert_eq!(value("/app/url").await.as_deref(), Some("two"));
    assert_eq!(value("/app/url:1").await.as_deref(), Some("one"));
    let arn = "arn:aws:ssm:ap-southeast-1:123456789012:parameter/app/url";
    assert_eq!(value(arn).await.as_deref(), Some("two"));
    assert_eq!(code(get("/app/url:9").await), "ParameterVersionNotFound");
    assert_eq!(code(get("/other").await), "ParameterNotFound");
    let history = lab.ssm.get_parameter_history().name("/app/url").send().await.expect("reads");
    let versions: Vec<_> = history.parameters().iter().map(|it| it.version).collect();
    assert_eq!(versions, [1, 2]);

    let add = lab.ssm.add_tags_to_resource().resource_type(ResourceTypeForTagging::Parameter);
    add.resource_id("/app/url").tags(tag).send().await.expect("tags");
    let list = lab.ssm.list_tags_for_resource().resource_type(ResourceTypeForTagging::Parameter);
    assert_eq!(
        list.resource_id("/app/url").send().await.expect("lists").tag_list()[0].value(),
        "b"
    );
    lab.ssm.delete_parameter().name("/app/url").send().await.expect("deletes");
    assert_eq!(code(lab.ssm.delete_parameter().name("/app/url").send().await), "ParameterNotFound");
    assert_eq!(put("new").send().await.expect("puts").version, 1);
}

#[tokio::test(start_paused = true)]
async fn limits() {
    let lab = Lab::new();
    let put = |name: &str, length: usize| {
        let value = "x".repeat(length);
        lab.ssm.put_parameter().name(name).value(value).r#type(ParameterType::String)
    };
    put("/a", 4096).send().await.expect("puts");
    let (code_, message) = refusal(put("/b", 4097).send().await);
    assert_eq!(code_, "ValidationException");
    assert!(
        message.starts_with("Standard tier parameters support a maximum parameter value of 4096")
    );
    put("/b", 8192).tier(ParameterTier::Advanced).send().await.expect("puts");
    assert_eq!(
        code(put("/c", 8193).tier(ParameterTier::Advanced).send().await),
        "ValidationException"
    );
    let clever =
        put("/c", 5000).tier(ParameterTier::IntelligentTiering).send().await.expect("puts");
    assert_eq!(clever.tier.as_ref().map(ParameterTier::as_str), Some("Advanced"));
    let down = put("/c", 1).tier(ParameterTier::Standard).overwrite(true).send().await;
    assert!(refusal(down).1.contains("can't downgrade"));
    let kept = put("/c", 1).overwrite(true).send().await.expect("overwrites");
    assert_eq!(kept.tier.as_ref().map(ParameterTier::as_str), Some("Advanced"));

    for name in ["a/b", "/a b", "/a/", "", "/ssm/x", "/SSMx"] {
        assert_eq!(code(put(name, 1).send().await), "ValidationException", "{name}");
    }
    assert_eq!(code(put("/aws/x", 1).send().await), "AccessDeniedException");
    assert_eq!(code(put(&"/x".repeat(16), 1).send().await), "HierarchyLevelLimitExceededException");
    assert_eq!(code(put("/d", 0).send().await), "ValidationException");
    let pattern = put("/d", 3).allowed_pattern("\\d+").send().await;
    assert_eq!(code(pattern), "ParameterPatternMismatchException");

    let names = |count: usize| Some((0..count).map(|n| format!("/n{n}")).collect());
    let get = |count| lab.ssm.get_parameters().set_names(names(count)).send();
    assert_eq!(code(get(11).await), "ValidationException");
    let missing = get(10).await.expect("gets");
    assert_eq!((missing.parameters().len(), missing.invalid_parameters().len()), (0, 10));
    let delete = lab.ssm.delete_parameters().set_names(names(11)).send().await;
    assert_eq!(code(delete), "ValidationException");
}

#[tokio::test(start_paused = true)]
async fn listing() {
    let lab = Lab::new();
    for n in 0..25 {
        let put = lab.ssm.put_parameter().name(format!("/app/{}/p{n:02}", n % 2)).value("x");
        put.r#type(ParameterType::String).send().await.expect("puts");
    }
    let by_path = |path: &str| lab.ssm.get_parameters_by_path().path(path);
    assert!(by_path("/app").send().await.expect("reads").parameters().is_empty());
    let mut found = Vec::new();
    let mut token = None;
    loop {
        let page =
            by_path("/app").recursive(true).set_next_token(token).send().await.expect("reads");
        assert!(page.parameters().len() <= 10);
        found.extend(page.parameters().iter().filter_map(|it| it.name.clone()));
        token = page.next_token;
        if token.is_none() {
            break;
        }
    }
    assert_eq!(found.len(), 25);
    assert_eq!(code(by_path("/app").max_results(11).send().await), "ValidationException");

    let describe = |option: &str, value: &str| {
        let filter = ParameterStringFilter::builder().key("Name").option(option).values(value);
        lab.ssm.describe_parameters().parameter_filters(filter.build().expect("a filter"))
    };
    let count = async |option: &str, value: &str| {
        describe(option, value).max_results(50).send().await.expect("describes").parameters().len()
    };
    assert_eq!(count("Equals", "/app/0/p00").await, 1);
    assert_eq!(count("BeginsWith", "/app/1").await, 12);
    assert_eq!(count("Contains", "p0").await, 10);
    assert_eq!(code(describe("Like", "x").send().await), "InvalidFilterOption");
    assert_eq!(code(describe("Equals", "x").max_results(51).send().await), "ValidationException");
}

#[tokio::test(start_paused = true)]
async fn secrets_are_sealed() {
    let lab = Lab::new();
    let put = lab.ssm.put_parameter().name("/app/key").value("planted-secret");
    put.r#type(ParameterType::SecureString).send().await.expect("puts");
    let get = |decrypt| lab.ssm.get_parameter().name("/app/key").with_decryption(decrypt).send();
    let value = async |decrypt| get(decrypt).await.expect("gets").parameter.and_then(|it| it.value);
    assert_eq!(value(true).await.as_deref(), Some("planted-secret"));
    let sealed = value(false).await.expect("a value");
    assert!(sealed.starts_with("AQICAH") && !sealed.contains("planted"));
    let text = format!("{} {:?}", lab.sandbox.snapshot(), lab.sandbox);
    assert!(text.contains("/app/key") && !text.contains("planted-secret"));
}

#[tokio::test(start_paused = true)]
async fn what_an_update_leaves_out_stays_and_what_is_empty_goes() {
    let lab = Lab::new();
    let put = |value: &str| lab.ssm.put_parameter().name("/a").value(value).overwrite(true);
    let first = put("12").r#type(ParameterType::String).description("what for");
    first.allowed_pattern("\\d+").send().await.expect("puts");
    assert_eq!(code(put("x").send().await), "ParameterPatternMismatchException");
    put("13").send().await.expect("overwrites");
    let described = async || {
        let answer = lab.ssm.describe_parameters().send().await.expect("describes");
        let one = answer.parameters.expect("has them").remove(0);
        (one.description, one.allowed_pattern)
    };
    let kept = (Some("what for".to_owned()), Some("\\d+".to_owned()));
    assert_eq!(described().await, kept);
    put("x").description("").allowed_pattern("").send().await.expect("overwrites");
    assert_eq!(described().await, (None, None));
}

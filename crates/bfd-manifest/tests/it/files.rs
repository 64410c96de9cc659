use crate::world::{HEAD, World, input};
use bfd_core::Expr;
use insta::assert_snapshot;
use std::path::Path;

#[test]
fn the_nearer_file_wins_and_tables_merge() {
    let manifest = World::bare(
        "extends = \"../base.toml\"\n[environment]\nname = \"dev\"\n[cluster.main]\nname = \"near\"\n",
    )
    .file("base.toml", "extends = \"shared/far.toml\"\n[cluster.main]\nname = \"base\"\ncontainer_insights = \"enabled\"\n")
    .file("shared/far.toml", &format!("{HEAD}[guard]\ndeletes = \"forbid\"\n[cluster.main]\ncapacity_providers = [\"FARGATE\"]\n"))
    .good();
    assert_eq!(manifest.environment.name, "dev");
    assert_eq!(manifest.guard.deletes, bfd_manifest::Deletes::Forbid);
    assert_eq!(input(&manifest, "cluster.main", "name"), &Expr::from("near"));
    assert_eq!(input(&manifest, "cluster.main", "container_insights"), &Expr::from("enabled"));
    let paths: Vec<_> = manifest.sources.iter().map(|(_, source)| source.path.clone()).collect();
    assert_eq!(paths[0], Path::new("environments/dev.toml"));
    assert_eq!(paths[1], Path::new("base.toml"));
    // Spans lead into the file in which the field was written.
    let cluster = &manifest.resources[0];
    let at = |field: &str| {
        let span = cluster.span_of(field);
        let source = manifest.sources.get(span.source).unwrap();
        (span.source.0, source.text[span.start..span.end].to_owned())
    };
    assert_eq!(at("name"), (0, "\"near\"".to_owned()));
    assert_eq!(at("container_insights"), (1, "\"enabled\"".to_owned()));
    assert_eq!(at("capacity_providers.0"), (2, "\"FARGATE\"".to_owned()));
}

#[test]
fn mistakes_point_into_the_file_they_are_in() {
    assert_snapshot!(
        World::bare("extends = \"base.toml\"\n[cluster.main]\nname = \"a b\"\n")
            .file("environments/base.toml", &format!("{HEAD}[cluster.main]\ninsights = true\n"))
            .bad()
    );
}

#[test]
fn files_that_extend_each_other_are_named_in_order() {
    assert_snapshot!(
        World::bare("extends = \"base.toml\"\n")
            .file("environments/base.toml", "extends = \"../far.toml\"\n")
            .file("far.toml", "extends = \"environments/./dev.toml\"\n")
            .bad()
    );
}

#[test]
fn a_missing_file_is_pointed_at_where_it_is_named() {
    assert_snapshot!(World::bare("extends = \"bsae.toml\"\n").bad());
    assert_snapshot!(World::default().bad());
}

#[test]
fn templates_are_relative_to_the_file_that_names_them() {
    let manifest = World::bare("extends = \"../shared/base.toml\"\n")
        .file(
            "shared/base.toml",
            &format!("{HEAD}[stack.a]\nname = \"a\"\ntemplate = \"t/a.yaml\"\n"),
        )
        .file("shared/t/a.yaml", "Resources: {T: {Type: AWS::SNS::Topic}}\n")
        .good();
    assert_eq!(
        input(&manifest, "stack.a", "template"),
        &Expr::from("Resources: {T: {Type: AWS::SNS::Topic}}\n")
    );
}

#[test]
fn secrets_in_files_are_named_from_the_manifest() {
    let manifest = World::bare("extends = \"shared/base.toml\"\n")
        .file(
            "environments/shared/base.toml",
            &format!("{HEAD}[parameter.a]\nname = \"/a\"\ntype = \"SecureString\"\nvalue_from = {{ file = \"secret\" }}\n"),
        )
        .file("environments/shared/secret", "12345")
        .good();
    let Expr::Secret(secret) = input(&manifest, "parameter.a", "value") else {
        panic!("the value is a secret")
    };
    assert_eq!(secret.source, bfd_core::SecretSource::File("shared/secret".to_owned()));
    assert_eq!(secret.digest, "dev/parameter.a/5");
}

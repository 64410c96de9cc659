use super::{legible, styles};
use crate::views::{Style, problems::problems};
use bfd_core::{Problem, SourceId, Span};
use std::borrow::Cow;

const BASE: &str = "[environment]
name = \"dev\"
account = \"1234\"

[cluster.main]
name = \"bellyfed-dev-cluster\"
";

const DEV: &str = "extends = \"base.toml\"

[service.web]
name = \"bellyfed-dev\"
cluster = \"mian\"
desired_cuont = 2
cpu = 300
memory = \"lots\"
network = { subnets = [\"${stack.network.outputs.Subnet}\"] }
depends_on = [\"service.api\"]

[service.api]
depends_on = [\"service.web\"]

[cluster.main]
name = \"größer\"
";

fn sources(id: SourceId) -> Option<(Cow<'static, str>, &'static str)> {
    match id.0 {
        0 => Some((Cow::Borrowed("environments/dev.toml"), DEV)),
        1 => Some((Cow::Borrowed("environments/base.toml"), BASE)),
        _ => None,
    }
}

/// The place of `text`, at its `nth` occurrence.
fn place(source: u32, text: &str, nth: usize) -> Span {
    let (_, all) = sources(SourceId(source)).expect("a source");
    let (start, _) = all.match_indices(text).nth(nth).expect("the text is there");
    Span::new(SourceId(source), start..start + text.len())
}

fn eight() -> Vec<Problem> {
    vec![
        Problem::error("manifest::unknown_field", "unknown field")
            .at(place(0, "desired_cuont", 0), "not a field of `service`")
            .help("did you mean `desired_count`?"),
        Problem::error("manifest::unknown_resource", "reference to nothing")
            .at(place(0, "\"mian\"", 0), "there is no `cluster.mian`")
            .help("did you mean `main`?"),
        Problem::error("manifest::out_of_range", "value out of range")
            .at(place(0, "300", 0), "Fargate has no such size")
            .help("one of 256, 512, 1024, 2048, 4096, 8192 or 16384"),
        Problem::error("manifest::wrong_type", "wrong type")
            .at(place(0, "\"lots\"", 0), "a number of MiB is expected, this is text"),
        Problem::error("manifest::unknown_resource", "reference to nothing")
            .at(place(0, "${stack.network.outputs.Subnet}", 0), "there is no `stack.network`"),
        Problem::error("manifest::cycle", "resources wait for each other")
            .at(place(0, "\"service.api\"", 0), "`service.web` waits for `service.api`")
            .at(place(0, "\"service.web\"", 0), "`service.api` waits for `service.web`")
            .help("remove one of the two, so that one can be first"),
        Problem::error("manifest::bad_account", "not an account")
            .at(place(1, "\"1234\"", 0), "an account has twelve digits"),
        Problem::error("manifest::kind_conflict", "a name that AWS does not take")
            .at(place(0, "\"größer\"", 0), "letters, digits, `-` and `_` only")
            .at(place(1, "\"bellyfed-dev-cluster\"", 0), "this is the value it overrides"),
    ]
}

#[test]
fn eight_problems_are_found_at_once() {
    for (how, style) in styles() {
        insta::assert_snapshot!(
            format!("problems_{how}"),
            legible(&problems(&eight(), &sources, &style))
        );
    }
}

#[test]
fn no_problem_is_no_text() {
    assert_eq!(problems(&[], &sources, &Style::PLAIN), "");
}

#[test]
fn a_message_survives_a_place_that_is_not_there() {
    let far = Span::new(SourceId(0), 100_000..100_001);
    let nowhere = Span::new(SourceId(9), 0..1);
    let inside_a_character = {
        let at = DEV.find('ö').expect("an umlaut") + 1;
        Span::new(SourceId(0), at..at + 1)
    };
    for span in [far, nowhere, inside_a_character] {
        let problem = Problem::error("manifest::x", "the headline").at(span, "here");
        let text = problems(&[problem], &sources, &Style::PLAIN);
        assert!(text.contains("the headline"), "{text}");
        assert!(text.ends_with("found 1 problem\n"), "{text}");
    }
}

#[test]
fn warnings_are_told_from_errors() {
    let warning = Problem::warning("manifest::weak", "a weak setting");
    let error = Problem::error("manifest::wrong", "a wrong setting");
    let last = |all: &[Problem]| {
        problems(all, &sources, &Style::PLAIN).lines().last().unwrap_or_default().to_owned()
    };
    assert_eq!(last(std::slice::from_ref(&warning)), "found 1 warning");
    assert_eq!(last(&[error, warning]), "found 2 problems: 1 error and 1 warning");
}

#[test]
fn what_is_written_nowhere_points_nowhere() {
    let problem = Problem::error("plan::renamed", "an object is recorded under another address")
        .at(Span::default(), "`parameter.a` is recorded as `parameter.b`")
        .help("rename it");
    for (_, style) in styles() {
        let text = problems(std::slice::from_ref(&problem), &sources, &style);
        assert!(text.contains("`parameter.a` is recorded as `parameter.b`"), "{text}");
        assert!(text.contains("rename it"), "{text}");
        assert!(!text.contains("dev.toml") && !text.contains("extends"), "{text}");
    }
}

#[test]
fn suggested_commands_are_never_broken() {
    let command = "`bfd state mv environments/local.toml parameter.api-uri parameter.api-url`";
    let long = "first `bfd apply dev.toml --target stack.infra/bellyfed-cdk-audit`";
    let problem = Problem::error("plan::renamed", "an object is recorded under another address")
        .at(Span::default(), "`stack.infra/bellyfed-cdk-audit` reads `infra/bellyfed-cdk-network`")
        .help(format!("if it was renamed: {command}; otherwise choose another name; {long}"));
    for columns in [40, 60, 80, 100] {
        let style = Style { width: columns, ..Style::PLAIN };
        let text = problems(std::slice::from_ref(&problem), &sources, &style);
        assert!(text.contains(command), "{columns}: {text}");
        assert!(text.contains("`bfd apply dev.toml --target stack.infra/bellyfed-cdk-audit`"));
        assert!(text.contains("`stack.infra/bellyfed-cdk-audit`"), "{columns}: {text}");
    }
}

//! What the crate promises, from the outside.

mod checks;
mod diff;
mod facts;
mod nested;
mod parse;
mod properties;

use bfd_template::Template;

const WEB_YAML: &str = include_str!("../fixtures/web.yaml");
const WEB_JSON: &str = include_str!("../fixtures/web.json");
const CDK: &str = include_str!("../fixtures/cdk.json");

#[track_caller]
fn parse(text: &str) -> Template {
    Template::parse(text).unwrap_or_else(|error| panic!("{error}\nof\n{text}"))
}

/// The problems of a text that is no template.
#[track_caller]
fn refusals(text: &str) -> Vec<String> {
    let error = Template::parse(text).expect_err("it should not be a template");
    error.problems().iter().map(ToString::to_string).collect()
}

fn given(values: &[(&str, &str)]) -> std::collections::BTreeMap<String, String> {
    values.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

//! What CloudFormation would refuse, told in its place.

use super::{TEMPLATE_LIMIT, sides};
use crate::spec::Lower;
use bfd_core::{Expr, Problem, Span};
use bfd_template::Template;

/// The name of the file that a template was read from.
pub(super) fn file_name(template: &Expr) -> String {
    let path = template.as_map().and_then(|file| file.get("path")).and_then(Expr::as_str);
    path.unwrap_or("the template").to_owned()
}

/// Checks a template, its parameters and its capabilities.
pub(super) fn template(lower: &mut Lower<'_>, file: &str, text: &str, capabilities: &[Expr]) {
    if text.len() > TEMPLATE_LIMIT {
        lower.error(
            "template",
            "stack::template_size",
            "the template is too large",
            format!("has {} bytes; CloudFormation takes {TEMPLATE_LIMIT}", text.len()),
            "split it into several stacks, or remove spaces and comments",
        );
    }
    let template = match Template::parse(text) {
        Ok(template) => template,
        Err(error) => return report(lower, file, error.problems()),
    };
    report(lower, file, &template.check());
    check_parameters(lower, file, &template);
    check_secrets(lower, &template);
    check_capabilities(lower, &template, capabilities);
}

/// Tells problems at the field, with their places in the file.
fn report(lower: &mut Lower<'_>, file: &str, problems: &[bfd_template::Problem]) {
    let place = lower.place("template");
    let all = problems.iter().map(|it| told(it).at(place.clone(), in_file(it, file)));
    lower.problems.extend(all);
}

/// What is wrong with a template by itself, told at the place where its file is named.
pub fn mistakes(file: &str, text: &str, place: &Span) -> Vec<Problem> {
    let problems = match Template::parse(text) {
        Ok(template) => template.check(),
        Err(error) => error.problems().to_vec(),
    };
    problems.iter().map(|it| told(it).at(place.clone(), in_file(it, file))).collect()
}

fn told(problem: &bfd_template::Problem) -> Problem {
    let told = Problem::error(problem.code, problem.headline);
    match &problem.help {
        Some(help) => told.help(help),
        None => told,
    }
}

/// `network.yaml:12:5: what is wrong there`
fn in_file(problem: &bfd_template::Problem, file: &str) -> String {
    let place = problem.place.map(|place| format!(":{place}")).unwrap_or_default();
    format!("{file}{place}: {}", problem.label)
}

fn check_parameters(lower: &mut Lower<'_>, file: &str, template: &Template) {
    let given = match lower.fields.get("parameters") {
        Some(Expr::Map(given)) => sides::context(given),
        // A whole map that waits for something may hold anything.
        Some(_) => return,
        None => bfd_template::Context::default(),
    };
    for problem in template.check_given(&given) {
        // What is wrong with a value is wrong in the manifest; what is missing is there nowhere.
        let name = problem.path.keys().nth(1).unwrap_or_default().to_owned();
        let is_given = given.parameters.contains_key(&name)
            || given.unknown.contains(&name)
            || given.hidden.contains(&name);
        let place = lower.place(&format!("parameters.{name}"));
        let label = if is_given { problem.label.clone() } else { in_file(&problem, file) };
        lower.problems.push(told(&problem).at(place, label));
    }
}

/// A secret must be one on both sides: here, where state and plan would have it, and in the
/// template, without whose `NoEcho` CloudFormation shows it to everybody.
fn check_secrets(lower: &mut Lower<'_>, template: &Template) {
    let Some(Expr::Map(given)) = lower.fields.get("parameters") else { return };
    let declared = template.parameters();
    let mut refused = Vec::new();
    for (name, value) in given {
        let Some(parameter) = declared.get(name) else { continue };
        let is_secret = matches!(value, Expr::Secret(_));
        if parameter.no_echo && matches!(value, Expr::Literal(_)) {
            refused.push((
                name.clone(),
                "the parameter is `NoEcho`, and this would be written into state and plans",
                "say where it is read: `{ env = \"NAME\" }`, `{ file = \"path\" }` or `{ command = [\"pass\", \"show\", \"NAME\"] }`",
            ));
        } else if is_secret && !parameter.no_echo {
            refused.push((
                name.clone(),
                "CloudFormation shows the value of this parameter to everybody who may look",
                "declare `NoEcho: true` for it in the template",
            ));
        }
    }
    for (name, label, help) in refused {
        let place = lower.place(&format!("parameters.{name}"));
        let problem = Problem::error("stack::secret", "a secret in plain text");
        lower.problems.push(problem.at(place, label).help(help));
    }
}

fn check_capabilities(lower: &mut Lower<'_>, template: &Template, capabilities: &[Expr]) {
    let has = |name: &str| capabilities.iter().any(|c| c.as_str() == Some(name));
    let needs = template.needs();
    let mut refuse = |label: &str, help: &str| {
        lower.error(
            "template",
            "stack::capability",
            "the template needs a capability",
            label,
            help,
        );
    };
    let has_named = has("CAPABILITY_NAMED_IAM");
    if needs.named_iam && !has_named {
        refuse("names IAM resources", "add `capabilities = [\"CAPABILITY_NAMED_IAM\"]`");
    } else if needs.iam && !has("CAPABILITY_IAM") && !has_named {
        refuse("makes IAM resources", "add `capabilities = [\"CAPABILITY_IAM\"]`");
    }
    if needs.auto_expand && !has("CAPABILITY_AUTO_EXPAND") {
        refuse("uses a transform", "add `CAPABILITY_AUTO_EXPAND` to `capabilities`");
    }
}

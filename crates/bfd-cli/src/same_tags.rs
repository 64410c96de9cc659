//! Whether images would take a tag from each other.

use crate::contents::known_inputs;
use bfd_core::{Address, Expr, Problem, Properties, Resource, Value};
use std::collections::BTreeMap;

/// Compares images that bfd pushes: two under one tag of one repository move it from one to the
/// other with every apply, and services that name it run whichever came last.
pub(crate) fn check(resources: &[Resource]) -> Vec<Problem> {
    let mut first: BTreeMap<(String, String), (&Address, Properties)> = BTreeMap::new();
    let mut problems = Vec::new();
    for image in resources.iter().filter(|it| it.address.kind().as_str() == "image") {
        let Some(place) = place(image) else { continue };
        let inputs = known_inputs(&image.inputs);
        let Some((other, their)) = first.get(&place) else {
            first.insert(place, (&image.address, inputs));
            continue;
        };
        // Of one content there is one image, whoever pushes it first.
        let content =
            |of: &Properties| of.get("content").and_then(Value::as_str).map(str::to_owned);
        if content(their).is_some() && content(their) == content(&inputs) {
            continue;
        }
        let label = format!("`{other}` is pushed under `{}` of the same repository", place.1);
        let problem = Problem::error("image::same_tag", "two images cannot have one tag");
        problems.push(
            problem
                .at(image.span_of("tag"), label)
                .help("give each a tag of its own, or leave `tag` out"),
        );
    }
    problems
}

/// Repository and tag, of an image that is pushed under a tag that is written.
fn place(image: &Resource) -> Option<(String, String)> {
    image.inputs.get("origin")?;
    let tag = image.inputs.get("tag").and_then(Expr::as_str)?.to_owned();
    let named = ["repository", "repository_uri"].iter().find_map(|name| image.inputs.get(*name))?;
    Some((format!("{named:?}"), tag))
}

#[cfg(test)]
mod tests {
    use super::*;
    use bfd_core::Span;

    fn image(name: &str, inputs: &[(&str, &str)]) -> Resource {
        let inputs = inputs.iter().map(|(name, value)| ((*name).to_owned(), (*value).into()));
        Resource {
            address: Address::new("image", name).unwrap(),
            inputs: inputs.chain([("origin".to_owned(), "context".into())]).collect(),
            depends_on: [].into(),
            adopt: false,
            protect: false,
            span: Span::default(),
            spans: BTreeMap::new(),
        }
    }

    fn refused(one: &[(&str, &str)], other: &[(&str, &str)]) -> bool {
        let problems = check(&[image("a", one), image("b", other)]);
        assert!(problems.len() < 2);
        problems.iter().any(|it| it.labels[0].text.contains("`image.a` is pushed under `v1`"))
    }

    #[test]
    fn two_images_cannot_have_one_tag_of_a_repository() {
        let one = [("repository", "web"), ("tag", "v1"), ("content", "sha256:1")];
        let with = |at: usize, value| {
            let mut other = one;
            other[at].1 = value;
            other
        };
        assert!(refused(&one, &with(2, "sha256:2")));
        assert!(!refused(&one, &one), "it is the same image");
        assert!(!refused(&one, &with(0, "api")));
        assert!(!refused(&one, &with(1, "v2")));
        // Whose content is known after a look at the registry only.
        assert!(refused(&one[..2], &one[..2]));
        assert!(!refused(&one[..1], &one[..1]), "each is named after its content");
    }
}

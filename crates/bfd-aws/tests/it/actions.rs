//! The IAM actions that are documented are those that are called: whoever grants them should
//! neither be refused half way nor grant what nobody uses.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

/// Files of another kind that a kind calls through.
const SHARED: &[(&str, &[&str])] = &[
    ("coordinator", &["parameter/read.rs", "parameter/write.rs"]),
    ("image", &["repository/listing.rs", "../acting.rs"]),
    ("service", &["image/observe.rs"]),
    ("stack", &["../acting.rs"]),
];

/// What a kind needs and never calls, and why.
const UNCALLED: &[(&str, &str, &str)] = &[
    (
        "cluster",
        "iam:CreateServiceLinkedRole",
        "the first call to ECS in an account makes its role",
    ),
    ("image", "ecr:BatchCheckLayerAvailability", PROTOCOL),
    ("image", "ecr:CompleteLayerUpload", PROTOCOL),
    ("image", "ecr:GetAuthorizationToken", PROTOCOL),
    ("image", "ecr:GetDownloadUrlForLayer", PROTOCOL),
    ("image", "ecr:InitiateLayerUpload", PROTOCOL),
    ("image", "ecr:UploadLayerPart", PROTOCOL),
    ("service", "iam:CreateServiceLinkedRole", "the first service with autoscaling makes its role"),
    ("service", "iam:PassRole", "the task and execution roles are handed to ECS"),
    ("stack", "iam:PassRole", "`role_arn` is handed to CloudFormation"),
];

const PROTOCOL: &str = "images are pushed by the protocol of registries, which ECR grants so";

#[test]
fn the_documented_actions_are_those_that_are_called() {
    for spec in bfd_kinds::all() {
        let mut needed = called(spec.name);
        assert!(!needed.is_empty(), "the scan finds the calls of `{}`", spec.name);
        for (_, action, why) in UNCALLED.iter().filter(|(kind, ..)| *kind == spec.name) {
            let is_new = needed.insert((*action).to_owned());
            assert!(is_new, "{action} is called by `{}`; it need not be excused: {why}", spec.name);
        }
        let documented: BTreeSet<String> = spec.actions.iter().map(|&it| it.to_owned()).collect();
        let missing: Vec<_> = needed.difference(&documented).collect();
        let unused: Vec<_> = documented.difference(&needed).collect();
        assert!(missing.is_empty(), "called by `{}`, not documented: {missing:?}", spec.name);
        assert!(unused.is_empty(), "documented for `{}`, never called: {unused:?}", spec.name);
        assert!(spec.actions.is_sorted(), "{}", spec.name);
    }
}

/// The operations that the source of a kind passes to `Aws::call`, `Aws::counted` and `Aws::make`.
fn called(kind: &str) -> BTreeSet<String> {
    let kinds = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/kinds");
    let mut files: Vec<PathBuf> =
        fs::read_dir(kinds.join(kind)).unwrap().map(|entry| entry.unwrap().path()).collect();
    let shared = SHARED.iter().filter(|(of, _)| *of == kind).flat_map(|(_, files)| *files);
    files.extend(shared.map(|file| kinds.join(file)));
    files.iter().flat_map(|file| operations(file)).collect()
}

fn operations(file: &Path) -> BTreeSet<String> {
    let source = fs::read_to_string(file).unwrap();
    let source = source.split("#[cfg(test)]").next().unwrap();
    let constants = constants(source);
    let calls =
        [".call(", ".counted(", ".make("].into_iter().flat_map(|call| source.match_indices(call));
    let first = calls.map(|(at, call)| (at, source[at + call.len()..].trim_start()));
    first
        // `change_set.make` and the like are no requests.
        .filter(|(at, _)| source[..*at].trim_end().ends_with("aws"))
        .map(|(at, rest)| {
            if let Some(literal) = rest.strip_prefix('"') {
                return literal.split('"').next().unwrap().to_owned();
            }
            let name = rest.split(',').next().unwrap();
            // The nearest one above: constants of functions go by the same name.
            let known = constants.get(name).and_then(|all| all.range(..at).next_back());
            let (_, value) = known.unwrap_or_else(|| {
                panic!("{}: `{name}` is no constant of the file", file.display())
            });
            value.clone()
        })
        .collect()
}

/// The texts that have names, by name and place.
fn constants(source: &str) -> BTreeMap<&str, BTreeMap<usize, String>> {
    let mut all: BTreeMap<&str, BTreeMap<usize, String>> = BTreeMap::new();
    for (at, start) in source.match_indices("const ") {
        let Some((name, rest)) = source[at + start.len()..].split_once(": &str = \"") else {
            continue;
        };
        if name.chars().all(|letter| letter.is_ascii_uppercase() || letter == '_') {
            let value = rest.split('"').next().unwrap().to_owned();
            all.entry(name).or_default().insert(at, value);
        }
    }
    all
}

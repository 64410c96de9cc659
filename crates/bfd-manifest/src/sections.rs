//! The sections of a manifest that are no resources, described as kinds are.

use bfd_kinds::{Field, Type, spec::Pattern};

/// Every section; what else stands at the top is a kind.
pub(crate) const NAMES: [&str; 8] =
    ["extends", "environment", "provider", "state", "rollback", "guard", "vars", "assembly"];

/// A section with fixed fields.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Section {
    pub(crate) name: &'static str,
    pub(crate) doc: &'static str,
    pub(crate) required: bool,
    pub(crate) fields: &'static [Field],
}

pub(crate) const EXTENDS: &str = "Another manifest, by its path relative to this one. Tables merge, of anything else the nearer file wins; lists are replaced.";

pub(crate) const VARS: &str = "Plain values by name, for `${var.NAME}`: text, numbers, booleans, lists of these, or `{ env = \"NAME\", default = \"…\" }`. `--var NAME=VALUE` wins.";

pub(crate) const ALL: [Section; 5] = [ENVIRONMENT, PROVIDER, STATE, ROLLBACK, GUARD];

pub(crate) const ENVIRONMENT: Section = Section {
    name: "environment",
    doc: "Which environment this is.",
    required: true,
    fields: &[
        Field::new(
            "name",
            Type::Name { min: 1, max: 64, pattern: NAME },
            "Its name, such as `dev`. Names the directory of its state.",
        )
        .required(),
        Field::new(
            "account",
            Type::Name { min: 12, max: 12, pattern: ACCOUNT },
            "The AWS account. Any other is refused before the first change.",
        )
        .required(),
        Field::new(
            "region",
            Type::Name { min: 1, max: 32, pattern: REGION },
            "The AWS region, such as `ap-southeast-1`.",
        )
        .required(),
        ENVIRONMENT_TAGS,
    ],
};

/// Read later than the rest of `[environment]`, since they may say its name.
pub(crate) const TAGS: &[Field] = &[ENVIRONMENT_TAGS];

const ENVIRONMENT_TAGS: Field = Field::new(
    "tags",
    Type::Map(&Type::Name { min: 0, max: 256, pattern: ANYTHING }),
    "Tags for every object that takes tags.",
);

pub(crate) const PROVIDER: Section = Section {
    name: "provider",
    doc: "Where calls go.",
    required: false,
    fields: &[
        Field::new(
            "kind",
            Type::OneOf(&["aws", "sandbox"]),
            "AWS, or the AWS that is built into bfd and keeps its world under `.bfd/sandbox`.",
        )
        .default("\"aws\""),
        Field::new(
            "endpoint_url",
            Type::Name { min: 1, max: 2048, pattern: URL },
            "The address of a server that stands in for AWS, such as `http://127.0.0.1:5000`. `AWS_ENDPOINT_URL` works too.",
        ),
        Field::new(
            "profile",
            Type::Name { min: 1, max: 128, pattern: ANYTHING },
            "A profile of AWS's shared configuration files.",
        ),
    ],
};

pub(crate) const STATE: Section = Section {
    name: "state",
    doc: "Where bfd keeps what it knows.",
    required: false,
    fields: &[
        Field::new(
            "backend",
            Type::OneOf(&["local", "s3"]),
            "A directory, or a bucket of S3 that a team and its CI share.",
        )
        .default("\"local\""),
        Field::new(
            "directory",
            Type::Name { min: 1, max: 4096, pattern: ANYTHING },
            "For `local`: another directory than `.bfd/<name>` beside the manifest, relative to the file it is written in.",
        ),
        Field::new(
            "bucket",
            Type::Name { min: 3, max: 63, pattern: BUCKET },
            "For `s3`: the bucket. `bfd bootstrap` makes it; one that exists should keep versions.",
        ),
        Field::new(
            "prefix",
            Type::Name { min: 0, max: 512, pattern: ANYTHING },
            "For `s3`: what the keys begin with, before the name of the environment.",
        ),
        Field::new(
            "region",
            Type::Name { min: 1, max: 32, pattern: REGION },
            "For `s3`: the region of the bucket, where it is not the environment's.",
        ),
        Field::new(
            "kms_key",
            Type::Name { min: 1, max: 2048, pattern: ANYTHING },
            "For `s3`: the id, ARN or alias of a KMS key that every object is encrypted with. Without it the bucket's default applies.",
        ),
        Field::new(
            "lease",
            Type::Duration { min: 5, max: 3600 },
            "For `s3`: how long the lock outlives the last sign of life of its process. A dead process holds up others as long.",
        )
        .default("\"1m\""),
    ],
};

pub(crate) const ROLLBACK: Section = Section {
    name: "rollback",
    doc: "What happens when a step fails.",
    required: false,
    fields: &[
        Field::new("on_failure", Type::Bool, "Whether everything that took effect is put back.")
            .default("true"),
        Field::new(
            "deadline",
            Type::Duration { min: 10, max: 86_400 },
            "How long a rollback may take, from the failure until everything is back, before it is given up. A plan warns when its worst case, from the beginning of the bad change, is longer.",
        )
        .default("\"5m\""),
        Field::new(
            "log_lines",
            Type::Integer { min: 0, max: 200 },
            "How many of a failed container's last log lines are kept with the failure, secrets taken out; `0` reads no logs.",
        )
        .default("20"),
        Field::new(
            "deployments",
            Type::Integer { min: 0, max: 20 },
            "How many of the last runs `bfd rollback` shall be able to take back: a plan warns of every image that a service ran before one of them, and that a lifecycle policy would expire because of the plan.",
        )
        .default("3"),
    ],
};

pub(crate) const GUARD: Section = Section {
    name: "guard",
    doc: "What a plan may do, and what apply asks for.",
    required: false,
    fields: &[
        Field::new(
            "deletes",
            Type::OneOf(&["allow", "confirm", "forbid"]),
            "Whether a plan may delete or replace objects, or what is stored in those of a stack: like any change, after somebody typed the environment's name, or never.",
        )
        .default("\"confirm\""),
        Field::new(
            "fallback_images",
            Type::OneOf(&["allow", "forbid"]),
            "Whether a fallback may stand in for an image that is not there yet.",
        )
        .default("\"allow\""),
        Field::new(
            "approval",
            Type::OneOf(&["none", "saved_plan"]),
            "With `saved_plan`, apply takes only a plan that was saved before.",
        )
        .default("\"none\""),
        Field::new(
            "plan_age",
            Type::Duration { min: 60, max: 2_592_000 },
            "How old a saved plan may be when it is applied.",
        )
        .default("\"24h\""),
        Field::new(
            "max_changes",
            Type::Integer { min: 1, max: 100_000 },
            "How many resources one run may create, change and delete. More are refused, by plan as a warning and by apply; a smaller step is planned with `--target`.",
        ),
    ],
};

/// Each has a name: `[assembly.NAME]`.
pub(crate) const ASSEMBLY: Section = Section {
    name: "assembly",
    doc: "A synthesised CDK application: `[assembly.NAME]`. Its stacks are resources, at `stack.NAME/STACK` by their names in CloudFormation, its Docker image assets at `image.NAME/` and 12 digits of their hash. What is written in `[stack.\"NAME/STACK\"]` lies over what the application says. See [CDK applications](cdk-applications.md).",
    required: false,
    fields: &[
        Field::new(
            "path",
            Type::Name { min: 1, max: 4096, pattern: PATH },
            "The directory that `cdk synth` wrote, relative to the file it is written in.",
        )
        .required(),
        Field::new(
            "stacks",
            Type::List(&Type::Name { min: 1, max: 1024, pattern: ANYTHING }),
            "Which stacks, by patterns as `cdk deploy` has them: `*` is every stack outside of stages, `**` every one, `!` leaves out. With them comes what they depend on.",
        )
        .default("[\"**\"]"),
        Field::new(
            "exclusively",
            Type::Bool,
            "Whether only what the patterns name is deployed, without what that depends on.",
        )
        .default("false"),
        Field::new(
            "adopt",
            Type::Bool,
            "Take over stacks that `cdk deploy` made instead of refusing, each as with its own `adopt`.",
        )
        .default("false"),
        Field::new(
            "roles",
            Type::OneOf(&["assembly", "own"]),
            "Who deploys: `assembly`, the roles of the bootstrap stack that the application names, and where one may not be assumed whoever runs bfd; `own`, whoever runs bfd, and CloudFormation with the same rights.",
        )
        .default("\"assembly\""),
    ],
};

const PATH: Pattern = Pattern { says: "a path", regex: "", matches: |path| !path.contains('\0') };

const NAME: Pattern = Pattern {
    says: "letters, digits, `-` and `_`",
    regex: "^[a-zA-Z0-9_-]+$",
    matches: |name| name.bytes().all(|c| c.is_ascii_alphanumeric() || matches!(c, b'-' | b'_')),
};

const ACCOUNT: Pattern = Pattern {
    says: "12 digits",
    regex: "^[0-9]+$",
    matches: |account| account.bytes().all(|c| c.is_ascii_digit()),
};

/// Two or more words and a number, as in `us-gov-west-1`.
const REGION: Pattern = Pattern {
    says: "a region such as `ap-southeast-1`",
    regex: "^[a-z]{2,}(-[a-z]+)+-[0-9]+$",
    matches: |region| {
        let words: Vec<&str> = region.split('-').collect();
        let lower = |word: &&str| !word.is_empty() && word.bytes().all(|c| c.is_ascii_lowercase());
        match words.as_slice() {
            [first, middle @ .., number] => {
                first.len() >= 2
                    && lower(first)
                    && !middle.is_empty()
                    && middle.iter().all(lower)
                    && !number.is_empty()
                    && number.bytes().all(|c| c.is_ascii_digit())
            }
            _ => false,
        }
    },
};

const URL: Pattern = Pattern {
    says: "`http://` or `https://` and a host",
    regex: "^https?://[^/\\s]+",
    matches: |url| {
        let rest = url.strip_prefix("http://").or_else(|| url.strip_prefix("https://"));
        rest.is_some_and(|host| {
            !host.is_empty() && !host.starts_with('/') && !host.contains(char::is_whitespace)
        })
    },
};

const BUCKET: Pattern = Pattern {
    says: "lower-case letters, digits, `-` and `.`, beginning and ending with a letter or digit",
    regex: "^[a-z0-9][a-z0-9.-]*[a-z0-9]$",
    matches: |bucket| {
        let inner =
            |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, b'-' | b'.');
        let edge = |c: Option<u8>| c.is_some_and(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
        bucket.bytes().all(inner) && edge(bucket.bytes().next()) && edge(bucket.bytes().last())
    },
};

const ANYTHING: Pattern = Pattern { says: "any characters", regex: "", matches: |_| true };

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn regions_have_words_and_a_number() {
        for region in ["ap-southeast-1", "us-gov-west-1", "eu-west-12"] {
            assert!((REGION.matches)(region), "{region}");
        }
        for region in ["", "eu", "eu-1", "EU-west-1", "eu-west", "eu--1", "eu-west-1a", "-west-1"] {
            assert!(!(REGION.matches)(region), "{region}");
        }
    }
}

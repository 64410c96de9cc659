//! What a person writes about an image.

use crate::{
    patterns::{IMAGE_TAG, PATH, PLATFORM, REPOSITORY_URI, UNIX_PATH},
    spec::{Field, Type},
};

const PLATFORM_NAME: Type = Type::Name { min: 3, max: 64, pattern: PLATFORM };
const TEXTS: Type = Type::List(&Type::Text);
/// What an image is made of is hashed when planning, so nothing in it waits for anything.
const KNOWN_WORDS: Type = Type::List(&Type::Name { min: 0, max: 65536, pattern: PATH });
const WORDS: Type = Type::Either(&Type::Text, &TEXTS);

pub(super) const FALLBACK: &[Field] = &[
    Field::new("image", Type::Text, "A public image, such as `public.ecr.aws/nginx/nginx:alpine`.")
        .required(),
    Field::new(
        "port",
        Type::Integer { min: 1, max: 65535 },
        "The port it listens on; without it, the port of the container it stands in for.",
    ),
    Field::new(
        "health_check",
        WORDS,
        "Its health check, for a shell, or as AWS takes it. Without it the stand-in has none. How often and how long is taken from the container it stands in for.",
    ),
    Field::new(
        "command",
        TEXTS,
        "Its command. What the container says of its command, entry point, user, working directory and root file system is not for this image and left out.",
    ),
    Field::new(
        "desired_count",
        Type::Integer { min: 0, max: 5000 },
        "How many tasks to run of it; without it, as many as of the real one.",
    ),
];

/// What an image of `files` runs.
pub(super) const CONFIG: &[Field] = &[
    Field::new("entrypoint", KNOWN_WORDS, "What is run, word by word."),
    Field::new("command", KNOWN_WORDS, "Its arguments; a container may have others."),
    Field::new("env", Type::Map(&Type::Scalar), "Environment variables."),
    Field::new(
        "working_dir",
        Type::Name { min: 1, max: 4096, pattern: UNIX_PATH },
        "The directory it starts in.",
    ),
    Field::new("user", Type::Scalar, "Who runs it: a name or number, with `:` and a group or not."),
    Field::new(
        "ports",
        Type::List(&Type::Integer { min: 1, max: 65535 }),
        "The TCP ports it listens on. They tell people, and open nothing.",
    ),
    Field::new("labels", Type::Map(&Type::Scalar), "Labels of the image."),
];

/// What `source = { … }` takes.
pub(super) const PROMOTED: &[Field] = &[
    Field::new(
        "environment",
        Type::Path,
        "The manifest of the environment whose image it is, such as `\"qa.toml\"`.",
    )
    .required(),
    Field::new(
        "image",
        Type::Name { min: 1, max: 255, pattern: crate::patterns::RESOURCE_NAME },
        "The name of the image there.",
    )
    .required(),
];

pub(super) const FIELDS: &[Field] = &[
    Field::new(
        "repository",
        Type::Link("repository"),
        "The declared repository that it is pushed to. Needed with `context`, `archive` and `files`; with `source`, the image is copied there.",
    ),
    Field::new(
        "repository_uri",
        Type::Name { min: 1, max: 512, pattern: REPOSITORY_URI },
        "Instead of `repository`: a repository of any registry, such as `\"ghcr.io/bellyfed/web\"`. Credentials come from Docker's configuration; a repository of the environment's own ECR is asked as one that is declared.",
    ),
    Field::new(
        "tag",
        Type::Name { min: 1, max: 128, pattern: IMAGE_TAG },
        "The tag to push it under, such as `\"${git.branch}-${git.sha}\"`; without it, `bfd-` and 12 digits of what it is made of. Services run its digest. An image whose content is the same is not pushed again under another tag.",
    ),
    Field::new(
        "existing_tag",
        Type::OneOf(&["check", "use"]),
        "What an image means that has the tag already: `check`, that it is compared with what is declared; `use`, that it is the one, whatever it was made of, and nothing is built or pushed. For tags that are made of the content.",
    )
    .default("\"check\""),
    Field::new(
        "push_role",
        crate::stack::ROLE_TYPE,
        "The role to look at and to push to ECR with; where it may not be assumed, it is done with the credentials of whoever runs bfd, if they are of the same account.",
    ),
    Field::new(
        "context",
        Type::Path,
        "The directory to build it from, with Docker Buildx, Buildah or Podman. What `.dockerignore` leaves out counts for nothing.",
    ),
    Field::new(
        "dockerfile",
        Type::Name { min: 1, max: 4096, pattern: PATH },
        "The file that says how, relative to the context; without it, `Dockerfile` or `Containerfile`.",
    ),
    Field::new(
        "target",
        Type::Name { min: 1, max: 255, pattern: crate::patterns::RESOURCE_NAME },
        "The stage of the Dockerfile to build; without it, the last one.",
    ),
    Field::new(
        "args",
        Type::Map(&Type::Scalar),
        "Build arguments. They are in the image for all to see: secrets go to `secrets`.",
    ),
    Field::new(
        "secrets",
        Type::Map(&Type::SecretSource),
        "Secrets of the build, by the id that `RUN --mount=type=secret,id=…` names. A change of one builds nothing.",
    ),
    Field::new(
        "platform",
        Type::Either(&PLATFORM_NAME, &Type::List(&PLATFORM_NAME)),
        "What it runs on, or a list of these: one image for each, behind one digest.",
    )
    .default("\"linux/amd64\""),
    Field::new(
        "cache_from",
        TEXTS,
        "Where the builder may find layers, as it takes `--cache-from`.",
    ),
    Field::new("cache_to", TEXTS, "Where the builder leaves layers, as it takes `--cache-to`."),
    Field::new(
        "builder",
        Type::OneOf(&["docker", "buildah", "podman"]),
        "Which builder to use; without it, the first of these that is there.",
    ),
    Field::new("archive", Type::Path, "An OCI image layout: a directory, or an archive of one."),
    Field::new(
        "archive_image",
        Type::Name { min: 1, max: 255, pattern: PATH },
        "Which image of the archive, by its `org.opencontainers.image.ref.name`, where there are several.",
    ),
    Field::new(
        "files",
        Type::Map(&Type::Path),
        "Files and directories to lay over `base`, by their path in the image: `{ \"/app/web\" = \"build/web\" }`. Needs no builder; the digest depends on their content alone.",
    ),
    Field::new("base", Type::Text, "The image that `files` are laid over.").default("\"scratch\""),
    Field::new(
        "config",
        Type::Table(CONFIG),
        "What an image of `files` runs, over what its base says.",
    ),
    Field::new(
        "source",
        Type::Either(&Type::Text, &Type::Table(PROMOTED)),
        "Where the image is: `\"${repository.web.uri}:${var.sha}\"` with a tag or `@sha256:…`, or a reference to any registry; or `{ environment = \"qa.toml\", image = \"web\" }` for the digest that was applied there. Used where it is; with `repository`, copied there, digest unchanged.",
    ),
    Field::new(
        "fallback",
        Type::Table(FALLBACK),
        "What services run instead as long as there is no image: the repository of its `source` is missing or empty, or there is no builder here. For the first deployment of an environment, never instead of an image that was deployed before.",
    ),
    Field::new(
        "first_deploy",
        Type::OneOf(&["scale_to_zero"]),
        "Instead of `fallback`: services are created without tasks as long as there is no image.",
    ),
];

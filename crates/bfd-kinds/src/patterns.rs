//! Which characters AWS allows in names.

use crate::spec::{Pattern, Type};

/// A tag of an object, by its key.
pub(crate) const TAGS: Type = Type::Map(&Type::Text);

pub(crate) const ECS_NAME: Pattern = Pattern {
    says: "letters, digits, `-` and `_`",
    regex: "^[a-zA-Z0-9_-]+$",
    matches: |name| name.bytes().all(|c| c.is_ascii_alphanumeric() || matches!(c, b'-' | b'_')),
};

/// `^[a-zA-Z][-a-zA-Z0-9]*$`, from the reference of CreateStack.
pub(crate) const STACK_NAME: Pattern = Pattern {
    says: "letters, digits and `-`, beginning with a letter",
    regex: "^[a-zA-Z][-a-zA-Z0-9]*$",
    matches: |name| {
        name.starts_with(|c: char| c.is_ascii_alphabetic())
            && name.bytes().all(|c| c.is_ascii_alphanumeric() || c == b'-')
    },
};

/// From the reference of ECR's CreateRepository: parts between `/`, in each of them
/// letters and digits with single separators between them.
pub(crate) const REPOSITORY_NAME: Pattern = Pattern {
    says: "lower case letters, digits and, between them, `-`, `_`, `.` and `/`",
    regex: "^(?:[a-z0-9]+(?:[._-][a-z0-9]+)*/)*[a-z0-9]+(?:[._-][a-z0-9]+)*$",
    matches: |name| {
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
        name.split(['/', '.', '_', '-']).all(|part| !part.is_empty() && part.chars().all(plain))
    },
};

/// `[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}`, from the OCI distribution specification.
pub(crate) const IMAGE_TAG: Pattern = Pattern {
    says: "letters, digits and `_.-`, beginning with none of `.-`",
    regex: "^[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}$",
    matches: crate::image::is_tag,
};

/// A host with a dot, a port, or `localhost`, then a repository's name.
pub(crate) const REPOSITORY_URI: Pattern = Pattern {
    says: "a registry's host, `/` and the name of a repository, without a tag",
    regex: "^(localhost|[a-zA-Z0-9-]+\\.[a-zA-Z0-9.-]+)(:[0-9]+)?/.+$|^[a-zA-Z0-9.-]+:[0-9]+/.+$",
    matches: |text| {
        text.split_once('/').is_some_and(|(host, name)| {
            let (bare, port) = host.split_once(':').unwrap_or((host, ""));
            let is_host =
                bare.bytes().all(|c| c.is_ascii_alphanumeric() || matches!(c, b'.' | b'-'));
            let is_port = port.bytes().all(|c| c.is_ascii_digit());
            let is_registry = bare == "localhost" || bare.contains('.') || host.contains(':');
            !bare.is_empty() && is_host && is_port && is_registry && (REPOSITORY_NAME.matches)(name)
        })
    },
};

pub(crate) const PLATFORM: Pattern = Pattern {
    says: "an operating system and an architecture, such as `linux/amd64` or `linux/arm64`",
    regex: "^[a-z0-9]+/[a-z0-9_]+(/[a-z0-9]+)?$",
    matches: |text| {
        let word = |part: &str| {
            !part.is_empty()
                && part.bytes().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'_')
        };
        matches!(text.split('/').count(), 2 | 3) && text.split('/').all(word)
    },
};

pub(crate) const PATH: Pattern =
    Pattern { says: "a path", regex: "", matches: |path| !path.contains('\0') };

pub(crate) const UNIX_PATH: Pattern = Pattern {
    says: "an absolute path",
    regex: "^/",
    matches: |path| path.starts_with('/') && !path.contains('\0'),
};

pub(crate) const RESOURCE_NAME: Pattern = Pattern {
    says: "letters, digits and `-_.`",
    regex: "^[a-zA-Z0-9][a-zA-Z0-9._-]*$",
    matches: |name| {
        name.starts_with(|c: char| c.is_ascii_alphanumeric())
            && name.bytes().all(|c| c.is_ascii_alphanumeric() || matches!(c, b'-' | b'_' | b'.'))
    },
};

/// From the reference of SSM's PutParameter: `a-zA-Z0-9_.-` and `/`; with a `/` in
/// it, it begins with one; at most 15 levels; not `aws` or `ssm` at its beginning.
pub(crate) const PARAMETER_NAME: Pattern = Pattern {
    says: "letters, digits and `_.-`, or up to 15 such parts, each after a `/`; not beginning with `aws` or `ssm`",
    regex: "^(?!/?([aA][wW][sS]|[sS][sS][mM]))(?:[a-zA-Z0-9_.-]+|(?:/[a-zA-Z0-9_.-]+){1,15})$",
    matches: |name| {
        let (flat, parts) = match name.strip_prefix('/') {
            Some(rest) => (false, rest.split('/').collect::<Vec<_>>()),
            None => (true, vec![name]),
        };
        let reserved = parts[0].get(..3).is_some_and(|start| {
            start.eq_ignore_ascii_case("aws") || start.eq_ignore_ascii_case("ssm")
        });
        !reserved && (flat || parts.len() <= 15) && parts.iter().all(|part| is_parameter_part(part))
    },
};

/// A prefix of parameter names: begins with `/` and leaves room for one more level.
pub(crate) const PARAMETER_PREFIX: Pattern = Pattern {
    says: "up to 14 parts of letters, digits and `_.-`, each after a `/`; not beginning with `/aws` or `/ssm`",
    regex: "^(?!/([aA][wW][sS]|[sS][sS][mM]))(?:/[a-zA-Z0-9_.-]+){1,14}$",
    matches: |name| {
        name.starts_with('/') && name.matches('/').count() <= 14 && (PARAMETER_NAME.matches)(name)
    },
};

/// Whether `part` may stand between two `/` of a parameter's name.
pub(crate) fn is_parameter_part(part: &str) -> bool {
    !part.is_empty()
        && part.bytes().all(|c| c.is_ascii_alphanumeric() || matches!(c, b'_' | b'.' | b'-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(pattern: Pattern, good: &[&str], bad: &[&str]) {
        for name in good {
            assert!((pattern.matches)(name), "{name} is refused");
        }
        for name in bad {
            assert!(!(pattern.matches)(name), "{name} is accepted");
        }
    }

    #[test]
    fn names_follow_the_rules_of_aws() {
        check(ECS_NAME, &["bellyfed-dev", "a_B9"], &["a b", "a/b", "ü"]);
        check(STACK_NAME, &["A", "BellyfedNetworkStack-dev"], &["1a", "-a", "a_b"]);
        check(
            REPOSITORY_NAME,
            &["bellyfed-dev", "team/web.app_1"],
            &["Web", "a//b", "-a", "a-", "a--b", "/a"],
        );
        let deep = "/a".repeat(15);
        check(
            PARAMETER_NAME,
            &["plain.name_1", "/bellyfed/dev/api-url", &deep],
            &["a/b", "/a//b", "/a/", "aws-key", "/SSM/x", "a b", &format!("{deep}/a")],
        );
        check(PARAMETER_PREFIX, &["/bellyfed/dev"], &["bellyfed", "/bellyfed/", "/aws/x", &deep]);
    }
}

use super::*;

/// What Docker says, asked directory by directory as a walk does.
fn ignored(patterns: &str, path: &str) -> bool {
    let ignore = Ignore::parse(patterns).unwrap();
    let mut matched = Matched::default();
    let mut ignored = false;
    for (end, _) in path.match_indices('/').chain([(path.len(), "")]) {
        (ignored, matched) = ignore.matches(&path[..end], &matched);
    }
    ignored
}

#[test]
fn single_patterns() {
    let cases: &[(&str, &[&str], &[&str])] = &[
        ("target", &["target", "target/debug/bfd"], &["targets", "crates/target"]),
        ("*", &["README.md", "src/main.rs"], &[]),
        ("**", &["README.md", "src/main.rs"], &[]),
        ("**/", &["README.md", "src/main.rs"], &[]),
        ("**/**", &["README.md", "src/main.rs"], &[]),
        ("*.log", &["web.log", ".log"], &["logs/web.log", "web.log.gz"]),
        ("*/*.log", &["logs/web.log"], &["web.log", "a/logs/web.log"]),
        ("**/*.log", &["web.log", "a/logs/web.log"], &["a/logs/web.log.gz"]),
        ("logs/**", &["logs/web.log", "logs/a/b"], &["logs", "logs2/web.log"]),
        ("**/node_modules", &["node_modules", "web/node_modules/x"], &["my_node_modules"]),
        ("**/node_modules/*", &["node_modules/x", "web/node_modules/x/y"], &["node_modules"]),
        ("**/dist/**", &["dist/x", "web/dist/x/y"], &["dist", "distant/x"]),
        ("web**", &["web", "website/x"], &["my/web"]),
        ("web**/*.ts", &["web/a.ts", "web/src/a.ts", "web.ts"], &["my/web/a.ts"]),
        ("web/*.ts**", &["web/a.ts", "web/a.tsx/b"], &["web/a.js"]),
        // As text, and as an expression.
        ("**.env", &[".env", "a/.env", "prod.env"], &[".env.local"]),
        ("**.env*", &[".env", "a/.env.local"], &["prod.env"]),
        ("**]", &["]", "a/]"], &["x]"]),
        ("v[0-9].txt", &["v7.txt"], &["v.txt", "v77.txt", "vx.txt"]),
        ("v[^0-9].txt", &["vx.txt"], &["v7.txt"]),
        ("v[\\]\\-]", &["v]", "v-"], &["v\\"]),
        ("v[[]", &["v["], &["v]"]),
        ("v[&~-~]", &["v&", "v~"], &["v-"]),
        ("[α-ω]?", &["βé"], &["b\u{e9}"]),
        ("v?.txt", &["v1.txt"], &["v.txt", "v/.txt"]),
        ("a\\*b", &["a*b"], &["axb"]),
        ("a\\\\", &["a\\"], &["a"]),
        ("a.b", &["a.b"], &["axb"]),
        ("(a+b|c){$}", &["(a+b|c){$}"], &["a"]),
        ("?a+b|c){$}", &["(a+b|c){$}"], &["aab"]),
        ("^a", &["^a"], &["a"]),
        ("^a*", &[], &["^ab"]),
    ];
    for (pattern, yes, no) in cases {
        for path in *yes {
            assert!(ignored(pattern, path), "{pattern} {path}");
        }
        for path in *no {
            assert!(!ignored(pattern, path), "{pattern} {path}");
        }
    }
}

#[test]
fn the_last_match_wins() {
    assert!(!ignored("docs\n!docs/README.md", "docs/README.md"));
    assert!(ignored("docs\n!docs/README.md", "docs/other.md"));
    assert!(ignored("!docs/README.md\ndocs", "docs/README.md"));
    assert!(!ignored("**\n!web/src", "web/src/main.ts"));
    assert!(ignored("**\n!web/src\nweb/src/main.ts", "web/src/main.ts"));
    assert!(!ignored("*\n!web/*.ts", "web/main.ts"));
    assert!(ignored("*\n!web/*.ts", "web/src/main.ts"));
}

#[test]
fn slashes_spaces_comments_and_a_byte_order_mark() {
    for pattern in ["/a/b", "a/b/", "./a/b", " a/b\t", "a//b", "a/x/../b", "a/b\r"] {
        assert!(ignored(pattern, "a/b"), "{pattern:?}");
        assert!(ignored(pattern, "a/b/c"), "{pattern:?}");
        assert!(!ignored(pattern, "x/a/b"), "{pattern:?}");
    }
    assert!(ignored("\u{feff}a", "a"));
    assert!(ignored("# one\n\n \na", "a"));
    assert!(!ignored("#a", "#a"));
    // As Docker has it: a comment begins in the first column.
    assert!(ignored(" #a", "#a"));
    assert!(!ignored("*\n! /a", "a"));
    // Neither the context itself nor what is above it.
    for pattern in [".", "/", "./", "..", "../a", "a/.."] {
        assert!(!ignored(pattern, "a"), "{pattern}");
    }
}

#[test]
fn what_is_no_pattern_is_told_with_its_line() {
    for wrong in ["!", "[", "[]a]", "[-]", "[x-]", "[-x]", "\\", "[a-b-c]", "[^", "a[", "[b-a]"] {
        let (line, what) = Ignore::parse(&format!("fine\n{wrong}")).unwrap_err();
        assert_eq!(line, 2, "{wrong}");
        assert!(what.contains(wrong), "{what}");
    }
}

#[test]
fn ignored_directories_are_entered_only_for_a_reason() {
    let reaches = |pattern: &str, directory| {
        Ignore::parse(&format!("**\n{pattern}")).unwrap().may_include_under(directory)
    };
    for (pattern, directory) in [
        ("!a/b", "a"),
        ("!a", "a/b"),
        ("!a/*/c", "a/b"),
        ("!**/c", "x/y"),
        ("!a\\/b", "x"),
        ("!a/b**", "a/bcd"),
    ] {
        assert!(reaches(pattern, directory), "{pattern} {directory}");
    }
    for (pattern, directory) in [("!a/b", "b"), ("!a/b/c", "a/c"), ("!a/*/c", "b"), ("x", "x")] {
        assert!(!reaches(pattern, directory), "{pattern} {directory}");
    }
}

#[test]
fn the_file_beside_the_dockerfile_comes_first() {
    let directory = tempfile::tempdir().unwrap();
    let context = directory.path();
    let dockerfile = context.join("docker/web.Dockerfile");
    std::fs::create_dir(context.join("docker")).unwrap();
    assert_eq!(file_for(context, &dockerfile), None);
    std::fs::write(context.join(".dockerignore"), "").unwrap();
    assert_eq!(file_for(context, &dockerfile), Some(context.join(".dockerignore")));
    let beside = context.join("docker/web.Dockerfile.dockerignore");
    std::fs::write(&beside, "").unwrap();
    assert_eq!(file_for(context, &dockerfile), Some(beside));
}

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
        ("**", &["file", "dir/file"], &[]),
        ("**/", &["file", "dir/file"], &[]),
        ("**/**", &["dir/file"], &[]),
        ("dir/**", &["dir/file", "dir/dir2/file"], &["dir", "dirx"]),
        ("**/dir", &["dir", "dir/file", "a/dir", "a/dir/file"], &["adir"]),
        ("**/dir2/*", &["dir/dir2/file", "dir2/file"], &["dir2"]),
        ("**/dir2/**", &["dir/dir2/dir3/file"], &["dir2"]),
        ("**file", &["file", "dir/file", "dir/afile"], &["files"]),
        ("**/file*txt", &["dir/dir/file.txt", "filetxt"], &["afile.txt"]),
        ("**/**/*.txt", &["dir/dir/file.txt", "file.txt"], &["file.txt2"]),
        ("a**/*.txt", &["a/file.txt", "a/dir/dir/file.txt"], &["b/a/file.txt"]),
        ("a/*.txt", &["a/file.txt"], &["a/dir/file.txt"]),
        ("a/*.txt**", &["a/file.txt", "a/file.txt.gz"], &["a/file"]),
        ("a[b-d]e", &["ace"], &["ae", "aae"]),
        ("a[^b-d]e", &["aze"], &["ace"]),
        ("a[[]e", &["a[e"], &["a]e"]),
        ("a[&~-~]e", &["a&e", "a~e"], &["a-e"]),
        (".*", &[".foo"], &["foo"]),
        ("abc.def", &["abc.def"], &["abcdef", "abcZdef"]),
        ("abc?def", &["abcZdef", "abc\u{e9}def"], &["abcdef", "abc/def"]),
        ("**/foo/bar", &["foo/bar", "dir/dir2/foo/bar"], &["foo", "dir/foobar"]),
        ("**/.foo", &[".foo"], &["bar.foo"]),
        ("a(b)c/def", &["a(b)c/def"], &["a(b)c/xyz"]),
        ("a.|)$(}+{bc", &["a.|)$(}+{bc"], &["a"]),
        ("*.|)$(}+{bc", &["a.|)$(}+{bc"], &["a"]),
        ("a\\*b", &["a*b"], &["axb"]),
        ("a\\\\", &["a\\"], &["a"]),
        ("[\\]a]", &["]", "a"], &["\\"]),
        ("[x\\-]", &["x", "-"], &["z"]),
        ("*", &["a", "a/b"], &[]),
        ("a*b?c*x", &["abxbbxdbxebxczzx"], &["abxbbxdbxebxczzy"]),
        ("[a-\u{3b6}]*", &["\u{3b1}"], &["A"]),
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
    assert!(!ignored("**\n!util/docker/web", "util/docker/web/foo"));
    assert!(ignored("**\n!util/docker/web\nutil/docker/web/foo", "util/docker/web/foo"));
    assert!(!ignored("**\n!dist/*.whl", "dist/a-2.4.0.whl"));
    assert!(ignored("*.md\n!README*.md\nREADME-secret.md", "README-secret.md"));
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

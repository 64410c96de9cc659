//! Takes out of text what looks like a secret, before the text is shown or written down.
//!
//! What clouds and containers say is not under our control, and a journal is kept. Rather too
//! much is taken out than too little: what is left has to tell why something failed.

use regex_lite::{Captures, Regex};
use std::sync::LazyLock;

/// What stands for something that was taken out.
pub const REDACTED: &str = "***";

/// Names that contain one of the words below, and are nobody's secret.
const HARMLESS: [&str; 4] = ["requesttoken", "clienttoken", "clientrequesttoken", "nexttoken"];

static TERMINAL: LazyLock<Regex> = LazyLock::new(|| regex(r"\x1b\[[0-9;:?]*[A-Za-z]"));

/// A PEM block; to the end of the text when its end is cut off.
static PEM: LazyLock<Regex> =
    LazyLock::new(|| regex(r"(?s)-----BEGIN [A-Z0-9 ]+-----.*?(?:-----END [A-Z0-9 ]+-----|\z)"));
/// The rest of one whose beginning is cut off.
static PEM_END: LazyLock<Regex> =
    LazyLock::new(|| regex(r"(?m)(?:^[A-Za-z0-9+/=]+\s*\n)*^-----END [A-Z0-9 ]+-----"));
/// A line from the middle of one: their lines have 64 characters, those of MIME 76.
static PEM_LINE: LazyLock<Regex> =
    LazyLock::new(|| regex(r"(?m)^(?:[A-Za-z0-9+/]{64}|[A-Za-z0-9+/]{76})$"));
static JWT: LazyLock<Regex> =
    LazyLock::new(|| regex(r"eyJ[A-Za-z0-9_-]{4,}\.[A-Za-z0-9_-]{4,}(?:\.[A-Za-z0-9_-]*)*"));
static ACCESS_KEY: LazyLock<Regex> =
    LazyLock::new(|| regex(r"\b(?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{12,}"));
/// With a colon before the first `/`, what follows it may contain anything up to the last `@`.
static USERINFO: LazyLock<Regex> =
    LazyLock::new(|| regex(r#"://[^\s/?#"'<>@:]*(?::[^\s"'<>]*)?@"#));
/// The rest of a header's line, or of its quotes.
static AUTHORIZATION: LazyLock<Regex> = LazyLock::new(|| {
    regex(r#"(?i)([a-z0-9_.-]*authorization["']?\s*[=:]\s*)("[^"\n]*"?|'[^'\n]*'?|[^\n"']+)"#)
});
static PAIR: LazyLock<Regex> = LazyLock::new(|| {
    regex(concat!(
        r"(?i)([a-z0-9_.-]*(?:password|passwd|secret|token|api[_-]?key|credential)[a-z0-9_.-]*)",
        r#"(\\*["']?\s*(?:=>|:=|=|:)\s*)"#,
        r#"(\\"[^"\n]*"?|"(?:[^"\\\n]|\\.)*"?|'(?:[^'\\\n]|\\.)*'?|[^\s&:=][^\s&]*)"#,
    ))
});

fn regex(pattern: &str) -> Regex {
    Regex::new(pattern).expect("a valid pattern")
}

/// Drops control characters and takes out what looks like a secret: access keys, tokens, keys
/// in PEM, the user and password of an address, and the values of telling names.
pub fn redact(text: &str) -> String {
    let text = plain(text);
    let text = PEM.replace_all(&text, REDACTED);
    let text = PEM_END.replace_all(&text, REDACTED);
    let text = PEM_LINE.replace_all(&text, REDACTED);
    let text = JWT.replace_all(&text, REDACTED);
    let text = ACCESS_KEY.replace_all(&text, REDACTED);
    let text = USERINFO.replace_all(&text, "://***@");
    let text = AUTHORIZATION.replace_all(&text, |found: &Captures<'_>| hide(&text, found, 1, 2));
    PAIR.replace_all(&text, |found: &Captures<'_>| {
        let name = found[1].to_ascii_lowercase();
        if HARMLESS.contains(&name.as_str()) {
            found[0].to_owned()
        } else {
            hide(&text, found, 2, 3)
        }
    })
    .into_owned()
}

/// Replaces the value of a pair, and keeps the quotes and the brackets around it.
fn hide(text: &str, found: &Captures<'_>, name: usize, value: usize) -> String {
    let whole = found.get(0).expect("the match itself");
    let value = &found[value];
    // `arn:aws:secretsmanager:…:secret:NAME` is the name of one.
    let is_in_arn = text[..whole.start()].ends_with(':');
    if is_in_arn || value.starts_with("arn:") || value.starts_with(REDACTED) {
        return whole.as_str().to_owned();
    }
    let before = &whole.as_str()[..whole.as_str().len() - value.len()];
    debug_assert!(before.ends_with(&found[name]));
    let unescaped = value.trim_start_matches('\\');
    let quote = unescaped.chars().next().filter(|first| matches!(first, '"' | '\''));
    if let Some(quote) = quote {
        let slashes = &value[..value.len() - unescaped.len()];
        return format!("{before}{slashes}{quote}{REDACTED}{slashes}{quote}");
    }
    let rest = value.trim_end_matches([',', ';', ')', ']', '}']);
    // A value of nothing but brackets is the beginning of more.
    let end = if rest.is_empty() { "" } else { &value[rest.len()..] };
    format!("{before}{REDACTED}{end}")
}

/// Without colours and other control characters; lines stay lines.
pub fn plain(text: &str) -> String {
    let text = TERMINAL.replace_all(text, "");
    let letters = text.chars().map(|letter| if letter == '\t' { ' ' } else { letter });
    letters.filter(|letter| *letter == '\n' || !letter.is_control()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_looks_like_a_secret_is_taken_out() {
        let cases = [
            ("DB_PASSWORD=hunter2 next", "DB_PASSWORD=*** next"),
            ("password: hunter2", "password: ***"),
            ("{\"password\": \"hun\\\"ter2\", \"a\": 1}", "{\"password\": \"***\", \"a\": 1}"),
            ("{'apiKey': 'hunter2'}", "{'apiKey': '***'}"),
            ("{\\\"token\\\":\\\"hunter2\\\"}", "{\\\"token\\\":\\\"***\\\"}"),
            ("{\"count\": 1, \"secret\": 42}", "{\"count\": 1, \"secret\": ***}"),
            ("(api_key=hunter2, user=me)", "(api_key=***, user=me)"),
            ("GET /?access_token=hunter2&page=2", "GET /?access_token=***&page=2"),
            ("Authorization: Bearer hunter2", "Authorization: ***"),
            ("\"Authorization\": \"Basic aHVudGVyMg==\" ok", "\"Authorization\": \"***\" ok"),
            ("AWS_SECRET_ACCESS_KEY=abc/def+", "AWS_SECRET_ACCESS_KEY=***"),
            ("as AKIAIOSFODNN7EXAMPLE now", "as *** now"),
            ("with ASIAIOSFODNN7EXAMPLE", "with ***"),
            ("postgres://me:hunter2@db:5432/app", "postgres://***@db:5432/app"),
            ("postgres://me:hun/t@er2@db/app", "postgres://***@db/app"),
            ("redis://hunter2@cache", "redis://***@cache"),
            ("jwt eyJhbGciOi.eyJzdWIiOi.c2ln-x_y end", "jwt *** end"),
            ("\u{1b}[31mpassword\u{1b}[0m=hunter2", "password=***"),
            ("pass\u{0}word=hunter2\r", "password=***"),
            (
                "a\n-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----\nb",
                "a\n***\nb",
            ),
            ("a\n-----BEGIN PRIVATE KEY-----\nMIIE\nabcd", "a\n***"),
            ("MIIE\nabcd=\n-----END PRIVATE KEY-----\nb", "***\nb"),
        ];
        for (text, expected) in cases {
            assert_eq!(redact(text), expected, "{text:?}");
        }
        let middle = "aB3/".repeat(16);
        assert_eq!(redact(&format!("x\n{middle}\ny")), "x\n***\ny");
    }

    #[test]
    fn what_is_none_stays() {
        for text in [
            "unable to pull secrets or registry auth: execution resource retrieval failed",
            "secret: arn:aws:secretsmanager:eu-west-1:123456789012:secret:db-AbCdEf",
            "User: arn:aws:iam::1:role/ci is not authorized to perform: ssm:GetParameter",
            "(RequestToken: 1234-5678, HandlerErrorCode: AlreadyExists)",
            "https://example.com/a?b=c",
            "https://example.com:8080/path",
            "Task failed container health checks",
            "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
            "tokens used 12",
            "line one\nline two",
        ] {
            assert_eq!(redact(text), text);
        }
    }

    proptest! {
        #[test]
        fn a_planted_secret_never_survives(
            before in "[ -~\\n]{0,40}",
            name in "(db_|APP_|x-)?(password|PASSWD|client_secret|token|api_key|apikey|API-KEY|credential)(s|_v2)?",
            pair in prop_oneof![Just(("=", "")), Just((": ", "")), Just(("\": \"", "\"")), Just(("=\"", "\""))],
            secret in "QX[a-zA-Z0-9+/!%^*_.-]{6,30}QX",
        ) {
            let text = format!("{before}\n{name}{}{secret}{}", pair.0, pair.1);
            let redacted = redact(&text);
            prop_assert!(!redacted.contains(&secret), "{redacted}");
        }

        #[test]
        fn user_and_password_of_an_address_never_survive(
            user in "[a-z]{0,6}",
            password in "QX[a-zA-Z0-9/?#!%^*_.:@-]{4,20}QX",
        ) {
            let redacted = redact(&format!("to postgres://{user}:{password}@db.internal/app"));
            prop_assert!(!redacted.contains(&password), "{redacted}");
            prop_assert!(redacted.ends_with("db.internal/app"));
        }

        #[test]
        fn any_text_is_taken_and_a_second_time_changes_nothing(text in "\\PC{0,200}|[ -~\\n]{0,200}") {
            let once = redact(&text);
            prop_assert!(!once.chars().any(|it| it.is_control() && it != '\n'));
            prop_assert_eq!(redact(&once), once);
        }
    }
}

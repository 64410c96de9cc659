//! What bfd asks of the machine it runs on: environment, files, time, user.
//!
//! The only module, beside `main`, that reads the environment or a clock.

use crate::{secret_command, spelling::spellings};
use argon2::{Algorithm, Argon2, Params, Version};
use bfd_apply::Clock;
use bfd_core::{Address, Environment, Secret, SecretSource};
use bfd_manifest::Unreadable;
use bfd_provider::{SecretUnavailable, Secrets, redact};
use sha2::{Digest, Sha256};
use std::{
    cmp::Reverse,
    collections::BTreeMap,
    env,
    fmt::{self, Write as _},
    fs::{self, File, Permissions},
    io::{self, Write as _},
    os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
    pin::Pin,
    sync::{Mutex, PoisonError},
    time::Duration,
};
use zeroize::Zeroizing;

/// Memory in KiB and passes of the digest of a secret. OWASP's lower setting
/// would double the time of every plan; the digest never leaves the state.
const MEMORY: u32 = 7 * 1024;
const PASSES: u32 = 2;

pub fn variable(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty())
}

/// Docker's own configuration, where Docker looks for it. It may not be there.
pub fn docker_config() -> Option<PathBuf> {
    let directory = variable("DOCKER_CONFIG").map(PathBuf::from);
    let own = || Some(env::home_dir()?.join(".docker"));
    Some(directory.or_else(own)?.join("config.json"))
}

/// An empty file that nobody else may read, as the state is: a plan and its events tell the same.
pub fn private_file(path: &Path) -> io::Result<File> {
    let file = File::options().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    // One that was there keeps its mode. What is no file, such as a pipe, is somebody else's.
    if file.metadata()?.is_file() {
        file.set_permissions(Permissions::from_mode(0o600))?;
    }
    Ok(file)
}

/// Who asked for a job, where the machine's user says nothing: GitHub Actions, GitLab, CodeBuild
/// and Buildkite.
const ACTORS: [&str; 4] =
    ["GITHUB_ACTOR", "GITLAB_USER_LOGIN", "CODEBUILD_INITIATOR", "BUILDKITE_BUILD_CREATOR"];

/// The user by name, or by whatever else tells one from another.
fn user(variable: impl Fn(&str) -> Option<String>) -> String {
    let named = ["USER", "LOGNAME"].into_iter().chain(ACTORS).find_map(variable);
    named.unwrap_or_else(|| format!("uid-{}", rustix::process::geteuid().as_raw()))
}

/// User and host, for locks and journals.
pub fn who() -> String {
    let user = user(variable);
    let host = variable("HOSTNAME")
        .or_else(|| fs::read_to_string("/etc/hostname").ok().map(|name| name.trim().to_owned()))
        .unwrap_or_else(|| "unknown".into());
    format!("{user}@{host}")
}

/// The machine's clock, which goes on while the machine sleeps. For differences only.
pub fn clock() -> Duration {
    let now = jiff::Timestamp::now().as_millisecond();
    Duration::from_millis(u64::try_from(now).unwrap_or(0))
}

/// A new identifier in lower case: 26 characters, sorted by time.
pub fn new_id() -> String {
    let now = jiff::Timestamp::now().as_millisecond();
    let random = u128::from_be_bytes(random_bytes());
    ulid::Ulid::from_parts(u64::try_from(now).unwrap_or(0), random).to_string().to_lowercase()
}

fn random_bytes() -> [u8; 16] {
    // The standard library's only source of randomness: the keys of a new hasher.
    use std::hash::{BuildHasher, RandomState};
    let one = RandomState::new().hash_one(std::process::id()).to_be_bytes();
    let two = RandomState::new().hash_one(jiff::Timestamp::now().as_nanosecond()).to_be_bytes();
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&one);
    bytes[8..].copy_from_slice(&two);
    bytes
}

pub fn now() -> String {
    rfc3339(jiff::Timestamp::now())
}

pub fn rfc3339(at: jiff::Timestamp) -> String {
    at.round(jiff::Unit::Millisecond).unwrap_or(at).to_string()
}

/// The clock on the wall.
#[derive(Debug)]
pub struct WallClock;

impl Clock for WallClock {
    fn now(&self) -> String {
        now()
    }

    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(tokio::time::sleep(duration))
    }
}

/// Reads secrets from the environment, from files beside the manifest, and from programs.
pub struct HostSecrets {
    /// The manifest's directory.
    pub directory: PathBuf,
    /// Every plaintext that was read, in all its spellings, so that it is recognized where a
    /// cloud repeats it.
    seen: Mutex<Vec<Zeroizing<String>>>,
    /// What programs have printed: each is run once.
    printed: Mutex<BTreeMap<Vec<String>, Plaintext>>,
}

/// What was read, or why there is nothing.
type Plaintext = Result<Zeroizing<String>, Unread>;

/// Why there is no secret, and nothing of one.
#[derive(Clone, Debug)]
enum Unread {
    Missing(String),
    /// It is there, or its program is.
    Bad(Unreadable),
}

impl From<Unread> for Unreadable {
    fn from(unread: Unread) -> Self {
        match unread {
            Unread::Missing(why) => why.into(),
            Unread::Bad(unreadable) => unreadable,
        }
    }
}

/// Shorter ones are part of too many words.
const SHORTEST: usize = 4;
/// The same for one line of several: lines are told one by one.
const SHORTEST_LINE: usize = 8;

impl fmt::Debug for HostSecrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HostSecrets").field("directory", &self.directory).finish_non_exhaustive()
    }
}

impl HostSecrets {
    pub fn new(directory: PathBuf) -> Self {
        Self { directory, seen: Mutex::default(), printed: Mutex::default() }
    }

    /// Reads a secret that is there, to recognize it where a cloud repeats it.
    pub fn learn(&self, source: &SecretSource) {
        // One that is not there is nobody's business yet.
        let _ = self.read(source);
    }

    fn read(&self, source: &SecretSource) -> Plaintext {
        let plain = self.read_unseen(source)?;
        self.see(&plain);
        Ok(plain)
    }

    /// From here on a text is recognized.
    fn see(&self, plain: &str) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let whole = Some(plain).filter(|plain| plain.len() >= SHORTEST);
        let lines = plain.lines().map(str::trim).filter(|line| line.len() >= SHORTEST_LINE);
        for text in whole.into_iter().chain(lines) {
            if !seen.iter().any(|known| known.as_str() == text) {
                seen.extend(spellings(text));
            }
        }
    }

    /// The error says why there is none, and nothing of what was read.
    fn read_unseen(&self, source: &SecretSource) -> Plaintext {
        match source {
            SecretSource::Env(name) => variable(name)
                .map(Zeroizing::new)
                .ok_or_else(|| Unread::Missing(format!("the {source} is not there"))),
            SecretSource::Command(words) => {
                let mut printed = self.printed.lock().unwrap_or_else(PoisonError::into_inner);
                let run = || {
                    let output = secret_command::output(words, &self.directory, &say);
                    output.map_err(|failed| Unread::Bad(self.without_secrets(&failed)))
                };
                printed.entry(words.clone()).or_insert_with(run).clone()
            }
            SecretSource::File(path) => {
                let text = fs::read_to_string(self.directory.join(path));
                let text = Zeroizing::new(text.map_err(|error| unread(source, path, &error))?);
                // Editors end files with a newline that nobody means.
                Ok(Zeroizing::new(text.strip_suffix('\n').unwrap_or(&text).to_owned()))
            }
        }
    }

    /// What a program said that failed, without what is known to be secret, and without what it
    /// printed: that may have been one, or a part of it.
    fn without_secrets(&self, failed: &secret_command::Failed) -> Unreadable {
        self.see(&failed.printed);
        let mut printed: Vec<Zeroizing<String>> = failed
            .printed
            .split_whitespace()
            .filter(|word| word.len() >= SHORTEST)
            // As a shell traces it as well, where a quote is within quotes.
            .flat_map(|word| [Zeroizing::new(word.replace('\'', "'\\''")), word.to_owned().into()])
            .collect();
        printed.sort_by_key(|word| Reverse(word.len()));
        let mut said = Zeroizing::new(self.redact(&failed.said));
        for word in printed {
            said = Zeroizing::new(said.replace(word.as_str(), redact::REDACTED));
        }
        let help = secret_command::last_lines(&said)
            .map(|lines| format!("this is what it said, without what it printed:\n{lines}"));
        Unreadable { why: failed.why.clone(), help }
    }

    /// A salted digest of the current plaintext, or why there is none.
    pub fn digest(
        &self,
        source: &SecretSource,
        environment: &Environment,
        address: &Address,
    ) -> Result<String, Unreadable> {
        let plain = self.read(source)?;
        Ok(digest(&plain, &salt(environment, address)))
    }
}

impl Secrets for HostSecrets {
    fn reveal(&self, secret: &Secret) -> Result<String, SecretUnavailable> {
        let plain = self.read(&secret.source).map_err(|unread| match unread {
            Unread::Missing(_) => SecretUnavailable::Missing(secret.source.clone()),
            Unread::Bad(Unreadable { why, help }) => SecretUnavailable::Unreadable { why, help },
        })?;
        let changed = || SecretUnavailable::Changed(secret.source.clone());
        let salt = secret.digest.split('$').nth(1).and_then(unhex).ok_or_else(changed)?;
        if digest(&plain, &salt) == secret.digest { Ok(plain.to_string()) } else { Err(changed()) }
    }

    fn redact(&self, text: &str) -> String {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let mut longest_first: Vec<&str> = seen.iter().map(|it| it.as_str()).collect();
        // One may be part of another.
        longest_first.sort_by_key(|plain| Reverse(plain.len()));
        let replace = |text: String| {
            longest_first.iter().fold(text, |text, plain| text.replace(plain, redact::REDACTED))
        };
        // Before anything is taken out of it, with colours within it and without.
        redact::redact(&replace(redact::plain(&replace(text.to_owned()))))
    }
}

/// Tells the person who waits. What follows is told by somebody else.
fn say(line: &str) {
    let _ = writeln!(io::stderr(), "{line}");
}

/// Why a file is no secret, and what helps.
fn unread(source: &SecretSource, path: &str, error: &io::Error) -> Unread {
    let (why, help) = match error.kind() {
        io::ErrorKind::NotFound => return Unread::Missing(format!("the {source} is not there")),
        io::ErrorKind::PermissionDenied => (
            format!("the {source} may not be read by this user"),
            format!("let the user that runs bfd read `{path}` and the directories it is in"),
        ),
        io::ErrorKind::IsADirectory => (
            format!("`{path}` is a directory"),
            format!("name the file in `{path}` that holds the secret"),
        ),
        io::ErrorKind::InvalidData => (
            format!("the {source} is no text in UTF-8"),
            format!(
                "secrets are text: store what `{path}` holds in base64, and decode it where it is used"
            ),
        ),
        _ => (format!("the {source} cannot be read: {error}"), format!("check `{path}`")),
    };
    Unread::Bad(Unreadable { why, help: Some(help) })
}

/// The same secret has another digest in another place, and the same one in
/// every plan of the same place.
fn salt(environment: &Environment, address: &Address) -> [u8; 16] {
    let Environment { name, account, region } = environment;
    let hash = Sha256::digest(format!("bfd\n{account}\n{region}\n{name}\n{address}"));
    let mut salt = [0; 16];
    salt.copy_from_slice(&hash[..16]);
    salt
}

fn digest(plain: &str, salt: &[u8]) -> String {
    let params =
        Params::new(MEMORY, PASSES, 1, Some(32)).expect("constants within argon2's bounds");
    let mut out = [0_u8; 32];
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_into(plain.as_bytes(), salt, &mut out)
        .expect("salt and output have valid lengths");
    format!("argon2id${}${}", hex(salt), hex(&out))
}

fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        write!(text, "{byte:02x}").expect("writing to a string");
    }
    text
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let pair = |index| u8::from_str_radix(text.get(index..index + 2)?, 16).ok();
    (0..text.len()).step_by(2).map(pair).collect()
}

/// The directory in which a manifest stands.
pub fn directory_of(manifest: &Path) -> PathBuf {
    match manifest.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        _ => PathBuf::from("."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(name: &str) -> Environment {
        Environment {
            name: name.into(),
            account: "123456789012".into(),
            region: "eu-west-1".into(),
        }
    }

    #[test]
    fn a_digest_tells_nothing_and_depends_on_its_place() {
        let address: Address = "parameter.jwt".parse().unwrap();
        let one = digest("hunter2", &salt(&environment("dev"), &address));
        let again = digest("hunter2", &salt(&environment("dev"), &address));
        let elsewhere = digest("hunter2", &salt(&environment("prod"), &address));
        assert_eq!(one, again);
        assert_ne!(one, elsewhere);
        assert!(!one.contains("hunter2"));
    }

    #[test]
    fn a_user_without_a_name_is_whoever_started_the_job_or_a_number() {
        let of = |set: &[(&str, &str)]| {
            user(|name| Some(set.iter().find(|(it, _)| *it == name)?.1.to_owned()))
        };
        let github = ("GITHUB_ACTOR", "octocat");
        assert_eq!(of(&[github, ("USER", "runner")]), "runner");
        assert_eq!(of(&[github, ("LOGNAME", "build")]), "build");
        assert_eq!(of(&[github]), "octocat");
        assert_eq!(of(&[("GITLAB_USER_LOGIN", "tanuki")]), "tanuki");
        assert_eq!(of(&[("CODEBUILD_INITIATOR", "codepipeline/shop")]), "codepipeline/shop");
        assert_eq!(of(&[("BUILDKITE_BUILD_CREATOR", "Ann Lee")]), "Ann Lee");
        let number = of(&[]);
        assert!(
            number.strip_prefix("uid-").is_some_and(|id| id.parse::<u32>().is_ok()),
            "{number}"
        );
    }

    #[test]
    fn a_secret_that_changed_since_the_plan_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let secrets = HostSecrets::new(directory.path().to_owned());
        let source = SecretSource::File("jwt".into());
        let address: Address = "parameter.jwt".parse().unwrap();
        std::fs::write(directory.path().join("jwt"), "one\n").unwrap();
        let digest = secrets.digest(&source, &environment("dev"), &address).unwrap();
        let secret = Secret { source, digest };
        assert_eq!(secrets.reveal(&secret).unwrap(), "one");
        std::fs::write(directory.path().join("jwt"), "two\n").unwrap();
        assert!(matches!(secrets.reveal(&secret), Err(SecretUnavailable::Changed(_))));
    }

    #[test]
    fn a_file_that_is_no_secret_is_told_as_what_it_is() {
        let directory = tempfile::tempdir().unwrap();
        let secrets = HostSecrets::new(directory.path().to_owned());
        let address: Address = "parameter.jwt".parse().unwrap();
        let of = |name: &str| {
            let source = SecretSource::File(name.into());
            secrets.digest(&source, &environment("dev"), &address).unwrap_err()
        };
        assert_eq!(of("none"), "the file `none` is not there".to_owned().into());
        std::fs::create_dir(directory.path().join("made")).unwrap();
        std::fs::write(directory.path().join("bin"), b"\xff\xfe").unwrap();
        let made = of("made");
        assert_eq!(made.why, "`made` is a directory");
        assert!(made.help.unwrap().contains("the file in `made`"));
        let binary = of("bin");
        assert_eq!(binary.why, "the file `bin` is no text in UTF-8");
        assert!(binary.help.unwrap().contains("base64"));
        // Who runs tests may be one who may read everything.
        let (source, denied) = (SecretSource::File("key".into()), io::ErrorKind::PermissionDenied);
        let denied = Unreadable::from(unread(&source, "key", &denied.into()));
        assert_eq!(denied.why, "the file `key` may not be read by this user");
        let secret = Secret { source: SecretSource::File("made".into()), digest: String::new() };
        let revealed = secrets.reveal(&secret).unwrap_err();
        assert_eq!(revealed.to_string(), "`made` is a directory");
    }

    #[test]
    fn what_a_failing_program_said_is_told_without_secrets() {
        let directory = tempfile::tempdir().unwrap();
        let secrets = HostSecrets::new(directory.path().to_owned());
        let address: Address = "parameter.jwt".parse().unwrap();
        std::fs::write(directory.path().join("known"), "correct horse").unwrap();
        secrets.learn(&SecretSource::File("known".into()));
        let script = "echo correct horse >&2; printf %s \"it's battery staple\"; exit 3";
        let words = ["sh", "-xc", script].map(str::to_owned).to_vec();
        let source = SecretSource::Command(words);
        let failed = secrets.digest(&source, &environment("dev"), &address).unwrap_err();
        assert_eq!(failed.why, "`sh` failed: exit status: 3");
        let help = failed.help.unwrap();
        assert!(help.contains("+ printf %s") && help.contains("+ exit 3"), "{help}");
        for planted in ["horse", "battery", "staple"] {
            assert!(!help.contains(planted), "{planted} in {help}");
        }
    }

    #[test]
    fn what_was_read_is_recognized_where_it_is_repeated() {
        let directory = tempfile::tempdir().unwrap();
        let secrets = HostSecrets::new(directory.path().to_owned());
        let address: Address = "parameter.jwt".parse().unwrap();
        let files = [
            ("word", "correct horse"),
            ("longer", "correct horse battery"),
            ("short", "abc"),
            ("lines", "first of two lines\nsecond of two lines\n"),
        ];
        let told = "said correct horse battery, correct horse and abc";
        assert_eq!(secrets.redact(told), told, "nothing was read yet");
        for (name, plain) in files {
            std::fs::write(directory.path().join(name), plain).unwrap();
            let source = SecretSource::File(name.into());
            secrets.digest(&source, &environment("dev"), &address).unwrap();
        }
        assert_eq!(secrets.redact(told), "said ***, *** and abc");
        assert_eq!(secrets.redact("correct \u{1b}[1mhorse"), "***");
        assert_eq!(secrets.redact("Y29ycmVjdCBob3JzZQ== {correct%20horse}"), "***== {***}");
        assert_eq!(secrets.redact("> second of two lines <"), "> *** <");
        assert_eq!(secrets.redact("DB_PASSWORD=never-read"), "DB_PASSWORD=***");
        assert!(!format!("{secrets:?}").contains("horse"));
    }
}

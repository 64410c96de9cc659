//! One blob: there already, taken over from another repository, or sent.

use super::{
    Registry,
    auth::Access,
    body::{Broken, Sent, body},
    progress::Meter,
    source::Source,
    url,
    wire::{self, ATTEMPTS, Answer, may_help, refused, request},
};
use bfd_image::Descriptor;
use bfd_provider::{ErrorClass, ProviderError};
use std::{collections::BTreeSet, future::Future, pin::pin, sync::Arc, time::Duration};

const GET: &str = "registry:GetLayer";
const START: &str = "registry:StartLayer";
const PUT: &str = "registry:PutLayer";
const FINISH: &str = "registry:FinishLayer";
const BYTES: &str = "application/octet-stream";

/// An upload on which nothing moves for that long is broken off.
const STALL: Duration = Duration::from_secs(30);
/// How often it is looked whether something moves.
const LOOK: Duration = Duration::from_secs(5);
/// The wait after a connection that broke while bytes moved, once.
const BRIEFLY: Duration = Duration::from_millis(20);
/// What a registry may take for a blob that it has all bytes of: what the system has buffered
/// must arrive, and be written down.
const SETTLE: Duration = Duration::from_mins(2);

/// Where an image is sent to.
#[derive(Clone, Debug)]
pub(super) struct Target {
    pub(super) access: Access,
    pub(super) repository: String,
    /// Other repositories of the registry that may be read.
    pub(super) readable: BTreeSet<String>,
}

impl Target {
    fn registry(&self) -> &str {
        &self.access.host.name
    }
}

/// What is to be done about a blob.
#[derive(Debug)]
pub(super) enum Found {
    There,
    /// Taken over from another repository of the registry.
    Mounted,
    /// To be sent, perhaps by an upload that the registry has begun already.
    Missing(Option<Upload>),
}

/// An upload under way.
#[derive(Clone, Debug)]
pub(super) struct Upload {
    location: String,
    /// How many bytes the registry has.
    offset: u64,
}

impl Registry<'_> {
    /// Looks whether a blob is there, and otherwise tries to take it over.
    pub(super) async fn find(
        &self,
        target: &Target,
        blob: &Descriptor,
        from: &[String],
    ) -> Result<Found, ProviderError> {
        if self.repeated(|| self.has(target, &target.repository, blob)).await? {
            self.learn(target, blob);
            return Ok(Found::There);
        }
        // Where it was seen comes first: nobody need look there again.
        let mut holders = self.aws.registries.known.holders(target.registry(), Some(&blob.digest));
        holders.retain(|holder| target.readable.contains(holder));
        let others = from.iter().filter(|from| !holders.contains(*from));
        for (from, is_known) in
            holders.iter().map(|it| (it, true)).chain(others.map(|it| (it, false)))
        {
            // One who may not read there, or finds nothing, has nothing to take over.
            if !is_known {
                let has = self.repeated(|| self.has(target, from, blob)).await;
                if !matches!(has, Ok(true)) {
                    continue;
                }
            }
            let url = target.access.url(&target.repository, "blobs/uploads/");
            let url = url::with_parameter(&url, "mount", blob.digest.as_str());
            let url = url::with_parameter(&url, "from", from);
            let answer = self.repeated(|| self.post(target, &url)).await;
            match answer {
                Ok(answer) if answer.status == 201 => {
                    self.learn(target, blob);
                    return Ok(Found::Mounted);
                }
                // It would rather have the bytes: the upload has begun.
                Ok(answer) if answer.status == 202 => {
                    return Ok(Found::Missing(Some(begun(&url, &answer)?)));
                }
                _ => {}
            }
        }
        Ok(Found::Missing(None))
    }

    fn learn(&self, target: &Target, blob: &Descriptor) {
        let known = &self.aws.registries.known;
        known.add_blob(target.registry(), &target.repository, &blob.digest);
    }

    async fn has(
        &self,
        target: &Target,
        repository: &str,
        blob: &Descriptor,
    ) -> Result<bool, ProviderError> {
        let url = target.access.url(repository, &format!("blobs/{}", blob.digest));
        let answer = self.ask(GET, &target.access, "HEAD", &url, &[], b"").await?;
        match answer.status {
            200 => Ok(true),
            404 => Ok(false),
            _ => Err(refused(GET, &target.access.host.name, &answer)),
        }
    }

    async fn post(&self, target: &Target, url: &str) -> Result<Answer, ProviderError> {
        let answer = self.ask(START, &target.access, "POST", url, &[], b"").await?;
        if answer.is_success() {
            Ok(answer)
        } else {
            Err(refused(START, &target.access.host.name, &answer))
        }
    }

    /// Sends a blob, in as many attempts as a blob has.
    pub(super) async fn send(
        &self,
        target: &Target,
        blob: &Descriptor,
        begun: Option<Upload>,
        source: &dyn Source,
        meter: &Arc<Meter>,
    ) -> Result<(), ProviderError> {
        let mut upload = begun;
        for made in 1.. {
            let done = self.attempt(target, blob, &mut upload, source, meter).await;
            let (reached, failed) = match done {
                Ok(()) => {
                    self.learn(target, blob);
                    return Ok(());
                }
                Err(failed) => failed,
            };
            if !failed.may_help || made == ATTEMPTS {
                if let Some(upload) = upload {
                    self.give_up(target, &upload).await;
                }
                return Err(failed.error);
            }
            tracing::debug!(target: "bfd", "{}: attempt {made} broke off at {reached}", blob.digest);
            if made == 1 && reached > 0 {
                // A connection that worked and broke: nobody asked for a rest.
                self.aws.sleep(BRIEFLY).await;
            } else {
                self.back_off(made).await;
            }
            // The answer may be all that was lost.
            let is_all_sent = reached == blob.size;
            if is_all_sent && self.has(target, &target.repository, blob).await.unwrap_or(false) {
                return Ok(());
            }
            upload = Box::pin(self.next_upload(target, upload, blob)).await;
            let kept = upload.as_ref().map_or(0, |upload| upload.offset);
            meter.take_back(reached.saturating_sub(kept));
        }
        unreachable!("the last attempt returns")
    }

    /// One attempt. On failure, how many of the blob's bytes have been counted as sent.
    async fn attempt(
        &self,
        target: &Target,
        blob: &Descriptor,
        upload: &mut Option<Upload>,
        source: &dyn Source,
        meter: &Arc<Meter>,
    ) -> Result<(), (u64, Failed)> {
        let offset = upload.as_ref().map_or(0, |upload| upload.offset);
        let begun = match upload.take() {
            Some(begun) => begun,
            None => self.start(target).await.map_err(|error| (offset, error.into()))?,
        };
        *upload = Some(begun.clone());
        let mut location = begun.location;
        let sent = Sent::from(offset, blob.size);
        if offset < blob.size {
            let patched = self.patch(target, blob, &location, &sent, source, meter).await;
            location = patched.map_err(|error| (sent.at(), error))?;
        }
        self.finish(target, blob, &location).await.map_err(|error| (sent.at(), error))
    }

    async fn start(&self, target: &Target) -> Result<Upload, ProviderError> {
        let url = target.access.url(&target.repository, "blobs/uploads/");
        let answer = self.post(target, &url).await?;
        begun(&url, &answer)
    }

    /// Sends the bytes in one request: ECR forgets those of every later one.
    ///
    /// Source: <https://github.com/aws/containers-roadmap/issues/2831>.
    async fn patch(
        &self,
        target: &Target,
        blob: &Descriptor,
        location: &str,
        sent: &Arc<Sent>,
        source: &dyn Source,
        meter: &Arc<Meter>,
    ) -> Result<String, Failed> {
        let (offset, size) = (sent.at(), blob.size);
        let input = source.open(blob).await?;
        let body = body(input, blob, offset, sent, meter);
        let (length, range) = ((size - offset).to_string(), format!("{offset}-{}", size - 1));
        let mut headers = vec![("content-type", BYTES), ("content-length", length.as_str())];
        if offset > 0 {
            headers.push(("content-range", &range));
        }
        let mut request = request(PUT, "PATCH", location, &headers, body)?;
        self.authorize(&target.access, &mut request).await?;
        let origin = url::origin(location).unwrap_or_default();
        let asked = async { wire::read(PUT, &origin, self.exchange(PUT, request).await?).await };
        let answer = self.watched(sent, &origin, asked).await;
        if let Some(broken) = sent.broken() {
            return Err(of_bytes(&broken).into());
        }
        let answer = answer?;
        let name = &target.access.host.name;
        match answer.status {
            // The specification says 202, and ECR 201.
            200..=202 | 204 if sent.is_all() => {
                let next = answer.header("location").unwrap_or(location);
                url::locate(location, next).ok_or_else(|| {
                    wire::odd(PUT, format!("{name} names no place to go on at")).into()
                })
            }
            200..=299 => {
                Err(wire::odd(PUT, format!("{name} answers before it has all bytes")).into())
            }
            // Whoever we were when the upload began, we are not any more.
            401 => {
                self.forget(&target.access);
                Err(Failed::repeatable(refused(PUT, name, &answer)))
            }
            // It knows nothing of the upload, or has other bytes than we think.
            404 | 416 => Err(Failed::repeatable(refused(PUT, name, &answer))),
            _ => Err(refused(PUT, name, &answer).into()),
        }
    }

    async fn finish(
        &self,
        target: &Target,
        blob: &Descriptor,
        location: &str,
    ) -> Result<(), Failed> {
        let url = url::with_parameter(location, "digest", blob.digest.as_str());
        let headers = [("content-type", BYTES)];
        // A token may have run out while the bytes were sent: whoever is asked for it gets another,
        // and the bytes stay where they are.
        let asked = self.ask_patiently(SETTLE, FINISH, &target.access, "PUT", &url, &headers, b"");
        let answer = asked.await?;
        let name = &target.access.host.name;
        let is_other = answer
            .header("docker-content-digest")
            .is_some_and(|digest| digest != blob.digest.as_str());
        match answer.status {
            200..=299 if is_other => {
                Err(wire::odd(FINISH, format!("{name} has other bytes under {}", blob.digest))
                    .into())
            }
            200..=299 => Ok(()),
            404 | 416 => Err(Failed::repeatable(refused(FINISH, name, &answer))),
            // Bytes were lost on the way; ours have been checked.
            400 if matches!(answer.refusal().0.as_str(), "DIGEST_INVALID" | "SIZE_INVALID") => {
                Err(Failed::repeatable(refused(FINISH, name, &answer)))
            }
            _ => Err(refused(FINISH, name, &answer).into()),
        }
    }

    /// The upload to go on with: the one that broke off, or, because many a registry does not
    /// know it any more, a new one that is begun meanwhile. Without either the next attempt says
    /// why there is none.
    async fn next_upload(
        &self,
        target: &Target,
        broken: Option<Upload>,
        blob: &Descriptor,
    ) -> Option<Upload> {
        // ECR takes the bytes of one request only.
        if broken.is_none() || target.access.host.ecr.is_some() {
            return None;
        }
        let (old, new) = tokio::join!(self.resumable(target, broken, blob), self.start(target));
        match (old, new.ok()) {
            (Some(old), Some(new)) => {
                self.give_up(target, &new).await;
                Some(old)
            }
            (old, new) => old.or(new),
        }
    }

    /// What an upload that broke off has arrived of, where the registry can go on from there.
    async fn resumable(
        &self,
        target: &Target,
        upload: Option<Upload>,
        blob: &Descriptor,
    ) -> Option<Upload> {
        let upload = upload?;
        let location = &upload.location;
        let answer = self.ask(GET, &target.access, "GET", location, &[], b"").await.ok()?;
        let last: u64 = match answer.status {
            204 | 202 => answer.header("range")?.rsplit('-').next()?.parse().ok()?,
            _ => return None,
        };
        // "0-0" may be one byte, and may be none.
        let offset = if last == 0 { 0 } else { last + 1 };
        let next = url::locate(location, answer.header("location").unwrap_or(location))?;
        (offset > 0 && offset <= blob.size).then_some(Upload { location: next, offset })
    }

    /// Tells the registry that nobody goes on with an upload. It finds out in the end anyway.
    async fn give_up(&self, target: &Target, upload: &Upload) {
        if target.access.host.ecr.is_none() {
            let access = &target.access;
            let _ = self.ask(PUT, access, "DELETE", &upload.location, &[], b"").await;
        }
    }

    /// Waits for an answer while bytes move, and breaks off when they do not.
    async fn watched<T>(
        &self,
        sent: &Sent,
        origin: &str,
        work: impl Future<Output = Result<T, ProviderError>>,
    ) -> Result<T, ProviderError> {
        let mut work = pin!(work);
        let (mut seen, mut quiet) = (sent.at(), Duration::ZERO);
        loop {
            tokio::select! {
                biased;
                done = &mut work => return done,
                () = self.aws.sleep(LOOK) => {}
            }
            let at = sent.at();
            quiet = if at == seen { quiet + LOOK } else { Duration::ZERO };
            seen = at;
            let limit = if sent.is_all() { SETTLE } else { STALL };
            if quiet >= limit {
                return Err(wire::silent(PUT, origin, quiet));
            }
        }
    }
}

fn begun(asked: &str, answer: &Answer) -> Result<Upload, ProviderError> {
    let location = answer.header("location").and_then(|location| url::locate(asked, location));
    let location = location.ok_or_else(|| {
        let origin = url::origin(asked).unwrap_or_default();
        wire::odd(START, format!("{origin} begins an upload without saying where"))
    })?;
    Ok(Upload { location, offset: 0 })
}

/// Why an attempt to send a blob failed.
#[derive(Debug)]
struct Failed {
    error: ProviderError,
    /// Another attempt may come to another end.
    may_help: bool,
}

impl Failed {
    fn repeatable(error: ProviderError) -> Self {
        Self { error, may_help: true }
    }
}

impl From<ProviderError> for Failed {
    fn from(error: ProviderError) -> Self {
        Self { may_help: may_help(&error), error }
    }
}

fn of_bytes(broken: &Broken) -> ProviderError {
    let class = match broken {
        Broken::Other(_) => ErrorClass::Local,
        Broken::Off(_) => ErrorClass::NetworkFailure,
    };
    let error = ProviderError::new("registry:ReadLayer", class, broken.to_string());
    match broken {
        Broken::Other(_) => error.hint("nothing else may write to an image while it is sent"),
        Broken::Off(_) => error,
    }
}

//! Who asks: ECR's token, or what a registry's challenge wants.

use super::{
    Registry,
    challenge::Challenge,
    credentials::{self, Credentials},
    host::{Ecr, Host},
    url,
    wire::{self, Answer, PATIENCE, refused, request},
};
use aws_sdk_ecr::config::{Builder, Region};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_types::body::SdkBody;
use bfd_provider::{ErrorClass, ProviderError};
use serde_json::Value;
use std::{
    sync::PoisonError,
    time::{Duration, SystemTime},
};
use zeroize::Zeroizing;

const GET_TOKEN: &str = "registry:GetToken";
const GET_ECR_TOKEN: &str = "ecr:GetAuthorizationToken";
/// A token of ECR lives for twelve hours, and is not used in its last half hour: an upload that
/// begins with it should end with it.
const ECR_MARGIN: Duration = Duration::from_mins(30);
/// How long a token lives that does not say; and no token is used in its last ten seconds.
///
/// Source: <https://distribution.github.io/distribution/spec/auth/token/>.
const TOKEN_LIFE: u64 = 60;
const TOKEN_MARGIN: Duration = Duration::from_secs(10);
/// Redirects of one request.
const REDIRECTS: u32 = 5;

/// The value of an `Authorization` header, and until when it is good.
pub(super) struct Authorization {
    header: Zeroizing<String>,
    until: Option<SystemTime>,
}

/// Whom a request goes to, and what for: what tokens are asked and kept by.
#[derive(Clone, Debug)]
pub(super) struct Access {
    pub(super) host: Host,
    /// As tokens are asked for: `repository:web:pull,push`.
    scopes: Vec<String>,
}

impl Access {
    pub(super) fn pull(host: Host, repository: &str) -> Self {
        Self { host, scopes: vec![format!("repository:{repository}:pull")] }
    }

    /// To write to one repository and to read from others.
    pub(super) fn push(host: Host, repository: &str, from: &[String]) -> Self {
        let mut scopes = vec![format!("repository:{repository}:pull,push")];
        scopes.extend(from.iter().map(|from| format!("repository:{from}:pull")));
        Self { host, scopes }
    }

    pub(super) fn delete(host: Host, repository: &str) -> Self {
        Self { host, scopes: vec![format!("repository:{repository}:pull,delete")] }
    }

    fn key(&self) -> (String, String) {
        match &self.host.ecr {
            // A token of ECR is good for every registry of the region that the role may use.
            Some(ecr) => (format!("ecr {}", ecr.region), String::new()),
            None => (self.host.name.clone(), self.scopes.join(" ")),
        }
    }

    /// An address in a repository of the registry.
    pub(super) fn url(&self, repository: &str, path: &str) -> String {
        format!("{}/v2/{repository}/{path}", self.host.base)
    }
}

impl Registry<'_> {
    /// Sends a small request, as whoever may send it, and reads the answer.
    ///
    /// A registry that asks who is there is told, once; redirects are followed by those who only
    /// read, and nobody else's host is told who asks.
    pub(super) async fn ask(
        &self,
        operation: &'static str,
        access: &Access,
        method: &str,
        url: &str,
        headers: &[(&'static str, &str)],
        body: &[u8],
    ) -> Result<Answer, ProviderError> {
        self.ask_patiently(PATIENCE, operation, access, method, url, headers, body).await
    }

    /// The same for what may take longer.
    #[expect(clippy::too_many_arguments, reason = "a request is made of that many parts")]
    pub(super) async fn ask_patiently(
        &self,
        patience: Duration,
        operation: &'static str,
        access: &Access,
        method: &str,
        url: &str,
        headers: &[(&'static str, &str)],
        body: &[u8],
    ) -> Result<Answer, ProviderError> {
        let asked = async {
            let make = |url: &str| request(operation, method, url, headers, SdkBody::from(body));
            let (answer, url) = self.told_who(operation, access, method, url, make).await?;
            let origin = url::origin(&url).unwrap_or_default();
            wire::read(operation, &origin, answer).await
        };
        let origin = url::origin(url).unwrap_or_default();
        self.in_time(operation, &origin, patience, asked).await
    }

    /// The same for an answer that is read bit by bit. Also returns where it came from.
    pub(super) async fn told_who(
        &self,
        operation: &'static str,
        access: &Access,
        method: &str,
        url: &str,
        make: impl Fn(&str) -> Result<HttpRequest, ProviderError>,
    ) -> Result<(HttpResponse, String), ProviderError> {
        let mut url = url.to_owned();
        let mut was_challenged = false;
        let mut redirects = 0;
        loop {
            let mut request = make(&url)?;
            self.authorize(access, &mut request).await?;
            let answer = self.exchange(operation, request).await?;
            let status = answer.status().as_u16();
            let is_ours = url::origin(&url) == url::origin(&access.host.base);
            if status == 401 && is_ours && !was_challenged {
                was_challenged = true;
                let origin = url::origin(&url).unwrap_or_default();
                let answer = wire::read(operation, &origin, answer).await?;
                self.satisfy(operation, access, &answer).await?;
                continue;
            }
            let is_redirect = matches!(status, 301 | 302 | 303 | 307 | 308);
            if !is_redirect || !matches!(method, "GET" | "HEAD") {
                return Ok((answer, url));
            }
            redirects += 1;
            let location = answer.headers().get("location");
            let next = location.and_then(|location| url::locate(&url, location));
            let next = next.filter(|next| {
                redirects <= REDIRECTS && (url::is_private(next) || !url::is_private(&url))
            });
            url = next.ok_or_else(|| {
                wire::odd(operation, format!("{} redirects to nowhere", access.host.name))
            })?;
        }
    }

    /// Says who asks, where that is known already and the request goes to the registry itself.
    pub(super) async fn authorize(
        &self,
        access: &Access,
        request: &mut HttpRequest,
    ) -> Result<(), ProviderError> {
        if url::origin(request.uri()) != url::origin(&access.host.base) {
            return Ok(());
        }
        if self.known(access).is_none()
            && let Some(ecr) = &access.host.ecr
        {
            let _asking = self.aws.registries.asking.lock().await;
            if self.known(access).is_none() {
                self.ask_ecr(access, ecr).await?;
            }
        }
        if let Some(header) = self.known(access) {
            // The headers keep a copy that is not wiped; it lives as long as the request.
            request.headers_mut().insert("authorization", header.as_str().to_owned());
        }
        Ok(())
    }

    fn known(&self, access: &Access) -> Option<Zeroizing<String>> {
        let now = self.aws.now();
        let kept = self.aws.registries.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let known = kept.get(&access.key())?;
        known.until.is_none_or(|until| now < until).then(|| known.header.clone())
    }

    fn keep(&self, access: &Access, known: Authorization) {
        let mut kept = self.aws.registries.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.insert(access.key(), known);
    }

    /// Forgets who we were: the registry does not know us any more.
    pub(super) fn forget(&self, access: &Access) {
        let mut kept = self.aws.registries.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.remove(&access.key());
    }

    /// Gets what a registry asks for that has refused a request.
    async fn satisfy(
        &self,
        operation: &'static str,
        access: &Access,
        answer: &Answer,
    ) -> Result<(), ProviderError> {
        self.forget(access);
        let host = &access.host;
        if let Some(ecr) = &host.ecr {
            return self.ask_ecr(access, ecr).await;
        }
        let mut challenges = answer.headers("www-authenticate").filter_map(Challenge::parse);
        let Some(challenge) = challenges.next() else {
            return Err(refused(operation, &host.name, answer));
        };
        let credentials = credentials::of(self.aws, &host.name).await?;
        match challenge {
            Challenge::Basic => {
                let Some(header) = credentials.and_then(|it| it.basic()) else {
                    let hint = format!("sign in: `docker login {}`", host.name);
                    return Err(refused(operation, &host.name, answer).hint(hint));
                };
                self.keep(access, Authorization { header, until: None });
                Ok(())
            }
            Challenge::Bearer { realm, service } => {
                let service = service.unwrap_or_default();
                self.ask_token(access, &realm, &service, credentials).await
            }
        }
    }

    async fn ask_ecr(&self, access: &Access, ecr: &Ecr) -> Result<(), ProviderError> {
        let region = Builder::new().region(Region::new(ecr.region.clone()));
        let request = self.aws.ecr.get_authorization_token().customize().config_override(region);
        let answer = self.aws.call(GET_ECR_TOKEN, request.send()).await?;
        let data = answer.authorization_data.unwrap_or_default().into_iter().next();
        let (token, until) = data
            .and_then(|data| Some((Zeroizing::new(data.authorization_token?), data.expires_at)))
            .ok_or_else(|| wire::odd(GET_ECR_TOKEN, "ECR gives no token"))?;
        let header = Zeroizing::new(format!("Basic {}", token.as_str()));
        let until = until.and_then(|until| SystemTime::try_from(until).ok());
        // One that has no half hour left is used for what it was asked for.
        let soon = self.aws.now() + TOKEN_MARGIN;
        let until = until.and_then(|until| until.checked_sub(ECR_MARGIN)).map(|it| it.max(soon));
        self.keep(access, Authorization { header, until });
        Ok(())
    }

    /// Asks for a token as Docker does, with credentials or without.
    async fn ask_token(
        &self,
        access: &Access,
        realm: &str,
        service: &str,
        credentials: Option<Credentials>,
    ) -> Result<(), ProviderError> {
        let host = &access.host;
        if !url::is_private(realm) {
            let what = format!("{} has its tokens handed out without TLS", host.name);
            return Err(ProviderError::new(GET_TOKEN, ErrorClass::AccessDenied, what));
        }
        let request = if let Some(Credentials::Refresh(token)) = &credentials {
            let form = Zeroizing::new(format!(
                "grant_type=refresh_token&client_id=bfd&service={}&scope={}&refresh_token={}",
                url::escape(service),
                url::escape(&access.scopes.join(" ")),
                url::escape(token),
            ));
            let form_type = [("content-type", "application/x-www-form-urlencoded")];
            request(GET_TOKEN, "POST", realm, &form_type, SdkBody::from(form.as_bytes()))?
        } else {
            let mut url = realm.to_owned();
            if !service.is_empty() {
                url = url::with_parameter(&url, "service", service);
            }
            for scope in &access.scopes {
                url = url::with_parameter(&url, "scope", scope);
            }
            let mut asked = request(GET_TOKEN, "GET", &url, &[], SdkBody::empty())?;
            if let Some(header) = credentials.and_then(|it| it.basic()) {
                asked.headers_mut().insert("authorization", header.as_str().to_owned());
            }
            asked
        };
        let began = self.aws.now();
        let mut answer = self.fetch(GET_TOKEN, request, PATIENCE).await?;
        if !answer.is_success() {
            return Err(refused(GET_TOKEN, &host.name, &answer));
        }
        let body = Zeroizing::new(std::mem::take(&mut answer.body));
        let said: Value = serde_json::from_slice(&body).unwrap_or_default();
        let token = said["token"].as_str().or_else(|| said["access_token"].as_str());
        let token = token
            .filter(|token| !token.is_empty())
            .ok_or_else(|| wire::odd(GET_TOKEN, format!("{} gives no token", host.name)))?;
        let life = Duration::from_secs(said["expires_in"].as_u64().unwrap_or(TOKEN_LIFE));
        let life = life.checked_sub(TOKEN_MARGIN).unwrap_or_default().max(Duration::from_secs(1));
        let header = Zeroizing::new(format!("Bearer {token}"));
        self.keep(access, Authorization { header, until: Some(began + life) });
        Ok(())
    }
}

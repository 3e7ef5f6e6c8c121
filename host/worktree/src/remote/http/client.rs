//! Requests to a server: redirects, credentials, and what git's configuration says about connections.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use base64::Engine;
use ureq::http::Response;
use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig};

use crate::remote::address::{Address, HttpAddress, Secret, redacted};
use crate::remote::credentials::{Helpers, Login};
use crate::remote::settings::{Settings, is_true};
use crate::remote::{Access, RemoteError, text};

/// As curl follows for git.
const MAX_REDIRECTS: usize = 20;
/// Servers tell by it whether a program of git asks or a browser.
const USER_AGENT: &str = "git/2.0 (sandpiper)";

/// A server, as far as it is known.
pub(crate) struct Http {
    agent: ureq::Agent,
    settings: Settings,
    access: Access,
    directory: PathBuf,
    follows_redirects: bool,
    state: Mutex<State>,
    watch: Arc<AtomicBool>,
}

struct State {
    /// Where the repository is, after redirects.
    base: HttpAddress,
    login: Option<Login>,
}

impl Http {
    /// # Errors
    /// [`RemoteError::Refused`] for settings that would have to be ignored.
    pub(crate) fn new(
        base: HttpAddress,
        settings: &Settings,
        access: &Access,
        directory: &Path,
    ) -> Result<Self, RemoteError> {
        check_settings(settings, &base)?;
        let mut tls = TlsConfig::builder();
        if let Some(path) = settings.http("sslcainfo", &base).filter(|path| !path.is_empty()) {
            tls = tls.root_certs(certificates(path)?);
        }
        let agent: ureq::Agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .user_agent(USER_AGENT)
            .proxy(proxy(settings, &base)?)
            .tls_config(tls.build())
            .timeout_resolve(Some(access.connect_timeout))
            .timeout_connect(Some(access.connect_timeout))
            .timeout_per_read(Some(access.silence_timeout))
            .timeout_per_write(Some(access.silence_timeout))
            .build()
            .into();
        let watch = Arc::new(AtomicBool::new(true));
        stop_when_cancelled(agent.clone(), access, &watch);
        Ok(Self {
            agent,
            settings: settings.clone(),
            access: access.clone(),
            directory: directory.to_owned(),
            follows_redirects: settings
                .http("followredirects", &base)
                .is_none_or(|value| value == "initial" || is_true(value)),
            state: Mutex::new(State { base, login: None }),
            watch,
        })
    }

    /// Asks what the server has. Redirects are followed here and nowhere else, and hold for what follows.
    pub(crate) fn discover(&self, service: &str) -> Result<ureq::Body, RemoteError> {
        let tail = format!("/info/refs?service={service}");
        for _ in 0..=MAX_REDIRECTS {
            let base = self.state().base.clone();
            let response = self.with_login(|header| {
                let request = self.agent.get(format!("{base}{tail}")).header("Pragma", "no-cache");
                self.add_headers(request, &base, header)?.call().map_err(|err| self.failed(&err))
            })?;
            if !response.status().is_redirection() {
                let expected = format!("application/x-{service}-advertisement");
                return self.checked(response, &expected);
            }
            self.redirect(&base, &tail, &response)?;
        }
        Err(self.server("it redirects without end"))
    }

    /// Sends a request of a service.
    pub(crate) fn post(
        &self,
        service: &str,
        body: &mut super::exchange::Spool,
    ) -> Result<ureq::Body, RemoteError> {
        let base = self.state().base.clone();
        let response = self.with_login(|header| {
            let mut request = self
                .agent
                .post(format!("{base}/{service}"))
                .header("Content-Type", format!("application/x-{service}-request"))
                .header("Accept", format!("application/x-{service}-result"));
            let (length, encoding, mut reader) = body.begin().map_err(|err| self.server(err.to_string()))?;
            request = request.header("Content-Length", length.to_string());
            if let Some(encoding) = encoding {
                request = request.header("Content-Encoding", encoding);
            }
            let request = self.add_headers(request, &base, header)?;
            request.send(ureq::SendBody::from_reader(&mut reader)).map_err(|err| self.failed(&err))
        })?;
        self.checked(response, &format!("application/x-{service}-result"))
    }

    /// Tries without credentials first, as git does: servers that need none get none.
    fn with_login(
        &self,
        mut send: impl FnMut(Option<&str>) -> Result<Response<ureq::Body>, RemoteError>,
    ) -> Result<Response<ureq::Body>, RemoteError> {
        const UNAUTHORIZED: u16 = 401;

        self.access.check_cancelled()?;
        let known = self.state().login.clone();
        let response = send(known.as_ref().map(basic).as_deref())?;
        if response.status().as_u16() != UNAUTHORIZED {
            return Ok(response);
        }
        let base = self.state().base.clone();
        let helpers = Helpers::of(&self.settings, &base, &self.access, &self.directory)?;
        if let Some(login) = known {
            helpers.reject(&login)?;
            return Err(self.refused_login("those that it was given are not accepted"));
        }
        let offers = response.headers().get_all("www-authenticate");
        let takes_basic = offers
            .iter()
            .any(|offer| offer.as_bytes().get(..5).is_some_and(|start| start.eq_ignore_ascii_case(b"basic")));
        if !takes_basic {
            return Err(
                self.refused_login("it takes no password or token (HTTP's Basic), which is all there is")
            );
        }
        drop(response);
        let login = match (&base.user, &base.password) {
            (Some(user), Some(password)) => Login::of_address(user.clone(), password.clone()),
            _ => helpers.fill().map_err(|reason| match reason {
                Ok(reason) => self.refused_login(&reason),
                Err(err) => err,
            })?,
        };
        let response = send(Some(&basic(&login)))?;
        match response.status().as_u16() {
            UNAUTHORIZED => {
                helpers.reject(&login)?;
                Err(self.refused_login("those that it was given are not accepted"))
            }
            // It may be refused for another reason, which says nothing about the credentials.
            status => {
                if status < 400 {
                    helpers.approve(&login)?;
                }
                self.state().login = Some(login);
                Ok(response)
            }
        }
    }

    fn redirect(
        &self,
        base: &HttpAddress,
        tail: &str,
        response: &Response<ureq::Body>,
    ) -> Result<(), RemoteError> {
        if !self.follows_redirects {
            return Err(self.server("it redirects, and http.followRedirects is false"));
        }
        let location = response.headers().get("location").and_then(|value| value.to_str().ok());
        let location = location.ok_or_else(|| self.server("it redirects, and says not where to"))?;
        let absolute = match location {
            path if path.starts_with("//") => format!("{}:{path}", base.scheme()),
            path if path.starts_with('/') => {
                format!("{}://{}{path}", base.scheme(), base.host_and_port())
            }
            url => url.to_owned(),
        };
        let shown = redacted(&absolute);
        let strange =
            || self.server(format!("it redirects to {shown}, which is not the same question elsewhere"));
        let new = absolute.strip_suffix(tail).ok_or_else(strange)?;
        let Address::Http(mut new) = Address::parse(new, Path::new(""))? else { return Err(strange()) };
        if base.is_secure && !new.is_secure {
            return Err(self.server(format!("it redirects to {shown}, which is not encrypted")));
        }
        check_settings(&self.settings, &new)?;
        let is_same_server = new.host_and_port() == base.host_and_port() && new.is_secure == base.is_secure;
        // What is for one server is not told to another.
        (new.user, new.password) =
            if is_same_server { (base.user.clone(), base.password.clone()) } else { (None, None) };
        let mut state = self.state();
        if !is_same_server {
            state.login = None;
        }
        state.base = new;
        Ok(())
    }

    fn add_headers<B>(
        &self,
        mut request: ureq::RequestBuilder<B>,
        base: &HttpAddress,
        login: Option<&str>,
    ) -> Result<ureq::RequestBuilder<B>, RemoteError> {
        let mut extra: Vec<&str> = Vec::new();
        for (header, _) in self.settings.all_for("http", "extraheader", base) {
            // An empty one forgets those before it.
            if header.is_empty() { extra.clear() } else { extra.push(header) }
        }
        for header in extra {
            let parts = header.split_once(':').filter(|_| !header.chars().any(char::is_control));
            let no_header =
                || RemoteError::refused("http.extraHeader", "it is not of the form 'Name: value'");
            let (name, value) = parts.ok_or_else(no_header)?;
            request = request.header(name.trim(), value.trim());
        }
        Ok(match login {
            Some(login) => request.header("Authorization", login),
            None => request,
        })
    }

    fn checked(&self, response: Response<ureq::Body>, expected: &str) -> Result<ureq::Body, RemoteError> {
        let status = response.status();
        let kind = response.headers().get("content-type").and_then(|value| value.to_str().ok());
        let kind = kind.unwrap_or_default().split(';').next().unwrap_or_default().trim().to_owned();
        let body = response.into_body();
        if status.is_success() {
            if kind == expected {
                return Ok(body);
            }
            return Err(
                self.server("it is no smart HTTP server of git; is the address that of a repository?")
            );
        }
        let said = if kind == "text/plain" { said(body) } else { String::new() };
        let meaning = match status.as_u16() {
            404 => "there is no such repository, or not for who asks",
            403 => "that is forbidden to who asks",
            300..400 => "it redirects in the middle, which is not followed",
            _ => status.canonical_reason().unwrap_or_default(),
        };
        let said = if said.is_empty() { said } else { format!(": {said}") };
        Err(self.server(format!("{meaning} (HTTP {}){said}", status.as_u16())))
    }

    /// Why a request came to nothing.
    pub(super) fn failed(&self, err: &ureq::Error) -> RemoteError {
        use ureq::{Error, Timeout};

        let address = self.address();
        match err {
            _ if self.access.is_cancelled() => RemoteError::Cancelled,
            Error::Timeout(Timeout::PerRead | Timeout::PerWrite) => self.silent(),
            Error::Timeout(_) => {
                let seconds = self.access.connect_timeout.as_secs();
                RemoteError::Unreachable { address, reason: format!("no connection within {seconds} s") }
            }
            Error::HostNotFound => {
                RemoteError::Unreachable { address, reason: "no host of this name is known".to_owned() }
            }
            err => RemoteError::Unreachable { address, reason: text::one_line(err.to_string().as_bytes()) },
        }
    }

    pub(super) fn silent(&self) -> RemoteError {
        let seconds = self.access.silence_timeout.as_secs();
        RemoteError::Silent { address: self.address(), seconds }
    }

    pub(super) fn address(&self) -> String {
        self.state().base.to_string()
    }

    fn server(&self, text: impl Into<String>) -> RemoteError {
        RemoteError::Server { address: self.address(), text: text.into() }
    }

    fn refused_login(&self, reason: &str) -> RemoteError {
        RemoteError::Credentials { address: self.address(), reason: reason.to_owned() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Http {
    fn drop(&mut self) {
        self.watch.store(false, Ordering::Relaxed);
    }
}

fn basic(login: &Login) -> String {
    let Secret(pair) = login.pair();
    format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(pair))
}

fn said(body: ureq::Body) -> String {
    const MAX_BYTES: u64 = 2000;

    let mut bytes = Vec::new();
    // What of it can be read is what is said.
    let _ = body.into_reader().take(MAX_BYTES).read_to_end(&mut bytes);
    text::one_line(&bytes)
}

/// Wakes whoever waits for the server when it is to stop.
fn stop_when_cancelled(agent: ureq::Agent, access: &Access, watch: &Arc<AtomicBool>) {
    const PAUSE: Duration = Duration::from_millis(50);

    let (cancelled, watch) = (Arc::clone(&access.cancelled), Arc::clone(watch));
    std::thread::spawn(move || {
        while watch.load(Ordering::Relaxed) {
            if cancelled.load(Ordering::Relaxed) {
                agent.shutdown();
                return;
            }
            std::thread::sleep(PAUSE);
        }
    });
}

fn check_settings(settings: &Settings, base: &HttpAddress) -> Result<(), RemoteError> {
    let refused = |key: &str, reason: &str| Err(RemoteError::refused(format!("http.{key}"), reason));
    if settings.http("sslverify", base).is_some_and(|value| !is_true(value)) {
        return refused(
            "sslVerify",
            "servers are always verified; name their certificates by http.sslCAInfo",
        );
    }
    for (key, name) in [
        ("sslcert", "sslCert"),
        ("sslkey", "sslKey"),
        ("sslcapath", "sslCAPath"),
        ("cookiefile", "cookieFile"),
        ("curloptresolve", "curloptResolve"),
        ("pinnedpubkey", "pinnedPubkey"),
        ("sslcipherlist", "sslCipherList"),
        ("sslversion", "sslVersion"),
        ("proxysslcert", "proxySSLCert"),
        ("proxysslkey", "proxySSLKey"),
        ("proxysslcainfo", "proxySSLCAInfo"),
    ] {
        if settings.http(key, base).is_some_and(|value| !value.is_empty()) {
            return refused(name, "it is not supported; use ssh://, or git itself");
        }
    }
    Ok(())
}

fn proxy(settings: &Settings, base: &HttpAddress) -> Result<Option<ureq::Proxy>, RemoteError> {
    let Some(proxy) = settings.http("proxy", base).filter(|proxy| !proxy.is_empty()) else { return Ok(None) };
    let refused = |reason: &str| RemoteError::refused(format!("http.proxy {}", redacted(proxy)), reason);
    let url = if proxy.contains("://") { proxy.to_owned() } else { format!("http://{proxy}") };
    if !url.starts_with("http://") {
        return Err(refused("only proxies at http:// are supported"));
    }
    ureq::Proxy::new(&url).map(Some).map_err(|_| refused("it is no address"))
}

fn certificates(path: &str) -> Result<RootCerts, RemoteError> {
    let refused = |reason: String| RemoteError::refused(format!("http.sslCAInfo {path}"), reason);
    if path.starts_with('~') {
        return Err(refused("name the file by its whole path".to_owned()));
    }
    let pem = std::fs::read(path).map_err(|err| refused(err.to_string()))?;
    let mut certificates: Vec<Certificate<'static>> = Vec::new();
    for item in ureq::tls::parse_pem(&pem) {
        if let PemItem::Certificate(certificate) = item.map_err(|err| refused(err.to_string()))? {
            certificates.push(certificate);
        }
    }
    if certificates.is_empty() {
        return Err(refused("it holds no certificate".to_owned()));
    }
    Ok(RootCerts::Specific(Arc::new(certificates)))
}

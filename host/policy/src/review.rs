//! What a person should know of a policy before it is used: what is doubtful in it, and how far it reaches.

use std::path::{Component, Path, PathBuf};

use sandpiper_core::Metering;

use crate::backend::{Backend, RouteReason};
use crate::entries::{EntryKey, Variable};
use crate::resolved::Resolved;
use crate::secret::SecretReference;
use crate::settings::{Entries, Origin, Setting, Settings, Visitor};
use crate::value::Value;

/// Something of a policy that a person should know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// Who says so.
    pub origin: Origin,
    /// What it is.
    pub message: String,
}

impl std::fmt::Display for Notice {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}: {}", self.origin, self.message)
    }
}

impl Resolved {
    /// What is allowed and doubtful, or without effect.
    pub fn warnings(&self) -> Vec<Notice> {
        let mut found = Vec::new();
        let mut warn = |origin: &Origin, message| found.push(Notice { origin: origin.clone(), message });
        let settings = &self.settings;
        if let Some(policy) = &self.path {
            for (guest, mount) in settings.writable().filter(|(_, mount)| contains(&mount.value.host, policy))
            {
                let message = format!(
                    "the guest can write this policy, which is in the mount {guest}; mount it read-only or a directory below"
                );
                warn(&mount.origin, message);
            }
        }
        for (path, what) in secret_files(settings) {
            for (guest, mount) in
                settings.mounts.iter().filter(|(_, mount)| contains(&mount.value.host, path))
            {
                let message = format!("the guest can read the file of {what}, which is in the mount {guest}");
                warn(&mount.origin, message);
            }
        }
        for (name, setting) in &settings.environment {
            if matches!(&setting.value, Variable::Text(text) if !text.is_empty())
                && sounds_secret(name.as_text())
            {
                let name = name.as_text();
                let message = format!(
                    "`environment.{name}` sounds like a secret and is written out; name where it is: {{ env = \"{name}\" }}"
                );
                warn(&setting.origin, message);
            }
        }
        let limits = &settings.limits;
        if limits.metering.value == Metering::Deadline && limits.fuel.origin != Origin::Default {
            warn(
                &limits.fuel.origin,
                "`limits.fuel` has no effect while `limits.metering` is \"deadline\"".to_owned(),
            );
        }
        let routing = &settings.routing;
        let first_is_wasm = routing.backends.value.first() == Some(&Backend::Wasm);
        if !settings.network().is_none() && first_is_wasm && !routing.on.value.contains(&RouteReason::Needs) {
            let message = "`network.allow` has no effect: the backend wasm has no network, and `routing.on` has no \"needs\" to go to another";
            warn(&settings.network.allow.origin, message.to_owned());
        }
        if !routing.on.value.is_empty() && routing.backends.value.len() == 1 {
            warn(&routing.on.origin, "`routing.on` has no effect with one backend".to_owned());
        }
        let paid =
            routing.backends.value.iter().find(|backend| matches!(backend, Backend::E2b | Backend::Daytona));
        if let Some(paid) = paid.filter(|_| settings.remote.max_cost.value.micros() == 0) {
            let message = format!("nothing will run on {paid}: `remote.max_cost` is 0");
            warn(&routing.backends.origin, message);
        }
        found
    }

    /// How far the policy reaches beyond its own directory and this machine: a person who did not write it,
    /// because it came with a repository, is asked about these before it is followed.
    pub fn reaches(&self) -> Vec<Notice> {
        let mut found = Vec::new();
        let mut reach = |origin: &Origin, message| found.push(Notice { origin: origin.clone(), message });
        let settings = &self.settings;
        let home = self.path.as_deref().and_then(Path::parent);
        for (guest, mount) in &settings.mounts {
            if !home.is_some_and(|home| contains(home, &mount.value.host)) {
                let access = mount.value.access.write().unwrap_or_default();
                reach(
                    &mount.origin,
                    format!("the guest gets {} at {guest}, {access}", mount.value.host.display()),
                );
            }
        }
        for (name, setting) in &settings.environment {
            if let Variable::Secret { reference, .. } = &setting.value {
                reach(&setting.origin, format!("the guest gets {reference} as {}", name.as_text()));
            }
        }
        for backend in settings.routing.backends.value.iter().filter(|backend| backend.is_remote()) {
            reach(&settings.routing.backends.origin, format!("runs may go to {backend}"));
        }
        // Whether or not runs may go there: the person may name a backend, or ask how it is.
        for credential in credentials(settings) {
            reach(credential.0, credential.1);
        }
        for said in said_of_backends(settings) {
            let Said { table, key, value, origin } = said;
            reach(&origin, format!("what goes to {table} goes by `{table}.{key}` = {value}"));
        }
        for (key, value, origin) in raised_caps(settings) {
            reach(origin, format!("runs on other machines may take `remote.{key}` = {value}"));
        }
        if let Some(rules) = settings.network.allow.value.write().filter(|_| !settings.network().is_none()) {
            reach(&settings.network.allow.origin, format!("the guest reaches {rules}"));
        }
        if let Some(patterns) = settings.uploads.allow.value.write().filter(|patterns| patterns != "[]") {
            reach(&settings.uploads.allow.origin, format!("files may be uploaded: {patterns}"));
        }
        found
    }
}

/// Which keys go where, of backends that runs may go to, and of those whose key or address is not the usual one.
fn credentials(settings: &Settings) -> Vec<(&Origin, String)> {
    let usual = Settings::default();
    let (e2b, daytona) = (&settings.e2b, &settings.daytona);
    let backends = [
        (
            Backend::E2b,
            (&e2b.api_url, e2b.api_url.value != usual.e2b.api_url.value),
            (&e2b.api_key, e2b.api_key.value != usual.e2b.api_key.value),
        ),
        (
            Backend::Daytona,
            (&daytona.api_url, daytona.api_url.value != usual.daytona.api_url.value),
            (&daytona.api_key, daytona.api_key.value != usual.daytona.api_key.value),
        ),
    ];
    let routing = &settings.routing.backends;
    let mut found = Vec::new();
    for (backend, (url, is_own_url), (key, is_own_key)) in backends {
        let origin = match () {
            () if is_own_key => &key.origin,
            () if is_own_url => &url.origin,
            () if routing.value.contains(&backend) => &routing.origin,
            () => continue,
        };
        found.push((origin, format!("{} goes to {} as the key of {backend}", key.value, url.value.as_str())));
    }
    found
}

/// A key of a backend elsewhere that has not its usual value.
struct Said {
    table: &'static str,
    key: &'static str,
    value: String,
    origin: Origin,
}

/// What a policy says of backends elsewhere but their credentials: whose image it is, by which daemon. All keys
/// but those by which a sandbox only has less, or a size, so that a new one is among them.
fn said_of_backends(settings: &Settings) -> Vec<Said> {
    const HARMLESS: [&str; 3] = ["lacks", "memory", "cpus"];
    const CREDENTIALS: [&str; 2] = ["api_url", "api_key"];
    let said = |mut settings: Settings| {
        let mut keys = Keys::default();
        settings.visit(&mut keys);
        keys.found
    };
    let usual = said(Settings::default());
    let mut found = said(settings.clone());
    found.retain(|said| {
        let is_usual =
            |usual: &Said| (usual.table, usual.key, &usual.value) == (said.table, said.key, &said.value);
        matches!(said.table, "e2b" | "daytona" | "docker")
            && !HARMLESS.contains(&said.key)
            && !CREDENTIALS.contains(&said.key)
            && !usual.iter().any(is_usual)
    });
    found
}

/// All keys of fixed names, with their values.
#[derive(Default)]
struct Keys {
    table: &'static str,
    found: Vec<Said>,
}

impl Visitor for Keys {
    fn begin(&mut self, name: &'static str, _about: &'static str) {
        self.table = name;
    }

    fn end(&mut self) {}

    fn setting<T: Value>(&mut self, name: &'static str, _about: &'static str, setting: &mut Setting<T>) {
        let value = setting.value.write().unwrap_or_else(|| "nothing".to_owned());
        self.found.push(Said { table: self.table, key: name, value, origin: setting.origin.clone() });
    }

    fn entries<K: EntryKey, V: Value>(
        &mut self,
        _name: &'static str,
        _about: &'static str,
        _entries: &mut Entries<K, V>,
    ) {
    }
}

/// What runs elsewhere may take beyond what they may where nothing is said.
fn raised_caps(settings: &Settings) -> Vec<(&'static str, String, &Origin)> {
    fn raised<'a, T: Value + PartialOrd>(
        key: &'static str,
        setting: &'a Setting<T>,
        usual: &Setting<T>,
    ) -> Option<(&'static str, String, &'a Origin)> {
        let value = setting.value.write().filter(|_| setting.value > usual.value)?;
        Some((key, value, &setting.origin))
    }
    let (remote, usual) = (&settings.remote, Settings::default().remote);
    let caps = [
        raised("max_time", &remote.max_time, &usual.max_time),
        raised("max_cost", &remote.max_cost, &usual.max_cost),
        raised("max_sandboxes", &remote.max_sandboxes, &usual.max_sandboxes),
    ];
    caps.into_iter().flatten().collect()
}

fn secret_files(settings: &Settings) -> Vec<(&Path, String)> {
    let mut references = vec![
        (&settings.e2b.api_key.value, "`e2b.api_key`".to_owned()),
        (&settings.daytona.api_key.value, "`daytona.api_key`".to_owned()),
    ];
    for (name, setting) in &settings.environment {
        if let Variable::Secret { reference, .. } = &setting.value {
            references.push((reference, format!("`environment.{}`", name.as_text())));
        }
    }
    let mut files = Vec::new();
    for (reference, what) in references {
        if let SecretReference::File(path) = reference {
            files.push((path.as_path(), what));
        }
    }
    files
}

fn sounds_secret(name: &str) -> bool {
    let name = name.to_ascii_uppercase();
    let parts = ["TOKEN", "SECRET", "PASSWORD", "PASSWD", "CREDENTIALS"];
    name.split('_').any(|part| parts.contains(&part)) || name.ends_with("_KEY") || name.ends_with("APIKEY")
}

/// Whether a path is a directory or somewhere in it, by where links lead when both are there, else by name.
fn contains(directory: &Path, path: &Path) -> bool {
    match (directory.canonicalize(), path.canonicalize()) {
        (Ok(directory), Ok(path)) => path.starts_with(directory),
        _ => normal(path).starts_with(normal(directory)),
    }
}

fn normal(path: &Path) -> PathBuf {
    let mut normal = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir if matches!(normal.components().next_back(), Some(Component::Normal(_))) => {
                normal.pop();
            }
            part => normal.push(part),
        }
    }
    normal
}

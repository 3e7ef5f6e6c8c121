//! What the command line or a request says beside the policy, and who may widen it.

use std::time::Duration;

use sandpiper_core::{Access, GitDirectory, Metering, Mount};

use crate::backend::Backend;
use crate::decimal::Usd;
use crate::entries::{EntryKey, MountSource, Variable, VariableName};
use crate::finding::PolicyError;
use crate::settings::{Origin, Setting, Settings};
use crate::value::{Bytes, Value};

/// Who asks. Everybody may tighten a policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Authority {
    /// The person at their own command line, who could as well edit the file: may widen it.
    Person,
    /// Somebody whose request is served, such as an agent over MCP or a client over HTTP: may not.
    Request,
}

/// What is said beside the policy; `None` and empty leave it as it is.
#[derive(Clone, Debug, Default)]
pub struct Overrides {
    /// `--backend`: the one backend that the run goes to.
    pub backend: Option<Backend>,
    /// `--no-fuel` is [`Metering::Deadline`].
    pub metering: Option<Metering>,
    /// `--fuel`.
    pub fuel: Option<u64>,
    /// `--timeout`.
    pub timeout: Option<Duration>,
    /// `--memory`, in bytes.
    pub memory_bytes: Option<u64>,
    /// `--tmp`, in bytes.
    pub tmp_bytes: Option<u64>,
    /// `--disk`, in bytes.
    pub disk_bytes: Option<u64>,
    /// `--processes`.
    pub processes: Option<u32>,
    /// `--max-output`, in bytes.
    pub output_bytes: Option<u64>,
    /// `--max-time`, of a remote sandbox.
    pub max_time: Option<Duration>,
    /// `--max-cost`, of a remote run.
    pub max_cost: Option<Usd>,
    /// `--no-dir`: none of the policy's mounts.
    pub no_mounts: bool,
    /// `--dir`: added to the policy's mounts, in place of one at the same guest path.
    pub mounts: Vec<Mount>,
    /// `--env`: added to the policy's variables, in place of one of the same name.
    pub variables: Vec<(String, String)>,
}

impl Overrides {
    /// Applies what is said to settings.
    pub(crate) fn apply(self, settings: &mut Settings, authority: Authority) -> Result<(), PolicyError> {
        // Taken apart by name, so that a new field does not compile before it is applied here.
        let Self {
            backend,
            metering,
            fuel,
            timeout,
            memory_bytes,
            tmp_bytes,
            disk_bytes,
            processes,
            output_bytes,
            max_time,
            max_cost,
            no_mounts,
            mounts,
            variables,
        } = self;
        let limits = &mut settings.limits;
        let tighter_metering =
            |asked: &Metering, allowed: &Metering| asked == allowed || *asked == Metering::Fuel;
        let change = Change { authority };
        change.within(&mut limits.metering, metering, ("limits.metering", "--no-fuel"), tighter_metering)?;
        change.at_most(&mut limits.fuel, fuel, ("limits.fuel", "--fuel"))?;
        change.at_most(&mut limits.timeout, timeout, ("limits.timeout", "--timeout"))?;
        change.at_most(&mut limits.memory, memory_bytes.map(Bytes), ("limits.memory", "--memory"))?;
        change.at_most(&mut limits.tmp, tmp_bytes.map(Bytes), ("limits.tmp", "--tmp"))?;
        change.at_most(&mut limits.disk, disk_bytes.map(Bytes), ("limits.disk", "--disk"))?;
        change.at_most(&mut limits.processes, processes, ("limits.processes", "--processes"))?;
        change.at_most(&mut limits.output, output_bytes.map(Bytes), ("limits.output", "--max-output"))?;
        change.at_most(&mut settings.remote.max_time, max_time, ("remote.max_time", "--max-time"))?;
        change.at_most(&mut settings.remote.max_cost, max_cost, ("remote.max_cost", "--max-cost"))?;
        let backends = backend.map(|backend| vec![backend]);
        let listed = |asked: &Vec<Backend>, allowed: &Vec<Backend>| {
            asked.iter().all(|backend| allowed.contains(backend))
        };
        change.within(&mut settings.routing.backends, backends, ("routing.backends", "--backend"), listed)?;
        if no_mounts {
            settings.mounts.clear();
        }
        for mount in mounts {
            change.mount(settings, mount)?;
        }
        for (name, value) in variables {
            change.variable(settings, &name, value)?;
        }
        Ok(())
    }
}

struct Change {
    authority: Authority,
}

impl Change {
    fn origin(&self, flag: &'static str) -> Origin {
        match self.authority {
            Authority::Person => Origin::CommandLine { flag },
            Authority::Request => Origin::Request,
        }
    }

    fn at_most<T: Value + Ord>(
        &self,
        setting: &mut Setting<T>,
        asked: Option<T>,
        names: (&'static str, &'static str),
    ) -> Result<(), PolicyError> {
        self.within(setting, asked, names, |asked, allowed| asked <= allowed)
    }

    /// Sets a setting, unless that is wider and who asks may not widen.
    fn within<T: Value>(
        &self,
        setting: &mut Setting<T>,
        asked: Option<T>,
        (key, flag): (&'static str, &'static str),
        is_within: impl Fn(&T, &T) -> bool,
    ) -> Result<(), PolicyError> {
        let Some(asked) = asked else { return Ok(()) };
        if self.authority == Authority::Request && !is_within(&asked, &setting.value) {
            return Err(widened(key.to_owned(), &asked, Some(setting)));
        }
        setting.set(asked, self.origin(flag));
        Ok(())
    }

    /// A request's mount is one of the policy's, or less of one.
    fn mount(&self, settings: &mut Settings, mount: Mount) -> Result<(), PolicyError> {
        let Mount { host, guest, access, git } = mount;
        let asked = MountSource { host, access, git };
        let entry = settings.mounts.get_mut(&guest);
        let allowed = entry.as_ref().is_some_and(|allowed| {
            let allowed = &allowed.value;
            asked.host == allowed.host
                && (asked.access == Access::ReadOnly || allowed.access == Access::ReadWrite)
                && (asked.git == GitDirectory::Hidden || allowed.git == GitDirectory::Shown)
        });
        if self.authority == Authority::Request && !allowed {
            return Err(widened(format!("mounts.{}", asked_key(guest.as_str())), &asked, entry.as_deref()));
        }
        let origin = self.origin("--dir");
        match entry {
            Some(entry) => entry.set(asked, origin),
            None => {
                settings.mounts.insert(guest, Setting::first(asked, origin));
            }
        }
        Ok(())
    }

    /// A request may add variables, for it chooses the command too; those that the policy sets stay.
    fn variable(&self, settings: &mut Settings, name: &str, value: String) -> Result<(), PolicyError> {
        let key = VariableName::parse(name).map_err(|message| PolicyError::Override { message })?;
        let asked = Variable::Text(value);
        let entry = settings.environment.get_mut(&key);
        if self.authority == Authority::Request && entry.as_ref().is_some_and(|entry| entry.value != asked) {
            return Err(widened(format!("environment.{name}"), &asked, entry.as_deref()));
        }
        let origin = self.origin("--env");
        match entry {
            Some(entry) => entry.set(asked, origin),
            None => {
                settings.environment.insert(key, Setting::first(asked, origin));
            }
        }
        Ok(())
    }
}

fn asked_key(name: &str) -> String {
    crate::value::quoted(name)
}

fn widened<T: Value>(key: String, asked: &T, allowed: Option<&Setting<T>>) -> PolicyError {
    let written = |value: &T| value.write().unwrap_or_else(|| "nothing".to_owned());
    PolicyError::Widened {
        key,
        asked: written(asked),
        allowed: allowed.map_or_else(|| "nothing".to_owned(), |setting| written(&setting.value)),
        origin: allowed.map_or(Origin::Default, |setting| setting.origin.clone()).to_string(),
    }
}

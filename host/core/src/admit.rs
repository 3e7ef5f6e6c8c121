//! The gate before a backend: everything a spec asks for is enforced, or refused here.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{
    Access, Clock, Exec, GitDirectory, Image, Limits, LimitsError, Metering, Network, Spec, SpecError,
};

/// What a backend can enforce and offer for an image. The default offers nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[expect(clippy::struct_excessive_bools, reason = "a table of independent yes and no answers")]
pub struct Capabilities {
    /// Mounts host directories.
    pub mounts: bool,
    /// Mounts a directory inside of another mount, which then is hidden there.
    pub nested_mounts: bool,
    /// Hides git's own directory in a mount.
    pub hidden_git: bool,
    /// Counts the bytes that are written to mounts.
    pub disk_bytes: bool,
    /// Counts the files that are made in mounts.
    pub files: bool,
    /// Counts and limits fuel.
    pub fuel: bool,
    /// Runs under a deadline only, without counting fuel.
    pub deadline_metering: bool,
    /// Gives the guest a virtual clock.
    pub virtual_clock: bool,
    /// Seeds the guest's randomness.
    pub seed: bool,
    /// Runs WebAssembly files of the host.
    pub module_files: bool,
    /// Limits memory, as the spec says.
    pub memory: bool,
    /// Limits the elements of tables.
    pub table_elements: bool,
    /// Limits the private in-memory file system.
    pub tmp_bytes: bool,
    /// Limits open descriptors.
    pub descriptors: bool,
    /// Limits processes, as the spec says.
    pub processes: bool,
    /// Can keep commands off the network.
    pub network_nothing: bool,
    /// Can let commands reach the hosts that rules name, and no others.
    pub network_rules: bool,
    /// Can let commands reach everything.
    pub network_everything: bool,
    /// Ends a sandbox when its lifetime is over.
    pub lifetime: bool,
    /// Counts lifetimes in seconds; without it they are whole minutes, and no other is admitted.
    pub lifetime_in_seconds: bool,
    /// Notes metadata, and lists sandboxes by it.
    pub metadata: bool,
    /// Has `git` in a sandbox carried out by the host ([`Exec::git`]).
    pub host_git: bool,
    /// Tells of what commands change in mounts before they do ([`Exec::changes`]).
    pub tells_changes: bool,
    /// Sends signals to commands; without it a command can only be ended.
    pub signals: bool,
    /// Takes hold of a sandbox by its reference, and lists what there is.
    pub connect: bool,
    /// Sets a sandbox aside and goes on with it.
    pub pause: bool,
    /// Commands go on where they were when a sandbox was set aside.
    pub pause_keeps_processes: bool,
    /// Keeps the files of a sandbox as an image.
    pub snapshot: bool,
    /// Makes a sandbox of another.
    pub fork: bool,
    /// Reaches a port of a sandbox.
    pub ports: bool,
    /// Tells what a sandbox uses.
    pub metrics: bool,
    /// Tells what a command was refused ([`Outcome::denials`](crate::Outcome::denials)).
    pub denials: bool,
}

impl Capabilities {
    /// Checks a lifetime against how lifetimes are counted.
    ///
    /// # Errors
    /// [`SpecError::Limits`] for one that would have to be rounded.
    pub fn check_lifetime(&self, lifetime: Duration) -> Result<(), Refusal> {
        let is_whole = lifetime.subsec_nanos() == 0 && lifetime.as_secs().is_multiple_of(60);
        if self.lifetime_in_seconds || (is_whole && !lifetime.is_zero()) {
            return Ok(());
        }
        Err(Refusal::Spec(SpecError::Limits(LimitsError {
            limit: "lifetime",
            value: format!("{lifetime:?}"),
            expected: "whole minutes, in which the backend counts it",
        })))
    }
}

/// A spec that a backend has been found able to enforce; only [`admit`] makes one.
#[derive(Clone, Debug)]
pub struct Admitted {
    spec: Spec,
    capabilities: Capabilities,
}

impl Admitted {
    /// The spec.
    pub fn spec(&self) -> &Spec {
        &self.spec
    }

    /// What the spec was checked against: a backend that finds an image to be another than it was then
    /// must not run it.
    pub fn capabilities(&self) -> Capabilities {
        self.capabilities
    }

    /// The spec, by value.
    pub fn into_spec(self) -> Spec {
        self.spec
    }
}

/// Checks a spec against what a backend can do for its image.
///
/// A limit that has its default binds where it can be enforced: a machine elsewhere has its own bounds. One
/// that has another value was asked for, and is refused where it cannot be.
///
/// # Errors
/// [`Refusal`] names the first field that would otherwise be ignored, or that contradicts another.
pub fn admit(spec: Spec, backend: &str, capabilities: Capabilities) -> Result<Admitted, Refusal> {
    spec.check()?;
    // Taken apart by name, so that a new field does not compile before it is decided here.
    let Spec { image, mounts, limits, clock, seed, env: _, network, lifetime, metadata } = &spec;
    let Limits {
        metering,
        fuel,
        wall: _,
        memory_bytes,
        table_elements,
        tmp_bytes,
        disk_bytes: _,
        files: _,
        descriptors,
        processes,
        output_bytes: _,
    } = limits;
    let usual = Limits::default();
    let hides_git = mounts.iter().any(|mount| mount.git == GitDirectory::Hidden);
    let writable = mounts.iter().any(|mount| mount.access == Access::ReadWrite);
    let nested = mounts.iter().any(|inner| mounts.iter().any(|outer| inner.guest.is_below(&outer.guest)));
    let asked = [
        ("mounts", !mounts.is_empty() && !capabilities.mounts),
        ("mounts", nested && !capabilities.nested_mounts),
        ("mounts.git", hides_git && !capabilities.hidden_git),
        // Without a writable mount there is nothing to count.
        ("disk_bytes", writable && !capabilities.disk_bytes),
        ("files", writable && !capabilities.files),
        ("fuel", *metering == Metering::Fuel && *fuel != usual.fuel && !capabilities.fuel),
        ("memory", *memory_bytes != usual.memory_bytes && !capabilities.memory),
        ("table_elements", *table_elements != usual.table_elements && !capabilities.table_elements),
        ("tmp", *tmp_bytes != usual.tmp_bytes && !capabilities.tmp_bytes),
        ("descriptors", *descriptors != usual.descriptors && !capabilities.descriptors),
        ("processes", *processes != usual.processes && !capabilities.processes),
        ("network", *network == Network::Nothing && !capabilities.network_nothing),
        ("network", matches!(network, Network::Rules { .. }) && !capabilities.network_rules),
        ("network", *network == Network::Everything && !capabilities.network_everything),
        ("lifetime", lifetime.is_some() && !capabilities.lifetime),
        ("metadata", !metadata.is_empty() && !capabilities.metadata),
        ("metering", *metering == Metering::Deadline && !capabilities.deadline_metering),
        ("clock", matches!(clock, Clock::Virtual { .. }) && !capabilities.virtual_clock),
        ("seed", seed.is_some() && !capabilities.seed),
        ("image", matches!(image, Image::File(_)) && !capabilities.module_files),
    ];
    if let Some((field, _)) = asked.iter().find(|(_, refused)| *refused) {
        return Err(Refusal::NotEnforced { backend: backend.to_owned(), field });
    }
    lifetime.map_or(Ok(()), |lifetime| capabilities.check_lifetime(lifetime))?;
    Ok(Admitted { spec, capabilities })
}

/// Why a spec or a command was refused before anything was made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The backend would have to ignore a field.
    #[error("the backend {backend} cannot enforce `{field}` for this image")]
    NotEnforced {
        /// The backend's name.
        backend: String,
        /// The field of the spec.
        field: &'static str,
    },
    /// The spec contradicts itself.
    #[error(transparent)]
    Spec(#[from] SpecError),
    /// The command is not one.
    #[error("{what}")]
    Exec {
        /// What is wrong with it.
        what: String,
    },
}

/// What is wrong with a variable, if anything is.
pub(crate) fn wrong_variable(name: &str, value: &str) -> Option<String> {
    if name.is_empty() || name.contains(['=', '\0']) {
        return Some(format!("`{}` is not a variable's name", name.escape_debug()));
    }
    value.contains('\0').then(|| format!("the value of the variable {name} contains NUL"))
}

impl Exec {
    /// Most arguments and variables of a command, and the most bytes they may have together; as
    /// Linux's `ARG_MAX` on a default stack.
    const MAX_STRINGS: usize = 100_000;
    const MAX_BYTES: usize = 2 << 20;

    /// Checks the command: a name, no NUL, no `=` in a variable's name, within POSIX-like bounds.
    ///
    /// # Errors
    /// [`Refusal::Exec`] names the argument or the variable.
    pub fn check(&self) -> Result<(), Refusal> {
        let refuse = |what: String| Err(Refusal::Exec { what });
        if self.argv.first().is_none_or(String::is_empty) {
            return refuse("no command was given".to_owned());
        }
        if let Some(index) = self.argv.iter().position(|argument| argument.contains('\0')) {
            return refuse(format!("argument {index} contains NUL"));
        }
        if let Some(what) = self.env.iter().find_map(|(name, value)| wrong_variable(name, value)) {
            return refuse(what);
        }
        if let Some(cwd) = self.cwd.as_deref().filter(|cwd| !cwd.starts_with('/') || cwd.contains('\0')) {
            return refuse(format!(
                "the working directory `{}` is not an absolute guest path",
                cwd.escape_debug()
            ));
        }
        let strings = self.argv.len() + self.env.len();
        let bytes = self.argv.iter().map(String::len).sum::<usize>()
            + self.env.iter().map(|(name, value)| name.len() + value.len() + 2).sum::<usize>();
        if strings > Self::MAX_STRINGS || bytes > Self::MAX_BYTES {
            return refuse(format!(
                "arguments and environment are {strings} strings of {bytes} bytes, expected at most {} of {}",
                Self::MAX_STRINGS,
                Self::MAX_BYTES,
            ));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::Mount;

    const EVERYTHING: Capabilities = Capabilities {
        mounts: true,
        nested_mounts: true,
        hidden_git: true,
        disk_bytes: true,
        files: true,
        fuel: true,
        deadline_metering: true,
        virtual_clock: true,
        seed: true,
        module_files: true,
        memory: true,
        table_elements: true,
        tmp_bytes: true,
        descriptors: true,
        processes: true,
        network_nothing: true,
        network_rules: true,
        network_everything: true,
        lifetime: true,
        lifetime_in_seconds: true,
        metadata: true,
        host_git: true,
        tells_changes: true,
        signals: true,
        connect: true,
        pause: true,
        pause_keeps_processes: true,
        snapshot: true,
        fork: true,
        ports: true,
        metrics: true,
        denials: true,
    };

    fn mounting(mounts: &[(&str, Access)]) -> Spec {
        let mounts = mounts.iter().map(|(guest, access)| Mount::new("/h", guest, *access).unwrap());
        Spec { mounts: mounts.collect(), ..Spec::default() }
    }

    #[track_caller]
    fn is_refused(field: &str, spec: Spec, lacking: Capabilities) {
        assert!(admit(spec.clone(), "test", EVERYTHING).is_ok(), "{field}");
        match admit(spec, "test", lacking) {
            Err(Refusal::NotEnforced { field: named, .. }) => assert_eq!(named, field),
            other => panic!("{field}: {other:?}"),
        }
    }

    #[test]
    fn what_a_backend_lacks_is_refused_by_name() {
        let read_only = mounting(&[("/w", Access::ReadOnly)]);
        is_refused("mounts", read_only, Capabilities { mounts: false, ..EVERYTHING });
        let hiding = Spec {
            mounts: vec![Mount::new("/h", "/w", Access::ReadOnly).unwrap().hiding_git()],
            ..Spec::default()
        };
        is_refused("mounts.git", hiding, Capabilities { hidden_git: false, ..EVERYTHING });
        let changed = |change: fn(&mut Limits)| {
            let mut spec = Spec::default();
            change(&mut spec.limits);
            spec
        };
        let fuel = changed(|limits| limits.fuel = 1_000);
        is_refused("fuel", fuel, Capabilities { fuel: false, ..EVERYTHING });
        let memory = changed(|limits| limits.memory_bytes = 1 << 20);
        is_refused("memory", memory, Capabilities { memory: false, ..EVERYTHING });
        let processes = changed(|limits| limits.processes = 1);
        is_refused("processes", processes, Capabilities { processes: false, ..EVERYTHING });
        let lives = Spec { lifetime: Some(Duration::from_secs(1)), ..Spec::default() };
        is_refused("lifetime", lives, Capabilities { lifetime: false, ..EVERYTHING });
        let noted = Spec { metadata: [("a".to_owned(), "b".to_owned())].into(), ..Spec::default() };
        is_refused("metadata", noted, Capabilities { metadata: false, ..EVERYTHING });
        let seeded = Spec { seed: Some(1), ..Spec::default() };
        is_refused("seed", seeded, Capabilities { seed: false, ..EVERYTHING });
        let timeless = Spec { clock: Clock::Virtual { start_ns: 0 }, ..Spec::default() };
        is_refused("clock", timeless, Capabilities { virtual_clock: false, ..EVERYTHING });
    }

    #[test]
    fn a_lifetime_is_not_rounded() {
        let lacking = Capabilities { lifetime_in_seconds: false, ..EVERYTHING };
        let of = |lifetime| admit(Spec { lifetime: Some(lifetime), ..Spec::default() }, "test", lacking);
        assert!(of(Duration::from_mins(2)).is_ok());
        for lifetime in [Duration::from_secs(90), Duration::new(60, 1)] {
            let err = of(lifetime).unwrap_err().to_string();
            let expected = format!(
                "the limit lifetime is {lifetime:?}, expected whole minutes, in which the backend counts it"
            );
            assert_eq!(err, expected);
        }
    }

    #[test]
    fn a_limit_that_nobody_has_set_is_not_asked_for() {
        let lacking = Capabilities { fuel: false, memory: false, processes: false, ..EVERYTHING };
        assert!(admit(Spec::default(), "test", lacking).is_ok());
    }

    #[test]
    fn no_network_is_granted_that_a_backend_cannot_bound() {
        let rules = Network::Rules { allow: vec!["example.org".to_owned()], deny: Vec::new() };
        for (network, lacking) in [
            (Network::Nothing, Capabilities { network_nothing: false, ..EVERYTHING }),
            (rules, Capabilities { network_rules: false, ..EVERYTHING }),
            (Network::Everything, Capabilities { network_everything: false, ..EVERYTHING }),
        ] {
            is_refused("network", Spec { network, ..Spec::default() }, lacking);
        }
    }

    #[test]
    fn a_mount_inside_of_another_is_refused_where_it_would_not_hide_it() {
        let lacking = Capabilities { nested_mounts: false, ..EVERYTHING };
        let with = |inner| mounting(&[("/w", Access::ReadOnly), (inner, Access::ReadOnly)]);
        is_refused("mounts", with("/w/a/b"), lacking);
        assert!(admit(with("/wa"), "test", lacking).is_ok());
    }

    #[test]
    fn a_quota_that_is_not_counted_refuses_writable_mounts_alone() {
        for (field, lacking) in [
            ("disk_bytes", Capabilities { disk_bytes: false, ..EVERYTHING }),
            ("files", Capabilities { files: false, ..EVERYTHING }),
        ] {
            is_refused(field, mounting(&[("/r", Access::ReadOnly), ("/w", Access::ReadWrite)]), lacking);
            assert!(admit(mounting(&[("/r", Access::ReadOnly)]), "test", lacking).is_ok(), "{field}");
        }
    }

    #[test]
    fn a_bad_command_is_refused() {
        assert!(Exec::new(["true"]).check().is_ok());
        let bad = [
            Exec::new(Vec::<String>::new()),
            Exec::new([""]),
            Exec::new(["a", "b\0"]),
            Exec::new(["a"]).env("", "x"),
            Exec::new(["a"]).env("A=B", "x"),
            Exec::new(["a"]).env("A", "\0"),
            Exec::new(["a"]).cwd("tmp"),
            Exec::new(["a", &"x".repeat(3 << 20)]),
            Exec::new(vec!["a"; 100_001]),
        ];
        for exec in bad {
            assert!(matches!(exec.check(), Err(Refusal::Exec { .. })));
        }
    }
}

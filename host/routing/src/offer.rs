//! What a backend offers beyond what every one does: files, a shell and Python's standard library.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::need::{ModuleLack, Need, What};

/// What a backend offers.
#[expect(clippy::struct_excessive_bools, reason = "each is a thing that a backend has or has not")]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Offer {
    /// The backend, as the user names it.
    pub name: String,
    /// Connections to other machines.
    pub network: bool,
    /// Ports to listen on.
    pub ports: bool,
    /// Threads.
    pub threads: bool,
    /// `fork`.
    pub fork: bool,
    /// Machine code of the mounts.
    pub native_code: bool,
    /// Commands beyond the local image's.
    pub tools: BTreeSet<String>,
    /// Whether there may be any other command too: what is on its machines is the person's choice, and not known.
    pub may_have_any_tool: bool,
    /// Python packages.
    pub python_modules: PythonModules,
}

/// Which Python packages a backend has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PythonModules {
    /// These, by the names that they are imported by, and no others.
    Only(BTreeSet<String>),
    /// Any that can be installed there.
    Installable,
}

impl Offer {
    /// The local sandbox: none of it.
    pub fn local(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            network: false,
            ports: false,
            threads: false,
            fork: false,
            native_code: false,
            tools: BTreeSet::new(),
            may_have_any_tool: false,
            python_modules: PythonModules::Only(BTreeSet::new()),
        }
    }

    /// A Linux machine with the tools that images for development usually have; the caller adds or takes away
    /// what its template differs in.
    pub fn linux(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            network: true,
            ports: true,
            threads: true,
            fork: true,
            native_code: true,
            tools: LINUX_TOOLS.iter().map(|tool| (*tool).to_owned()).collect(),
            may_have_any_tool: false,
            python_modules: PythonModules::Installable,
        }
    }

    /// A Linux machine with Python and what every Debian has: Docker's official `python:*-slim` images, which have no
    /// packages, no compiler, no git and no curl.
    pub fn slim(name: impl Into<String>) -> Self {
        let mut offer =
            Self { tools: BTreeSet::new(), ..Self::linux(name) }.with_tools(SLIM_TOOLS.iter().copied());
        offer.python_modules = PythonModules::Only(["pip".to_owned()].into());
        offer
    }

    /// A Linux machine of which nothing else is known: it may have all there is.
    pub fn unknown(name: impl Into<String>) -> Self {
        Self { may_have_any_tool: true, ..Self::linux(name) }
    }

    /// Adds commands.
    #[must_use]
    pub fn with_tools<T: Into<String>>(mut self, tools: impl IntoIterator<Item = T>) -> Self {
        self.tools.extend(tools.into_iter().map(Into::into));
        self
    }

    /// Whether it has what a need asks for.
    pub fn has(&self, need: &Need) -> bool {
        match &need.what {
            What::Interpreter { name } => self.has_tool(name),
            // `grep -P`: an option that only the local tool refuses.
            What::Tool { name } => match name.split_once(' ') {
                Some((tool, _)) => self.native_code || self.has_tool(tool),
                None => self.has_tool(name),
            },
            What::PackageManager { name } => self.network && self.has_tool(name),
            What::PythonModule { name, why } => match why {
                ModuleLack::NotInImage => self.native_code,
                ModuleLack::NotInstalled | ModuleLack::NativeCode => match &self.python_modules {
                    PythonModules::Only(names) => names.contains(name),
                    PythonModules::Installable => true,
                },
            },
            What::NativeCode { .. } => self.native_code,
            What::Network { .. } => self.network,
            What::Port => self.ports,
            What::Threads => self.threads,
            What::Fork => self.fork,
        }
    }

    fn has_tool(&self, name: &str) -> bool {
        self.may_have_any_tool || self.tools.contains(name)
    }
}

const LINUX_TOOLS: &[&str] = &[
    "apt", "apt-get", "as", "bzip2", "c++", "cc", "chown", "cpp", "curl", "dash", "dpkg", "g++", "gcc",
    "git", "ip", "ld", "less", "ln", "make", "mkfifo", "mknod", "mount", "nice", "node", "nodejs", "npm",
    "npx", "openssl", "perl", "pip", "pip3", "setsid", "ssh", "stdbuf", "su", "sudo", "top", "wget", "xz",
];

const SLIM_TOOLS: &[&str] = &[
    "apt", "apt-get", "chown", "dash", "dpkg", "ln", "mkfifo", "mknod", "mount", "nice", "openssl", "perl",
    "pip", "pip3", "setsid", "stdbuf", "su",
];

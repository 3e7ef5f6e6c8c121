//! Programs that people call by habit and that no sandbox has: why, and what works instead.

const REPOSITORIES: &str = "the sandbox has no network and no repositories: use it on the host, and grant the checkout by --dir";
const NETWORK: &str = "the sandbox has no network: fetch on the host, and grant the directory by --dir";
const PACKAGES: &str = "the sandbox has no network to install packages from: install them on the host into a directory \
                        (pip install --target DIR), and grant that by --dir";
const NATIVE: &str = "what builds or runs native code cannot work in WebAssembly: run it on the host";
const FIFOS: &str = "WebAssembly's system interface has no named pipes: use | or <(...)";
const USERS: &str = "a sandbox has one user, and no services or system packages to change";

const ABSENT: &[(&str, &[&str])] = &[
    (REPOSITORIES, &["gh", "git-lfs", "hg", "svn"]),
    (
        NETWORK,
        &["curl", "dig", "ftp", "nc", "nslookup", "ping", "rsync", "scp", "sftp", "ssh", "telnet", "wget"],
    ),
    (PACKAGES, &["conda", "npm", "npx", "pip", "pip3", "pipx", "pnpm", "poetry", "uv", "yarn"]),
    (
        NATIVE,
        &[
            "bun", "c++", "cargo", "cc", "clang", "cmake", "deno", "g++", "gcc", "gdb", "go", "java",
            "javac", "ld", "make", "mvn", "ninja", "node", "perl", "php", "ruby", "rustc", "strace",
        ],
    ),
    (FIFOS, &["mkfifo", "mknod"]),
    (
        USERS,
        &[
            "apk",
            "apt",
            "apt-get",
            "brew",
            "docker",
            "dnf",
            "dpkg",
            "kubectl",
            "mount",
            "service",
            "su",
            "sudo",
            "systemctl",
            "yum",
        ],
    ),
];

/// Why the sandbox has no program of this name, and the way out; none for a name that is not known.
pub fn why_absent(name: &[u8]) -> Option<&'static str> {
    let name = std::str::from_utf8(name).ok()?;
    ABSENT.iter().find_map(|(why, names)| names.contains(&name).then_some(*why))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_no_sandbox_has_is_explained() {
        assert_eq!(why_absent(b"hg"), Some(REPOSITORIES));
        assert_eq!(why_absent(b"wget"), Some(NETWORK));
        assert_eq!(why_absent(b"grep"), None);
        assert_eq!(why_absent(b"\xff"), None);
    }
}

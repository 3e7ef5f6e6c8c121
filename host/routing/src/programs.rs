//! Programs that people call by habit: of what kind each is, and which of them reach the network.

use crate::analysis::Word;
use crate::need::What;

const PACKAGE_MANAGERS: &[&str] = &[
    "apk",
    "apt",
    "apt-get",
    "brew",
    "bundle",
    "composer",
    "conda",
    "corepack",
    "dnf",
    "easy_install",
    "gem",
    "mamba",
    "micromamba",
    "npm",
    "npx",
    "pacman",
    "pdm",
    "pip",
    "pip3",
    "pipenv",
    "pipx",
    "pnpm",
    "poetry",
    "uv",
    "uvx",
    "yarn",
    "yum",
];

const INTERPRETERS: &[&str] = &[
    "Rscript", "bun", "dash", "deno", "dotnet", "elixir", "erl", "fish", "ghc", "groovy", "guile", "java",
    "julia", "ksh", "kotlin", "lua", "luajit", "node", "nodejs", "ocaml", "perl", "php", "pwsh", "pypy",
    "pypy3", "ruby", "runghc", "scala", "swift", "tclsh", "ts-node", "tsx", "zsh", "R",
];

/// Programs whose arguments say where they connect to.
const CONNECTING: &[&str] = &[
    "aria2c",
    "curl",
    "dig",
    "ftp",
    "host",
    "http",
    "httpie",
    "https",
    "nc",
    "ncat",
    "netcat",
    "nmap",
    "nslookup",
    "ping",
    "rsync",
    "scp",
    "sftp",
    "ssh",
    "telnet",
    "traceroute",
    "wget",
    "whois",
];

/// Subcommands of git that connect.
const GIT_CONNECTING: &[&str] = &["clone", "fetch", "ls-remote", "pull", "push"];

/// Options of the image's tools that they refuse.
const REFUSED_OPTIONS: &[(&str, &[&str])] = &[
    ("grep", &["-P", "--perl-regexp"]),
    ("rg", &["-P", "--pcre2"]),
    ("diff", &["-y", "--side-by-side"]),
    ("stat", &["-f", "--file-system"]),
];

/// What stands for a program that the image has not.
pub fn absent(name: &str) -> What {
    let owned = name.to_owned();
    if PACKAGE_MANAGERS.contains(&name) {
        What::PackageManager { name: owned }
    } else if INTERPRETERS.contains(&name) || is_python(name) {
        What::Interpreter { name: owned }
    } else {
        What::Tool { name: owned }
    }
}

/// Whether a name is that of a Python of some version.
pub fn is_python(name: &str) -> bool {
    let version = name.strip_prefix("python").or_else(|| name.strip_prefix("pypy"));
    version.is_some_and(|version| version.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.'))
}

/// Other programs that a word of a declaration may mean.
const TOOLS: &[&str] = &[
    "c++",
    "cargo",
    "cc",
    "clang",
    "cmake",
    "docker",
    "docker-compose",
    "ffmpeg",
    "g++",
    "gcc",
    "gdb",
    "gh",
    "git",
    "go",
    "gradle",
    "helm",
    "javac",
    "kubectl",
    "ld",
    "make",
    "mvn",
    "ninja",
    "openssl",
    "pandoc",
    "podman",
    "psql",
    "rustc",
    "sqlite3",
    "terraform",
    "vim",
];

/// Whether a name is that of a program that the image has not.
pub fn is_known(name: &str) -> bool {
    [PACKAGE_MANAGERS, INTERPRETERS, CONNECTING, TOOLS].iter().any(|names| names.contains(&name))
        || is_python(name)
}

/// Whether a program with these arguments connects to another machine, and to which.
pub fn connects(name: &str, arguments: &[Word]) -> Option<What> {
    let texts = || arguments.iter().flatten().map(String::as_str);
    if CONNECTING.contains(&name) {
        if texts().any(|text| matches!(text, "--version" | "-V" | "--help")) {
            return None;
        }
        if name == "rsync"
            && !texts().any(|text| host_of(text).is_some())
            && arguments.iter().all(Option::is_some)
        {
            return None;
        }
        let plain = || {
            let mut named = texts().filter(|text| !text.starts_with('-'));
            named
                .clone()
                .find(|text| text.contains('.') || *text == "localhost")
                .or(named.next_back())
                .and_then(bare_host)
        };
        return Some(What::Network { host: texts().find_map(host_of).or_else(plain) });
    }
    if name == "git" {
        let command = texts().find(|text| !text.starts_with('-') && !text.contains('/'))?;
        if GIT_CONNECTING.contains(&command)
            || (command == "submodule" && texts().any(|text| text == "update"))
            || (command == "remote" && texts().any(|text| text == "update"))
        {
            let is_local = |text: &str| text.starts_with(['/', '.']);
            let target =
                texts().skip_while(|text| *text != command).skip(1).find(|text| !text.starts_with('-'));
            if command == "clone" && target.is_some_and(is_local) {
                return None;
            }
            return Some(What::Network { host: texts().find_map(host_of) });
        }
    }
    None
}

/// An option of one of the image's tools that it refuses.
pub fn refused_option(name: &str, arguments: &[Word]) -> Option<String> {
    let (_, options) = REFUSED_OPTIONS.iter().find(|(tool, _)| *tool == name)?;
    for argument in arguments.iter().flatten() {
        if argument == "--" {
            return None;
        }
        for option in *options {
            let short = option.strip_prefix('-').filter(|letter| letter.len() == 1);
            let clustered = short.is_some_and(|letter| {
                argument.strip_prefix('-').is_some_and(|cluster| {
                    cluster.len() <= 6
                        && cluster.bytes().all(|byte| byte.is_ascii_alphabetic())
                        && cluster.contains(letter)
                })
            });
            // `-f` of `stat` aside, clusters are as people write them: `-oP`.
            if argument == option || (clustered && name != "stat" && name != "diff") {
                return Some(format!("{name} {option}"));
            }
        }
    }
    None
}

/// The host of a URL, or of `user@host:path`.
pub fn host_of(text: &str) -> Option<String> {
    let authority = if let Some((scheme, rest)) = text.split_once("://") {
        if !matches!(scheme, "http" | "https" | "ftp" | "ssh" | "git" | "ws" | "wss" | "rsync" | "git+https")
        {
            return None;
        }
        rest.split(['/', '?', '#']).next()?
    } else {
        let (host, _) = text.split_once(':')?;
        let host = if let Some((_, host)) = host.split_once('@') { host } else { return None };
        return bare_host(host);
    };
    let host = authority.rsplit('@').next()?;
    bare_host(host.split(':').next()?)
}

fn bare_host(text: &str) -> Option<String> {
    let host = text.rsplit('@').next()?.split(['/', ':']).next()?;
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    (!host.is_empty() && host.len() <= 253 && host.bytes().all(plain)).then(|| host.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_is_found_in_urls_and_remotes() {
        assert_eq!(host_of("https://user:x@example.org:8080/a?b").as_deref(), Some("example.org"));
        assert_eq!(host_of("git@github.com:a/b.git").as_deref(), Some("github.com"));
        assert_eq!(host_of("file:///tmp/x"), None);
        assert_eq!(host_of("a:b"), None);
    }

    #[test]
    fn git_connects_only_where_it_does() {
        let words = |text: &str| text.split(' ').map(|word| Some(word.to_owned())).collect::<Vec<_>>();
        assert_eq!(connects("git", &words("status")), None);
        assert_eq!(connects("git", &words("clone ../other")), None);
        assert_eq!(connects("git", &words("push origin main")), Some(What::Network { host: None }));
    }
}

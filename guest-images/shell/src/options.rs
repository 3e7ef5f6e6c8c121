//! `set -o` and `shopt`.

macro_rules! options {
    ($(#[$meta:meta])* $type:ident { $($field:ident: $default:expr,)* }) => {
        $(#[$meta])*
        #[derive(Debug, Clone)]
        #[allow(missing_docs)] // One field an option, by its name in bash.
        pub struct $type { $(pub $field: bool,)* }

        impl Default for $type {
            fn default() -> Self {
                $type { $($field: $default,)* }
            }
        }

        impl $type {
            /// Names and values, sorted by name.
            pub fn list(&self) -> Vec<(&'static str, bool)> {
                vec![$((name(stringify!($field)), self.$field),)*]
            }

            pub fn get(&self, wanted: &str) -> Option<bool> {
                self.list().into_iter().find(|(name, _)| *name == wanted).map(|(_, value)| value)
            }

            /// Says whether there is such an option.
            pub fn set(&mut self, wanted: &str, value: bool) -> bool {
                $(if name(stringify!($field)) == wanted {
                    self.$field = value;
                    return true;
                })*
                false
            }

            /// The names of those that are on, with colons between them.
            pub fn names(&self) -> String {
                let on: Vec<_> = self.list().into_iter().filter(|(_, value)| *value).map(|(name, _)| name).collect();
                on.join(":")
            }
        }
    };
}

/// Names that are no identifiers of Rust, or words of it.
fn name(field: &'static str) -> &'static str {
    match field {
        "interactive_comments_" => "interactive_comments",
        "interactive_comments" => "interactive-comments",
        other => other,
    }
}

options! {
    /// The options of `set -o`.
    Options {
        allexport: false,
        braceexpand: true,
        emacs: false,
        errexit: false,
        errtrace: false,
        functrace: false,
        hashall: true,
        histexpand: false,
        history: false,
        ignoreeof: false,
        interactive_comments: true,
        keyword: false,
        monitor: false,
        noclobber: false,
        noexec: false,
        noglob: false,
        nolog: false,
        notify: false,
        nounset: false,
        onecmd: false,
        physical: false,
        pipefail: false,
        posix: false,
        privileged: false,
        verbose: false,
        vi: false,
        xtrace: false,
    }
}

/// The letters of `set`, with the names of what they set.
pub const LETTERS: [(u8, &str); 20] = [
    (b'a', "allexport"),
    (b'b', "notify"),
    (b'e', "errexit"),
    (b'f', "noglob"),
    (b'h', "hashall"),
    (b'k', "keyword"),
    (b'm', "monitor"),
    (b'n', "noexec"),
    (b'p', "privileged"),
    (b't', "onecmd"),
    (b'u', "nounset"),
    (b'v', "verbose"),
    (b'x', "xtrace"),
    (b'B', "braceexpand"),
    (b'C', "noclobber"),
    (b'E', "errtrace"),
    (b'H', "histexpand"),
    (b'P', "physical"),
    (b'T', "functrace"),
    (b'i', ""),
];

/// Options that would change what scripts mean, and that this shell does not have.
const UNSUPPORTED: [&str; 12] = [
    "cdable_vars",
    "compat31",
    "compat32",
    "compat40",
    "compat41",
    "compat42",
    "compat43",
    "compat44",
    "extdebug",
    "keyword",
    "localvar_unset",
    "varredir_close",
];

/// Would switching it on be a lie?
pub fn is_unsupported(name: &str) -> bool {
    UNSUPPORTED.contains(&name)
}

impl Options {
    pub fn set_letter(&mut self, letter: u8, value: bool) -> bool {
        LETTERS
            .iter()
            .find(|(known, name)| *known == letter && !name.is_empty())
            .is_some_and(|(_, name)| self.set(name, value))
    }

    /// The letters of `$-` that are on.
    pub fn letters(&self) -> Vec<u8> {
        LETTERS.iter().filter(|(_, name)| self.get(name) == Some(true)).map(|(letter, _)| *letter).collect()
    }
}

options! {
    /// The options of `shopt`.
    Shopt {
        assoc_expand_once: false,
        autocd: false,
        cdable_vars: false,
        cdspell: false,
        checkhash: false,
        checkjobs: false,
        checkwinsize: true,
        cmdhist: true,
        compat31: false,
        compat32: false,
        compat40: false,
        compat41: false,
        compat42: false,
        compat43: false,
        compat44: false,
        complete_fullquote: true,
        direxpand: false,
        dirspell: false,
        dotglob: false,
        execfail: false,
        expand_aliases: false,
        extdebug: false,
        extglob: false,
        extquote: true,
        failglob: false,
        force_fignore: true,
        globasciiranges: true,
        globskipdots: true,
        globstar: false,
        gnu_errfmt: false,
        histappend: false,
        histreedit: false,
        histverify: false,
        hostcomplete: true,
        huponexit: false,
        inherit_errexit: false,
        interactive_comments_: true,
        lastpipe: false,
        lithist: false,
        localvar_inherit: false,
        localvar_unset: false,
        login_shell: false,
        mailwarn: false,
        no_empty_cmd_completion: false,
        nocaseglob: false,
        nocasematch: false,
        noexpand_translation: false,
        nullglob: false,
        patsub_replacement: true,
        progcomp: true,
        progcomp_alias: false,
        promptvars: true,
        restricted_shell: false,
        shift_verbose: false,
        sourcepath: true,
        varredir_close: false,
        xpg_echo: false,
    }
}

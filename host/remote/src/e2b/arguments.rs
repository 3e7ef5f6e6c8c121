//! Commands as arguments of `bash -l -c`, since that is what E2B runs.

use std::collections::BTreeMap;

/// Where a command begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Begins {
    /// In the directory that it was told.
    WhereTold,
    /// In `/workspace` where that is, else where bash does.
    InWorkspace,
}

/// The arguments by which bash becomes the command. Its own arguments come as the shell's, so that none is read
/// by it, and variables once more, for a profile may have set them anew. Standard input is empty unless it is
/// `fed`.
pub(super) fn arguments(
    argv: &[String],
    env: &BTreeMap<String, String>,
    fed: bool,
    begins: Begins,
) -> Vec<String> {
    let variables: Vec<_> =
        env.iter().filter(|(name, _)| is_name(name)).map(|(name, value)| format!("{name}={value}")).collect();
    let mut line = String::new();
    if !variables.is_empty() {
        let places: Vec<_> = (1..=variables.len()).map(|place| format!("\"${{{place}}}\"")).collect();
        line = format!("export {}; shift {}; ", places.join(" "), variables.len());
    }
    if begins == Begins::InWorkspace {
        // Without a trace in the environment; where there is none, nothing changes.
        line.push_str("cd /workspace 2>/dev/null && unset OLDPWD; ");
    }
    line.push_str("exec ");
    if argv.first().is_some_and(|command| command.starts_with('-')) {
        line.push_str("-- ");
    }
    line.push_str("\"$@\"");
    if !fed {
        line.push_str(" </dev/null");
    }
    // What comes first is the name of the shell in its messages.
    let fixed = ["-l".to_owned(), "-c".to_owned(), line, "bash".to_owned()];
    fixed.into_iter().chain(variables).chain(argv.iter().cloned()).collect()
}

/// Whether bash takes a variable of this name (bash manual, 2); others reach the command as they are.
fn is_name(name: &str) -> bool {
    !name.starts_with(|c: char| c.is_ascii_digit())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_beside_the_line() {
        let of = |argv: &[&str], env: &[(&str, &str)], fed| {
            let argv: Vec<_> = argv.iter().map(|&word| word.to_owned()).collect();
            let env = env.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect();
            arguments(&argv, &env, fed, Begins::WhereTold)
        };
        assert_eq!(
            of(&["cat", "it's", ""], &[], true),
            ["-l", "-c", r#"exec "$@""#, "bash", "cat", "it's", ""]
        );
        assert_eq!(of(&["-x"], &[], false), ["-l", "-c", r#"exec -- "$@" </dev/null"#, "bash", "-x"]);
        assert_eq!(
            of(&["a"], &[("A", "b c"), ("B", ""), ("1", "x"), ("a-b", "x")], true),
            ["-l", "-c", r#"export "${1}" "${2}"; shift 2; exec "$@""#, "bash", "A=b c", "B=", "a"]
        );
        assert_eq!(
            arguments(&["a".to_owned()], &BTreeMap::new(), true, Begins::InWorkspace)[2],
            r#"cd /workspace 2>/dev/null && unset OLDPWD; exec "$@""#
        );
    }
}

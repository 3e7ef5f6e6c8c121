//! The tools that are other people's crates.

use std::ffi::OsString;

use uucore::locale;

type Arguments = std::vec::IntoIter<OsString>;
type Tool = fn(Arguments) -> i32;

/// By name, in order.
const TOOLS: &[(&str, Tool)] = &[
    ("b2sum", uu_b2sum::uumain),
    ("base32", uu_base32::uumain),
    ("base64", uu_base64::uumain),
    ("basename", uu_basename::uumain),
    ("cksum", uu_cksum::uumain),
    ("comm", uu_comm::uumain),
    ("cp", uu_cp::uumain),
    ("csplit", uu_csplit::uumain),
    ("cut", uu_cut::uumain),
    ("date", uu_date::uumain),
    ("dirname", uu_dirname::uumain),
    ("echo", uu_echo::uumain),
    ("expand", uu_expand::uumain),
    ("factor", uu_factor::uumain),
    ("fmt", uu_fmt::uumain),
    ("fold", uu_fold::uumain),
    ("join", uu_join::uumain),
    ("link", uu_link::uumain),
    ("ln", uu_ln::uumain),
    ("md5sum", uu_md5sum::uumain),
    ("mkdir", uu_mkdir::uumain),
    ("mktemp", uu_mktemp::uumain),
    ("mv", uu_mv::uumain),
    ("nl", uu_nl::uumain),
    ("nproc", uu_nproc::uumain),
    ("numfmt", uu_numfmt::uumain),
    ("od", uu_od::uumain),
    ("paste", uu_paste::uumain),
    ("pathchk", uu_pathchk::uumain),
    ("pr", uu_pr::uumain),
    ("printenv", uu_printenv::uumain),
    ("printf", uu_printf::uumain),
    ("ptx", uu_ptx::uumain),
    ("pwd", uu_pwd::uumain),
    ("readlink", uu_readlink::uumain),
    ("realpath", uu_realpath::uumain),
    ("rm", uu_rm::uumain),
    ("rmdir", uu_rmdir::uumain),
    ("seq", uu_seq::uumain),
    ("sha1sum", uu_sha1sum::uumain),
    ("sha224sum", uu_sha224sum::uumain),
    ("sha256sum", uu_sha256sum::uumain),
    ("sha384sum", uu_sha384sum::uumain),
    ("sha512sum", uu_sha512sum::uumain),
    ("shred", uu_shred::uumain),
    ("shuf", uu_shuf::uumain),
    ("sleep", uu_sleep::uumain),
    ("sort", uu_sort::uumain),
    ("split", uu_split::uumain),
    ("sum", uu_sum::uumain),
    ("tail", uu_tail::uumain),
    ("tee", uu_tee::uumain),
    ("touch", uu_touch::uumain),
    ("tr", uu_tr::uumain),
    ("truncate", uu_truncate::uumain),
    ("tsort", uu_tsort::uumain),
    ("uname", uu_uname::uumain),
    ("unexpand", uu_unexpand::uumain),
    ("uniq", uu_uniq::uumain),
    ("unlink", uu_unlink::uumain),
    ("wc", uu_wc::uumain),
    ("yes", uu_yes::uumain),
];

pub fn names() -> impl Iterator<Item = &'static str> {
    TOOLS.iter().map(|(name, _)| *name)
}

/// Runs a tool with its arguments, of which the first is its name; none when there is no such tool.
pub fn run(name: &str, arguments: &[OsString]) -> Option<i32> {
    let at = TOOLS.binary_search_by_key(&name, |(name, _)| name).ok()?;
    let (name, tool) = TOOLS.get(at)?;
    if let Err(error) = locale::setup_localization(name) {
        eprintln!("{name}: {error}");
        return Some(1);
    }
    if *name == "sort"
        && let Some(option) = arguments.iter().skip(1).find_map(|argument| sorts_in_a_thread(sandpiper_guest::bytes(argument)))
    {
        eprintln!("sort: {option} is not supported in a sandbox, where it would take a thread; without it sort works");
        return Some(2);
    }
    Some(tool(arguments.to_vec().into_iter()))
}

/// The option, if it is one for which the crate starts a thread.
fn sorts_in_a_thread(argument: &[u8]) -> Option<&'static str> {
    let long: &[(&[u8], &'static str)] = &[(b"--check", "--check"), (b"--merge", "--merge")];
    if let Some((_, name)) = long.iter().find(|(option, _)| argument.starts_with(option)) {
        return Some(name);
    }
    let cluster = argument.strip_prefix(b"-").filter(|rest| !rest.starts_with(b"-"))?;
    // What stands behind one of these is its value.
    let letters = cluster.iter().take_while(|letter| !b"kotST".contains(letter));
    letters.into_iter().find_map(|letter| match letter {
        b'c' => Some("-c"),
        b'C' => Some("-C"),
        b'm' => Some("-m"),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::sorts_in_a_thread;

    #[test]
    fn only_options_of_sort_that_take_a_thread_are_found() {
        for (argument, found) in [
            ("-c", Some("-c")),
            ("-nrC", Some("-C")),
            ("-um", Some("-m")),
            ("--check=quiet", Some("--check")),
            ("--merge", Some("--merge")),
            ("-tc", None),
            ("-k1,1", None),
            ("-ocm", None),
            ("--reverse", None),
            ("cm", None),
            ("-", None),
        ] {
            assert_eq!(sorts_in_a_thread(argument.as_bytes()), found, "{argument}");
        }
    }
}

//! The 46 functions with the kinds of their parameters, and a call of one as the caller takes it.

use super::script::{Argument, Region, Script};
use super::text::{self, bytes, choice, flags, list, number, rights};

/// What a parameter is; some are two core parameters, an address and a length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Word,
    Lookup,
    OpenFlags,
    FdFlags,
    TimeFlags,
    Rights,
    Whence,
    Clock,
    Advice,
    Path,
    /// A list of lengths to read into.
    Into,
    /// A list of strings to write.
    From,
    /// A length, of a buffer that the call fills.
    Buffer,
    /// What to wait for, and the events.
    Subscriptions,
    /// What the call answers besides the error number.
    Answer(Out),
}

/// The type of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Out {
    U32(&'static str),
    U64(&'static str),
    Filestat,
    Fdstat,
    Prestat,
    /// Addresses of the strings.
    Pointers,
    /// The strings.
    Strings,
    /// Bytes read, over one or more vectors.
    Read,
    Buffer,
    Events,
}

impl Out {
    pub fn bytes(self) -> u32 {
        match self {
            Self::U32(_) => 4,
            Self::U64(_) | Self::Prestat => 8,
            Self::Filestat => 64,
            Self::Fdstat => 24,
            Self::Pointers | Self::Strings => 2048,
            Self::Read | Self::Buffer | Self::Events => 0,
        }
    }
}

use Kind::*;

const COUNT: Kind = Answer(Out::U32("count"));
const STAT: Kind = Answer(Out::Filestat);

/// In the order of the caller's table.
pub const FUNCTIONS: [(&str, &[Kind]); 46] = [
    ("args_get", &[Answer(Out::Pointers), Answer(Out::Strings)]),
    ("args_sizes_get", &[COUNT, Answer(Out::U32("bytes"))]),
    ("environ_get", &[Answer(Out::Pointers), Answer(Out::Strings)]),
    ("environ_sizes_get", &[COUNT, Answer(Out::U32("bytes"))]),
    ("clock_res_get", &[Clock, Answer(Out::U64("resolution"))]),
    ("clock_time_get", &[Clock, Word, Answer(Out::U64("time"))]),
    ("fd_advise", &[Word, Word, Word, Advice]),
    ("fd_allocate", &[Word, Word, Word]),
    ("fd_close", &[Word]),
    ("fd_datasync", &[Word]),
    ("fd_fdstat_get", &[Word, Answer(Out::Fdstat)]),
    ("fd_fdstat_set_flags", &[Word, FdFlags]),
    ("fd_fdstat_set_rights", &[Word, Rights, Rights]),
    ("fd_filestat_get", &[Word, STAT]),
    ("fd_filestat_set_size", &[Word, Word]),
    ("fd_filestat_set_times", &[Word, Word, Word, TimeFlags]),
    ("fd_pread", &[Word, Into, Word, COUNT]),
    ("fd_prestat_get", &[Word, Answer(Out::Prestat)]),
    ("fd_prestat_dir_name", &[Word, Buffer]),
    ("fd_pwrite", &[Word, From, Word, COUNT]),
    ("fd_read", &[Word, Into, COUNT]),
    ("fd_readdir", &[Word, Buffer, Word, Answer(Out::U32("used"))]),
    ("fd_renumber", &[Word, Word]),
    ("fd_seek", &[Word, Word, Whence, Answer(Out::U64("offset"))]),
    ("fd_sync", &[Word]),
    ("fd_tell", &[Word, Answer(Out::U64("offset"))]),
    ("fd_write", &[Word, From, COUNT]),
    ("path_create_directory", &[Word, Path]),
    ("path_filestat_get", &[Word, Lookup, Path, STAT]),
    ("path_filestat_set_times", &[Word, Lookup, Path, Word, Word, TimeFlags]),
    ("path_link", &[Word, Lookup, Path, Word, Path]),
    ("path_open", &[Word, Lookup, Path, OpenFlags, Rights, Rights, FdFlags, Answer(Out::U32("fd"))]),
    ("path_readlink", &[Word, Path, Buffer, Answer(Out::U32("used"))]),
    ("path_remove_directory", &[Word, Path]),
    ("path_rename", &[Word, Path, Word, Path]),
    ("path_symlink", &[Path, Word, Path]),
    ("path_unlink_file", &[Word, Path]),
    ("poll_oneoff", &[Subscriptions, COUNT]),
    ("proc_exit", &[Word]),
    ("proc_raise", &[Word]),
    ("random_get", &[Buffer]),
    ("sched_yield", &[]),
    ("sock_accept", &[Word, FdFlags, Answer(Out::U32("fd"))]),
    ("sock_recv", &[Word, Into, Word, COUNT, Answer(Out::U32("flags"))]),
    ("sock_send", &[Word, From, Word, COUNT]),
    ("sock_shutdown", &[Word, Word]),
];

/// Puts a call into the script. The tokens are its arguments, then, where an answer is to go to an
/// address of the claim's own, `out@address` for each answer (`out@_` for one that is not).
pub fn encode(script: &mut Script, name: &str, tokens: &[String]) -> Vec<Region> {
    let index = FUNCTIONS.iter().position(|(known, _)| *known == name);
    let index = index.unwrap_or_else(|| panic!("{name} is no function of WASI preview 1"));
    let kinds = FUNCTIONS[index].1;
    let (outs, given): (Vec<_>, Vec<_>) = tokens.iter().partition(|token| token.starts_with("out@"));
    let mut outs = outs.iter().map(|out| &out[4..]);
    // An opening without rights to hand down and without flags is the usual one.
    let defaults: &[&str] = if name == "path_open" { &["-", "-"] } else { &[] };
    let expected = kinds.iter().filter(|kind| !matches!(kind, Answer(_))).count();
    let missing = expected.checked_sub(given.len()).filter(|missing| *missing <= defaults.len());
    let missing = missing.unwrap_or_else(|| panic!("{name} takes {expected} arguments: {tokens:?}"));
    let defaults = &defaults[defaults.len() - missing..];
    let mut given = given.iter().map(|token| token.as_str()).chain(defaults.iter().copied());
    let (mut arguments, mut regions) = (Vec::new(), Vec::new());
    for kind in kinds {
        if let Answer(out) = kind {
            match outs.next() {
                Some(address) if address != "_" => arguments.push(Argument::Value(number(address).unwrap())),
                _ => {
                    let region = script.region(*out, out.bytes());
                    arguments.push(Argument::Value(region.address.into()));
                    regions.push(region);
                }
            }
            continue;
        }
        let token = given.next().unwrap();
        let value = |number: u64| Argument::Value(number);
        match kind {
            Lookup => arguments.push(value(flags(token, &text::LOOKUP_FLAGS))),
            OpenFlags => arguments.push(value(flags(token, &text::OPEN_FLAGS))),
            FdFlags => arguments.push(value(flags(token, &text::FD_FLAGS))),
            TimeFlags => arguments.push(value(flags(token, &text::TIME_FLAGS))),
            Rights => arguments.push(value(rights(token))),
            Whence => arguments.push(value(choice(token, &text::WHENCES))),
            Clock => arguments.push(value(choice(token, &text::CLOCKS))),
            Advice => arguments.push(value(choice(token, &text::ADVICES))),
            Path | From | Into | Buffer if token.starts_with('@') => {
                arguments.extend(raw(&token[1..]).map(Argument::Value));
            }
            Path => {
                let bytes = bytes(token);
                arguments.push(value(script.put(&bytes).into()));
                arguments.push(value(bytes.len() as u64));
            }
            Buffer => {
                let length = number(token).unwrap();
                let region = script.region(Out::Buffer, u32::try_from(length).unwrap());
                arguments.extend([value(region.address.into()), value(length)]);
                regions.push(region);
            }
            Into | From => {
                let elements = list(token);
                let mut vectors = Vec::new();
                for element in &elements {
                    let [address, length] = if let Some(element) = element.strip_prefix('@') {
                        raw(element)
                    } else if *kind == From {
                        let bytes = bytes(element);
                        [script.put(&bytes).into(), bytes.len() as u64]
                    } else {
                        let length = number(element).unwrap();
                        let region = script.region(Out::Read, u32::try_from(length).unwrap());
                        regions.push(region);
                        [regions[regions.len() - 1].address.into(), length]
                    };
                    for word in [address, length] {
                        vectors.extend(u32::try_from(word).unwrap().to_le_bytes());
                    }
                }
                arguments.extend([value(script.put(&vectors).into()), value(elements.len() as u64)]);
            }
            Subscriptions => {
                let (address, events, count) = match token.strip_prefix('@') {
                    // The list at an address of its own, of so many; events where the list is.
                    Some(token) => {
                        let [address, count] = raw(token);
                        (address, address, count)
                    }
                    None => {
                        let list: Vec<_> = list(token).iter().flat_map(|token| subscription(token)).collect();
                        let count = u32::try_from(list.len() / 48).unwrap();
                        let region = script.region(Out::Events, count * 32);
                        regions.push(region);
                        let events = regions[regions.len() - 1].address.into();
                        (script.put(&list).into(), events, count.into())
                    }
                };
                arguments.extend([address, events, count].map(Argument::Value));
            }
            Word => arguments.push(match token.strip_prefix('$') {
                Some(variable) => Argument::Variable(variable.to_owned()),
                None => value(number(token).unwrap_or_else(|| panic!("{token} is no number"))),
            }),
            Answer(_) => unreachable!(),
        }
    }
    assert_eq!((given.next(), outs.next()), (None, None), "{name} takes fewer arguments: {tokens:?}");
    script.call(index, &arguments);
    regions
}

/// `address:length`.
fn raw(token: &str) -> [u64; 2] {
    let (address, length) = token.split_once(':').unwrap();
    [number(address).unwrap(), number(length).unwrap()]
}

/// `7:clock(monotonic,1000)`, `7:clock(realtime,5s,absolute)`, `8:read(0)`, `9:write(1)`, or
/// `1:tag(3)` for what the witx does not name.
fn subscription(token: &str) -> [u8; 48] {
    let (userdata, wait) = token.split_once(':').unwrap();
    let (name, inner) = wait.strip_suffix(')').unwrap().split_once('(').unwrap();
    let parts: Vec<_> = inner.split(',').collect();
    let mut record = [0; 48];
    let word = |token: &str| u32::try_from(number(token).unwrap()).unwrap().to_le_bytes();
    record[..8].copy_from_slice(&number(userdata).unwrap().to_le_bytes());
    match name {
        "clock" => {
            let clock = u32::try_from(choice(parts[0], &text::CLOCKS)).unwrap();
            record[16..20].copy_from_slice(&clock.to_le_bytes());
            record[24..32].copy_from_slice(&number(parts[1]).unwrap().to_le_bytes());
            record[40] = match parts.get(2) {
                Some(&"absolute") => 1,
                Some(flags) => u8::try_from(number(flags).unwrap()).unwrap(),
                None => 0,
            };
        }
        "read" | "write" => {
            record[8] = if name == "read" { 1 } else { 2 };
            record[16..20].copy_from_slice(&word(parts[0]));
        }
        "tag" => record[8] = u8::try_from(number(parts[0]).unwrap()).unwrap(),
        other => panic!("{other} is nothing to wait for"),
    }
    record
}

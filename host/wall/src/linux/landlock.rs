//! Files and the network, by Landlock.
//!
//! Source: `Documentation/userspace-api/landlock.rst` of the Linux kernel.

use std::time::{Duration, Instant};

use landlock::{
    ABI, Access, AccessFs, AccessNet, BitFlags, CompatLevel, Compatible, PathBeneath, PathFd,
    RestrictSelfAttr, Ruleset, RulesetAttr, RulesetCreatedAttr, Scope, make_bitflags,
};

use super::Failure;
use crate::Folder;

/// Without the second version, renaming between folders could not be allowed at all.
const OLDEST: ABI = ABI::V2;
/// The newest version that the rules below were written for; of it, what the kernel has.
const NEWEST: ABI = ABI::V9;

/// How long a thread that was joined may still be listed: its end is told before it is out.
const ENDING: Duration = Duration::from_millis(100);

/// Leaves the folders, and no other file, no network, and nobody to send signals to.
pub(crate) fn raise(folders: &[Folder]) -> Result<(), Failure> {
    let threads = remaining_threads().map_err(Failure::Uncounted)?;
    let mut ruleset = Ruleset::default()
        .set_compatibility(CompatLevel::HardRequirement)
        .handle_access(AccessFs::from_all(OLDEST))
        .map_err(|_| Failure::NoLandlock)?
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(NEWEST))?
        .handle_access(AccessNet::from_all(NEWEST))?
        .scope(Scope::from_all(NEWEST))?
        .create()?;
    for folder in folders {
        let opened = PathFd::new(&folder.path)
            .map_err(|source| Failure::Folder { path: folder.path.clone(), source })?;
        ruleset = ruleset.add_rule(PathBeneath::new(opened, rights(folder.writable)))?;
    }
    if threads > 1 {
        ruleset = ruleset
            .set_compatibility(CompatLevel::HardRequirement)
            .all_threads(true)
            .map_err(|_| Failure::Threads { threads })?;
    }
    ruleset.restrict_self()?;
    Ok(())
}

/// What may be done below a folder: not to run a program, nor to make a device, a pipe or a socket.
fn rights(writable: bool) -> BitFlags<AccessFs> {
    let read = make_bitflags!(AccessFs::{ReadFile | ReadDir});
    let change = make_bitflags!(AccessFs::{
        WriteFile | Truncate | MakeReg | MakeDir | MakeSym | RemoveFile | RemoveDir | Refer
    });
    if writable { read | change } else { read }
}

/// How many threads there are, once those that were ending are gone.
fn remaining_threads() -> std::io::Result<usize> {
    let start = Instant::now();
    loop {
        let threads = std::fs::read_dir("/proc/self/task")?.count();
        if threads <= 1 || start.elapsed() > ENDING {
            return Ok(threads);
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

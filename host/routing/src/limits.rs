//! What one analysis may cost, whatever the command and its files are.
//!
//! Where a limit is met, the analysis goes on without what lies beyond it and says so
//! ([`Needs::unseen`](crate::Needs)); then nothing is called certain to run here.

/// Bytes of one file that are looked at: hand-written sources are a fraction of it, and generated ones need nothing.
pub const FILE_BYTES_MAX: usize = 1024 * 1024;
/// Bytes of all files together; some tens of milliseconds of reading.
pub const TOTAL_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Files read: five times the project that the decision is made fast for.
pub const FILES_MAX: usize = 1000;
/// Directories listed.
pub const LISTS_MAX: usize = 1000;
/// Entries of one directory: site-packages of a large environment has some hundreds.
pub const ENTRIES_MAX: usize = 10_000;
/// Bytes of a line of evidence that are kept.
pub const EVIDENCE_BYTES_MAX: usize = 120;
/// Distinct needs: more tell a reader nothing.
pub const NEEDS_MAX: usize = 64;
/// Distinct things that were not seen.
pub const UNSEEN_MAX: usize = 32;
/// Commands looked at, those in functions once for each call.
pub const COMMANDS_MAX: usize = 5000;
/// Commands of shell texts that are walked, those of functions and loops each time.
pub const STEPS_MAX: usize = 50_000;
/// Variables of a shell: it is copied for each subshell.
pub const VARIABLES_MAX: usize = 200;
/// Arguments of one command: `"$@"` twice in a function that calls itself is twice as many each time.
pub const ARGUMENTS_MAX: usize = 1000;
/// Commands within commands: scripts that call scripts, substitutions, `sh -c`. Each takes some stack.
pub const COMMAND_DEPTH_MAX: usize = 24;
/// Nested constructs of a shell script; the guest's shell refuses more than 200.
pub const SHELL_DEPTH_MAX: usize = 60;
/// Nested blocks of a Python file; CPython refuses more than 100 indentations.
pub const PYTHON_DEPTH_MAX: usize = 100;
/// Bytes of the value of one shell variable; what grows beyond is not known.
pub const VALUE_BYTES_MAX: usize = 4096;

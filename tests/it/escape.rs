//! The attack corpus: each file of `tests/escape` is an attack with an allowed twin, in Python, for the
//! shell or in WebAssembly text. The attack must print exactly what the file says and end as it says, and leave
//! what lies outside unchanged. Attacks for which the host has to do something (threads that swap
//! names, a cache that another user planted, modules made of bytes) are tests of the modules below.

mod bombs;
mod cache;
mod command_line;
#[cfg(unix)]
mod races;
mod reuse;
mod stacks;
#[cfg(unix)]
mod worktrees;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use sandpiper::{Access, Engine, EngineConfig, Error, Exec, Image, Mount, Outcome, Spec};
use serde::Deserialize;

use crate::harness::{Printed, run};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    /// What must not be possible.
    claim: String,
    /// Mounts the granted folder read-only.
    #[serde(default)]
    read_only: bool,
    /// Advisories on other sandboxes that this attack is of the kind of.
    #[serde(default, rename = "advisories")]
    _advisories: Vec<String>,
    /// Limits to be set, by name.
    #[serde(default)]
    limits: BTreeMap<String, u64>,
    attack: Program,
    /// The same thing where it is allowed.
    allowed: Program,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Program {
    /// The program in Python; or, instead, for the shell; or in WebAssembly text.
    python: Option<String>,
    shell: Option<String>,
    /// A `_start` function and what it needs; [`module`] puts the rest around it.
    wat: Option<String>,
    #[serde(default)]
    stdout: String,
    #[serde(default)]
    exit: u8,
    /// Reasons of denials that must be in the outcome.
    #[serde(default)]
    denied: Vec<String>,
}

/// Before each program: calls something and prints its result, or the name of its error.
const PRELUDE: &str = "import os, errno, sys
def attempt(call, *arguments, **options):
    try: print(call(*arguments, **options))
    except OSError as err: print(errno.errorcode.get(err.errno, err))
    except Exception as err: print(type(err).__name__)
";

/// Around each WebAssembly program: the functions of WASI that it calls, one page of memory and
/// `$print`, which prints a number and a line feed.
fn module(program: &str) -> Vec<u8> {
    let mut text = "(module\n".to_owned();
    let imports = [include_str!("../programs/preview1/caller.wat"), include_str!("../programs/process.wat")];
    for import in imports.iter().flat_map(|text| text.lines()).filter(|line| line.starts_with("  (import")) {
        let name = import.split_once("(func $").unwrap().1.split([' ', ')']).next().unwrap();
        if name == "fd_write"
            || program.contains(&format!("${name} "))
            || program.contains(&format!("${name})"))
        {
            text.push_str(import);
        }
    }
    if !program.contains("(memory ") {
        text.push_str("(memory (export \"memory\") 1)");
    }
    // The digits go to 65000 and before, the vector to 65008.
    text.push_str(
        "(func $print (param $n i32) (local $at i32)
          (local.set $at (i32.const 65000))
          (i32.store8 (i32.const 65000) (i32.const 10))
          (loop $digit
            (local.set $at (i32.sub (local.get $at) (i32.const 1)))
            (i32.store8 (local.get $at)
              (i32.add (i32.const 48) (i32.rem_u (local.get $n) (i32.const 10))))
            (local.set $n (i32.div_u (local.get $n) (i32.const 10)))
            (br_if $digit (local.get $n)))
          (i32.store (i32.const 65008) (local.get $at))
          (i32.store (i32.const 65012) (i32.sub (i32.const 65001) (local.get $at)))
          (drop (call $fd_write (i32.const 1) (i32.const 65008) (i32.const 1) (i32.const 65016))))",
    );
    text.push_str(program);
    text.push(')');
    wat::parse_str(text).unwrap()
}

const SECRET: &str = "the secret of the host";

/// A host folder: `granted` is mounted at `/workspace`, `second` at `/second` read-only, `outside` is
/// not mounted.
struct Host {
    folder: tempfile::TempDir,
}

impl Host {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let host = Self { folder };
        for name in ["granted/sub", "second", "outside"] {
            std::fs::create_dir_all(host.path(name)).unwrap();
        }
        std::fs::write(host.path("outside/secret"), SECRET).unwrap();
        std::fs::write(host.path("granted/file"), "granted").unwrap();
        std::fs::write(host.path("granted/sub/file"), "below").unwrap();
        std::fs::write(host.path("second/file"), "second").unwrap();
        #[cfg(unix)]
        {
            use std::os::unix::fs::symlink;
            symlink("../outside/secret", host.path("granted/relative-out")).unwrap();
            symlink(host.path("outside/secret"), host.path("granted/absolute-out")).unwrap();
            symlink("../outside", host.path("granted/folder-out")).unwrap();
            symlink("loop", host.path("granted/loop")).unwrap();
            symlink("file", host.path("granted/inside")).unwrap();
        }
        host
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn outside(&self) -> Vec<(PathBuf, Option<Vec<u8>>)> {
        tree(&self.path("outside")).into_iter().chain(tree(&self.path("second"))).collect()
    }
}

fn tree(folder: &Path) -> Vec<(PathBuf, Option<Vec<u8>>)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let content = std::fs::read(&path).ok();
        if path.is_dir() {
            found.extend(tree(&path));
        }
        found.push((path, content));
    }
    found.sort();
    found
}

fn check(case: &Case, program: &Program, role: &str) {
    let host = Host::new();
    let before = host.outside();
    let granted = tree(&host.path("granted"));
    let access = if case.read_only { Access::ReadOnly } else { Access::ReadWrite };
    let mut spec = Spec {
        mounts: vec![
            Mount::new(host.path("granted"), "/workspace", access).unwrap(),
            Mount::new(host.path("second"), "/second", Access::ReadOnly).unwrap(),
        ],
        ..Spec::default()
    };
    for (name, value) in &case.limits {
        match name.as_str() {
            "fuel" => spec.limits.fuel = *value,
            "memory_bytes" => spec.limits.memory_bytes = *value,
            "tmp_bytes" => spec.limits.tmp_bytes = *value,
            "disk_bytes" => spec.limits.disk_bytes = *value,
            "files" => spec.limits.files = *value,
            "processes" => spec.limits.processes = u32::try_from(*value).unwrap(),
            "descriptors" => spec.limits.descriptors = u32::try_from(*value).unwrap(),
            "output_bytes" => spec.limits.output_bytes = *value,
            "wall_ms" => spec.limits.wall = std::time::Duration::from_millis(*value),
            other => panic!("no limit is named {other}"),
        }
    }
    let outcome = match (&program.python, &program.shell, &program.wat) {
        (None, Some(shell), None) => run(spec, Exec::new(["bash", "-c", shell])),
        (Some(python), None, None) => run(spec, Exec::new(["python3", "-c", &format!("{PRELUDE}{python}")])),
        (None, None, Some(wat)) => {
            let path = host.path("program.wasm");
            std::fs::write(&path, module(wat)).unwrap();
            spec.image = Image::File(path);
            bare(spec, Exec::new(["program"])).unwrap()
        }
        _ => panic!("{}: a program is in Python, for the shell or in WebAssembly text", case.claim),
    };
    let about = format!("{} ({role})\nstderr: {}", case.claim, outcome.stderr());
    assert_eq!(outcome.stdout(), program.stdout, "{about}");
    assert_eq!(outcome.exit.code(), program.exit, "{about}");
    let reasons = serde_json::to_value(&outcome.denials).unwrap();
    let reasons: Vec<&str> =
        reasons.as_array().unwrap().iter().filter_map(|denial| denial["reason"].as_str()).collect();
    for reason in &program.denied {
        assert!(reasons.contains(&reason.as_str()), "{about}\nno denial {reason} in {reasons:?}");
    }
    let printed = [outcome.stdout(), outcome.stderr()].concat();
    assert!(!printed.contains(SECRET), "{about}");
    assert!(!printed.contains(&*host.folder.path().to_string_lossy()), "a host path shows: {about}");
    assert_eq!(host.outside(), before, "{about}");
    if case.read_only {
        assert_eq!(tree(&host.path("granted")), granted, "{about}");
    }
}

/// Runs a module file with an engine that has neither images nor a cache.
fn bare(spec: Spec, exec: Exec) -> Result<Outcome, Error> {
    static ENGINE: OnceLock<Engine> = OnceLock::new();
    let engine = ENGINE.get_or_init(|| Engine::new(EngineConfig::default()).unwrap());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(sandpiper::run(engine, spec, exec))
}

fn escape(text: &str) {
    let case: Case = toml::from_str(text).unwrap();
    check(&case, &case.attack, "attack");
    check(&case, &case.allowed, "allowed");
}

macro_rules! escapes {
    ($($name:ident)*) => {
        $(#[test]
        fn $name() {
            escape(include_str!(concat!("../escape/", stringify!($name), ".toml")));
        })*

        #[test]
        fn every_file_is_a_test() {
            let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/escape");
            let mut files: Vec<String> = std::fs::read_dir(folder)
                .unwrap()
                .filter_map(|entry| entry.unwrap().file_name().to_str()?.strip_suffix(".toml").map(str::to_owned))
                .collect();
            files.sort();
            let mut tests = vec![$(stringify!($name)),*];
            tests.sort_unstable();
            assert_eq!(files, tests);
        }
    };
}

escapes! {
    a_busy_guest_does_not_outlive_its_deadline
    a_corrupt_stack_pointer_harms_the_child_alone
    a_descriptor_that_is_not_open_is_not_passed_on
    a_directory_that_was_removed_takes_nothing
    a_file_flood_ends
    a_file_that_is_no_program_is_not_run
    a_fork_bomb_ends_in_the_limit_of_processes
    a_guest_made_symlink_leads_nowhere_outside
    a_hard_link_does_not_carry_a_file_out_of_a_read_only_mount
    a_here_document_reaches_its_reader_alone
    a_hash_stays_in_the_memory
    a_hundred_thousand_variables_are_bounded
    a_kill_of_every_number_hits_the_sandbox_alone
    a_link_is_not_moved_to_where_it_leads_out
    a_link_to_a_tool_is_that_tool
    a_list_of_processes_has_no_place_outside_of_the_memory
    a_long_first_line_names_no_interpreter
    a_mask_does_not_widen_what_may_be_done
    a_pipe_that_nobody_reads_fills_and_waits
    a_read_only_descriptor_does_not_write
    a_read_only_file_is_not_opened_for_change
    a_read_only_tree_is_not_changed
    a_relative_symlink_leads_nowhere_outside
    a_result_outside_of_the_memory_starts_nothing
    a_script_names_no_interpreter_of_the_host
    a_sparse_file_costs_what_it_says
    a_stop_that_would_never_end_is_not_sent
    a_thousand_background_jobs_end_in_the_limit_of_processes
    a_trailing_slash_does_not_follow_a_symlink_out
    a_trailing_slash_opens_no_way_in_any_call
    a_truncation_upwards_costs_what_it_says
    a_waiting_process_can_be_killed_at_once
    a_wasm_file_of_the_guest_is_not_run
    a_working_directory_leads_nowhere_outside
    absolute_host_paths_mean_nothing
    an_absolute_symlink_leads_nowhere_outside
    an_endless_substitution_ends_in_the_memory_limit
    an_inode_flood_ends_whatever_it_is_made_of
    an_output_flood_ends
    arguments_are_bounded
    arguments_outside_of_the_memory_start_nothing
    background_jobs_do_not_outlive_the_deadline
    bulk_instructions_do_not_outlive_the_deadline
    children_do_not_see_the_environment_of_the_host
    clocks_polls_and_yields_do_not_outlive_the_deadline
    creation_through_a_dangling_symlink_stays_inside
    deep_recursion_is_pythons_error
    deleting_and_rewriting_does_not_beat_the_disk_limit
    descriptors_do_not_leak_into_children
    descriptors_reopened_by_name_are_no_more_than_they_were
    descriptors_run_out_in_the_guest_first
    devices_are_no_way_around_the_output_limit
    devices_give_what_they_should
    dot_dot_leads_no_higher_than_the_root
    dot_dot_opens_no_way_in_any_call
    failed_openings_leave_no_descriptor
    folders_are_not_read_or_written_as_files
    guessed_descriptors_are_closed
    hard_links_and_renames_keep_what_may_be_done
    hashes_of_the_host_count_as_the_guests_work
    interpreters_that_name_each_other_end
    kill_and_wait_race_without_harm
    long_calls_do_not_outlive_the_deadline
    long_paths_are_refused
    long_walks_do_not_outlive_the_deadline
    mappings_outside_of_the_memory_are_faults
    memory_files_do_not_exhaust_the_host
    memory_growth_ends_at_the_limit
    modes_behind_a_symlink_out_are_not_set_or_seen
    modes_in_a_read_only_mount_are_not_set
    names_of_the_host_do_not_show
    names_of_windows_devices_are_plain_names_in_memory
    names_that_are_not_utf_8_are_errors
    no_call_makes_the_host_allocate_what_the_guest_says
    no_process_can_refuse_to_be_killed
    no_symlink_is_left_that_leads_the_host_out
    nul_and_slashes_in_names
    numbers_of_descriptors_are_no_size
    pipes_are_bounded_and_counted
    pointers_at_the_end_of_the_memory_are_faults
    proc_and_sys_are_not_there
    raw_writes_do_not_escape_the_capture_of_output
    recursion_in_the_interpreters_c_is_a_python_error
    recursion_that_nobody_checks_is_the_guests_own_trap
    recursion_within_c_is_pythons_error
    rename_does_not_cross_mounts
    set_user_id_is_not_set
    signal_numbers_are_checked
    signals_and_exits_end_the_guest_alone
    sleepers_do_not_outlive_the_deadline
    symlink_loops_end
    system_files_are_not_changed
    the_disk_quota_of_many_processes_is_one_budget
    the_end_of_the_first_process_ends_the_others
    the_environment_of_the_host_is_not_seen
    the_fuel_of_many_processes_is_one_budget
    the_list_of_processes_ends_at_the_sandbox
    the_memory_of_many_processes_is_one_budget
    the_network_is_not_there
    the_open_files_of_many_processes_are_one_budget
    the_temporary_files_of_many_processes_are_one_budget
    there_is_no_process_of_the_host
    threads_and_forks_are_not_there
    times_at_the_edges_of_what_there_is
    truncation_does_not_pass_a_read_only_mount
    vectors_outside_of_the_memory_are_faults
    what_may_not_be_executed_is_not
    zombies_count_as_processes
}

//! Every limit at its edge: what is within it passes, what reaches it ends as it should, and the
//! next run is unharmed.

use std::time::{Duration, Instant};

use sandpiper::{DenialReason, Exec, Exit, Limits, Metering, Outcome, Quota, Spec, Stdin};

use crate::harness::{Printed, assert_exit, assert_prints, python, run, workspace};

fn limited(limits: Limits) -> Spec {
    Spec { limits, seed: Some(1), ..Spec::default() }
}

fn denied(outcome: &Outcome, reason: DenialReason) -> bool {
    outcome.denials.iter().any(|denial| denial.reason == reason)
}

#[track_caller]
fn next_run_is_unharmed() {
    assert_prints(&python(Spec::default(), "print(sum(range(1000)))"), "499500\n");
}

#[test]
fn fuel_is_enough_to_the_unit() {
    let program = "print('before', flush=True)\nx = sum(range(10000))\nprint(x)";
    let clock = sandpiper::Clock::Virtual { start_ns: 0 };
    let with = |fuel| {
        let limits = Limits { fuel, ..Limits::default() };
        python(Spec { clock, ..limited(limits) }, program)
    };
    let used = with(Limits::default().fuel).usage.fuel.unwrap();
    assert_prints(&with(used + 1), "before\n49995000\n");
    let ended = with(used);
    assert_exit(&ended, &Exit::Fuel);
    assert_eq!(ended.exit.code(), 152);
    assert_eq!(ended.usage.fuel, Some(used));
    assert_exit(&with(used / 2), &Exit::Fuel);
    assert!(ended.stdout().starts_with("before\n"), "{}", ended.stdout());
    next_run_is_unharmed();
}

#[test]
fn memory_within_the_limit_is_given_and_above_it_refused() {
    let allocate = |mib: u64, limit_mib: u64| {
        let limits = Limits { memory_bytes: limit_mib << 20, ..Limits::default() };
        python(
            limited(limits),
            &format!("print('before', flush=True)\nb = bytearray({mib} << 20)\nprint(len(b) >> 20)"),
        )
    };
    assert_prints(&allocate(100, 256), "before\n100\n");
    let ended = allocate(300, 256);
    assert_exit(&ended, &Exit::Memory);
    assert_eq!(ended.exit.code(), 137);
    assert_eq!(ended.stdout(), "before\n");
    assert!(ended.stderr().contains("MemoryError"), "{}", ended.stderr());
    assert!(denied(&ended, DenialReason::MemoryLimit), "{:?}", ended.denials);
    assert!(ended.usage.peak_memory_bytes <= 256 << 20);
    next_run_is_unharmed();
}

#[test]
fn a_refused_allocation_can_be_handled_by_the_guest() {
    let limits = Limits { memory_bytes: 128 << 20, ..Limits::default() };
    let program = "try:\n  'a' * 10**9\nexcept MemoryError:\n  print('handled')";
    assert_prints(&python(limited(limits), program), "handled\n");
}

#[test]
fn memory_in_small_pieces_ends_in_the_limit_too() {
    let limits = Limits { memory_bytes: 96 << 20, ..Limits::default() };
    let ended = python(limited(limits), "x = []\nwhile True: x.append(str(len(x)) * 100)");
    assert_exit(&ended, &Exit::Memory);
    next_run_is_unharmed();
}

#[track_caller]
fn times_out(metering: Metering, exec: Exec) {
    let wall = Duration::from_millis(400);
    let spec = limited(Limits { wall, metering, memory_bytes: 1 << 30, ..Limits::default() });
    let start = Instant::now();
    let outcome = run(spec, exec);
    let took = start.elapsed();
    assert_exit(&outcome, &Exit::Timeout);
    assert_eq!(outcome.exit.code(), 124);
    assert_eq!(outcome.stdout(), "before\n");
    assert!(took >= wall, "{took:?}");
    // Generous for a busy machine; the point is that it is not the program that decides. Not `took`,
    // which may hold the compilation of the image.
    assert!((400..10_000).contains(&outcome.usage.wall_ms), "{}", outcome.usage.wall_ms);
}

fn printing_before(program: &str) -> Exec {
    Exec::new(["python3", "-c", &format!("print('before', flush=True)\n{program}")])
}

#[test]
fn a_loop_times_out() {
    times_out(Metering::Fuel, printing_before("while True: pass"));
    times_out(Metering::Deadline, printing_before("while True: pass"));
    next_run_is_unharmed();
}

#[test]
fn a_sleep_times_out() {
    times_out(Metering::Fuel, printing_before("import time; time.sleep(3600)"));
    times_out(Metering::Deadline, printing_before("import time; time.sleep(3600)"));
}

#[test]
fn waiting_for_stdin_times_out() {
    let (_writer, reader) = tokio::io::duplex(64);
    let exec = printing_before("input()").stdin(Stdin::Stream(Box::new(reader)));
    times_out(Metering::Fuel, exec);
}

#[test]
fn one_long_call_in_c_times_out() {
    for program in
        ["x = 10**10**8", "import re; re.match('(a+)+b', 'a' * 60)", "x = [0] * 10**7\nwhile True: x.sort()"]
    {
        times_out(Metering::Fuel, printing_before(program));
        times_out(Metering::Deadline, printing_before(program));
    }
    next_run_is_unharmed();
}

#[test]
fn a_command_that_is_quick_enough_does_not_time_out() {
    let limits = Limits { wall: Duration::from_secs(10), ..Limits::default() };
    assert_prints(&python(limited(limits), "import time; time.sleep(0.05); print('done')"), "done\n");
}

#[test]
fn output_up_to_the_limit_is_kept_and_the_next_byte_ends_the_guest() {
    let with = |bytes: u64| {
        let limits = Limits { output_bytes: 1000, ..Limits::default() };
        let program = format!("import os\nfor _ in range({bytes}): os.write(1, b'x')\nos._exit(5)");
        python(limited(limits), &program)
    };
    let within = with(1000);
    assert_exit(&within, &Exit::Code { code: 5 });
    assert_eq!(within.stdout.bytes.len(), 1000);
    assert!(!within.stdout.cut);
    let ended = with(1001);
    assert_exit(&ended, &Exit::Quota { quota: Quota::Output });
    assert_eq!(ended.exit.code(), 153);
    assert_eq!(ended.stdout.bytes.len(), 1000);
    assert!(ended.stdout.cut);
    assert!(denied(&ended, DenialReason::OutputLimit));
    next_run_is_unharmed();
}

#[test]
fn stdout_and_stderr_share_the_output_limit() {
    let limits = Limits { output_bytes: 100, ..Limits::default() };
    let ended = python(
        limited(limits),
        "import os\nos.write(1, b'o' * 60)\nos.write(2, b'e' * 60)\nos.write(2, b'x')",
    );
    assert_exit(&ended, &Exit::Quota { quota: Quota::Output });
    assert_eq!((ended.stdout.bytes.len(), ended.stderr.bytes.len()), (60, 40));
}

#[test]
fn disk_up_to_the_limit_is_kept_and_the_next_byte_ends_the_guest() {
    let with = |bytes: usize| {
        let (folder, mut spec) = workspace();
        spec.limits.disk_bytes = 1000;
        let program = format!(
            "import os\nf = os.open('f', os.O_CREAT | os.O_WRONLY)\nfor _ in range({bytes}): os.write(f, b'x')\nprint('done')"
        );
        let outcome = python(spec, &program);
        (outcome, std::fs::read(folder.path().join("f")).unwrap().len())
    };
    let (within, written) = with(1000);
    assert_prints(&within, "done\n");
    assert_eq!(written, 1000);
    let (ended, written) = with(1001);
    assert_exit(&ended, &Exit::Quota { quota: Quota::Disk });
    assert_eq!(ended.exit.code(), 153);
    assert_eq!(written, 1000);
    assert!(denied(&ended, DenialReason::DiskLimit));
    next_run_is_unharmed();
}

#[test]
fn tmp_is_full_at_its_limit() {
    let with = |bytes: usize| {
        let limits = Limits { tmp_bytes: 1 << 20, ..Limits::default() };
        let program = format!("with open('/tmp/f', 'wb') as f: f.write(b'x' * {bytes})\nprint('done')");
        python(limited(limits), &program)
    };
    assert_prints(&with(1 << 20), "done\n");
    let ended = with((1 << 20) + 1);
    assert_exit(&ended, &Exit::Code { code: 1 });
    assert!(ended.stderr().contains("No space left on device"), "{}", ended.stderr());
    assert!(denied(&ended, DenialReason::TmpLimit), "{:?}", ended.denials);
}

#[test]
fn a_sparse_file_in_tmp_is_charged_in_full() {
    let limits = Limits { tmp_bytes: 1 << 20, ..Limits::default() };
    let program =
        "f = open('/tmp/f', 'wb')\ntry:\n  f.truncate(1 << 40)\nexcept OSError as err:\n  print(err.errno)";
    let outcome = python(limited(limits), program);
    assert_prints(&outcome, "28\n");
    assert!(denied(&outcome, DenialReason::TmpLimit));
}

#[test]
fn files_up_to_the_limit_are_made() {
    let with = |files: u32| {
        let (folder, mut spec) = workspace();
        spec.limits.files = 50;
        let program = format!("for i in range({files}): open(f'f{{i}}', 'x').close()\nprint('done')");
        (python(spec, &program), std::fs::read_dir(folder.path()).unwrap().count())
    };
    let (within, made) = with(50);
    assert_prints(&within, "done\n");
    assert_eq!(made, 50);
    let (ended, made) = with(51);
    assert_exit(&ended, &Exit::Code { code: 1 });
    assert_eq!(made, 50);
    assert!(denied(&ended, DenialReason::FileLimit), "{:?}", ended.denials);
}

#[test]
fn descriptors_up_to_the_limit_are_opened() {
    let limits = Limits { descriptors: 64, ..Limits::default() };
    // 0 to 2 are open.
    let program = "import os\nn = 0\ntry:\n  while True: os.open('/dev/null', os.O_RDONLY); n += 1\nexcept OSError as err:\n  print(n, err.errno)";
    let outcome = python(limited(limits), program);
    assert_prints(&outcome, "61 24\n");
    assert!(denied(&outcome, DenialReason::DescriptorLimit));
}

#[test]
fn usage_is_what_was_used() {
    let (folder, spec) = workspace();
    std::fs::write(folder.path().join("in"), vec![b'x'; 5000]).unwrap();
    let outcome = python(spec, "d = open('in').read(); open('out', 'w').write(d[:3000]); print('12345')");
    assert_prints(&outcome, "12345\n");
    assert_eq!(outcome.usage.bytes_written, 3006);
    assert!((5000..6000).contains(&outcome.usage.bytes_read), "{}", outcome.usage.bytes_read);
    assert!(outcome.usage.fuel.unwrap() > 10_000);
    assert!(outcome.usage.peak_memory_bytes > 1 << 20);
}

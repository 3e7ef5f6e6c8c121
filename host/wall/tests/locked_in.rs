//! A process that locks itself in and then tries to get out: each test is a process of its own.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::undocumented_unsafe_blocks, reason = "tests")]

#[cfg(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]
#[path = "locked_in/linux.rs"]
mod linux;

#[cfg(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]
use linux::TESTS;

#[cfg(not(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64"))))]
const TESTS: &[(&str, fn())] = &[("elsewhere_nothing_holds_and_it_says_so", || {
    let wall = sandpiper_wall::lock_in(&[], sandpiper_wall::Terminal::LeftAlone);
    assert_eq!(wall.held, []);
    assert_eq!(wall.missing.len(), sandpiper_wall::Part::ALL.len());
    assert!(!wall.is_whole());
})];

/// The harness's own main thread would be a second thread, which Landlock before Linux 7.0 does not
/// hold for; so this takes the options of a test binary that cargo and nextest use.
fn main() {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let has = |option: &str| arguments.iter().any(|argument| argument == option);
    let named = arguments.iter().filter(|argument| !argument.starts_with('-')).collect::<Vec<_>>();
    if has("--list") {
        for (name, _) in TESTS.iter().filter(|_| !has("--ignored")) {
            println!("{name}: test");
        }
        return;
    }
    let chosen = TESTS.iter().filter(|(name, _)| {
        let fits = |wanted: &&String| {
            if has("--exact") { **name == ***wanted } else { name.contains(wanted.as_str()) }
        };
        named.is_empty() || named.iter().any(fits)
    });
    if has("--exact") && named.len() == 1 {
        chosen.for_each(|(_, test)| test());
        return;
    }
    for (name, _) in chosen {
        let status = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", name])
            .status()
            .unwrap();
        assert!(status.success(), "{name}");
        println!("test {name} ... ok");
    }
}

//! Random histories and edits, on which every look at them has to equal git's.

use super::edits::{Random, edit, files};
use super::harness::{World, assert_same, same_on_copies, shown, text};

const SEED: u64 = 0x5a9d_717e_2026_0719;
const REPOSITORIES: u64 = 32;
const ROUNDS: u64 = 10;

const LOOKS: &[&[&str]] = &[
    &["status", "--porcelain=v2", "--branch"],
    &["status", "--porcelain=v1", "-z"],
    &["status"],
    &["status", "--ignored", "--short"],
    &["diff"],
    &["diff", "--cached"],
    &["diff", "HEAD", "--raw", "--numstat", "--summary"],
    &["diff", "HEAD", "--stat"],
    &["log", "--oneline"],
];

#[test]
fn random_histories_look_as_with_git() {
    for repository in 0..REPOSITORIES {
        let seed = SEED ^ (repository.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        println!("repository {repository}: seed {seed:#x}");
        let mut random = Random(seed | 1);
        let mut world = World::new(&[(".gitignore", "*.o\n*.log\n"), ("src/main.rs", "fn main() {\n}\n")]);
        for round in 0..ROUNDS {
            for _ in 0..=random.below(6) {
                edit(&world.tree(), &mut random);
            }
            if random.chance(60) {
                let mut there = Vec::new();
                files(&world.tree(), &mut there);
                let way: &[&str] = match random.below(4) {
                    0 => &["add", "-u"],
                    1 => &["add", "src"],
                    _ => &["add", "-A"],
                };
                let reply = if random.chance(70) { world.ours(way) } else { world.theirs(way) };
                assert!(
                    reply.code == 0 || way == ["add", "src"],
                    "seed {seed:#x} {way:?}: {}",
                    shown(&reply)
                );
                for _ in 0..random.below(3) {
                    edit(&world.tree(), &mut random);
                }
            }
            for look in LOOKS {
                println!("round {round}: git {look:?}");
                assert_same(look, &world.theirs(look), &world.ours(look));
            }
            if random.chance(60) {
                world.minute += 1;
                let commit = ["commit", "-qm", "a change"];
                let reply = if random.chance(60) { world.ours(&commit) } else { world.theirs(&commit) };
                assert!(reply.code <= 1, "seed {seed:#x}: {}", shown(&reply));
            }
        }
        for look in [&["log", "-p", "--stat"][..], &["log", "--raw", "--numstat", "-M30%"]] {
            println!("history of seed {seed:#x}: git {look:?}");
            assert_same(look, &world.theirs(look), &world.ours(look));
        }
        if repository % 4 == 0 {
            same_on_copies(&world, &[&["restore", "."], &["reset", "-q"], &["reset", "-q", "--hard"]]);
            same_on_copies(
                &world,
                &[&["add", "-A"], &["commit", "-m", "all"], &["reset", "--hard", "HEAD~2"]],
            );
            same_on_copies(
                &world,
                &[&["reset", "--hard"], &["checkout", "HEAD~1", "--", "."], &["commit", "-m", "back"]],
            );
        }
        assert_eq!(
            text(&world.must(&world.tree(), &["fsck", "--strict", "--no-dangling"])),
            "",
            "seed {seed:#x}"
        );
    }
}

//! What a worktree says of its changes is what git says of them, byte for byte.

use std::fs;
use std::path::{Path, PathBuf};

use sandpiper_worktree::git::Untracked;
use sandpiper_worktree::{Commit, Create, Remove, Worktree, WorktreeError};

use crate::edits::{Random, edit};
use crate::harness::{Repository, create, id, write};

const SEED: u64 = 0x10c4_2026_1122_0131;
/// Histories of each of the tests, which run beside one another.
const HISTORIES: u64 = 80;
const ROUNDS: usize = 2;

/// An index that has all files added, beside the worktree's.
struct Added<'a> {
    repository: &'a Repository,
    worktree: &'a Worktree<'a>,
    index: PathBuf,
}

impl<'a> Added<'a> {
    fn new(repository: &'a Repository, worktree: &'a Worktree<'a>) -> Self {
        let index = repository.directory.path().join("index-of-all");
        let _ = fs::remove_file(&index);
        let own = worktree.git_directory().join("index");
        if own.exists() {
            fs::copy(&own, &index).unwrap();
            // Its time says which entries need a look at the file.
            let modified = fs::metadata(&own).unwrap().modified().unwrap();
            fs::File::options().write(true).open(&index).unwrap().set_modified(modified).unwrap();
        }
        let added = Self { repository, worktree, index };
        added.git(&["add", "--all"]);
        added
    }

    fn git(&self, arguments: &[&str]) -> Vec<u8> {
        let mut command = self.repository.command(self.worktree.path());
        let output = command.args(arguments).env("GIT_INDEX_FILE", &self.index).output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    }

    /// What git prints of all changes since the worktree's beginning.
    fn diff(&self, arguments: &[&str]) -> Vec<u8> {
        let record = self.worktree.record();
        let start = record.start.clone().or_else(|| record.base.clone());
        let start = start.unwrap_or_else(|| self.repository.git(["hash-object", "-t", "tree", "/dev/null"]));
        self.git(&[&["diff", "--cached", "-M", "--no-color", start.trim()], arguments].concat())
    }
}

fn assert_looks_equal(repository: &Repository, worktree: &Worktree<'_>, what: &str) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    for (untracked, option) in [(Untracked::Normal, "normal"), (Untracked::All, "all"), (Untracked::No, "no")]
    {
        let mut command = repository.command(worktree.path());
        command.args(["--no-optional-locks", "status", "--porcelain=v2"]);
        let theirs = command.arg(format!("--untracked-files={option}")).output().unwrap();
        let ours = worktree.status(untracked).unwrap().porcelain;
        assert_eq!(text(&theirs.stdout), text(&ours), "{what}: status of {option}, git's on the left");
    }
    let changes = worktree.changes().unwrap();
    let added = Added::new(repository, worktree);
    let theirs = added.diff(&["--stat", "--summary"]);
    assert_eq!(text(&theirs), changes.stat().unwrap(), "{what}: stat, git's on the left");
    let theirs = added.diff(&["--binary"]);
    let ours = changes.patch().unwrap();
    assert_same_patch(&theirs, &ours, what);
    assert_eq!(changes.is_empty(), ours.is_empty(), "{what}");

    let theirs = text(&added.diff(&["--numstat", "-z"]));
    let number = |lines: Option<usize>| lines.map_or("-".to_owned(), |lines| lines.to_string());
    let ours: Vec<String> = changes
        .files()
        .unwrap()
        .into_iter()
        .map(|file| {
            let names = match file.old_path {
                Some(old) => format!("\0{old}\0{}\0", file.path),
                None => format!("{}\0", file.path),
            };
            format!("{}\t{}\t{names}", number(file.added_lines), number(file.deleted_lines))
        })
        .collect();
    assert_eq!(theirs, ours.concat(), "{what}: files, git's on the left");
}

/// Git compresses binary contents less than libgit2 does (`core.compression`); all else is equal.
fn assert_same_patch(theirs: &[u8], ours: &[u8], what: &str) {
    let lines = |patch: &[u8]| -> Vec<Vec<u8>> {
        let mut is_binary = false;
        let mut lines = Vec::new();
        for line in patch.split(|byte| *byte == b'\n') {
            if line.starts_with(b"diff --git ") {
                is_binary = false;
            }
            if !is_binary {
                lines.push(line.to_vec());
            }
            is_binary |= line == b"GIT binary patch";
        }
        lines
    };
    let (theirs, ours) = (lines(theirs), lines(ours));
    let differs = theirs.iter().zip(&ours).find(|(their, our)| their != our);
    let shown =
        differs.map(|(their, our)| [their, our].map(|line| String::from_utf8_lossy(line).into_owned()));
    assert_eq!(shown, None, "{what}: a line of the patch, git's first");
    assert_eq!(theirs.len(), ours.len(), "{what}: lines of the patch");
}

/// What git takes our patch for: applied to the beginning, it gives the files of now.
fn assert_patch_applies(repository: &Repository, worktree: &Worktree<'_>, what: &str) {
    let record = worktree.record();
    let Some(start) = record.start.as_ref().or(record.base.as_ref()) else { return };
    let patch = worktree.changes().unwrap().patch().unwrap();
    let file = repository.directory.path().join("patch");
    fs::write(&file, &patch).unwrap();
    let patched = Added { repository, worktree, index: repository.directory.path().join("index-of-patch") };
    patched.git(&["read-tree", start]);
    if !patch.is_empty() {
        patched.git(&["apply", "--cached", "--whitespace=nowarn", file.to_str().unwrap()]);
    }
    let tree = |added: &Added<'_>| added.git(&["write-tree"]);
    let added = Added::new(repository, worktree);
    assert_eq!(tree(&patched), tree(&added), "{what}: the patch applied");
}

/// Attributes and rules that say which files are looked at, and how.
fn change_rules(root: &Path, random: &mut Random) {
    let attributes = random.pick(&[
        "* text=auto\n",
        "*.txt text eol=crlf\n*.bin binary\n",
        "*.rs -diff\n[attr]blob -text -diff\nb.txt blob\n",
        "src/** eol=lf\n* ident\n",
        "",
    ]);
    let ignored = random.pick(&["*.log\n", "*.o\n!x.o\n/deep\n", "t/\n*.v1\n", "src/*\n!src/main.rs\n", ""]);
    for (name, text) in [(".gitattributes", attributes), (".gitignore", ignored)] {
        if random.chance(50) && !root.join(name).is_dir() && !root.join(name).is_symlink() {
            write(&root.join(name), text);
        }
    }
}

fn histories(test: u64) {
    for history in 0..HISTORIES {
        let seed = SEED ^ (test << 56) ^ history.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        println!("seed {seed:#x}");
        let mut random = Random(seed | 1);
        let repository = Repository::empty();
        if random.chance(20) {
            repository.git(["config", "core.autocrlf", *random.pick(&[&"true", &"input"])]);
        }
        for _ in 0..random.below(3) {
            for _ in 0..=random.below(9) {
                edit(&repository.path(), &mut random);
            }
            if random.chance(30) {
                change_rules(&repository.path(), &mut random);
            }
            repository.git(["add", "--all"]);
            repository.git(["commit", "--quiet", "--allow-empty", "--message", "a change"]);
        }
        for _ in 0..random.below(3) {
            edit(&repository.path(), &mut random);
        }
        let options = Create {
            include_uncommitted: random.chance(30),
            include_untracked: random.chance(30),
            ..Create::default()
        };
        let worktrees = repository.worktrees();
        let worktree = worktrees.create(&id("t/1"), &options, &mut |_| {}).unwrap();
        for round in 0..ROUNDS {
            let what = format!("seed {seed:#x}, round {round}");
            for _ in 0..random.below(7) {
                edit(worktree.path(), &mut random);
            }
            if random.chance(15) {
                change_rules(worktree.path(), &mut random);
            }
            if random.chance(30) {
                repository.git_in(worktree.path(), ["add", *random.pick(&[&"--all", &"--update"])]);
                edit(worktree.path(), &mut random);
            }
            assert_looks_equal(&repository, &worktree, &what);
            match random.below(4) {
                0 => {
                    // There may be nothing to commit.
                    let _ = worktree.commit(&Commit::new("ours"));
                    assert_looks_equal(&repository, &worktree, &format!("{what}, committed"));
                }
                1 => {
                    let commit = ["commit", "--quiet", "--allow-empty", "--message", "theirs"];
                    repository.git_in(worktree.path(), commit);
                }
                _ => assert_patch_applies(&repository, &worktree, &what),
            }
        }
        repository.check();
    }
}

#[test]
fn random_histories_look_as_with_git_1() {
    histories(1);
}

#[test]
fn random_histories_look_as_with_git_2() {
    histories(2);
}

#[test]
fn random_histories_look_as_with_git_3() {
    histories(3);
}

#[test]
fn random_histories_look_as_with_git_4() {
    histories(4);
}

#[test]
fn a_large_file_is_told_kept_and_had_back() {
    const BYTES: u64 = 65 << 20;

    let repository = Repository::small();
    let worktrees = repository.worktrees();
    let worktree = create(&worktrees, "t/1");
    let large = fs::File::create(worktree.path().join("large")).unwrap();
    large.set_len(BYTES).unwrap();
    let stat = worktree.changes().unwrap().stat().unwrap();
    assert!(stat.starts_with(&format!(" large | Bin 0 -> {BYTES} bytes\n")), "{stat}");
    let trash = worktree.remove(Remove { discard: true }).unwrap().trash.unwrap();
    assert_eq!(repository.git(["cat-file", "-s", &format!("{trash}:large")]).trim(), BYTES.to_string());
    repository.check();
}

#[test]
fn directories_that_are_too_deep_are_not_lost_and_others_are_told() {
    let repository = Repository::small();
    let worktrees = repository.worktrees();
    let worktree = create(&worktrees, "t/1");
    let deep = |names: usize| worktree.path().join(["d"].repeat(names).join("/")).join("file");
    write(&deep(150), "x");
    assert_eq!(worktree.changes().unwrap().files().unwrap().len(), 1);
    assert_looks_equal(&repository, &worktree, "deep");

    write(&deep(250), "x");
    let err = worktree.changes().unwrap_err();
    assert!(matches!(&err, WorktreeError::Look(source) if source.to_string().contains("deep")), "{err}");
    let path = deep(250);
    let err = worktree.remove(Remove { discard: true }).unwrap_err();
    assert!(matches!(&err, WorktreeError::Look(_)), "{err}");
    assert!(path.exists());
}

#[test]
fn what_lies_in_a_submodules_place_is_not_lost() {
    let repository = Repository::small();
    let commit = repository.git(["rev-parse", "HEAD"]);
    let link = format!("160000,{},inner", commit.trim());
    repository.git(["update-index", "--add", "--cacheinfo", &link]);
    repository.git(["commit", "--quiet", "--message", "submodule"]);
    let worktrees = repository.worktrees();
    let worktree = create(&worktrees, "t/1");
    write(&worktree.path().join("inner/file"), "precious");
    assert!(worktree.changes().unwrap().is_empty());
    let trash = worktree.remove(Remove { discard: true }).unwrap().trash.unwrap();
    assert_eq!(repository.git(["cat-file", "blob", &format!("{trash}:inner/file")]), "precious");
}

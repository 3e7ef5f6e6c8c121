//! Guests that work on the repository behind their worktree: what they leave is run by no command of ours
//! and by no git of the user's, and nothing outside of the worktree is changed.
//!
//! Each attack is followed by all that a user may do with the result. `$MARK` is the path of a file on the
//! host that whatever is executed there would make.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::worktree::repository::Repository;

/// Runs `attack` and, in another worktree, `allowed`, which does the same where it is harmless.
fn attack(attack: &str, allowed: &str) {
    let directory = tempfile::tempdir().unwrap();
    let repository = Repository::new(directory.path());
    let outside = directory.path().join("outside");
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("secret"), "secret").unwrap();
    let mark = directory.path().join("mark");
    // What the user has set up; a guest that gets at it has it run.
    let trap = directory.path().join("trap.sh");
    fs::write(&trap, format!("#!/bin/sh\ntouch {}\ncat\n", mark.display())).unwrap();
    make_executable(&trap);
    for name in ["filter.evil.clean", "filter.evil.smudge", "diff.evil.textconv", "merge.evil.driver"] {
        repository.git(["config", name, trap.to_str().unwrap()]);
    }

    for name in ["pre-commit", "commit-msg", "post-commit", "post-checkout", "reference-transaction"] {
        let hook = repository.path().join(".git/hooks").join(name);
        fs::create_dir_all(hook.parent().unwrap()).unwrap();
        fs::copy(&trap, hook).unwrap();
    }

    run(&repository, "allowed", &mark, allowed, true);
    let (before, others) = (guarded(directory.path()), others(&repository));
    run(&repository, "attack", &mark, attack, false);
    assert_eq!(guarded(directory.path()), before, "something of the user's was changed");
    assert_eq!(self::others(&repository), others, "a reference of the user's was moved");
    assert!(!mark.exists(), "the run itself executed something");

    let id = "t/attack";
    for arguments in [
        &["worktree", "status", id][..],
        &["worktree", "diff", id],
        &["worktree", "commit", id, "-m", "x"],
        &["worktree", "apply", id],
        &["worktree", "gc"],
        &["worktree", "remove", "--discard", id],
    ] {
        // Some are refused; none does more than it says.
        let output = repository.sandpiper(arguments);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!said.contains("panicked"), "{arguments:?}: {said}");
        assert!(!mark.exists(), "{arguments:?} executed what the guest left");
    }
    let after = guarded(directory.path());
    // `apply` brings the guest's changes into the checkout, and into nothing else.
    let is_checkout = |path: &Path| path.starts_with("repo") && !path.starts_with("repo/.git");
    let differs: Vec<_> = before
        .iter()
        .filter(|(path, content)| !is_checkout(path) && after.get(*path) != Some(content))
        .collect();
    assert!(differs.is_empty(), "{differs:?}");
    repository.check();
}

fn run(repository: &Repository, name: &str, mark: &Path, script: &str, succeeds: bool) {
    let mark = format!("MARK={}", mark.display());
    let output = repository.sandpiper(&[
        "run",
        "--json",
        "--worktree",
        "--keep",
        "--task",
        "t",
        "--run-id",
        name,
        "--env",
        &mark,
        "-c",
        script,
    ]);
    let said: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(said["exit_code"] == 0, succeeds, "{name}: {said:#}");
}

/// What no run may change: git's files but those that worktrees add to, what lies outside, the checkout.
fn guarded(root: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    fn add(root: &Path, directory: &Path, found: &mut BTreeMap<PathBuf, Vec<u8>>) {
        for entry in fs::read_dir(directory).unwrap().flatten() {
            let path = entry.path();
            let name = path.strip_prefix(root).unwrap().to_owned();
            let ours = [
                "worktrees",
                "repo/.git/worktrees",
                "repo/.git/sandpiper",
                "repo/.git/objects",
                "repo/.git/refs",
                "repo/.git/logs",
            ];
            if ours.iter().any(|ours| name == Path::new(ours)) {
                continue;
            }
            if entry.file_type().unwrap().is_dir() {
                add(root, &path, found);
            } else if entry.file_type().unwrap().is_symlink() {
                found.insert(name, fs::read_link(&path).unwrap().into_os_string().into_encoded_bytes());
            } else {
                found.insert(name, fs::read(&path).unwrap());
            }
        }
    }
    let mut found = BTreeMap::new();
    add(root, root, &mut found);
    found
}

/// The references that are no run's.
fn others(repository: &Repository) -> Vec<String> {
    let all = repository.git(["for-each-ref"]);
    all.lines().filter(|line| !line.contains("/sandpiper/")).map(str::to_owned).collect()
}

fn make_executable(path: &Path) {
    use std::os::unix::fs::PermissionsExt;

    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

/// An attack that ends with an error of the guest's command, and its twin that succeeds.
macro_rules! attacks {
    ($($name:ident: $attack:expr, $allowed:expr;)*) => {
        $(#[test]
        fn $name() {
            attack($attack, $allowed);
        })*
    };
}

attacks! {
    no_hook_is_planted:
        "printf '#!/bin/sh\\ntouch %s' $MARK > .git/hooks/post-commit", "mkdir -p new/hooks && echo x > new/hooks/post-commit";
    the_link_to_the_repository_is_not_written:
        "echo 'gitdir: /workspace/new' > .git", "echo 'gitdir: /workspace/new' > new";
    the_link_to_the_repository_is_not_removed: "rm .git", "echo x > new && rm new";
    the_link_to_the_repository_is_not_renamed: "mv .git new", "echo x > old && mv old new";
    nothing_is_renamed_over_the_link_to_the_repository: "echo x > new; mv new .git", "echo x > old && mv old new";
    a_directory_does_not_become_a_repository: "mkdir -p new/x && mv new .git", "mkdir -p old/x && mv old new";
    no_link_stands_for_the_repository: "ln -s new .git", "ln -s b new";
    no_hard_link_leads_to_the_repository: "ln .git new", "ln a.txt new";
    the_link_to_the_repository_is_not_read: "cat .git", "cat a.txt";
    no_configuration_is_planted: "echo '[core] fsmonitor = touch $MARK' >> .git/config", "echo x > new";
    no_configuration_of_the_worktree_is_planted: "echo '[core] hooksPath = /workspace' > .git/config.worktree", "echo x > new";
    no_alternate_objects_are_named: "echo /etc > .git/objects/info/alternates", "echo /etc > new";
    no_attributes_are_planted: "echo '* filter=evil' > .git/info/attributes", "echo x > new";
    no_log_is_rewritten: "echo x > .git/logs/HEAD", "echo x > new";
    no_record_is_rewritten: "echo x > .git/sandpiper/worktrees/t.attack/record.json", "echo x > new";
    no_repository_is_made_in_a_directory: "mkdir -p new/.git/hooks", "mkdir -p new/git/hooks";
    no_link_to_a_repository_is_made_in_a_directory: "mkdir new; echo 'gitdir: ../..' > new/.git", "mkdir new; echo x > new/git";
    case_makes_no_difference: "mkdir .GIT", "mkdir new && mkdir new/GIT";
    invisible_characters_make_no_difference: "python3 -c \"import os; os.mkdir('.g\\u200cit')\"", "python3 -c \"import os; os.mkdir('new\\u200c')\"";
    a_short_name_makes_no_difference: "mkdir 'git~1'", "mkdir new && mkdir 'new/git~2'";
    a_period_at_the_end_makes_no_difference: "mkdir .git.", "mkdir new.";
    a_blank_at_the_end_makes_no_difference: "mkdir '.git '", "mkdir 'new '";
    a_stream_makes_no_difference: "mkdir '.git::$INDEX_ALLOCATION'", "mkdir new";
    a_backslash_makes_no_difference: "mkdir '.git\\hooks'", "mkdir new";
    no_parent_leads_to_the_repository: "mkdir new; cat new/../.git/HEAD", "mkdir new; cat new/../a.txt";
    no_link_leads_to_the_repository: "ln -s .git new; cat new/HEAD", "ln -s b new; cat new/c.txt";
    no_link_leads_out: "ln -s ../../../outside new; cat new/secret", "ln -s b new; cat new/c.txt";
    no_working_directory_is_in_the_repository: "cd .git", "cd b";
    filters_of_the_user_are_not_run:
        "echo '* filter=evil diff=evil merge=evil' > new-attributes; mv new-attributes .gitattributes; echo x > new; false",
        "echo x > new";
    submodules_are_not_fetched:
        "printf '[submodule \"x\"]\\n\\tpath = ../outside\\n\\turl = ext::touch% $MARK\\n' > .gitmodules; false", "echo x > new";
    options_are_no_names: "python3 -c \"open('new--output=x', 'w'); open('--upload-pack=x', 'w')\"; rm -- --upload-pack=x; false", "echo x > new";
    a_directory_in_place_of_a_file_is_no_way_out: "rm a.txt; mkdir a.txt; ln -s ../b a.txt/new; false", "mkdir new; ln -s ../b new/b";
    a_link_in_place_of_a_directory_is_not_followed: "rm -r b; ln -s new b; mkdir new; echo x > b/c.txt; false", "ln -s b new; cat new/c.txt";
    git_moves_no_other_branch:
        "git branch -f main HEAD || git switch main || git checkout main || git checkout -B main || git update-ref refs/heads/main HEAD || git symbolic-ref HEAD refs/heads/main || git branch -D main",
        "git commit -q --allow-empty -m x";
    git_makes_no_tag_or_note: "git tag x || git notes add -m x || git replace HEAD HEAD", "git branch";
    git_writes_no_configuration:
        "git config core.fsmonitor \"touch $MARK\" || git config --global core.pager \"touch $MARK\" || git config --unset user.name", "git config user.name";
    git_takes_no_setting_that_runs_anything:
        "git -c core.fsmonitor=\"touch $MARK\" status || git -c core.hooksPath=/workspace status || git -c \"alias.x=!touch $MARK\" x || git --exec-path=/workspace status",
        "git -c user.name=x status";
    git_runs_no_editor: "GIT_EDITOR=\"touch $MARK\" VISUAL=\"touch $MARK\" git commit --allow-empty", "git commit --allow-empty -m x";
    git_runs_no_hook: "git commit -q --allow-empty -m x; false", "git commit -q --allow-empty --no-verify -m x";
    git_runs_no_filter_of_the_user:
        "echo '* filter=evil diff=evil merge=evil' > .gitattributes; echo x >> a.txt; git add .; git diff; git stash; git checkout -- .; git commit -am x; false",
        "echo x > new; git add new";
    git_runs_no_program_of_an_option:
        "git diff --ext-diff || git grep -Otouch one || git difftool || git mergetool || git bisect run touch x || git rebase --exec x HEAD", "git grep -q one";
    git_writes_no_file_by_an_option: "git log --output=$MARK || git diff --output=/workspace/../x || git archive -o x HEAD || git format-patch HEAD~0", "git log";
    git_works_in_no_other_place:
        "git -C / status || git -C /tmp status || git -C .. status || git --git-dir=/workspace/.git status || git --work-tree=/ status || GIT_DIR=/etc git status || GIT_INDEX_FILE=/workspace/x git status || GIT_OBJECT_DIRECTORY=/workspace git add a.txt",
        "git -C b status";
    git_reads_no_file_of_the_host:
        "git diff --no-index /etc/passwd a.txt || git commit --allow-empty -F ../../outside/secret || git commit --allow-empty -F /etc/hostname || git blame --contents /etc/passwd a.txt || git grep -f /etc/passwd || git add --pathspec-from-file=/etc/passwd || git show :/../outside",
        "echo x > new; git commit --allow-empty -F new";
    git_makes_no_repository: "git init x || git worktree add x || git submodule add ./b x || git clone . x", "git status";
    git_adds_nothing_through_a_link: "ln -s ../../../outside new; git add new/secret", "mkdir new; echo x > new/x; git add new/x";
    git_writes_nothing_through_a_link:
        "rm -r b; ln -s ../../../outside b; git checkout -- b/c.txt; test -L b", "rm -r b; git checkout -- b/c.txt";
    git_reaches_no_network: "git fetch || git push || git pull || git ls-remote ext::touch || git remote add x ext::touch", "git log";
    hidden_files_are_not_lost: "echo '*' > .gitignore; echo x > new; false", "echo x > new";
}

#[test]
fn a_file_that_is_ignored_is_saved_before_it_is_removed() {
    let directory = tempfile::tempdir().unwrap();
    let repository = Repository::new(directory.path());
    run(&repository, "1", Path::new("x"), "echo '*' > .gitignore; echo precious > work", true);
    repository.done(&["worktree", "remove", "--discard", "t/1"]);
    let trash = repository.git(["for-each-ref", "--format=%(refname)", "refs/sandpiper/trash"]);
    assert_eq!(repository.git(["show", &format!("{}:work", trash.trim())]), "precious\n");
}

#[test]
fn a_tree_of_many_directories_is_committed_and_removed() {
    let directory = tempfile::tempdir().unwrap();
    let repository = Repository::new(directory.path());
    let script = "p=d; for i in $(seq 80); do p=$p/d; done; mkdir -p $p; echo x > $p/f; mkdir m; cd m; seq 3000 | xargs touch";
    run(&repository, "1", Path::new("x"), script, true);
    repository.done(&["worktree", "commit", "t/1", "-m", "many"]);
    assert_eq!(repository.git(["ls-tree", "-r", "--name-only", "sandpiper/t/1"]).lines().count(), 2 + 3001);
    repository.done(&["worktree", "remove", "--discard", "t/1"]);
    repository.check();
}

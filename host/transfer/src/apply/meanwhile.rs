//! Tests of a person who writes to the directory while changes are applied: nothing of it is ever lost.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use super::staging::{Place, Staging};
use super::tests::{Exchange, Look, Pair, all_steps, look, pair};
use crate::{Recovered, RelativePath, TransferError, recover};

const EDIT: &str = "edited meanwhile";

/// Applies, and does something at the moment with this number.
fn apply_with(
    pair: &Pair,
    exchange: Exchange,
    at: usize,
    meanwhile: &mut dyn FnMut(),
) -> Result<(), TransferError> {
    let mut count = 0;
    pair.apply(&mut |step| {
        if count == at {
            meanwhile();
        }
        count += 1;
        exchange.at(step)
    })
}

/// How many moments there are.
fn moments(exchange: Exchange) -> usize {
    all_steps(exchange).len()
}

/// As editors do it: written elsewhere, then renamed. Whether the directory that it is to be in is there.
fn save(pair: &Pair, path: &Path) -> bool {
    let draft = pair.above.path().join("draft");
    fs::write(&draft, EDIT).unwrap();
    let is_saved = fs::rename(&draft, path).is_ok();
    if !is_saved {
        fs::remove_file(draft).unwrap();
    }
    is_saved
}

/// All but this path and what it is in.
fn without(mut look: Look, name: &str) -> Look {
    look.retain(|path, _| !Path::new(name).starts_with(path));
    look
}

fn path_of(name: &str) -> RelativePath {
    RelativePath::parse(name.as_bytes()).unwrap()
}

fn conflicts(applied: Result<(), TransferError>) -> Vec<RelativePath> {
    match applied {
        Err(TransferError::Conflicts { paths }) => paths,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_new_file_in_a_directory_that_goes_is_kept_at_any_moment() {
    for name in ["gone/new", "gone/b/new", "folder/new"] {
        let pair = pair();
        let path = pair.here().join(name);
        let directory = Path::new(name).parent().unwrap().to_str().unwrap();
        for at in 0.. {
            let mut is_saved = false;
            let applied =
                apply_with(&pair, Exchange::AsHere, at, &mut || is_saved = fs::write(&path, EDIT).is_ok());
            // The first moment at which the directory is gone.
            if !is_saved {
                applied.unwrap();
                assert_eq!(look(&pair.here()), pair.new);
                assert!(at > 2, "{name} at {at}");
                break;
            }
            assert_eq!(conflicts(applied), [path_of(directory)], "{name} at {at}");
            assert_eq!(fs::read_to_string(&path).unwrap(), EDIT);
            fs::remove_file(&path).unwrap();
            assert_eq!((look(&pair.here()), pair.left()), (pair.old.clone(), 0), "{name} at {at}");
        }
    }
}

#[test]
fn a_file_that_is_saved_at_any_moment_is_kept() {
    use Exchange::{AsHere, Unsupported};

    for (name, exchange) in [
        ("text", AsHere),
        ("text", Unsupported),
        ("turned", AsHere),
        ("gone/a", AsHere),
        ("fresh/deep/z", AsHere),
    ] {
        for at in 0..moments(exchange) {
            let pair = pair();
            let path = pair.here().join(name);
            let mut is_saved = false;
            let applied = apply_with(&pair, exchange, at, &mut || is_saved = save(&pair, &path));
            let place = format!("{name} at {at} with {exchange:?}");
            if is_saved {
                assert_eq!(fs::read_to_string(&path).unwrap(), EDIT, "{place}");
            }
            let expected = match applied {
                Ok(()) => &pair.new,
                Err(TransferError::Conflicts { .. }) => &pair.old,
                // What was there cannot be put where the new one is; all else is.
                Err(TransferError::NotUndone { path: told, .. }) => {
                    assert_eq!(told, path_of(name), "{place}");
                    fs::remove_file(&path).unwrap();
                    assert_eq!(recover(&pair.here()).unwrap(), Recovered { undone: 1, removed: 0 });
                    assert_eq!(look(&pair.here()), pair.old, "{place}");
                    &pair.old
                }
                other => panic!("{place}: {other:?}"),
            };
            assert_eq!(without(look(&pair.here()), name), without(expected.clone(), name), "{place}");
            assert_eq!(pair.left(), 0, "{place}");
        }
    }
}

#[cfg(unix)]
#[test]
fn what_is_written_to_an_open_file_before_the_end_is_kept() {
    use std::io::Write;

    let pair = pair();
    for (name, exchange) in
        [("text", Exchange::AsHere), ("text", Exchange::Unsupported), ("gone/a", Exchange::AsHere)]
    {
        let path = pair.here().join(name);
        let before = fs::read(&path).unwrap();
        for at in 0..moments(exchange) {
            let mut open = fs::OpenOptions::new().append(true).open(&path).unwrap();
            let applied = apply_with(&pair, exchange, at, &mut || open.write_all(EDIT.as_bytes()).unwrap());
            assert_eq!(conflicts(applied), [path_of(name)], "{at}");
            assert!(fs::read_to_string(&path).unwrap().ends_with(EDIT), "{name} at {at}");
            fs::write(&path, &before).unwrap();
            assert_eq!((look(&pair.here()), pair.left()), (pair.old.clone(), 0), "{name} at {at}");
        }
    }
}

#[cfg(unix)]
#[test]
fn what_is_made_in_an_open_directory_before_the_end_is_kept() {
    let pair = pair();
    let path = pair.here().join("gone/b");
    for at in 0..moments(Exchange::AsHere) {
        let open = cap_std::fs::Dir::open_ambient_dir(&path, cap_std::ambient_authority()).unwrap();
        let applied = apply_with(&pair, Exchange::AsHere, at, &mut || open.write("new", EDIT).unwrap());
        assert_eq!(conflicts(applied), [path_of("gone/b")], "{at}");
        assert_eq!(fs::read_to_string(path.join("new")).unwrap(), EDIT, "{at}");
        fs::remove_file(path.join("new")).unwrap();
    }
}

#[cfg(unix)]
#[test]
fn a_file_that_is_replaced_before_its_mode_is_set_keeps_its_own() {
    use std::os::unix::fs::PermissionsExt;

    let pair = pair();
    let path = pair.here().join("run");
    let applied = pair.apply(&mut |step| {
        if step == "set-mode" && fs::read_to_string(&path).unwrap() != EDIT {
            assert!(save(&pair, &path));
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        }
        Ok(())
    });
    assert_eq!(conflicts(applied), [path_of("run")]);
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn what_is_edited_after_a_death_is_kept_or_told() {
    for exchange in Exchange::BOTH {
        let pair = pair();
        let died = catch_unwind(AssertUnwindSafe(|| {
            pair.apply(&mut |step| {
                assert!(step != "commit", "dying on purpose");
                exchange.at(step)
            })
        }));
        assert!(died.is_err());
        let (text, fresh) = (pair.here().join("text"), pair.here().join("fresh/deep/z"));
        fs::write(&text, EDIT).unwrap();
        fs::write(&fresh, EDIT).unwrap();
        match recover(&pair.here()) {
            Err(TransferError::File { action: "put back", path, .. }) => {
                assert_eq!(path, path_of("text"));
            }
            other => panic!("{other:?}"),
        }
        assert_eq!(fs::read_to_string(&text).unwrap(), EDIT);
        fs::rename(&text, pair.here().join("mine")).unwrap();
        assert_eq!(recover(&pair.here()).unwrap(), Recovered { undone: 1, removed: 0 });
        assert_eq!(fs::read_to_string(&fresh).unwrap(), EDIT);
        fs::remove_dir_all(pair.here().join("fresh")).unwrap();
        fs::remove_file(pair.here().join("mine")).unwrap();
        assert_eq!((look(&pair.here()), pair.left()), (pair.old.clone(), 0));
    }
}

#[test]
fn a_death_between_a_link_and_the_removal_of_the_other_name_is_recovered_from() {
    let pair = pair();
    let fresh = pair.here().join("fresh/deep/z");
    let mut is_made = false;
    let died = catch_unwind(AssertUnwindSafe(|| {
        pair.apply(&mut |step| {
            is_made |= fresh.parent().unwrap().exists();
            assert!(!is_made || step != "place", "dying on purpose");
            Ok(())
        })
    }));
    assert!(died.is_err() && !fresh.exists());
    let mut beside = fs::read_dir(pair.above.path()).unwrap().map(|entry| entry.unwrap().path());
    let staging = beside.find(|path| *path != pair.here()).unwrap();
    let mut slots = fs::read_dir(staging.join("new")).unwrap().map(|entry| entry.unwrap().path());
    let slot = slots.find(|slot| fs::read_to_string(slot).is_ok_and(|text| text == "7")).unwrap();
    fs::hard_link(slot, &fresh).unwrap();
    assert_eq!(recover(&pair.here()).unwrap(), Recovered { undone: 1, removed: 0 });
    assert_eq!((look(&pair.here()), pair.left()), (pair.old.clone(), 0));
}

#[test]
fn what_is_left_of_an_apply_is_not_removed_with_what_somebody_put_into_it() {
    let pair = pair();
    let place = Place::of(&pair.here()).unwrap();
    let staging = Staging::create(&place).unwrap();
    let late = staging.path().join("old").join("0");
    fs::create_dir(&late).unwrap();
    fs::write(late.join("late"), EDIT).unwrap();
    assert!(!staging.remove());
    assert_eq!(recover(&pair.here()).unwrap(), Recovered { undone: 0, removed: 0 });
    assert_eq!(fs::read_to_string(late.join("late")).unwrap(), EDIT);
    fs::remove_file(late.join("late")).unwrap();
    assert_eq!(recover(&pair.here()).unwrap(), Recovered { undone: 0, removed: 1 });
    assert_eq!(pair.left(), 0);
}

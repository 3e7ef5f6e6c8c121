//! Limits are met exactly, before anything is read.

use sandpiper_transfer::{Changes, Keep, PackLimits, Packed, TransferError, pack};

use crate::tree::{PLENTY, Workspace, shown};

fn packed(here: &Workspace, max_bytes: u64, max_files: u64) -> Result<Packed, TransferError> {
    pack(&here.path(), &mut |_, _, _| Keep::Pack, PackLimits { max_bytes, max_files })
}

#[test]
fn packing_takes_as_much_as_the_limits_say() {
    let here = Workspace::of(&[("a", "12345"), ("d/b", "678")]);
    assert!(packed(&here, 8, 3).is_ok());
    assert_eq!(shown(packed(&here, 7, 3)), "TooLarge { path: \"d/b\", size: 3, limit: 7 }");
    assert_eq!(shown(packed(&here, 4, 3)), "TooLarge { path: \"a\", size: 5, limit: 4 }");
    assert_eq!(shown(packed(&here, 8, 2)), "TooManyFiles { path: \"d/b\", limit: 2 }");
    assert_eq!(shown(packed(&here, 0, 0)), "TooManyFiles { path: \"a\", limit: 0 }");
}

#[test]
fn what_is_held_back_does_not_count() {
    let here = Workspace::of(&[("a", "12345"), ("big", "678901234")]);
    let mut filter = |path: &sandpiper_transfer::RelativePath, _, size| {
        if size > 5 && path.name() == b"big" { Keep::HoldBack } else { Keep::Pack }
    };
    assert!(pack(&here.path(), &mut filter, PackLimits { max_bytes: 5, max_files: 1 }).is_ok());
}

#[test]
fn a_huge_file_is_refused_before_it_is_read() {
    let here = Workspace::of(&[("huge", "")]);
    std::fs::File::options().write(true).open(here.path().join("huge")).unwrap().set_len(1 << 40).unwrap();
    let expected =
        format!("TooLarge {{ path: \"huge\", size: {}, limit: {} }}", 1_u64 << 40, PLENTY.max_bytes);
    assert_eq!(shown(packed(&here, PLENTY.max_bytes, 1)), expected);
}

#[test]
fn what_comes_back_is_limited_exactly() {
    let here = Workspace::of(&[("a", "12345"), ("d/b", "678")]);
    let Packed { archive, manifest } = here.pack();
    let between =
        |max_bytes, max_files| Changes::between(&manifest, &archive, PackLimits { max_bytes, max_files });
    assert!(between(8, 3).unwrap().is_empty());
    assert_eq!(shown(between(7, 3)), "TooLarge { path: \"d/b\", size: 3, limit: 7 }");
    assert_eq!(shown(between(8, 2)), "TooManyFiles { path: \"d/b\", limit: 2 }");
}

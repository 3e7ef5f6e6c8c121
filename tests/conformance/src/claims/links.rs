//! Symlinks, removal and renames.

use sandpiper_core::{FileErrorKind, FileType};

use crate::claim::{Claim, claim};
use crate::wrong::{failed, printed, same, same_bytes};
use crate::{Context, Wrong};

pub(super) const CLAIMS: &[Claim] = &[
    claim!(a_symlink_is_read),
    claim!(what_is_no_symlink_is_not_read_as_one),
    claim!(a_file_is_removed),
    claim!(a_symlink_is_removed_and_not_what_it_points_to),
    claim!(an_empty_directory_is_removed),
    claim!(a_directory_that_is_not_empty_is_kept),
    claim!(a_directory_is_removed_with_all_that_is_in_it),
    claim!(removal_does_not_follow_symlinks),
    claim!(what_is_not_there_is_not_removed),
    claim!(a_file_is_renamed),
    claim!(a_rename_replaces_a_file),
    claim!(a_directory_is_renamed),
    claim!(a_rename_keeps_mode_and_content),
    claim!(what_is_not_there_is_not_renamed),
    claim!(nothing_is_renamed_into_a_directory_that_is_not_there),
    claim!(a_rename_does_not_replace_a_directory_that_is_not_empty),
];

async fn a_symlink_is_read(context: &Context<'_>) -> Result<(), Wrong> {
    let place = context.place().await?;
    let targets = ["file", "../up", "none", "with space", "日本語", "/tmp/absolute"];
    for (index, target) in targets.into_iter().enumerate() {
        let link = format!("link-{index}");
        let made = place.run(place.exec(["ln", "-s", target, &*link])).await?;
        printed(&made, "")?;
        same("where it points to", &*place.files.read_link(&place.path(&link)).await?, target)?;
    }
    Ok(())
}

async fn what_is_no_symlink_is_not_read_as_one(context: &Context<'_>) -> Result<(), Wrong> {
    let place = context.place().await?;
    place.write("file", "x").await?;
    let not_one = FileErrorKind::NotASymlink;
    failed("a file", place.files.read_link(&place.path("file")).await, &not_one)?;
    failed("a directory", place.files.read_link(&place.directory).await, &not_one)?;
    failed("nothing", place.files.read_link(&place.path("none")).await, &FileErrorKind::NotFound)
}

async fn a_file_is_removed(context: &Context<'_>) -> Result<(), Wrong> {
    let place = context.place().await?;
    for (name, all) in [("one", false), ("two", true)] {
        place.write(name, "x").await?;
        place.files.remove(&place.path(name), all).await?;
    }
    same("the names that are left", &place.names().await?, &Vec::new())?;
    printed(&place.script("ls -A").await?, "")
}

async fn a_symlink_is_removed_and_not_what_it_points_to(context: &Context<'_>) -> Result<(), Wrong> {
    let place = context.place().await?;
    place.output("mkdir d; echo x > d/file; ln -s d/file link; ln -s d folder; ln -s none dangling").await?;
    for (name, all) in [("link", false), ("folder", true), ("dangling", false)] {
        place.files.remove(&place.path(name), all).await?;
    }
    same("the names that are left", &place.names().await?, &vec!["d".to_owned()])?;
    same_bytes("the file", &place.read("d/file").await?, b"x\n")
}

async fn an_empty_directory_is_removed(context: &Context<'_>) -> Result<(), Wrong> {
    let place = context.place().await?;
    place.output("mkdir one two").await?;
    place.files.remove(&place.path("one"), false).await?;
    place.files.remove(&place.path("two"), true).await?;
    same("the names that are left", &place.names().await?, &Vec::new())
}

async fn a_directory_that_is_not_empty_is_kept(context: &Context<'_>) -> Result<(), Wrong> {
    let place = context.place().await?;
    place.output("mkdir d; echo x > d/.hidden").await?;
    failed("removing", place.files.remove(&place.path("d"), false).await, &FileErrorKind::NotEmpty)?;
    same_bytes("the file", &place.read("d/.hidden").await?, b"x\n")
}

async fn a_directory_is_removed_with_all_that_is_in_it(context: &Context<'_>) -> Result<(), Wrong> {
    let place = context.place().await?;
    place.output("mkdir -p d/e/f; echo x > d/a; echo x > d/e/.b; echo x > d/e/f/c; ln -s a d/link").await?;
    place.write("beside", "x").await?;
    place.files.remove(&place.path("d"), true).await?;
    same("the names that are left", &place.names().await?, &vec!["beside".to_owned()])
}

async fn removal_does_not_follow_symlinks(context: &Context<'_>) -> Result<(), Wrong> {
    let place = context.place().await?;
    place.output("mkdir d kept; echo x > kept/file; ln -s ../kept d/link").await?;
    place.files.remove(&place.path("d"), true).await?;
    same_bytes("the file", &place.read("kept/file").await?, b"x\n")
}

async fn what_is_not_there_is_not_removed(context: &Context<'_>) -> Result<(), Wrong> {
    let place = context.place().await?;
    for all in [false, true] {
        failed("removing", place.files.remove(&place.path("none"), all).await, &FileErrorKind::NotFound)?;
    }
    Ok(())
}

async fn a_file_is_renamed(context: &Context<'_>) -> Result<(), Wrong> {
    let place = context.place().await?;
    place.output("mkdir d; echo x > old").await?;
    place.files.rename(&place.path("old"), &place.path("d/new")).await?;
    printed(&place.script("ls; cat d/new").await?, "d\nx\n")
}

async fn a_rename_replaces_a_file(context: &Context<'_>) -> Result<(), Wrong> {
    let place = context.place().await?;
    place.output("echo new > one; echo old > two").await?;
    place.files.rename(&place.path("one"), &place.path("two")).await?;
    printed(&place.script("ls; cat two").await?, "two\nnew\n")
}

async fn a_directory_is_renamed(context: &Context<'_>) -> Result<(), Wrong> {
    let place = context.place().await?;
    place.output("mkdir -p old/deep empty; echo x > old/deep/file").await?;
    place.files.rename(&place.path("old"), &place.path("new")).await?;
    place.files.rename(&place.path("new"), &place.path("empty")).await?;
    printed(&place.script("ls; cat empty/deep/file").await?, "empty\nx\n")
}

async fn a_rename_keeps_mode_and_content(context: &Context<'_>) -> Result<(), Wrong> {
    let place = context.place().await?;
    place.output("echo content > old; chmod 751 old; ln -s old link").await?;
    place.files.rename(&place.path("old"), &place.path("new")).await?;
    place.files.rename(&place.path("link"), &place.path("moved")).await?;
    same("the mode", &place.files.stat(&place.path("new")).await?.mode, &0o751)?;
    same("the link", &place.files.stat(&place.path("moved")).await?.kind, &FileType::Symlink)?;
    same_bytes("the file", &place.read("new").await?, b"content\n")
}

async fn what_is_not_there_is_not_renamed(context: &Context<'_>) -> Result<(), Wrong> {
    let place = context.place().await?;
    place.write("kept", "kept").await?;
    let renamed = place.files.rename(&place.path("none"), &place.path("kept")).await;
    failed("renaming", renamed, &FileErrorKind::NotFound)?;
    same_bytes("the file", &place.read("kept").await?, b"kept")
}

async fn nothing_is_renamed_into_a_directory_that_is_not_there(context: &Context<'_>) -> Result<(), Wrong> {
    let place = context.place().await?;
    place.write("kept", "kept").await?;
    let renamed = place.files.rename(&place.path("kept"), &place.path("none/new")).await;
    failed("renaming", renamed, &FileErrorKind::NotFound)?;
    same_bytes("the file", &place.read("kept").await?, b"kept")
}

async fn a_rename_does_not_replace_a_directory_that_is_not_empty(context: &Context<'_>) -> Result<(), Wrong> {
    let place = context.place().await?;
    place.output("mkdir one two; echo 1 > one/file; echo 2 > two/file; echo x > file").await?;
    let renamed = place.files.rename(&place.path("one"), &place.path("two")).await;
    failed("renaming a directory", renamed, &FileErrorKind::NotEmpty)?;
    let renamed = place.files.rename(&place.path("file"), &place.path("two")).await;
    failed("renaming a file", renamed, &FileErrorKind::IsADirectory)?;
    printed(&place.script("cat one/file two/file file").await?, "1\n2\nx\n")
}

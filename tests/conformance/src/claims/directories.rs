//! Directories are made and listed.

use sandpiper_core::{FileErrorKind, FileType};

use crate::claim::{Claim, claim};
use crate::wrong::{failed, printed, same, same_bytes};
use crate::{Context, Wrong};

pub(super) const CLAIMS: &[Claim] = &[
    claim!(a_directory_is_made_with_those_that_lead_to_it),
    claim!(a_directory_that_is_there_is_left_as_it_is),
    claim!(a_directory_is_not_made_where_a_file_is),
    claim!(an_empty_directory_is_listed),
    claim!(entries_are_listed_by_the_order_of_their_names),
    claim!(entries_are_listed_with_what_they_are),
    claim!(what_is_not_there_is_not_listed),
    claim!(a_file_is_not_listed),
    claim!(a_directory_is_listed_through_a_symlink),
    claim!(a_thousand_entries_are_listed),
];

async fn a_directory_is_made_with_those_that_lead_to_it(context: &Context<'_>) -> Result<(), Wrong> {
    let place = context.place().await?;
    place.files.make_directory(&place.path("a/b/c")).await?;
    printed(&place.script("cd a/b/c && echo there").await?, "there\n")
}

async fn a_directory_that_is_there_is_left_as_it_is(context: &Context<'_>) -> Result<(), Wrong> {
    let place = context.place().await?;
    place.output("mkdir d; echo x > d/file; chmod 750 d; ln -s d link").await?;
    place.files.make_directory(&place.path("d")).await?;
    place.files.make_directory(&place.path("link")).await?;
    same_bytes("the file", &place.read("d/file").await?, b"x\n")?;
    same("the mode", &place.files.stat(&place.path("d")).await?.mode, &0o750)
}

async fn a_directory_is_not_made_where_a_file_is(context: &Context<'_>) -> Result<(), Wrong> {
    let place = context.place().await?;
    place.write("file", "kept").await?;
    for name in ["file", "file/deeper"] {
        let made = place.files.make_directory(&place.path(name)).await;
        failed(name, made, &FileErrorKind::NotADirectory)?;
    }
    same_bytes("the file", &place.read("file").await?, b"kept")
}

async fn an_empty_directory_is_listed(context: &Context<'_>) -> Result<(), Wrong> {
    let place = context.place().await?;
    same("the entries", &place.files.list(&place.directory).await?, &Vec::new())
}

async fn entries_are_listed_by_the_order_of_their_names(context: &Context<'_>) -> Result<(), Wrong> {
    let place = context.place().await?;
    place.output("mkdir b; : > c; : > a; : > .hidden; : > B; : > é; : > b/deeper; : > a1; : > a-1").await?;
    let names = [".hidden", "B", "a", "a-1", "a1", "b", "c", "é"];
    same("the names", &*place.names().await?, &names.map(str::to_owned)[..])
}

async fn entries_are_listed_with_what_they_are(context: &Context<'_>) -> Result<(), Wrong> {
    let place = context.place().await?;
    place.output("mkdir d; chmod 755 d; printf 12345 > f; chmod 640 f; ln -s f l").await?;
    let entries = place.files.list(&place.directory).await?;
    let kinds: Vec<(&str, FileType)> =
        entries.iter().map(|entry| (entry.name.as_str(), entry.stat.kind)).collect();
    same(
        "the kinds",
        &*kinds,
        &[("d", FileType::Directory), ("f", FileType::File), ("l", FileType::Symlink)][..],
    )?;
    for entry in &entries {
        let stat = place.files.stat(&place.path(&entry.name)).await?;
        same(&entry.name, &entry.stat, &stat)?;
    }
    let file = entries.iter().find(|entry| entry.name == "f").map(|entry| (entry.stat.size, entry.stat.mode));
    same("size and mode", &file, &Some((5, 0o640)))
}

async fn what_is_not_there_is_not_listed(context: &Context<'_>) -> Result<(), Wrong> {
    let place = context.place().await?;
    failed("listing", place.files.list(&place.path("none")).await, &FileErrorKind::NotFound)
}

async fn a_file_is_not_listed(context: &Context<'_>) -> Result<(), Wrong> {
    let place = context.place().await?;
    place.write("file", "x").await?;
    for name in ["file", "file/deeper"] {
        failed(name, place.files.list(&place.path(name)).await, &FileErrorKind::NotADirectory)?;
    }
    Ok(())
}

async fn a_directory_is_listed_through_a_symlink(context: &Context<'_>) -> Result<(), Wrong> {
    let place = context.place().await?;
    place.output("mkdir d; : > d/file; ln -s d link").await?;
    let entries = place.files.list(&place.path("link")).await?;
    let names: Vec<&str> = entries.iter().map(|entry| entry.name.as_str()).collect();
    same("the names", &*names, &["file"][..])
}

async fn a_thousand_entries_are_listed(context: &Context<'_>) -> Result<(), Wrong> {
    let place = context.place().await?;
    place.output("for i in {1000..1999}; do : > file-$i; done").await?;
    let expected: Vec<String> = (1000..2000).map(|index| format!("file-{index}")).collect();
    same("the names", &place.names().await?, &expected)
}

//! Texts are edited in place: all edits or none.

use sandpiper_core::{Edit, FileErrorKind};

use crate::claim::{Claim, claim};
use crate::wrong::{failed, same, same_bytes};
use crate::{Context, Wrong};

pub(super) const CLAIMS: &[Claim] = &[
    claim!(a_text_that_is_there_once_is_replaced),
    claim!(each_edit_sees_what_the_one_before_has_left),
    claim!(all_places_are_replaced_where_that_is_asked_for),
    claim!(a_text_that_is_there_twice_is_ambiguous),
    claim!(a_text_that_is_not_there_is_no_match),
    claim!(when_one_edit_fails_none_is_made),
    claim!(what_is_not_utf_8_is_not_edited),
    claim!(what_is_not_there_is_not_edited),
    claim!(an_edit_keeps_the_mode),
    claim!(edits_are_of_text_as_it_is),
];

fn edit(old: &str, new: &str) -> Edit {
    Edit { old: old.to_owned(), new: new.to_owned(), all: false }
}

fn everywhere(old: &str, new: &str) -> Edit {
    Edit { all: true, ..edit(old, new) }
}

/// What edits leave of a text, and how many places they replaced.
async fn leaving(
    context: &Context<'_>,
    text: &'static str,
    edits: Vec<Edit>,
    expected: (&str, u64),
) -> Result<(), Wrong> {
    let place = context.place().await?;
    place.write("file", text).await?;
    let count = place.files.edit(&place.path("file"), edits).await?;
    same_bytes("the file", &place.read("file").await?, expected.0.as_bytes())?;
    same("the number of places", &count, &expected.1)
}

/// Edits that fail, and leave the content as it was.
async fn failing(
    context: &Context<'_>,
    content: &'static [u8],
    edits: Vec<Edit>,
    kind: &FileErrorKind,
) -> Result<(), Wrong> {
    let place = context.place().await?;
    place.write("file", content).await?;
    failed("editing", place.files.edit(&place.path("file"), edits).await, kind)?;
    same_bytes("the file", &place.read("file").await?, content)
}

async fn a_text_that_is_there_once_is_replaced(context: &Context<'_>) -> Result<(), Wrong> {
    leaving(context, "a = 1\nb = 2\n", vec![edit("a = 1", "a = 3")], ("a = 3\nb = 2\n", 1)).await
}

async fn each_edit_sees_what_the_one_before_has_left(context: &Context<'_>) -> Result<(), Wrong> {
    leaving(context, "one two", vec![edit("one", "two"), everywhere("two", "3")], ("3 3", 3)).await
}

async fn all_places_are_replaced_where_that_is_asked_for(context: &Context<'_>) -> Result<(), Wrong> {
    leaving(context, "aXbXc", vec![everywhere("X", "XX")], ("aXXbXXc", 2)).await
}

async fn a_text_that_is_there_twice_is_ambiguous(context: &Context<'_>) -> Result<(), Wrong> {
    let ambiguous = FileErrorKind::Ambiguous { text: "x".to_owned(), count: 3 };
    failing(context, b"x x x", vec![edit("x", "y")], &ambiguous).await
}

async fn a_text_that_is_not_there_is_no_match(context: &Context<'_>) -> Result<(), Wrong> {
    for (old, all) in [("none", false), ("none", true), ("", false), ("", true), ("X", false)] {
        let edits = vec![Edit { all, ..edit(old, "y") }];
        failing(context, b"x", edits, &FileErrorKind::NoMatch(old.to_owned())).await?;
    }
    Ok(())
}

async fn when_one_edit_fails_none_is_made(context: &Context<'_>) -> Result<(), Wrong> {
    let edits = vec![edit("a", "b"), edit("none", "x")];
    failing(context, b"a", edits, &FileErrorKind::NoMatch("none".to_owned())).await
}

async fn what_is_not_utf_8_is_not_edited(context: &Context<'_>) -> Result<(), Wrong> {
    failing(context, b"a\xff\xfe", vec![edit("a", "b")], &FileErrorKind::NotText).await
}

async fn what_is_not_there_is_not_edited(context: &Context<'_>) -> Result<(), Wrong> {
    let place = context.place().await?;
    let edited = place.files.edit(&place.path("none"), vec![edit("a", "b")]).await;
    failed("editing", edited, &FileErrorKind::NotFound)?;
    same("the files", &place.names().await?, &Vec::new())?;
    let edited = place.files.edit(&place.directory, vec![edit("a", "b")]).await;
    failed("editing", edited, &FileErrorKind::IsADirectory)
}

async fn an_edit_keeps_the_mode(context: &Context<'_>) -> Result<(), Wrong> {
    let place = context.place().await?;
    place.output("echo old > file; chmod 750 file").await?;
    place.files.edit(&place.path("file"), vec![edit("old", "new")]).await?;
    same("the mode", &place.files.stat(&place.path("file")).await?.mode, &0o750)
}

async fn edits_are_of_text_as_it_is(context: &Context<'_>) -> Result<(), Wrong> {
    let text = "a.c abc\r\n$1 \\1 & é日🦀\r\n\tend";
    let edits =
        vec![edit("a.c", "$0"), edit("$1 \\1 &", "\\n"), edit("é日", "'\""), edit("abc\r\n", "abc\n\n")];
    leaving(context, text, edits, ("$0 abc\n\n\\n '\"🦀\r\n\tend", 4)).await
}

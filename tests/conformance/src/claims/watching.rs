//! Changes of files are seen.

use std::sync::Arc;
use std::time::Duration;

use sandpiper_core::{FileErrorKind, FileEvent, FileEventKind, Watch};

use crate::claim::{Claim, claim};
use crate::place::Place;
use crate::wrong::{failed, holds, same};
use crate::{Context, Wrong};

pub(super) const CLAIMS: &[Claim] = &[
    claim!(changes_by_commands_are_seen),
    claim!(a_change_of_mode_is_seen),
    claim!(a_rename_is_seen_as_removal_and_creation),
    claim!(deeper_changes_are_seen_where_that_is_asked_for),
    claim!(a_change_is_waited_for),
    claim!(what_is_not_there_is_not_watched),
    claim!(a_directory_that_goes_is_told),
];

async fn watch(place: &Place, recursive: bool) -> Result<Watch, Wrong> {
    let interval = Duration::from_millis(50);
    Ok(Watch::begin(Arc::clone(&place.files), &place.directory, recursive, interval).await?)
}

async fn sees(place: &Place, watch: &mut Watch, expected: &[(FileEventKind, &str)]) -> Result<(), Wrong> {
    let events = watch.take().await?;
    let seen: Vec<(FileEventKind, String)> =
        events.iter().map(|event: &FileEvent| (event.kind, event.path.clone())).collect();
    let expected: Vec<_> = expected.iter().map(|(kind, name)| (*kind, place.path(name))).collect();
    same("the changes", &seen, &expected)?;
    for event in events {
        let there = event.kind != FileEventKind::Removed;
        holds("what is there is told", event.stat.is_some() == there, &event)?;
    }
    Ok(())
}

async fn changes_by_commands_are_seen(context: &Context<'_>) -> Result<(), Wrong> {
    use FileEventKind::{Created, Removed, Written};

    let place = context.place().await?;
    place.output("echo x > kept; echo x > written; echo x > removed").await?;
    let mut watch = watch(&place, false).await?;
    sees(&place, &mut watch, &[]).await?;
    place.output("echo more >> written; rm removed; echo x > created; mkdir folder").await?;
    let changes = [(Removed, "removed"), (Created, "created"), (Created, "folder"), (Written, "written")];
    sees(&place, &mut watch, &changes).await?;
    sees(&place, &mut watch, &[]).await
}

async fn a_change_of_mode_is_seen(context: &Context<'_>) -> Result<(), Wrong> {
    let place = context.place().await?;
    place.output("echo x > file; chmod 644 file").await?;
    let mut watch = watch(&place, false).await?;
    place.output("chmod 755 file").await?;
    sees(&place, &mut watch, &[(FileEventKind::Chmod, "file")]).await
}

async fn a_rename_is_seen_as_removal_and_creation(context: &Context<'_>) -> Result<(), Wrong> {
    let place = context.place().await?;
    place.output("echo x > old").await?;
    let mut watch = watch(&place, true).await?;
    place.files.rename(&place.path("old"), &place.path("new")).await?;
    sees(&place, &mut watch, &[(FileEventKind::Removed, "old"), (FileEventKind::Created, "new")]).await
}

async fn deeper_changes_are_seen_where_that_is_asked_for(context: &Context<'_>) -> Result<(), Wrong> {
    let place = context.place().await?;
    place.output("mkdir -p a/b").await?;
    let (mut flat, mut deep) = (watch(&place, false).await?, watch(&place, true).await?);
    place.output("echo x > a/b/file").await?;
    sees(&place, &mut flat, &[]).await?;
    sees(&place, &mut deep, &[(FileEventKind::Created, "a/b/file")]).await?;
    place.output("echo more >> a/b/file; echo x > a/.hidden").await?;
    let changes = [(FileEventKind::Created, "a/.hidden"), (FileEventKind::Written, "a/b/file")];
    sees(&place, &mut deep, &changes).await
}

async fn a_change_is_waited_for(context: &Context<'_>) -> Result<(), Wrong> {
    let place = context.place().await?;
    let mut watch = watch(&place, false).await?;
    let change = async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        place.output("echo x > late").await
    };
    let next = tokio::time::timeout(context.patience(), watch.next());
    let (next, changed) = tokio::join!(next, change);
    changed?;
    let event = next.map_err(|_| Wrong::new("expected the change , saw none"))??;
    same("the change", &(event.kind, event.path), &(FileEventKind::Created, place.path("late")))
}

async fn what_is_not_there_is_not_watched(context: &Context<'_>) -> Result<(), Wrong> {
    let place = context.place().await?;
    place.write("file", "x").await?;
    let begin = |name: &str, recursive| {
        let directory = place.path(name);
        let files = Arc::clone(&place.files);
        async move { Watch::begin(files, &directory, recursive, Duration::from_millis(50)).await }
    };
    failed("watching nothing", begin("none", false).await, &FileErrorKind::NotFound)?;
    failed("watching nothing", begin("none", true).await, &FileErrorKind::NotFound)?;
    failed("watching a file", begin("file", false).await, &FileErrorKind::NotADirectory)
}

async fn a_directory_that_goes_is_told(context: &Context<'_>) -> Result<(), Wrong> {
    let place = context.place().await?;
    let mut watch = watch(&place, false).await?;
    place.files.remove(&place.directory, true).await?;
    failed("looking again", watch.take().await, &FileErrorKind::NotFound)
}

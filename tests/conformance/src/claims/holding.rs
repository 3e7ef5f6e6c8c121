//! Sandboxes are found by their references, listed, and let go of.

use sandpiper_core::{Error, SandboxRef, SandboxState, Spec};

use crate::claim::{Claim, claim};
use crate::context::fresh;
use crate::place::Place;
use crate::wrong::{gone, holds, printed, same, same_bytes, unsupported};
use crate::{Context, Wrong};

pub(super) const CLAIMS: &[Claim] = &[
    claim!(a_sandbox_is_found_by_its_reference, has connect),
    claim!(a_sandbox_is_found_by_the_text_of_its_reference, has connect),
    claim!(a_sandbox_that_never_was_is_gone, has connect),
    claim!(a_closed_sandbox_is_not_found, has connect),
    claim!(a_sandbox_that_was_let_go_of_lives_on, has connect),
    claim!(a_sandbox_that_was_connected_to_is_closed_for_all, has connect),
    claim!(a_sandbox_is_listed_while_it_is_there, has connect),
    claim!(sandboxes_are_listed_by_their_metadata, has connect, has metadata),
    claim!(metadata_is_in_the_reference, has metadata),
    claim!(connecting_is_refused, lacks connect),
    claim!(listing_is_refused, lacks connect),
    claim!(letting_go_is_refused, lacks connect),
];

/// The same place, as it is found again.
async fn again(context: &Context<'_>, place: &Place, reference: &SandboxRef) -> Result<Place, Wrong> {
    Ok(place.seen_by(context.keep(context.other().connect(reference).await?)))
}

async fn a_sandbox_is_found_by_its_reference(context: &Context<'_>) -> Result<(), Wrong> {
    let place = context.home().await?;
    place.write("file", "there\n").await?;
    let again = again(context, &place, &place.sandbox.reference()).await?;
    same("the id", &again.sandbox.reference().id, &place.sandbox.reference().id)?;
    printed(&again.script("cat file; echo answer > answer").await?, "there\n")?;
    same_bytes("the answer", &place.read("answer").await?, b"answer\n")
}

async fn a_sandbox_is_found_by_the_text_of_its_reference(context: &Context<'_>) -> Result<(), Wrong> {
    let place = context.home().await?;
    let text = place.sandbox.reference().to_string();
    let reference = text.parse().map_err(|err| Wrong::new(format!("{text}: {err}")))?;
    let again = again(context, &place, &reference).await?;
    printed(&again.script("echo found").await?, "found\n")
}

async fn a_sandbox_that_never_was_is_gone(context: &Context<'_>) -> Result<(), Wrong> {
    let reference = SandboxRef::new(context.backend().name(), fresh("never"));
    match context.other().connect(&reference).await {
        Err(Error::Gone { reference: named }) => same("the reference", &named.id, &reference.id),
        seen => gone("connecting", seen),
    }
}

async fn a_closed_sandbox_is_not_found(context: &Context<'_>) -> Result<(), Wrong> {
    let sandbox = context.own_sandbox(context.spec()).await?;
    sandbox.close().await?;
    context.until_gone(&sandbox.reference()).await
}

async fn a_sandbox_that_was_let_go_of_lives_on(context: &Context<'_>) -> Result<(), Wrong> {
    let sandbox = context.own_sandbox(context.spec()).await?;
    let files = sandbox.files();
    files.write("/home/user/left", "left\n".into()).await?;
    let reference = sandbox.detach()?;
    // A connection that is let go of leaves it alive as well.
    for _ in 0..2 {
        let found = context.other().connect(&reference).await?;
        same_bytes("the file", &found.files().read("/home/user/left", 100).await?, b"left\n")?;
        same("the id", &found.detach()?.id, &reference.id)?;
    }
    context.other().connect(&reference).await?.close().await?;
    context.until_gone(&reference).await
}

async fn a_sandbox_that_was_connected_to_is_closed_for_all(context: &Context<'_>) -> Result<(), Wrong> {
    let place = context.home().await?;
    let again = again(context, &place, &place.sandbox.reference()).await?;
    again.sandbox.close().await?;
    let spawned = match place.sandbox.spawn(place.bash("true").cwd("/")).await {
        Ok(running) => sandpiper_core::collect(running).await,
        Err(err) => Err(err),
    };
    gone("running a command", spawned)?;
    place.sandbox.close().await.map_err(|err| Wrong::from(err).at("closing what is closed"))
}

async fn listed(context: &Context<'_>, metadata: &[(String, String)], id: &str) -> Result<bool, Wrong> {
    let list = context.other().list(metadata).await?;
    let found = list.iter().find(|info| info.reference.id == id);
    if let Some(info) = found {
        same("the backend of the reference", &*info.reference.backend, context.backend().name())?;
        same("the state", &info.state, &SandboxState::Running)?;
        holds("the image is told", !info.image.is_empty(), &info.image)?;
    }
    Ok(found.is_some())
}

async fn a_sandbox_is_listed_while_it_is_there(context: &Context<'_>) -> Result<(), Wrong> {
    let sandbox = context.own_sandbox(context.spec()).await?;
    let id = sandbox.reference().id;
    holds("it is listed", listed(context, &[], &id).await?, &false)?;
    sandbox.close().await?;
    let what = "it is no longer listed when it is closed";
    crate::context::until(what, context.patience(), async || Ok(!listed(context, &[], &id).await?)).await
}

fn noted(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

async fn sandboxes_are_listed_by_their_metadata(context: &Context<'_>) -> Result<(), Wrong> {
    let task = fresh("task");
    let mut ids = Vec::new();
    for run in ["a=1&b", "2 é"] {
        let metadata = noted(&[("task", &task), ("run", run)]).into_iter().collect();
        let sandbox = context.sandbox_of(Spec { metadata, ..context.spec() }).await?;
        ids.push(sandbox.reference().id);
    }
    let other = context.sandbox_of(context.spec()).await?;
    let list = async |pairs: &[(&str, &str)]| -> Result<Vec<String>, Wrong> {
        let mut found: Vec<String> =
            context.other().list(&noted(pairs)).await?.into_iter().map(|info| info.reference.id).collect();
        found.sort_unstable();
        Ok(found)
    };
    let (first, second) = (ids[..1].to_vec(), ids[1..].to_vec());
    ids.sort_unstable();
    same("those of the task", &list(&[("task", &task)]).await?, &ids)?;
    same("the first run", &list(&[("task", &task), ("run", "a=1&b")]).await?, &first)?;
    same("the second run", &list(&[("task", &task), ("run", "2 é")]).await?, &second)?;
    same("those of no run", &list(&[("task", &task), ("run", "none")]).await?, &Vec::new())?;
    holds("without metadata all are listed", list(&[]).await?.contains(&other.reference().id), &"not all")
}

async fn metadata_is_in_the_reference(context: &Context<'_>) -> Result<(), Wrong> {
    let metadata: std::collections::BTreeMap<_, _> =
        noted(&[("task", "one"), ("run", "2")]).into_iter().collect();
    let sandbox = context.sandbox_of(Spec { metadata: metadata.clone(), ..context.spec() }).await?;
    same("the metadata", &sandbox.reference().metadata, &metadata)
}

async fn connecting_is_refused(context: &Context<'_>) -> Result<(), Wrong> {
    let sandbox = context.sandbox_of(context.spec()).await?;
    let connected = context.backend().connect(&sandbox.reference()).await;
    unsupported("connecting", connected, context.backend().name())
}

async fn listing_is_refused(context: &Context<'_>) -> Result<(), Wrong> {
    unsupported("listing", context.backend().list(&[]).await, context.backend().name())
}

async fn letting_go_is_refused(context: &Context<'_>) -> Result<(), Wrong> {
    let sandbox = context.own_sandbox(context.spec()).await?;
    unsupported("letting go", sandbox.detach(), context.backend().name())
}

//! Sandboxes are made, are apart from one another, and are gone when they are closed.

use std::time::Duration;

use sandpiper_core::{Error, FileErrorKind, Image, SandboxRef, Spec};

use crate::claim::{Claim, claim};
use crate::context::fresh;
use crate::wrong::{failed, gone, holds, printed, same};
use crate::{Context, Wrong};

pub(super) const CLAIMS: &[Claim] = &[
    claim!(the_backend_is_well),
    claim!(the_capabilities_are_the_same_whenever_they_are_asked_for),
    claim!(a_sandbox_runs_a_command),
    claim!(a_reference_names_the_backend_and_is_text_and_back),
    claim!(references_of_two_sandboxes_differ),
    claim!(a_reference_stays_the_same),
    claim!(what_is_in_a_sandbox_is_not_in_another),
    claim!(a_new_sandbox_is_clean_though_an_earlier_one_was_not),
    claim!(closing_twice_is_closing_once),
    claim!(nothing_runs_in_a_closed_sandbox),
    claim!(a_closed_sandbox_has_no_files),
    claim!(closing_ends_what_runs),
    claim!(a_dropped_sandbox_is_gone, has connect),
    claim!(an_image_that_is_not_there_is_refused),
];

async fn the_backend_is_well(context: &Context<'_>) -> Result<(), Wrong> {
    let health = context.backend().health().await?;
    holds("the latency is below a minute", health.latency < Duration::from_mins(1), &health.latency)?;
    let told = health.version.as_deref().is_none_or(|version| !version.trim().is_empty());
    holds("a version that is told is not empty", told, &health.version)
}

async fn the_capabilities_are_the_same_whenever_they_are_asked_for(
    context: &Context<'_>,
) -> Result<(), Wrong> {
    let image = context.spec().image;
    for _ in 0..10 {
        same("the capabilities", &context.backend().capabilities(&image), context.capabilities())?;
    }
    let sandbox = context.sandbox_of(context.spec()).await?;
    same("the capabilities", &context.backend().capabilities(&image), context.capabilities())?;
    Ok(sandbox.close().await?)
}

async fn a_sandbox_runs_a_command(context: &Context<'_>) -> Result<(), Wrong> {
    let place = context.place().await?;
    printed(&place.script("echo it runs").await?, "it runs\n")?;
    place.sandbox.close().await?;
    Ok(())
}

async fn a_reference_names_the_backend_and_is_text_and_back(context: &Context<'_>) -> Result<(), Wrong> {
    let reference = context.sandbox_of(context.spec()).await?.reference();
    same("the backend of the reference", &*reference.backend, context.backend().name())?;
    let text = reference.to_string();
    let parsed = text.parse::<SandboxRef>().map_err(|err| Wrong::new(err.to_string()))?;
    same("the reference out of its text", &parsed, &SandboxRef::new(reference.backend, reference.id))
}

async fn references_of_two_sandboxes_differ(context: &Context<'_>) -> Result<(), Wrong> {
    let one = context.sandbox_of(context.spec()).await?.reference();
    let other = context.sandbox_of(context.spec()).await?.reference();
    holds("the references differ", one.id != other.id, &(one, other))
}

async fn a_reference_stays_the_same(context: &Context<'_>) -> Result<(), Wrong> {
    let place = context.place().await?;
    let before = place.sandbox.reference();
    place.output("true").await?;
    same("the reference after a command", &place.sandbox.reference(), &before)
}

async fn what_is_in_a_sandbox_is_not_in_another(context: &Context<'_>) -> Result<(), Wrong> {
    let (one, other) = (context.place().await?, context.place().await?);
    one.write("secret", "of the one").await?;
    let stat = other.files.stat(&one.path("secret")).await;
    failed("looking at a file of another sandbox", stat, &FileErrorKind::NotFound)?;
    let script = format!("test -e {} && echo there || echo none", one.path("secret"));
    printed(&other.script(&script).await?, "none\n")
}

async fn a_new_sandbox_is_clean_though_an_earlier_one_was_not(context: &Context<'_>) -> Result<(), Wrong> {
    let name = fresh("left");
    let before = context.place().await?;
    before.output(&format!("echo a > /tmp/{name}; echo b > ~/{name}")).await?;
    before.sandbox.close().await?;
    let after = context.place().await?;
    let script = format!("for file in /tmp/{name} ~/{name}; do test -e $file && echo $file; done; echo end");
    printed(&after.script(&script).await?, "end\n")
}

async fn closing_twice_is_closing_once(context: &Context<'_>) -> Result<(), Wrong> {
    let sandbox = context.own_sandbox(context.spec()).await?;
    sandbox.close().await?;
    sandbox.close().await.map_err(|err| Wrong::from(err).at("closing again"))
}

async fn nothing_runs_in_a_closed_sandbox(context: &Context<'_>) -> Result<(), Wrong> {
    let place = context.place().await?;
    place.sandbox.close().await?;
    let exec = place.bash("echo alive").cwd("/");
    match place.sandbox.spawn(exec).await {
        Ok(running) => gone("running a command", sandpiper_core::collect(running).await),
        Err(Error::Gone { reference }) => {
            same("the sandbox that is gone", &reference.id, &place.sandbox.reference().id)
        }
        Err(err) => Err(Wrong::other("running a command", "Error::Gone", &err)),
    }
}

async fn a_closed_sandbox_has_no_files(context: &Context<'_>) -> Result<(), Wrong> {
    let place = context.place().await?;
    place.write("a", "content").await?;
    place.sandbox.close().await?;
    let (path, files) = (place.path("a"), place.sandbox.files());
    for files in [&files, &place.files] {
        failed("reading", files.read(&path, 100).await, &FileErrorKind::Gone)?;
        failed("writing", files.write(&path, "new".into()).await, &FileErrorKind::Gone)?;
        failed("listing", files.list(&place.directory).await, &FileErrorKind::Gone)?;
    }
    Ok(())
}

async fn closing_ends_what_runs(context: &Context<'_>) -> Result<(), Wrong> {
    let place = context.place().await?;
    let mut live = place.start_beating().await?;
    place.sandbox.close().await?;
    match live.end().await? {
        Ok(outcome) => holds("a command that was ended has not succeeded", !outcome.exit.success(), &outcome),
        Err(Error::Gone { .. }) => Ok(()),
        Err(err) => Err(Wrong::other("the end of the command", "an exit, or Error::Gone", &err)),
    }
}

async fn a_dropped_sandbox_is_gone(context: &Context<'_>) -> Result<(), Wrong> {
    let sandbox = context.own_sandbox(context.spec()).await?;
    let reference = sandbox.reference();
    drop(sandbox);
    context.until_gone(&reference).await
}

async fn an_image_that_is_not_there_is_refused(context: &Context<'_>) -> Result<(), Wrong> {
    let name = fresh("no-such-image");
    let spec = Spec { image: Image::Named(name.clone()), ..context.spec() };
    // What it says of such an image is anything, so it may not admit the spec.
    let Ok(admitted) = context.admit(spec) else { return Ok(()) };
    match context.backend().create(admitted).await {
        Err(Error::Image { image, .. }) => same("the image that is named", &*image, &*name),
        Err(err) => Err(Wrong::other("making the sandbox", "Error::Image", &err)),
        Ok(sandbox) => {
            sandbox.close().await?;
            Err(Wrong::other("making the sandbox", "Error::Image", &"a sandbox"))
        }
    }
}

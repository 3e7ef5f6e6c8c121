//! Lifetimes, pauses, snapshots, copies, figures and ports of sandboxes.

use std::time::{Duration, Instant, SystemTime};

use sandpiper_core::{Error, Network, Sandbox, SandboxState, Spec, Stream};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::claim::{Claim, claim};
use crate::place::Place;
use crate::wrong::{holds, in_minutes_alone, printed, same, same_bytes, unsupported};
use crate::{Context, Wrong};

pub(super) const CLAIMS: &[Claim] = &[
    claim!(a_sandbox_ends_when_its_lifetime_is_over, has lifetime, has lifetime_in_seconds, has connect),
    claim!(a_lifetime_is_set_anew, has lifetime, has lifetime_in_seconds, has connect),
    claim!(an_end_that_is_told_is_the_end_of_the_lifetime, has lifetime, has connect),
    claim!(setting_a_lifetime_in_seconds_is_refused, has lifetime, lacks lifetime_in_seconds),
    claim!(setting_a_lifetime_is_refused, lacks lifetime),
    claim!(a_paused_sandbox_keeps_its_files, has pause, has connect),
    claim!(a_paused_sandbox_is_listed_as_that, has pause, has connect),
    claim!(what_runs_goes_on_after_a_pause, has pause, has connect, has pause_keeps_processes),
    claim!(what_runs_ends_with_a_pause, has pause, has connect, lacks pause_keeps_processes),
    claim!(pausing_is_refused, lacks pause),
    claim!(a_snapshot_is_an_image_with_the_files, has snapshot),
    claim!(a_snapshot_does_not_change_with_its_sandbox, has snapshot),
    claim!(a_snapshot_is_refused, lacks snapshot),
    claim!(a_copy_has_the_files_and_settings, has fork),
    claim!(a_copy_is_apart, has fork),
    claim!(a_copy_is_refused, lacks fork),
    claim!(figures_are_plausible, has metrics),
    claim!(figures_are_refused, lacks metrics),
    claim!(a_port_is_reached, has ports),
    claim!(a_port_is_refused, lacks ports),
];

async fn a_sandbox_ends_when_its_lifetime_is_over(context: &Context<'_>) -> Result<(), Wrong> {
    let spec = Spec { lifetime: Some(Duration::from_secs(2)), ..context.spec() };
    let sandbox = context.own_sandbox(spec).await?;
    let reference = sandbox.reference();
    sandbox.files().write("/home/user/alive", "alive".into()).await?;
    context.until_over(&reference).await?;
    let read = sandbox.files().read("/home/user/alive", 100).await;
    crate::wrong::failed("reading", read, &sandpiper_core::FileErrorKind::Gone)
}

async fn a_lifetime_is_set_anew(context: &Context<'_>) -> Result<(), Wrong> {
    let spec = Spec { lifetime: Some(Duration::from_secs(3)), ..context.spec() };
    let place = context.home_of(spec).await?;
    place.sandbox.set_lifetime(Duration::from_mins(10)).await?;
    tokio::time::sleep(Duration::from_secs(5)).await;
    printed(&place.script("echo alive").await?, "alive\n")?;
    place.sandbox.set_lifetime(Duration::from_secs(1)).await?;
    context.until_over(&place.sandbox.reference()).await
}

/// The end of a sandbox, where the backend tells it, is this long from now.
async fn is_told(context: &Context<'_>, id: &str, lifetime: Duration) -> Result<(), Wrong> {
    let list = context.other().list(&[]).await?;
    let Some(info) = list.iter().find(|info| info.reference.id == id) else {
        return Err(Wrong::new("expected that the sandbox is listed, saw that it is not"));
    };
    let Some(expires) = info.expires else { return Ok(()) };
    let left = expires.duration_since(SystemTime::now()).unwrap_or_default();
    // It was set a while ago, and the clock of another machine may be a little off.
    let likely = lifetime.saturating_sub(Duration::from_secs(45))..=lifetime + Duration::from_secs(15);
    holds(&format!("it has still {lifetime:?} to live"), likely.contains(&left), &left)
}

async fn an_end_that_is_told_is_the_end_of_the_lifetime(context: &Context<'_>) -> Result<(), Wrong> {
    let spec = Spec { lifetime: Some(Duration::from_mins(5)), ..context.spec() };
    let sandbox = context.sandbox_of(spec).await?;
    let id = sandbox.reference().id;
    is_told(context, &id, Duration::from_mins(5)).await?;
    for minutes in [10, 2] {
        sandbox.set_lifetime(Duration::from_mins(minutes)).await?;
        is_told(context, &id, Duration::from_mins(minutes)).await?;
    }
    Ok(())
}

async fn setting_a_lifetime_in_seconds_is_refused(context: &Context<'_>) -> Result<(), Wrong> {
    let sandbox = context.sandbox_of(context.spec()).await?;
    match sandbox.set_lifetime(Duration::from_secs(90)).await {
        Err(Error::Refused(refusal)) => in_minutes_alone(&refusal),
        seen => Err(Wrong::other("a lifetime of 90 s", "Error::Refused", &seen)),
    }?;
    Ok(sandbox.set_lifetime(Duration::from_mins(10)).await?)
}

async fn setting_a_lifetime_is_refused(context: &Context<'_>) -> Result<(), Wrong> {
    let place = context.home().await?;
    let set = place.sandbox.set_lifetime(Duration::from_mins(10)).await;
    unsupported("setting the lifetime", set, context.backend().name())?;
    printed(&place.script("echo alive").await?, "alive\n")
}

async fn connected(context: &Context<'_>, place: &Place) -> Result<Place, Wrong> {
    Ok(place.seen_by(context.keep(context.other().connect(&place.sandbox.reference()).await?)))
}

async fn a_paused_sandbox_keeps_its_files(context: &Context<'_>) -> Result<(), Wrong> {
    let place = context.home().await?;
    place.output("mkdir d; echo kept > d/file; chmod 751 d/file").await?;
    place.sandbox.pause().await?;
    let again = connected(context, &place).await?;
    printed(&again.script("cat d/file").await?, "kept\n")?;
    same("the mode", &again.files.stat(&again.path("d/file")).await?.mode, &0o751)
}

async fn a_paused_sandbox_is_listed_as_that(context: &Context<'_>) -> Result<(), Wrong> {
    let place = context.home().await?;
    let id = place.sandbox.reference().id;
    let is = async |state: SandboxState| -> Result<bool, Wrong> {
        let list = context.other().list(&[]).await?;
        Ok(list.iter().any(|info| info.reference.id == id && info.state == state))
    };
    place.sandbox.pause().await?;
    let longest = context.patience();
    crate::context::until("it is listed as paused", longest, async || is(SandboxState::Paused).await).await?;
    let _again = connected(context, &place).await?;
    crate::context::until("it is listed as running", longest, async || is(SandboxState::Running).await).await
}

async fn what_runs_goes_on_after_a_pause(context: &Context<'_>) -> Result<(), Wrong> {
    let place = context.home().await?;
    let live = place.start_beating().await?;
    place.sandbox.pause().await?;
    connected(context, &place).await?.until_beating().await?;
    drop(live);
    Ok(())
}

async fn what_runs_ends_with_a_pause(context: &Context<'_>) -> Result<(), Wrong> {
    let place = context.home().await?;
    let live = place.start_beating().await?;
    place.sandbox.pause().await?;
    let again = connected(context, &place).await?;
    again.until_still().await?;
    drop(live);
    Ok(())
}

async fn pausing_is_refused(context: &Context<'_>) -> Result<(), Wrong> {
    let place = context.home().await?;
    unsupported("pausing", place.sandbox.pause().await, context.backend().name())?;
    printed(&place.script("echo alive").await?, "alive\n")
}

async fn of_snapshot(context: &Context<'_>, place: &Place) -> Result<Spec, Wrong> {
    Ok(Spec { image: place.sandbox.snapshot().await?, ..context.spec() })
}

async fn a_snapshot_is_an_image_with_the_files(context: &Context<'_>) -> Result<(), Wrong> {
    let place = context.home().await?;
    place.output("echo kept > file; chmod 751 file; ln -s file link").await?;
    let spec = of_snapshot(context, &place).await?;
    printed(&place.script("echo alive").await?, "alive\n")?;
    let again = place.seen_by(context.sandbox_of(spec).await?);
    printed(&again.script("cat link").await?, "kept\n")?;
    same("the mode", &again.files.stat(&again.path("file")).await?.mode, &0o751)
}

async fn a_snapshot_does_not_change_with_its_sandbox(context: &Context<'_>) -> Result<(), Wrong> {
    let place = context.home().await?;
    place.write("file", "before").await?;
    let spec = of_snapshot(context, &place).await?;
    place.write("file", "after").await?;
    let one = place.seen_by(context.sandbox_of(spec.clone()).await?);
    same_bytes("the file", &one.read("file").await?, b"before")?;
    one.write("file", "of the one").await?;
    place.sandbox.close().await?;
    let other = place.seen_by(context.sandbox_of(spec).await?);
    same_bytes("the file", &other.read("file").await?, b"before")
}

async fn a_snapshot_is_refused(context: &Context<'_>) -> Result<(), Wrong> {
    let sandbox = context.sandbox_of(context.spec()).await?;
    unsupported("a snapshot", sandbox.snapshot().await, context.backend().name())
}

async fn copy(context: &Context<'_>, sandbox: &dyn Sandbox) -> Result<std::sync::Arc<dyn Sandbox>, Wrong> {
    Ok(context.keep(sandbox.fork().await?))
}

async fn a_copy_has_the_files_and_settings(context: &Context<'_>) -> Result<(), Wrong> {
    let env = vec![("GREETING".to_owned(), "hi".to_owned())];
    let place = context.home_of(Spec { env, ..context.spec() }).await?;
    place.output("echo kept > file; chmod 751 file").await?;
    let again = place.seen_by(copy(context, &*place.sandbox).await?);
    printed(&again.script("cat file; echo $GREETING").await?, "kept\nhi\n")?;
    same("the mode", &again.files.stat(&again.path("file")).await?.mode, &0o751)
}

async fn a_copy_is_apart(context: &Context<'_>) -> Result<(), Wrong> {
    let place = context.home().await?;
    place.write("file", "before").await?;
    let again = place.seen_by(copy(context, &*place.sandbox).await?);
    let ids = (place.sandbox.reference().id, again.sandbox.reference().id);
    holds("it has an id of its own", ids.0 != ids.1, &ids)?;
    place.write("file", "of the first").await?;
    again.write("of the copy", "x").await?;
    same_bytes("the file of the copy", &again.read("file").await?, b"before")?;
    same("the files of the first", &place.names().await?, &vec!["file".to_owned()])?;
    place.sandbox.close().await?;
    printed(&again.script("cat file").await?, "before")
}

async fn a_copy_is_refused(context: &Context<'_>) -> Result<(), Wrong> {
    let sandbox = context.sandbox_of(context.spec()).await?;
    unsupported("a copy", sandbox.fork().await, context.backend().name())
}

async fn figures_are_plausible(context: &Context<'_>) -> Result<(), Wrong> {
    let place = context.home().await?;
    let live = place.start_beating().await?;
    // Some backends measure every few seconds.
    let mut figures = place.sandbox.metrics().await?;
    let start = Instant::now();
    while figures.memory_bytes.is_none() && start.elapsed() < context.patience() {
        tokio::time::sleep(Duration::from_millis(500)).await;
        figures = place.sandbox.metrics().await?;
    }
    drop(live);
    let least =
        |figure: Option<f64>, least| figure.is_none_or(|figure| figure.is_finite() && figure >= least);
    let within =
        |used: Option<u64>, limit: Option<u64>| used.zip(limit).is_none_or(|(used, limit)| used <= limit);
    holds("memory is used", figures.memory_bytes.is_some_and(|bytes| bytes > 0), &figures)?;
    holds("memory is within its limit", within(figures.memory_bytes, figures.memory_limit_bytes), &figures)?;
    holds("files are within their limit", within(figures.disk_bytes, figures.disk_limit_bytes), &figures)?;
    holds("there is some processor", least(figures.cpus, 0.01), &figures)?;
    holds("its use is not negative", least(figures.cpu_percent, 0.0), &figures)
}

async fn figures_are_refused(context: &Context<'_>) -> Result<(), Wrong> {
    let sandbox = context.sandbox_of(context.spec()).await?;
    unsupported("figures", sandbox.metrics().await, context.backend().name())
}

/// Answers on a port that is free, of those that all backends reach.
const SERVER: &str = "import random, socket\nserver = None\nwhile not server:\n    port = random.randrange(4000, 9000)\n    \
    try:\n        server = socket.create_server(('0.0.0.0', port))\n    except OSError:\n        pass\n\
print(port)\nprint('ready', flush=True)\nwhile True:\n    client = server.accept()[0]\n    client.recv(1000)\n    \
client.sendall(b'HTTP/1.1 200 OK\\r\\nContent-Length: 5\\r\\nConnection: close\\r\\n\\r\\nthere')\n    client.close()";

async fn a_port_is_reached(context: &Context<'_>) -> Result<(), Wrong> {
    let mut spec = context.spec();
    if context.capabilities().network_everything {
        spec.network = Network::Everything;
    }
    let place = context.home_of(spec).await?;
    let mut live = place.start(place.python(SERVER)).await?;
    live.until("ready\n").await?;
    let printed = live.text(Stream::Stdout);
    let port = printed.lines().next().and_then(|line| line.parse().ok());
    let port = port.ok_or_else(|| Wrong::other("the port of the server", "a number", &printed))?;
    let address = place.sandbox.port(port).await?;
    let Some(rest) = address.url.strip_prefix("http://") else {
        // The suite speaks no TLS.
        return holds("the address is of the web", address.url.starts_with("https://"), &address);
    };
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    let connect_to = if host.contains(':') { host.to_owned() } else { format!("{host}:80") };
    let header =
        address.header.as_ref().map_or_else(String::new, |(name, value)| format!("{name}: {value}\r\n"));
    let mut stream = TcpStream::connect(&*connect_to).await?;
    let request = format!("GET /{path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n{header}\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await?;
    let text = String::from_utf8_lossy(&answer).into_owned();
    holds("the server of the sandbox answers", text.ends_with("there"), &text)
}

async fn a_port_is_refused(context: &Context<'_>) -> Result<(), Wrong> {
    let sandbox = context.sandbox_of(context.spec()).await?;
    match sandbox.port(4000).await {
        Err(err) => unsupported::<()>("a port", Err(err), context.backend().name()),
        Ok(address) => Err(Wrong::other("a port", "Error::Unsupported", &address)),
    }
}

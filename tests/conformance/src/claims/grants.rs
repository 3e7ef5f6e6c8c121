//! What is granted is there, and what is not granted is not: mounts, clock, randomness, network, files of
//! WebAssembly.

use std::path::Path;

use sandpiper_core::{Access, Clock, Exec, FileErrorKind, Image, Metering, Mount, Network, Spec, collect};
use tokio::net::TcpListener;

use crate::claim::{Claim, claim};
use crate::wrong::{failed, holds, printed, same, succeeded};
use crate::{Context, Wrong};

pub(super) const CLAIMS: &[Claim] = &[
    claim!(a_mounted_directory_is_the_hosts, has mounts, has disk_bytes, has files),
    claim!(a_read_only_mount_is_not_changed, has mounts),
    claim!(a_mount_hides_what_it_is_mounted_on, has mounts, has nested_mounts),
    claim!(a_hidden_git_directory_is_not_seen, has mounts, has hidden_git),
    claim!(commands_begin_in_the_workspace_that_is_mounted, has mounts),
    claim!(a_virtual_clock_begins_where_it_was_set, has virtual_clock),
    claim!(a_seed_gives_the_same_randomness, has seed),
    claim!(without_a_seed_randomness_differs),
    claim!(a_command_runs_under_a_deadline_alone, has deadline_metering),
    claim!(a_module_file_runs, has module_files),
    claim!(nothing_is_reached_without_network, has network_nothing),
    claim!(a_sandbox_with_network_reaches_itself, has network_everything),
];

fn mounting(context: &Context<'_>, mounts: &[(&Path, &str, Access)]) -> Result<Spec, Wrong> {
    let mount = |(host, guest, access): &(&Path, &str, Access)| {
        Mount::new(*host, guest, *access).map_err(|err| Wrong::new(err.to_string()))
    };
    Ok(Spec { mounts: mounts.iter().map(mount).collect::<Result<_, _>>()?, ..context.spec() })
}

async fn a_mounted_directory_is_the_hosts(context: &Context<'_>) -> Result<(), Wrong> {
    let folder = tempfile::tempdir()?;
    std::fs::write(folder.path().join("given"), "by the host\n")?;
    let spec = mounting(context, &[(folder.path(), "/workspace", Access::ReadWrite)])?;
    let place = context.place_of(spec).await?;
    let script = "cat /workspace/given; echo by the guest > /workspace/made; mkdir /workspace/folder";
    printed(&place.script(script).await?, "by the host\n")?;
    same(
        "what the guest has written",
        &*std::fs::read_to_string(folder.path().join("made"))?,
        "by the guest\n",
    )?;
    holds("the directory that the guest made is there", folder.path().join("folder").is_dir(), &"none")?;
    place.files.write("/workspace/given", "anew".into()).await?;
    same("what the host has written", &*std::fs::read_to_string(folder.path().join("given"))?, "anew")
}

async fn a_read_only_mount_is_not_changed(context: &Context<'_>) -> Result<(), Wrong> {
    let folder = tempfile::tempdir()?;
    std::fs::write(folder.path().join("kept"), "kept")?;
    let place = context.place_of(mounting(context, &[(folder.path(), "/w", Access::ReadOnly)])?).await?;
    let script = "cat /w/kept; echo x > /w/kept || echo refused; echo x > /w/new || echo refused; \
                  rm -f /w/kept || echo refused";
    let outcome = place.script(script).await?;
    succeeded(&outcome)?;
    let stdout = String::from_utf8_lossy(&outcome.stdout.bytes).into_owned();
    same("stdout", &*stdout, "keptrefused\nrefused\nrefused\n")?;
    let written = place.files.write("/w/kept", "x".into()).await;
    failed("writing to the mount", written, &FileErrorKind::ReadOnly)?;
    failed("removing in the mount", place.files.remove("/w/kept", false).await, &FileErrorKind::ReadOnly)?;
    same("the file", &*std::fs::read_to_string(folder.path().join("kept"))?, "kept")?;
    same("the files of the mount", &std::fs::read_dir(folder.path())?.count(), &1)
}

async fn a_mount_hides_what_it_is_mounted_on(context: &Context<'_>) -> Result<(), Wrong> {
    let (outer, inner) = (tempfile::tempdir()?, tempfile::tempdir()?);
    std::fs::create_dir(outer.path().join("inner"))?;
    std::fs::write(outer.path().join("inner/hidden"), "hidden")?;
    std::fs::write(inner.path().join("shown"), "shown")?;
    let mounts = [(outer.path(), "/w", Access::ReadOnly), (inner.path(), "/w/inner", Access::ReadOnly)];
    let place = context.place_of(mounting(context, &mounts)?).await?;
    printed(&place.script("ls /w; ls /w/inner; cat /w/inner/shown").await?, "inner\nshown\nshown")
}

async fn a_hidden_git_directory_is_not_seen(context: &Context<'_>) -> Result<(), Wrong> {
    let folder = tempfile::tempdir()?;
    std::fs::create_dir_all(folder.path().join("deep/.git"))?;
    std::fs::write(folder.path().join(".git"), "gitdir: elsewhere")?;
    std::fs::write(folder.path().join("file"), "")?;
    let mut spec = mounting(context, &[(folder.path(), "/workspace", Access::ReadOnly)])?;
    spec.mounts = spec.mounts.into_iter().map(Mount::hiding_git).collect();
    let place = context.place_of(spec).await?;
    let script = "cd /workspace; ls -A . deep; cat .git 2>/dev/null || echo refused";
    printed(&place.script(script).await?, ".:\ndeep\nfile\n\ndeep:\nrefused\n")
}

async fn commands_begin_in_the_workspace_that_is_mounted(context: &Context<'_>) -> Result<(), Wrong> {
    let folder = tempfile::tempdir()?;
    let spec = mounting(context, &[(folder.path(), "/workspace", Access::ReadOnly)])?;
    let sandbox = context.sandbox_of(spec).await?;
    let outcome = collect(sandbox.spawn(Exec::new(["bash", "-c", "pwd"])).await?).await?;
    printed(&outcome, "/workspace\n")
}

async fn a_virtual_clock_begins_where_it_was_set(context: &Context<'_>) -> Result<(), Wrong> {
    const START_SECONDS: u64 = 1_000_000_000;
    let clock = Clock::Virtual { start_ns: START_SECONDS * 1_000_000_000 };
    let place = context.place_of(Spec { clock, ..context.spec() }).await?;
    let outcome = place.run(place.python("import time; print(int(time.time()))")).await?;
    printed(&outcome, format!("{START_SECONDS}\n"))
}

async fn drawn(context: &Context<'_>, seed: Option<u64>) -> Result<Vec<u8>, Wrong> {
    let place = context.place_of(Spec { seed, ..context.spec() }).await?;
    let outcome = place.run(place.python("import os; print(os.urandom(16).hex())")).await?;
    succeeded(&outcome)?;
    same("the digits", &outcome.stdout.bytes.len(), &33)?;
    Ok(outcome.stdout.bytes)
}

async fn a_seed_gives_the_same_randomness(context: &Context<'_>) -> Result<(), Wrong> {
    let (one, same_seed) = (drawn(context, Some(1)).await?, drawn(context, Some(1)).await?);
    same("what the same seed gives", &same_seed, &one)?;
    let other = drawn(context, Some(2)).await?;
    holds("another seed gives something else", other != one, &other)
}

async fn without_a_seed_randomness_differs(context: &Context<'_>) -> Result<(), Wrong> {
    let (one, other) = (drawn(context, None).await?, drawn(context, None).await?);
    holds("two sandboxes draw something else", one != other, &String::from_utf8_lossy(&one))
}

async fn a_command_runs_under_a_deadline_alone(context: &Context<'_>) -> Result<(), Wrong> {
    let place = context.place_limited(|limits| limits.metering = Metering::Deadline).await?;
    let outcome = place.script("echo done").await?;
    printed(&outcome, "done\n")?;
    same("the fuel that was counted", &outcome.usage.fuel, &None)
}

async fn a_module_file_runs(context: &Context<'_>) -> Result<(), Wrong> {
    // `(module (memory (export "memory") 1) (func (export "_start")))`
    const MODULE: &[u8] = b"\0asm\x01\0\0\0\x01\x04\x01\x60\0\0\x03\x02\x01\0\x05\x03\x01\0\x01\
        \x07\x13\x02\x06memory\x02\0\x06_start\0\0\x0a\x04\x01\x02\0\x0b";
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("program.wasm");
    std::fs::write(&file, MODULE)?;
    let sandbox = context.sandbox_of(Spec { image: Image::File(file), ..context.spec() }).await?;
    let outcome = collect(sandbox.spawn(Exec::new(["program"])).await?).await?;
    printed(&outcome, "")
}

async fn nothing_is_reached_without_network(context: &Context<'_>) -> Result<(), Wrong> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    let port = listener.local_addr()?.port();
    let place = context.place_of(Spec { network: Network::Nothing, ..context.spec() }).await?;
    let program = format!(
        "try:\n    import socket\n    socket.create_connection(('127.0.0.1', {port}), 5)\n\
         except (OSError, ImportError):\n    print('refused')\nelse:\n    print('reached')"
    );
    printed(&place.run(place.python(&program)).await?, "refused\n")
}

async fn a_sandbox_with_network_reaches_itself(context: &Context<'_>) -> Result<(), Wrong> {
    const PROGRAM: &str = "import socket\nserver = socket.create_server(('127.0.0.1', 0))\n\
        client = socket.create_connection(server.getsockname(), 10)\nserver.accept()[0].sendall(b'reached')\n\
        print(client.recv(100).decode())";
    let place = context.place_of(Spec { network: Network::Everything, ..context.spec() }).await?;
    printed(&place.run(place.python(PROGRAM)).await?, "reached\n")
}

//! A limit that a backend says it enforces is reached where it was set.

use sandpiper_core::{Access, Exit, Mount, Quota, Spec};

use crate::claim::{Claim, claim};
use crate::wrong::{ended, holds, printed, same_bytes, succeeded};
use crate::{Context, Wrong};

pub(super) const CLAIMS: &[Claim] = &[
    claim!(output_up_to_its_limit_is_kept_whole),
    claim!(output_above_its_limit_is_cut_at_that_byte),
    claim!(the_output_limit_is_one_for_both_streams),
    claim!(endless_output_ends_at_its_limit),
    claim!(fuel_runs_out, has fuel),
    claim!(fuel_that_was_used_is_told, has fuel),
    claim!(memory_ends_at_its_limit, has memory),
    claim!(temporary_files_end_at_their_limit, has tmp_bytes),
    claim!(bytes_written_to_mounts_end_at_their_limit, has mounts, has disk_bytes, has files),
    claim!(files_in_mounts_end_at_their_limit, has mounts, has disk_bytes, has files),
    claim!(descriptors_end_at_their_limit, has descriptors),
    claim!(processes_end_at_their_limit, has processes),
];

const OUTPUT_LIMIT: usize = 10_000;

async fn output_up_to_its_limit_is_kept_whole(context: &Context<'_>) -> Result<(), Wrong> {
    let place = context.place_limited(|limits| limits.output_bytes = OUTPUT_LIMIT as u64).await?;
    let outcome = place.script(&format!("printf '%0{OUTPUT_LIMIT}d' 1")).await?;
    printed(&outcome, format!("{:0OUTPUT_LIMIT$}", 1))?;
    holds("nothing was cut", !outcome.stdout.cut && !outcome.stderr.cut, &outcome.stdout.cut)
}

async fn output_above_its_limit_is_cut_at_that_byte(context: &Context<'_>) -> Result<(), Wrong> {
    let place = context.place_limited(|limits| limits.output_bytes = OUTPUT_LIMIT as u64).await?;
    let outcome = place.script(&format!("printf '%0{OUTPUT_LIMIT}d%s' 1 2; echo after > after")).await?;
    ended(&outcome, &Exit::Quota { quota: Quota::Output })?;
    same_bytes("stdout", &outcome.stdout.bytes, format!("{:0OUTPUT_LIMIT$}", 1).as_bytes())?;
    holds("the output says that it was cut", outcome.stdout.cut, &outcome.stdout.cut)
}

async fn the_output_limit_is_one_for_both_streams(context: &Context<'_>) -> Result<(), Wrong> {
    let place = context.place_limited(|limits| limits.output_bytes = OUTPUT_LIMIT as u64).await?;
    let outcome = place.script("printf '%06000d' 1; printf '%06000d' 2 >&2").await?;
    ended(&outcome, &Exit::Quota { quota: Quota::Output })?;
    let bytes = outcome.stdout.bytes.len() + outcome.stderr.bytes.len();
    holds(&format!("{OUTPUT_LIMIT} bytes came of both streams"), bytes == OUTPUT_LIMIT, &bytes)
}

async fn endless_output_ends_at_its_limit(context: &Context<'_>) -> Result<(), Wrong> {
    let place = context
        .place_limited(|limits| {
            limits.output_bytes = 200_000;
            limits.wall = context.patience();
        })
        .await?;
    let outcome = place.script("while :; do echo 0123456789; done").await?;
    ended(&outcome, &Exit::Quota { quota: Quota::Output })?;
    let expected: Vec<u8> = b"0123456789\n".iter().copied().cycle().take(200_000).collect();
    same_bytes("stdout", &outcome.stdout.bytes, &expected)
}

async fn fuel_runs_out(context: &Context<'_>) -> Result<(), Wrong> {
    let place = context.place_limited(|limits| limits.fuel = 200_000_000).await?;
    ended(&place.script("while :; do :; done").await?, &Exit::Fuel)
}

async fn fuel_that_was_used_is_told(context: &Context<'_>) -> Result<(), Wrong> {
    let place = context.place().await?;
    let (short, long) = (place.script("true").await?, place.script("for i in {1..20000}; do :; done").await?);
    let fuel = (short.usage.fuel, long.usage.fuel);
    let more = fuel.0.is_some_and(|fuel| fuel > 0) && fuel.1 > fuel.0;
    holds("a longer program uses more fuel than a short one, and that some", more, &fuel)
}

async fn memory_ends_at_its_limit(context: &Context<'_>) -> Result<(), Wrong> {
    const PROGRAM: &str =
        "kept = bytearray(SIZE)\nfor at in range(0, SIZE, 4096): kept[at] = 1\nprint('had it')";
    let place = context.place_limited(|limits| limits.memory_bytes = 192 << 20).await?;
    let within = place.run(place.python(&PROGRAM.replace("SIZE", "(16 << 20)"))).await?;
    printed(&within, "had it\n")?;
    let above = place.run(place.python(&PROGRAM.replace("SIZE", "(600 << 20)"))).await?;
    holds("600 MiB are not there under a limit of 192", !above.exit.success(), &above.exit)?;
    same_bytes("stdout", &above.stdout.bytes, b"")
}

async fn temporary_files_end_at_their_limit(context: &Context<'_>) -> Result<(), Wrong> {
    const PROGRAM: &str = "import sys\nwith open('file', 'wb') as file:\n    for _ in range(int(sys.argv[1])):\n        \
        file.write(bytes(1 << 20))\nprint('written')";
    let place = context.place_limited(|limits| limits.tmp_bytes = 8 << 20).await?;
    printed(&place.run(place.exec(["python3", "-c", PROGRAM, "4"])).await?, "written\n")?;
    let above = place.run(place.exec(["python3", "-c", PROGRAM, "16"])).await?;
    holds("16 MiB are not there under a limit of 8", !above.exit.success(), &above.exit)?;
    same_bytes("stdout", &above.stdout.bytes, b"")
}

async fn bytes_written_to_mounts_end_at_their_limit(context: &Context<'_>) -> Result<(), Wrong> {
    let folder = tempfile::tempdir()?;
    let spec = context.limited(|limits| limits.disk_bytes = 100_000);
    let place = context.place_of(mounting(spec, folder.path())?).await?;
    succeeded(&place.script("printf '%050000d' 1 > /workspace/within").await?)?;
    let above = place.script("printf '%060000d' 1 > /workspace/above").await?;
    ended(&above, &Exit::Quota { quota: Quota::Disk })
}

async fn files_in_mounts_end_at_their_limit(context: &Context<'_>) -> Result<(), Wrong> {
    let folder = tempfile::tempdir()?;
    let spec = context.limited(|limits| limits.files = 20);
    let place = context.place_of(mounting(spec, folder.path())?).await?;
    let outcome = place
        .script("for i in {1..100}; do : > /workspace/$i; done 2>/dev/null; ls /workspace | wc -l")
        .await;
    let made = std::fs::read_dir(folder.path())?.count();
    holds("no more than 20 files were made", made <= 20 && made > 0, &(made, outcome))
}

fn mounting(spec: Spec, folder: &std::path::Path) -> Result<Spec, Wrong> {
    let mount =
        Mount::new(folder, "/workspace", Access::ReadWrite).map_err(|err| Wrong::new(err.to_string()))?;
    Ok(Spec { mounts: vec![mount], ..spec })
}

async fn descriptors_end_at_their_limit(context: &Context<'_>) -> Result<(), Wrong> {
    const PROGRAM: &str = "import sys\nfiles = []\ntry:\n    for i in range(int(sys.argv[1])):\n        \
        files.append(open('file', 'w'))\nexcept OSError:\n    print('no more')\nelse:\n    print('all')";
    let place = context.place_limited(|limits| limits.descriptors = 64).await?;
    printed(&place.run(place.exec(["python3", "-c", PROGRAM, "20"])).await?, "all\n")?;
    printed(&place.run(place.exec(["python3", "-c", PROGRAM, "100"])).await?, "no more\n")
}

async fn processes_end_at_their_limit(context: &Context<'_>) -> Result<(), Wrong> {
    let place = context.place_limited(|limits| limits.processes = 12).await?;
    let started = "for i in {1..COUNT}; do (sleep 2; echo $i >> done) & done; wait; cat done | wc -l";
    printed(&place.script(&started.replace("COUNT", "2")).await?, "2\n")?;
    let outcome = place.script(&format!("rm done; {}", started.replace("COUNT", "40"))).await?;
    let all = outcome.stdout.bytes.starts_with(b"40");
    holds("40 processes do not run at a time under a limit of 12", !all, &outcome.exit)
}

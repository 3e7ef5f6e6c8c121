//! Files are read and looked at.

use std::time::{Duration, SystemTime};

use sandpiper_core::{FileErrorKind, FileType};

use crate::claim::{Claim, claim};
use crate::wrong::{failed, holds, same, same_bytes};
use crate::{Context, Wrong};

pub(super) const CLAIMS: &[Claim] = &[
    claim!(what_a_command_wrote_is_read),
    claim!(all_bytes_of_a_file_are_read),
    claim!(an_empty_file_is_read),
    claim!(a_file_is_read_through_a_symlink),
    claim!(a_file_that_is_not_there_is_not_read),
    claim!(a_directory_is_not_read),
    claim!(a_path_through_a_file_leads_nowhere),
    claim!(a_file_of_the_limit_is_read_and_no_larger_one),
    claim!(two_megabytes_are_written_and_read),
    claim!(a_file_is_looked_at),
    claim!(a_directory_is_looked_at),
    claim!(a_symlink_is_looked_at_itself),
    claim!(what_is_not_there_is_not_looked_at),
    claim!(the_mode_of_a_file_is_told),
    claim!(the_time_of_a_change_is_told),
    claim!(an_error_names_what_was_asked_for),
];

async fn what_a_command_wrote_is_read(context: &Context<'_>) -> Result<(), Wrong> {
    let place = context.place().await?;
    place.output("printf 'one\ntwo' > file").await?;
    same_bytes("the file", &place.read("file").await?, b"one\ntwo")
}

async fn all_bytes_of_a_file_are_read(context: &Context<'_>) -> Result<(), Wrong> {
    let place = context.place().await?;
    let program = "open('file', 'wb').write(bytes(range(256)) * 3)";
    crate::wrong::printed(&place.run(place.python(program)).await?, "")?;
    let expected: Vec<u8> = (0..=255_u8).cycle().take(256 * 3).collect();
    same_bytes("the file", &place.read("file").await?, &expected)
}

async fn an_empty_file_is_read(context: &Context<'_>) -> Result<(), Wrong> {
    let place = context.place().await?;
    place.output(": > file").await?;
    same_bytes("the file", &place.files.read(&place.path("file"), 0).await?, b"")
}

async fn a_file_is_read_through_a_symlink(context: &Context<'_>) -> Result<(), Wrong> {
    let place = context.place().await?;
    place.output("mkdir d; echo content > d/file; ln -s d/file link; ln -s d folder").await?;
    same_bytes("the file", &place.read("link").await?, b"content\n")?;
    same_bytes("the file", &place.read("folder/file").await?, b"content\n")
}

async fn a_file_that_is_not_there_is_not_read(context: &Context<'_>) -> Result<(), Wrong> {
    let place = context.place().await?;
    for name in ["none", "none/deeper"] {
        failed(name, place.files.read(&place.path(name), 100).await, &FileErrorKind::NotFound)?;
    }
    Ok(())
}

async fn a_directory_is_not_read(context: &Context<'_>) -> Result<(), Wrong> {
    let place = context.place().await?;
    failed("a directory", place.files.read(&place.directory, 100).await, &FileErrorKind::IsADirectory)
}

async fn a_path_through_a_file_leads_nowhere(context: &Context<'_>) -> Result<(), Wrong> {
    let place = context.place().await?;
    place.write("file", "x").await?;
    let path = place.path("file/deeper");
    failed("reading", place.files.read(&path, 100).await, &FileErrorKind::NotADirectory)?;
    failed("looking", place.files.stat(&path).await, &FileErrorKind::NotADirectory)
}

async fn a_file_of_the_limit_is_read_and_no_larger_one(context: &Context<'_>) -> Result<(), Wrong> {
    let place = context.place().await?;
    place.write("file", "12345").await?;
    let path = place.path("file");
    same_bytes("the file", &place.files.read(&path, 5).await?, b"12345")?;
    let too_large = FileErrorKind::TooLarge { size: 5, limit: 4 };
    failed("a larger file", place.files.read(&path, 4).await, &too_large)
}

async fn two_megabytes_are_written_and_read(context: &Context<'_>) -> Result<(), Wrong> {
    let place = context.place().await?;
    let content: Vec<u8> = (0..2 << 20_u32)
        .map(|at: u32| u8::try_from((at / 3 + at / 4099) % 256).unwrap_or_default())
        .collect();
    place.write("file", content.clone()).await?;
    same_bytes("the file", &place.read("file").await?, &content)?;
    let sum = content.iter().map(|byte| u64::from(*byte)).sum::<u64>();
    let outcome = place.run(place.python("print(sum(open('file', 'rb').read()))")).await?;
    crate::wrong::printed(&outcome, format!("{sum}\n"))
}

async fn a_file_is_looked_at(context: &Context<'_>) -> Result<(), Wrong> {
    let place = context.place().await?;
    place.write("file", "12345").await?;
    let stat = place.files.stat(&place.path("file")).await?;
    same("its kind and size", &(stat.kind, stat.size), &(FileType::File, 5))
}

async fn a_directory_is_looked_at(context: &Context<'_>) -> Result<(), Wrong> {
    let place = context.place().await?;
    for path in [&*place.directory, "/tmp", "/"] {
        same(path, &place.files.stat(path).await?.kind, &FileType::Directory)?;
    }
    Ok(())
}

async fn a_symlink_is_looked_at_itself(context: &Context<'_>) -> Result<(), Wrong> {
    let place = context.place().await?;
    place.output("echo x > file; ln -s file link; ln -s none dangling; ln -s . folder").await?;
    for name in ["link", "dangling", "folder"] {
        same(name, &place.files.stat(&place.path(name)).await?.kind, &FileType::Symlink)?;
    }
    Ok(())
}

async fn what_is_not_there_is_not_looked_at(context: &Context<'_>) -> Result<(), Wrong> {
    let place = context.place().await?;
    for name in ["none", "none/deeper"] {
        failed(name, place.files.stat(&place.path(name)).await, &FileErrorKind::NotFound)?;
    }
    Ok(())
}

async fn the_mode_of_a_file_is_told(context: &Context<'_>) -> Result<(), Wrong> {
    let place = context.place().await?;
    for mode in [0o600, 0o644, 0o755, 0o400] {
        place.output(&format!("rm -f file; echo x > file; chmod {mode:o} file")).await?;
        same("the mode", &place.files.stat(&place.path("file")).await?.mode, &mode)?;
    }
    place.output("mkdir folder; chmod 750 folder").await?;
    same("the mode of a directory", &place.files.stat(&place.path("folder")).await?.mode, &0o750)
}

async fn the_time_of_a_change_is_told(context: &Context<'_>) -> Result<(), Wrong> {
    let place = context.place().await?;
    place.output("echo x > file; touch -d @1000000000 old").await?;
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let modified = Duration::from_nanos(place.files.stat(&place.path("file")).await?.modified_ns);
    // Clocks of machines differ, but not by an hour.
    holds("the file was changed just now", modified.abs_diff(now) < Duration::from_hours(1), &modified)?;
    let old = place.files.stat(&place.path("old")).await?.modified_ns;
    same("the time that was set", &old, &1_000_000_000_000_000_000)
}

async fn an_error_names_what_was_asked_for(context: &Context<'_>) -> Result<(), Wrong> {
    let place = context.place().await?;
    let path = place.path("none");
    let named = |result: Option<sandpiper_core::FileError>| {
        same("the path that is named", &result.map(|err| err.path).as_deref(), &Some(&*path))
    };
    named(place.files.read(&path, 100).await.err())?;
    named(place.files.stat(&path).await.err())?;
    named(place.files.list(&path).await.err())?;
    named(place.files.remove(&path, false).await.err())?;
    named(place.files.edit(&path, Vec::new()).await.err())
}

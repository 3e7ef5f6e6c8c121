//! Files are written.

use sandpiper_core::{FileErrorKind, FileType};

use crate::claim::{Claim, claim};
use crate::wrong::{failed, holds, printed, same, same_bytes};
use crate::{Context, Wrong};

pub(super) const CLAIMS: &[Claim] = &[
    claim!(what_is_written_is_read_by_commands),
    claim!(an_empty_file_is_written),
    claim!(a_shorter_content_replaces_a_longer_one),
    claim!(a_file_keeps_its_mode_when_it_is_written),
    claim!(a_file_is_written_through_a_symlink),
    claim!(a_file_is_not_written_into_a_directory_that_is_not_there),
    claim!(a_directory_is_not_written),
    claim!(a_file_is_not_written_below_a_file),
    claim!(nothing_is_left_beside_what_is_written),
    claim!(many_files_are_written_at_one_time),
    claim!(odd_names_of_files_work),
    claim!(deep_directories_work),
    claim!(a_mode_is_set),
    claim!(the_mode_of_what_is_not_there_is_not_set),
    claim!(a_file_that_is_made_executable_runs),
];

async fn what_is_written_is_read_by_commands(context: &Context<'_>) -> Result<(), Wrong> {
    let place = context.place().await?;
    place.write("file", "by the host\n").await?;
    printed(&place.script("cat file; echo more >> file").await?, "by the host\n")?;
    same_bytes("the file", &place.read("file").await?, b"by the host\nmore\n")?;
    place.files.write("/home/user/at-home", "home\n".into()).await?;
    printed(&place.script("cat /home/user/at-home").await?, "home\n")
}

async fn an_empty_file_is_written(context: &Context<'_>) -> Result<(), Wrong> {
    let place = context.place().await?;
    place.write("new", "").await?;
    place.write("emptied", "content").await?;
    place.write("emptied", "").await?;
    for name in ["new", "emptied"] {
        let stat = place.files.stat(&place.path(name)).await?;
        same(name, &(stat.kind, stat.size), &(FileType::File, 0))?;
    }
    Ok(())
}

async fn a_shorter_content_replaces_a_longer_one(context: &Context<'_>) -> Result<(), Wrong> {
    let place = context.place().await?;
    for content in ["long content", "short", "longer content"] {
        place.write("file", content).await?;
        same_bytes("the file", &place.read("file").await?, content.as_bytes())?;
    }
    Ok(())
}

async fn a_file_keeps_its_mode_when_it_is_written(context: &Context<'_>) -> Result<(), Wrong> {
    let place = context.place().await?;
    for mode in [0o755, 0o600, 0o444, 0o751] {
        place.output(&format!("rm -f file; echo x > file; chmod {mode:o} file")).await?;
        place.write("file", "new\n").await?;
        same("the mode", &place.files.stat(&place.path("file")).await?.mode, &mode)?;
        same_bytes("the file", &place.read("file").await?, b"new\n")?;
    }
    Ok(())
}

async fn a_file_is_written_through_a_symlink(context: &Context<'_>) -> Result<(), Wrong> {
    let place = context.place().await?;
    place.output("mkdir d; echo old > d/file; ln -s d/file link").await?;
    place.write("link", "new").await?;
    same_bytes("the file", &place.read("d/file").await?, b"new")?;
    same("the link", &place.files.stat(&place.path("link")).await?.kind, &FileType::Symlink)
}

async fn a_file_is_not_written_into_a_directory_that_is_not_there(
    context: &Context<'_>,
) -> Result<(), Wrong> {
    let place = context.place().await?;
    let written = place.files.write(&place.path("none/file"), "x".into()).await;
    failed("writing", written, &FileErrorKind::NotFound)?;
    same("the files", &place.names().await?, &Vec::new())
}

async fn a_directory_is_not_written(context: &Context<'_>) -> Result<(), Wrong> {
    let place = context.place().await?;
    let written = place.files.write(&place.directory, "x".into()).await;
    failed("writing", written, &FileErrorKind::IsADirectory)?;
    same("what it is", &place.files.stat(&place.directory).await?.kind, &FileType::Directory)
}

async fn a_file_is_not_written_below_a_file(context: &Context<'_>) -> Result<(), Wrong> {
    let place = context.place().await?;
    place.write("file", "kept").await?;
    let written = place.files.write(&place.path("file/deeper"), "x".into()).await;
    failed("writing", written, &FileErrorKind::NotADirectory)?;
    same_bytes("the file", &place.read("file").await?, b"kept")
}

async fn nothing_is_left_beside_what_is_written(context: &Context<'_>) -> Result<(), Wrong> {
    let place = context.place().await?;
    for content in ["one", "two"] {
        place.write("file", content).await?;
    }
    printed(&place.script("ls -A").await?, "file\n")
}

async fn many_files_are_written_at_one_time(context: &Context<'_>) -> Result<(), Wrong> {
    let place = context.place().await?;
    let place = &place;
    let write = async move |index: usize| place.write(&format!("file-{index:02}"), index.to_string()).await;
    let written = futures_util::future::join_all((0..20).map(write)).await;
    written.into_iter().collect::<Result<(), _>>()?;
    let expected: String = (0..20).map(|index| index.to_string()).collect();
    printed(&place.script("cat file-*").await?, expected)
}

async fn odd_names_of_files_work(context: &Context<'_>) -> Result<(), Wrong> {
    let place = context.place().await?;
    let mut names = [
        "with space",
        "it's",
        "\"quoted\"",
        "$HOME",
        "-rf",
        "--",
        "*",
        "?",
        "[a]",
        "a;b",
        "a&b",
        "a|b",
        "#a",
        "a#b",
        "a%20b",
        "100%",
        "a+b",
        "é",
        "e\u{301}",
        "日本語",
        "🦀",
        "a\\b",
        "~",
        ".hidden",
        "a:b",
        "a=b",
        "a\nb",
        "..a",
    ];
    names.sort_unstable();
    for name in names {
        place.write(name, name).await?;
        same_bytes(name, &place.read(name).await?, name.as_bytes())?;
        same(name, &place.files.stat(&place.path(name)).await?.kind, &FileType::File)?;
    }
    same("the names", &*place.names().await?, &names.map(str::to_owned)[..])?;
    let program = "import os\nfor name in os.listdir('.'): assert open(name).read() == name, name\nprint(len(os.listdir('.')))";
    printed(&place.run(place.python(program)).await?, format!("{}\n", names.len()))?;
    for name in names {
        place.files.rename(&place.path(name), &place.path(&format!("{name}.moved"))).await?;
        place.files.remove(&place.path(&format!("{name}.moved")), false).await?;
    }
    same("the names that are left", &place.names().await?, &Vec::new())
}

async fn deep_directories_work(context: &Context<'_>) -> Result<(), Wrong> {
    let place = context.place().await?;
    let deep = vec!["directory"; 40].join("/");
    place.files.make_directory(&place.path(&deep)).await?;
    place.write(&format!("{deep}/file"), "deep").await?;
    printed(&place.script(&format!("cat {deep}/file")).await?, "deep")?;
    place.files.remove(&place.path("directory"), true).await?;
    same("the names", &place.names().await?, &Vec::new())
}

async fn a_mode_is_set(context: &Context<'_>) -> Result<(), Wrong> {
    let place = context.place().await?;
    place.output("echo x > file; mkdir folder").await?;
    for mode in [0o600, 0o755, 0o444, 0o640] {
        place.files.set_mode(&place.path("file"), mode).await?;
        same("the mode", &place.files.stat(&place.path("file")).await?.mode, &mode)?;
        let program = "import os; print(oct(os.stat('file').st_mode & 0o7777))";
        printed(&place.run(place.python(program)).await?, format!("0o{mode:o}\n"))?;
    }
    place.files.set_mode(&place.path("folder"), 0o711).await?;
    same("the mode", &place.files.stat(&place.path("folder")).await?.mode, &0o711)
}

async fn the_mode_of_what_is_not_there_is_not_set(context: &Context<'_>) -> Result<(), Wrong> {
    let place = context.place().await?;
    failed("setting a mode", place.files.set_mode(&place.path("none"), 0o600).await, &FileErrorKind::NotFound)
}

async fn a_file_that_is_made_executable_runs(context: &Context<'_>) -> Result<(), Wrong> {
    let place = context.place().await?;
    place.write("script", "#!/usr/bin/env bash\necho \"it runs: $1\"\n").await?;
    let before = place.script("./script now 2>/dev/null").await?;
    holds("it does not run before", before.exit == sandpiper_core::Exit::Code { code: 126 }, &before.exit)?;
    place.files.set_mode(&place.path("script"), 0o755).await?;
    printed(&place.script("./script now").await?, "it runs: now\n")
}

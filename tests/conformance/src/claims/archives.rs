//! Trees of files go in and come out as archives.

use std::collections::BTreeMap;
use std::io::Read;

use bytes::Bytes;
use sandpiper_core::{Error, FileType};
use tar::{Archive, Builder, EntryType, Header};

use crate::claim::{Claim, claim};
use crate::place::Place;
use crate::wrong::{holds, printed, same, same_bytes};
use crate::{Context, Wrong};

pub(super) const CLAIMS: &[Claim] = &[
    claim!(files_of_an_archive_are_unpacked),
    claim!(modes_of_an_archive_are_kept),
    claim!(symlinks_of_an_archive_are_unpacked),
    claim!(empty_directories_of_an_archive_are_unpacked),
    claim!(an_archive_is_unpacked_into_a_new_directory),
    claim!(what_is_not_in_an_archive_stays),
    claim!(two_megabytes_go_in_and_come_out),
    claim!(odd_and_long_names_go_in_and_come_out),
    claim!(what_is_no_archive_is_refused),
    claim!(a_tree_is_packed),
    claim!(what_is_packed_is_unpacked_again),
    claim!(a_directory_that_is_not_there_is_not_packed),
    claim!(an_archive_above_the_limit_is_refused),
    claim!(archives_leave_nothing_behind),
];

struct Packing(Builder<Vec<u8>>);

impl Packing {
    fn new() -> Self {
        Self(Builder::new(Vec::new()))
    }

    fn header(kind: EntryType, mode: u32, size: usize) -> Header {
        let mut header = Header::new_gnu();
        header.set_entry_type(kind);
        header.set_mode(mode);
        header.set_size(size as u64);
        header.set_mtime(1_700_000_000);
        header
    }

    fn file(mut self, path: &str, mode: u32, content: &[u8]) -> Result<Self, Wrong> {
        let mut header = Self::header(EntryType::Regular, mode, content.len());
        self.0.append_data(&mut header, path, content)?;
        Ok(self)
    }

    fn directory(mut self, path: &str) -> Result<Self, Wrong> {
        self.0.append_data(&mut Self::header(EntryType::Directory, 0o755, 0), path, &b""[..])?;
        Ok(self)
    }

    fn symlink(mut self, path: &str, target: &str) -> Result<Self, Wrong> {
        self.0.append_link(&mut Self::header(EntryType::Symlink, 0o777, 0), path, target)?;
        Ok(self)
    }

    fn end(self) -> Result<Bytes, Wrong> {
        Ok(self.0.into_inner()?.into())
    }
}

/// What is in an archive, by its path below the root.
#[derive(Debug, PartialEq, Eq)]
enum Packed {
    File { mode: u32, content: Vec<u8> },
    Directory,
    Symlink(String),
}

fn unpacked(archive: &[u8]) -> Result<BTreeMap<String, Packed>, Wrong> {
    let mut found = BTreeMap::new();
    for entry in Archive::new(archive).entries()? {
        let mut entry = entry?;
        let path = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        let path = path.trim_start_matches("./").trim_end_matches('/').to_owned();
        if path.is_empty() || path == "." {
            continue;
        }
        let packed = match entry.header().entry_type() {
            EntryType::Directory => Packed::Directory,
            EntryType::Symlink => {
                let target = entry.link_name_bytes().unwrap_or_default();
                Packed::Symlink(String::from_utf8_lossy(&target).into_owned())
            }
            _ => {
                let mut content = Vec::new();
                entry.read_to_end(&mut content)?;
                Packed::File { mode: entry.header().mode()? & 0o777, content }
            }
        };
        found.insert(path, packed);
    }
    Ok(found)
}

async fn upload(place: &Place, archive: Bytes) -> Result<(), Wrong> {
    Ok(place.sandbox.upload(&place.directory, archive).await?)
}

async fn download(place: &Place) -> Result<BTreeMap<String, Packed>, Wrong> {
    unpacked(&place.sandbox.download(&place.directory, 8 << 20).await?)
}

async fn files_of_an_archive_are_unpacked(context: &Context<'_>) -> Result<(), Wrong> {
    let place = context.place().await?;
    let archive = Packing::new().file("one", 0o644, b"1\n")?.file("deep/er/two", 0o644, b"2\n")?.end()?;
    upload(&place, archive).await?;
    printed(&place.script("cat one deep/er/two; ls").await?, "1\n2\ndeep\none\n")
}

async fn modes_of_an_archive_are_kept(context: &Context<'_>) -> Result<(), Wrong> {
    let place = context.place().await?;
    let modes = [("a", 0o755), ("b", 0o600), ("c", 0o640), ("d", 0o444)];
    let packed =
        modes.iter().try_fold(Packing::new(), |packing, (name, mode)| packing.file(name, *mode, b"x"));
    upload(&place, packed?.end()?).await?;
    for (name, mode) in modes {
        same(name, &u32::from(place.files.stat(&place.path(name)).await?.mode), &mode)?;
    }
    Ok(())
}

async fn symlinks_of_an_archive_are_unpacked(context: &Context<'_>) -> Result<(), Wrong> {
    let place = context.place().await?;
    let packing = Packing::new().file("d/file", 0o644, b"x\n")?.symlink("link", "d/file")?;
    upload(&place, packing.symlink("dangling", "no where")?.end()?).await?;
    same("the link", &*place.files.read_link(&place.path("link")).await?, "d/file")?;
    same("the dangling link", &*place.files.read_link(&place.path("dangling")).await?, "no where")?;
    printed(&place.script("cat link").await?, "x\n")
}

async fn empty_directories_of_an_archive_are_unpacked(context: &Context<'_>) -> Result<(), Wrong> {
    let place = context.place().await?;
    upload(&place, Packing::new().directory("empty")?.directory("a/b")?.end()?).await?;
    for name in ["empty", "a/b"] {
        same(name, &place.files.stat(&place.path(name)).await?.kind, &FileType::Directory)?;
        same(name, &place.files.list(&place.path(name)).await?, &Vec::new())?;
    }
    Ok(())
}

async fn an_archive_is_unpacked_into_a_new_directory(context: &Context<'_>) -> Result<(), Wrong> {
    let place = context.place().await?;
    let archive = Packing::new().file("file", 0o644, b"x")?.end()?;
    place.sandbox.upload(&place.path("new/deep er"), archive).await?;
    same_bytes("the file", &place.read("new/deep er/file").await?, b"x")
}

async fn what_is_not_in_an_archive_stays(context: &Context<'_>) -> Result<(), Wrong> {
    let place = context.place().await?;
    place.output("mkdir d; echo kept > d/kept; echo old > d/file").await?;
    upload(&place, Packing::new().file("d/file", 0o644, b"new\n")?.end()?).await?;
    printed(&place.script("cat d/kept d/file").await?, "kept\nnew\n")
}

async fn two_megabytes_go_in_and_come_out(context: &Context<'_>) -> Result<(), Wrong> {
    let content: Vec<u8> = (0..2 << 20_u32)
        .map(|at: u32| u8::try_from((at / 5 + at / 4099) % 256).unwrap_or_default())
        .collect();
    let place = context.place().await?;
    upload(&place, Packing::new().file("large", 0o644, &content)?.end()?).await?;
    same_bytes("the file", &place.read("large").await?, &content)?;
    match download(&place).await?.remove("large") {
        Some(Packed::File { content: packed, .. }) => same_bytes("the packed file", &packed, &content),
        seen => Err(Wrong::other("the packed file", "a file", &seen)),
    }
}

async fn odd_and_long_names_go_in_and_come_out(context: &Context<'_>) -> Result<(), Wrong> {
    let place = context.place().await?;
    let long = format!("{}/{}", "directory/".repeat(12).trim_end_matches('/'), "n".repeat(120));
    let names = ["with space", "日本語", "it's", "-rf", "$HOME", &long];
    let packed =
        names.iter().try_fold(Packing::new(), |packing, name| packing.file(name, 0o644, name.as_bytes()));
    upload(&place, packed?.end()?).await?;
    let mut packed = download(&place).await?;
    for name in names {
        same_bytes(name, &place.read(name).await?, name.as_bytes())?;
        let expected = Packed::File { mode: 0o644, content: name.as_bytes().to_vec() };
        same(name, &packed.remove(name), &Some(expected))?;
    }
    Ok(())
}

async fn what_is_no_archive_is_refused(context: &Context<'_>) -> Result<(), Wrong> {
    let place = context.place().await?;
    let content = Bytes::from(b"this is no archive ".repeat(100));
    match place.sandbox.upload(&place.directory, content).await {
        Err(Error::Archive { directory, reason, .. }) => {
            same("the directory that is named", &directory, &place.directory)?;
            holds("the reason is told", !reason.trim().is_empty(), &reason)
        }
        seen => Err(Wrong::other("unpacking what is no archive", "Error::Archive", &seen)),
    }
}

async fn a_tree_is_packed(context: &Context<'_>) -> Result<(), Wrong> {
    let place = context.place().await?;
    place
        .output("mkdir -p d/empty; echo x > d/file; chmod 750 d/file; ln -s d/file link; echo h > .hidden; chmod 644 .hidden")
        .await?;
    let expected = [
        (".hidden", Packed::File { mode: 0o644, content: b"h\n".to_vec() }),
        ("d", Packed::Directory),
        ("d/empty", Packed::Directory),
        ("d/file", Packed::File { mode: 0o750, content: b"x\n".to_vec() }),
        ("link", Packed::Symlink("d/file".to_owned())),
    ];
    let expected = expected.into_iter().map(|(path, packed)| (path.to_owned(), packed)).collect();
    same("what is packed", &download(&place).await?, &expected)
}

async fn what_is_packed_is_unpacked_again(context: &Context<'_>) -> Result<(), Wrong> {
    let (one, other) = (context.place().await?, context.place().await?);
    one.output("mkdir -p a/b e; printf 'x\\0y' > a/b/f; chmod 711 a/b/f; ln -s b/f a/l; : > empty").await?;
    let archive = one.sandbox.download(&one.directory, 1 << 20).await?;
    other.sandbox.upload(&other.directory, archive).await?;
    let tree = download(&other).await?;
    same("the number of entries", &tree.len(), &6)?;
    same("the tree", &tree, &download(&one).await?)
}

async fn not_packed(place: &Place, directory: &str, limit: u64) -> Result<(), Wrong> {
    match place.sandbox.download(directory, limit).await {
        Err(Error::Archive { directory: named, .. }) => {
            same("the directory that is named", &*named, directory)
        }
        Err(err) => Err(Wrong::other("packing", "Error::Archive", &err)),
        Ok(archive) => Err(Wrong::other("packing", "Error::Archive", &format!("{} bytes", archive.len()))),
    }
}

async fn a_directory_that_is_not_there_is_not_packed(context: &Context<'_>) -> Result<(), Wrong> {
    let place = context.place().await?;
    not_packed(&place, &place.path("none"), 1 << 20).await
}

async fn an_archive_above_the_limit_is_refused(context: &Context<'_>) -> Result<(), Wrong> {
    let place = context.place().await?;
    place.write("file", vec![b'x'; 300_000]).await?;
    not_packed(&place, &place.directory, 200_000).await?;
    download(&place).await?;
    Ok(())
}

async fn archives_leave_nothing_behind(context: &Context<'_>) -> Result<(), Wrong> {
    let place = context.place().await?;
    let before = place.output("ls -A /tmp").await?;
    upload(&place, Packing::new().file("file", 0o644, b"x")?.end()?).await?;
    download(&place).await?;
    not_packed(&place, &place.directory, 10).await?;
    let refused = place.sandbox.upload(&place.directory, Bytes::from_static(&[1; 2000])).await;
    holds("what is no archive is refused", refused.is_err(), &refused)?;
    same("what is in /tmp", &*place.output("ls -A /tmp").await?, &*before)
}

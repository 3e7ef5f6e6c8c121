//! Images that come from elsewhere: installed whole and sound, or not at all.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpListener;

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use tempfile::TempDir;

use super::*;
use crate::Silent;
use crate::manifest::{AlternativeModule, FileDigest, GuestMount, Program};

const NAME: &str = "base";

/// A cache folder and its store.
fn store() -> (TempDir, ImageStore) {
    let cache = tempfile::tempdir().unwrap();
    let store = ImageStore::open(cache.path()).unwrap();
    (cache, store)
}

/// The folder of a small image of this version's recipe, its manifest changed by `change`.
fn image_with(change: impl FnOnce(&mut Manifest)) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    fs::create_dir_all(root.join("files/usr/lib")).unwrap();
    fs::write(root.join("usual.wasm"), b"\0asm usual").unwrap();
    fs::write(root.join("other.wasm"), b"\0asm other").unwrap();
    fs::write(root.join("files/usr/lib/os.py"), "name = 'posix'\n".repeat(5000)).unwrap();
    fs::write(root.join("files/usr/lib/empty.py"), "").unwrap();
    let (list, files) = files::write_list(root).unwrap();
    let listed = |path: &str| list.iter().find(|file| file.path == path).unwrap().clone();
    let mut manifest = Manifest {
        schema: Manifest::SCHEMA,
        name: NAME.to_owned(),
        version: "0.0.1".to_owned(),
        recipe: recipe::digest(NAME).unwrap().to_owned(),
        wit: recipe::WIT_DIGEST.to_owned(),
        programs: vec![Program {
            module: listed("usual.wasm"),
            alternative: Some(AlternativeModule {
                module: listed("other.wasm"),
                env: Vec::new(),
                usual_options: String::new(),
                usual_options_with_argument: String::new(),
                usual_last_options: String::new(),
            }),
            commands: vec!["python3".to_owned()],
            short_lived: false,
        }],
        env: Vec::new(),
        mounts: vec![GuestMount { path: "files/usr/lib".to_owned(), guest: "/usr/lib".to_owned() }],
        files,
    };
    change(&mut manifest);
    write_manifest(root, &manifest).unwrap();
    folder
}

fn image() -> TempDir {
    image_with(|_| {})
}

/// The exported file of [`image`], in a folder.
fn exported() -> (TempDir, PathBuf) {
    let (_cache, store) = store();
    let image = store.pull(NAME, &Source::Directory(image().path().to_owned()), &Silent).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("python.sandpiper");
    store.export(&image, &file).unwrap();
    (folder, file)
}

fn contents(root: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut paths = files::paths(root).unwrap();
    paths.push(MANIFEST.to_owned());
    paths.into_iter().map(|path| (path.clone(), fs::read(root.join(path)).unwrap())).collect()
}

/// Asserts that a pull is refused with these words, and that nothing of it is left.
#[track_caller]
fn refused(source: &Source, words: &str) {
    let (cache, store) = store();
    let err = store.pull(NAME, source, &Silent).unwrap_err();
    assert!(matches!(err, ImageError::Unsound { .. }), "{err:?}");
    assert!(err.to_string().contains(words), "no `{words}` in: {err}");
    assert!(store.find(NAME).unwrap().is_none());
    assert_eq!(left_over(cache.path()), Vec::<String>::new());
}

/// What is in a cache's folder of images but its lock.
fn left_over(cache: &Path) -> Vec<String> {
    let entries = fs::read_dir(cache.join("images")).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| !name.starts_with(".lock-")).collect()
}

#[test]
fn a_pulled_folder_is_the_image() {
    let (cache, store) = store();
    let folder = image();
    assert!(store.find(NAME).unwrap().is_none());
    store.pull(NAME, &Source::Directory(folder.path().to_owned()), &Silent).unwrap();
    let found = store.find(NAME).unwrap().unwrap();
    assert_eq!(contents(&found.root), contents(folder.path()));
    assert_eq!(store.verify(&found).unwrap(), 4);
    assert_eq!(left_over(cache.path()).len(), 1);
    let list = store.list().unwrap();
    assert_eq!(list.len(), 1);
    assert!(list[0].current);
    assert_eq!(
        list[0].bytes,
        contents(folder.path())
            .iter()
            .filter(|(name, _)| *name != MANIFEST)
            .map(|(_, bytes)| bytes.len() as u64)
            .sum::<u64>()
    );
}

#[test]
fn an_exported_file_gives_the_same_image_elsewhere() {
    let (_folder, file) = exported();
    let (_cache, store) = store();
    let image = store.pull(NAME, &Source::parse(file.to_str().unwrap()), &Silent).unwrap();
    assert_eq!(contents(&image.root), contents(self::image().path()));
    let again = file.with_extension("again");
    store.export(&image, &again).unwrap();
    assert_eq!(fs::read(&again).unwrap(), fs::read(&file).unwrap(), "the same image is the same file");
}

#[test]
fn an_export_replaces_no_file_and_leaves_nothing_when_the_image_is_unsound() {
    let (_cache, store) = store();
    let image = store.pull(NAME, &Source::Directory(image().path().to_owned()), &Silent).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("taken");
    fs::write(&file, "mine").unwrap();
    assert!(matches!(store.export(&image, &file), Err(ImageError::Io { .. })));
    assert_eq!(fs::read(&file).unwrap(), b"mine");
    fs::write(image.path("usual.wasm"), "changed").unwrap();
    assert!(matches!(store.export(&image, &folder.path().join("new")), Err(ImageError::Unsound { .. })));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn a_file_that_is_not_as_listed_is_refused_by_name() {
    for (path, words) in [
        ("usual.wasm", "usual.wasm has"),
        ("files/usr/lib/empty.py", "empty.py has"),
        ("files.json", "files.json has"),
    ] {
        let folder = image();
        File::options().append(true).open(folder.path().join(path)).unwrap().write_all(b"x").unwrap();
        refused(&Source::Directory(folder.path().to_owned()), words);
    }
}

#[test]
fn an_installed_image_that_was_changed_is_found_out() {
    let (_cache, store) = store();
    let image = store.pull(NAME, &Source::Directory(image().path().to_owned()), &Silent).unwrap();
    store.verify(&image).unwrap();
    let extra = image.path("files/usr/lib/sitecustomize.py");
    fs::write(&extra, "").unwrap();
    let err = store.verify(&image).unwrap_err().to_string();
    assert!(err.contains("sitecustomize.py is not in its list"), "{err}");
    fs::remove_file(&extra).unwrap();
    store.verify(&image).unwrap();
}

#[test]
fn a_manifest_that_is_not_this_versions_is_refused() {
    let pulled = |change: fn(&mut Manifest)| {
        let folder = image_with(change);
        let source = Source::Directory(folder.path().to_owned());
        (folder, source)
    };
    for (change, words) in [
        ((|it| it.recipe = "0".repeat(64)) as fn(&mut Manifest), "made by the recipe 000"),
        (|it| it.wit = "0".repeat(64), "another version of the host's interface"),
        (|it| it.name = "ruby".to_owned(), "it is the image ruby, not base"),
        (|it| it.schema = 1, "has the schema 1, expected 4"),
        (|it| it.programs[0].module.sha256 = "0".repeat(64), "another usual.wasm"),
        (|it| it.programs[0].module.path = "../usual.wasm".to_owned(), "names ../usual.wasm"),
        (|it| it.files.path = "/files.json".to_owned(), "names /files.json"),
        (|it| it.mounts[0].path = "files/../../..".to_owned(), "names files/../../.."),
        (|it| it.mounts[0].path = String::new(), "names "),
    ] {
        let (_folder, source) = pulled(change);
        refused(&source, words);
    }
    let folder = image();
    fs::write(folder.path().join(MANIFEST), "{").unwrap();
    refused(&Source::Directory(folder.path().to_owned()), "image.json is not valid");
}

#[test]
fn a_list_that_names_files_elsewhere_is_refused() {
    let folder = image();
    let list = folder.path().join("files.json");
    let text = fs::read_to_string(&list).unwrap().replace("other.wasm", "../evil.wasm");
    fs::write(&list, &text).unwrap();
    let digest = FileDigest {
        path: "files.json".to_owned(),
        sha256: recipe::hex(&<sha2::Sha256 as sha2::Digest>::digest(&text)),
        bytes: text.len() as u64,
    };
    let mut manifest = read_manifest(folder.path()).unwrap();
    manifest.files = digest;
    write_manifest(folder.path(), &manifest).unwrap();
    refused(&Source::Directory(folder.path().to_owned()), "names ../evil.wasm");
}

#[test]
fn a_cut_archive_is_refused_wherever_it_is_cut() {
    let (_folder, file) = exported();
    let whole = fs::read(&file).unwrap();
    let cut = file.with_extension("cut");
    for eighth in 0..8 {
        fs::write(&cut, &whole[..whole.len() * eighth / 8]).unwrap();
        refused(&Source::File(cut.clone()), "");
    }
    let mut changed = whole.clone();
    let middle = changed.len() / 2;
    changed[middle] ^= 0x40;
    fs::write(&cut, changed).unwrap();
    refused(&Source::File(cut), "");
}

/// An archive of one entry, with the header as `change` leaves it.
fn archive_of(change: impl FnOnce(&mut tar::Header)) -> (TempDir, Source) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("archive");
    let mut header = tar::Header::new_gnu();
    header.set_mode(0o644);
    header.set_size(4);
    change(&mut header);
    header.set_cksum();
    let mut gzip = GzEncoder::new(File::create(&file).unwrap(), Compression::fast());
    gzip.write_all(header.as_bytes()).unwrap();
    gzip.write_all(b"evil").unwrap();
    gzip.write_all(&[0; 508 + 1024]).unwrap();
    gzip.finish().unwrap();
    (folder, Source::File(file))
}

fn named(header: &mut tar::Header, name: &str) {
    // Not by `set_path`, which refuses what is tried here.
    header.as_gnu_mut().unwrap().name[..name.len()].copy_from_slice(name.as_bytes());
}

#[test]
fn an_archive_that_reaches_outside_its_folder_is_refused() {
    let outside = tempfile::tempdir().unwrap();
    let absolute = outside.path().join("evil");
    for name in ["../evil", "a/../../evil", "..", ".", absolute.to_str().unwrap()] {
        let (_folder, source) = archive_of(|header| named(header, name));
        refused(&source, "no plain file in its folder");
    }
    assert!(!absolute.exists());
    for kind in [tar::EntryType::Symlink, tar::EntryType::Link, tar::EntryType::Fifo, tar::EntryType::Char] {
        let (_folder, source) = archive_of(|header| {
            named(header, "image.json");
            header.set_entry_type(kind);
            header.set_link_name("/etc/passwd").unwrap();
            header.set_size(0);
        });
        refused(&source, "no plain file in its folder");
    }
    // The twin: a plain name passes this check, and fails for what it holds.
    let (_folder, source) = archive_of(|header| named(header, MANIFEST));
    refused(&source, "image.json is not valid");
}

#[test]
fn an_archive_that_unpacks_to_too_much_is_refused_before_it_is_written() {
    let (_folder, source) = archive_of(|header| {
        named(header, "image.json");
        header.set_size(3 << 30);
    });
    refused(&source, "it holds more than");
}

#[test]
fn a_failed_pull_keeps_the_image_that_was_there() {
    let (_cache, store) = store();
    let before = store.pull(NAME, &Source::Directory(image().path().to_owned()), &Silent).unwrap();
    let bad = image();
    fs::write(bad.path().join("usual.wasm"), "changed").unwrap();
    store.pull(NAME, &Source::Directory(bad.path().to_owned()), &Silent).unwrap_err();
    let after = store.find(NAME).unwrap().unwrap();
    assert_eq!(contents(&after.root), contents(&before.root));
    // The twin: a sound one replaces it.
    fs::write(before.path("usual.wasm"), "changed").unwrap();
    let after = store.pull(NAME, &Source::Directory(image().path().to_owned()), &Silent).unwrap();
    store.verify(&after).unwrap();
}

#[test]
fn many_that_install_at_once_all_get_a_sound_image() {
    let (cache, store) = store();
    let folder = image();
    let source = Source::Directory(folder.path().to_owned());
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                let image = store.pull(NAME, &source, &Silent).unwrap();
                assert_eq!(image.manifest.version, "0.0.1");
            });
        }
    });
    store.verify(&store.find(NAME).unwrap().unwrap()).unwrap();
    assert_eq!(left_over(cache.path()).len(), 1);
}

/// Answers one request on loopback, and gives the address.
fn serve(status: &'static str, body: Vec<u8>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}/python.sandpiper", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut request = [0; 4096];
        let _ = stream.read(&mut request).unwrap();
        write!(stream, "HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len())
            .unwrap();
        stream.write_all(&body).unwrap();
    });
    address
}

#[test]
fn an_address_is_pulled_from_and_a_failure_names_it() {
    let (_folder, file) = exported();
    let (cache, store) = store();
    let missing = serve("404 Not Found", b"nothing".to_vec());
    let err = store.pull(NAME, &Source::parse(&missing), &Silent).unwrap_err();
    assert!(matches!(&err, ImageError::Download { url, .. } if *url == missing), "{err:?}");
    assert!(err.to_string().contains("404"), "{err}");
    assert_eq!(left_over(cache.path()), Vec::<String>::new());
    let image =
        store.pull(NAME, &Source::parse(&serve("200 OK", fs::read(&file).unwrap())), &Silent).unwrap();
    store.verify(&image).unwrap();
    assert_eq!(left_over(cache.path()).len(), 1);
}

#[test]
fn a_name_that_is_no_image_is_refused() {
    let (_cache, store) = store();
    let source = Source::Directory(image().path().to_owned());
    for result in [store.find("ruby").map(drop), store.pull("../x", &source, &Silent).map(drop)] {
        assert!(matches!(result, Err(ImageError::UnknownImage { .. })));
    }
}

#[test]
fn images_of_other_versions_are_listed_as_such() {
    let (cache, store) = store();
    let old = cache.path().join("images/base-0123456789abcdef");
    fs::create_dir_all(&old).unwrap();
    fs::write(old.join(MANIFEST), r#"{"schema":1,"name":"base","version":"0.0","recipe":"01","more":[]}"#)
        .unwrap();
    store.pull(NAME, &Source::Directory(image().path().to_owned()), &Silent).unwrap();
    let list = store.list().unwrap();
    assert_eq!(list.iter().filter(|info| info.current).count(), 1);
    let other = list.iter().find(|info| !info.current).unwrap();
    assert_eq!((other.version.as_str(), &other.root), ("0.0", &old));
}

#[test]
fn an_export_is_a_gzipped_tar_with_the_manifest_first() {
    let (_folder, file) = exported();
    let mut tar = tar::Archive::new(GzDecoder::new(File::open(file).unwrap()));
    let paths: Vec<_> = tar
        .entries()
        .unwrap()
        .map(|entry| {
            let entry = entry.unwrap();
            assert_eq!(entry.header().mtime().unwrap(), 0);
            entry.path().unwrap().to_string_lossy().into_owned()
        })
        .collect();
    assert_eq!(
        paths,
        [
            "image.json",
            "files.json",
            "files/usr/lib/empty.py",
            "files/usr/lib/os.py",
            "other.wasm",
            "usual.wasm"
        ]
    );
}

#[test]
fn every_name_has_a_recipe_and_no_other() {
    for name in crate::NAMES {
        assert_eq!(recipe::digest(name).unwrap().len(), 64);
    }
    assert!(matches!(recipe::digest("ruby"), Err(ImageError::UnknownImage { name }) if name == "ruby"));
}

//! The filesystem service of envd.

use serde_json::{Value, json};

use crate::client::{Place, serve};

async fn write(place: &Place<'_>, path: &str) {
    let headers = [("Content-Type", "application/octet-stream")];
    assert_eq!(place.request(&format!("POST /files?path={path}"), &headers, b"content").await.status, 200);
}

fn names(entries: &Value, field: &str) -> Vec<String> {
    entries["entries"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| entry[field].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn a_file_is_described() {
    let served = serve().await;
    let place = served.base().await;
    write(&place, "a.txt").await;
    let mut entry =
        place.call("filesystem.Filesystem/Stat", json!({ "path": "a.txt" })).await.json()["entry"].take();
    let modified = entry.as_object_mut().unwrap().remove("modifiedTime").unwrap();
    assert!(modified.as_str().unwrap().starts_with("2023-11-14T22:13:20.0"), "{modified}");
    let expected = json!({
        "name": "a.txt", "type": "FILE_TYPE_FILE", "path": "/home/user/a.txt", "size": "7", "mode": 0o644,
        "permissions": "-rw-r--r--", "owner": "user", "group": "user"
    });
    assert_eq!(entry, expected);
    place.start("symlink /home/user/link ../other", &[]).await.answer().await;
    let entry = place.call("filesystem.Filesystem/Stat", json!({ "path": "~/link" })).await.json();
    assert_eq!(entry["entry"]["type"], "FILE_TYPE_SYMLINK");
    assert_eq!(entry["entry"]["symlinkTarget"], "/home/other");
    let answer = place.call("filesystem.Filesystem/Stat", json!({ "path": "none" })).await;
    let message = "stat /home/user/none: no such file or directory";
    assert_eq!((answer.status, answer.json()), (404, json!({ "code": "not_found", "message": message })));
}

#[tokio::test]
async fn a_directory_is_made_once() {
    let served = serve().await;
    let place = served.base().await;
    let make = async |path: &str| place.call("filesystem.Filesystem/MakeDir", json!({ "path": path })).await;
    let made = make("a/b").await;
    assert_eq!((made.status, &made.json()["entry"]["path"]), (200, &json!("/home/user/a/b")));
    for path in ["a", "a/b", "/"] {
        let answer = make(path).await;
        assert_eq!((answer.status, &answer.json()["code"]), (409, &json!("already_exists")), "{path}");
    }
    write(&place, "file").await;
    assert_eq!(make("file").await.json()["code"], "invalid_argument");
}

#[tokio::test]
async fn directories_are_listed_to_a_depth() {
    let served = serve().await;
    let place = served.base().await;
    for path in ["t/b", "t/a/c", "t/a/d/e"] {
        write(&place, path).await;
    }
    let list = async |body: Value| place.call("filesystem.Filesystem/ListDir", body).await.json();
    assert_eq!(names(&list(json!({ "path": "t" })).await, "name"), ["a", "b"]);
    let two = list(json!({ "path": "/home/user/t", "depth": 2 })).await;
    assert_eq!(
        names(&two, "path"),
        ["/home/user/t/a", "/home/user/t/a/c", "/home/user/t/a/d", "/home/user/t/b"]
    );
    assert_eq!(names(&list(json!({ "path": "t", "depth": 9 })).await, "name"), ["a", "c", "d", "e", "b"]);
    assert_eq!(list(json!({ "path": "t/b" })).await["code"], "invalid_argument");
    assert_eq!(list(json!({ "path": "none" })).await["code"], "not_found");
}

#[tokio::test]
async fn files_are_moved_and_removed() {
    let served = serve().await;
    let place = served.base().await;
    write(&place, "a").await;
    let rename = async |from: &str, to: &str| {
        place.call("filesystem.Filesystem/Move", json!({ "source": from, "destination": to })).await.json()
    };
    assert_eq!(rename("a", "new/b").await["entry"]["path"], "/home/user/new/b");
    assert_eq!(rename("a", "elsewhere/b").await["code"], "not_found");
    let stat = place.call("filesystem.Filesystem/Stat", json!({ "path": "elsewhere" })).await;
    assert_eq!(stat.status, 404, "a failed move leaves no directory");
    for _ in 0..2 {
        let answer = place.call("filesystem.Filesystem/Remove", json!({ "path": "new" })).await;
        assert_eq!((answer.status, answer.json()), (200, json!({})));
    }
    assert_eq!(place.call("filesystem.Filesystem/Stat", json!({ "path": "new/b" })).await.status, 404);
}

#[tokio::test]
async fn a_watcher_tells_what_has_happened_since_it_was_asked() {
    let served = serve().await;
    let place = served.base().await;
    write(&place, "w/old").await;
    let request = json!({ "path": "w", "recursive": true });
    let id = place.call("filesystem.Filesystem/CreateWatcher", request).await.json()["watcherId"].clone();
    let events = async || {
        let request = json!({ "watcherId": id });
        place.call("filesystem.Filesystem/GetWatcherEvents", request).await.json()
    };
    assert_eq!(events().await, json!({ "events": [] }));
    write(&place, "w/old").await;
    write(&place, "w/deep/new").await;
    let expected = json!({ "events": [
        { "name": "deep", "type": "EVENT_TYPE_CREATE" },
        { "name": "deep/new", "type": "EVENT_TYPE_CREATE" },
        { "name": "old", "type": "EVENT_TYPE_WRITE" },
    ] });
    assert_eq!(events().await, expected);
    place.call("filesystem.Filesystem/Remove", json!({ "path": "w/old" })).await;
    assert_eq!(events().await, json!({ "events": [{ "name": "old", "type": "EVENT_TYPE_REMOVE" }] }));
    let request = json!({ "watcherId": id });
    assert_eq!(place.call("filesystem.Filesystem/RemoveWatcher", request.clone()).await.json(), json!({}));
    for method in ["RemoveWatcher", "GetWatcherEvents"] {
        assert_eq!(place.call(&format!("filesystem.Filesystem/{method}"), request.clone()).await.status, 404);
    }
}

#[tokio::test]
async fn a_watch_is_a_stream() {
    let served = serve().await;
    let place = served.base().await;
    let mut watch = place.stream("filesystem.Filesystem/WatchDir", &[], &json!({ "path": "." })).await;
    assert_eq!(watch.frame().await, (0, json!({ "start": {} })));
    write(&place, "new").await;
    let expected = json!({ "filesystem": { "name": "new", "type": "EVENT_TYPE_CREATE" } });
    assert_eq!(watch.frame().await, (0, expected));
    for (path, code) in [("none", "not_found"), ("new", "invalid_argument")] {
        let watch = place.stream("filesystem.Filesystem/WatchDir", &[], &json!({ "path": path })).await;
        let frames = watch.answer().await.frames();
        assert_eq!((frames[0].0, &frames[0].1["error"]["code"]), (2, &json!(code)));
    }
}

#[tokio::test]
async fn paths_are_bounded() {
    let served = serve().await;
    let place = served.base().await;
    let answer = place.call("filesystem.Filesystem/Stat", json!({ "path": "x".repeat(5000) })).await;
    let message = "a path has 5000 bytes, expected at most 4096";
    assert_eq!(
        (answer.status, answer.json()),
        (400, json!({ "code": "invalid_argument", "message": message }))
    );
    let answer = place.call("filesystem.Filesystem/Stat", json!({ "path": "a\0b" })).await;
    assert_eq!(answer.json()["message"], "the path `a\\0b` contains NUL");
}

//! Files.

use serde_json::{Value, json};

use super::{Box, base, call, is_fault, raw};
use crate::client::{Answer, serve};

impl Box<'_> {
    async fn upload(&self, path: &str, content: &[u8]) {
        let line = self.line("toolbox", &format!("POST /files/upload-v2?path={path}"));
        let answer = raw(self.served, &line, &[("Content-Type", "application/octet-stream")], content).await;
        assert_eq!(answer.status, 200, "{answer:?}");
    }

    async fn get(&self, path: &str) -> Answer {
        self.toolbox(&format!("GET /files{path}"), &Value::Null).await
    }
}

fn form(fields: &[(&str, &str)]) -> Vec<u8> {
    let fields = fields.iter().map(|(name, content)| {
        let file = if name.ends_with("file") { "; filename=\"x\"" } else { "" };
        format!("--B\r\nContent-Disposition: form-data; name=\"{name}\"{file}\r\n\r\n{content}\r\n")
    });
    (fields.collect::<String>() + "--B--\r\n").into_bytes()
}

const FORM: (&str, &str) = ("Content-Type", "multipart/form-data; boundary=B");

#[tokio::test]
async fn a_file_goes_in_and_out() {
    let served = serve().await;
    let made = base(&served).await;
    made.upload("a/b.txt", b"bytes").await;
    let answer = made.get("/download?path=/home/user/a/b.txt").await;
    assert_eq!((answer.status, &answer.body[..]), (200, &b"bytes"[..]));
    let line = made.line("toolbox", "POST /files/upload-v2?path=c");
    let answer = raw(&served, &line, &[FORM], &form(&[("file", "in a form")])).await;
    assert_eq!(answer.json(), json!({"name": "c", "path": "c", "type": "file"}));
    assert_eq!(made.get("/download?path=c").await.body, b"in a form");
    let none = made.get("/download?path=none").await;
    is_fault(&none, 404, "FILE_NOT_FOUND", "cannot read /home/user/none: there is no such file or directory");
}

#[tokio::test]
async fn many_go_in_and_out_and_each_tells_its_failure() {
    let served = serve().await;
    let made = base(&served).await;
    let line = made.line("toolbox", "POST /files/bulk-upload");
    let fields =
        [("files[0].path", "a"), ("files[0].file", "A"), ("files[1].path", "b/c"), ("files[1].file", "BC")];
    let answer = raw(&served, &line, &[FORM], &form(&fields)).await;
    let expected = json!({"files": [{"path": "a", "bytes": 1}, {"path": "b/c", "bytes": 2}]});
    assert_eq!((answer.status, answer.json()), (200, expected));
    let fields = [("files[0].file", "A"), ("files[1].path", "d"), ("files[1].file", "D"), ("odd", "")];
    let answer = raw(&served, &line, &[FORM], &form(&fields)).await;
    let expected = json!({
        "errors": [
            "files[0].file: the field `files[0].path` has to come before it",
            "odd: not expected, only fields `files[N].path` and `files[N].file`",
        ],
        "files": [{"path": "d", "bytes": 1}],
    });
    assert_eq!((answer.status, answer.json()), (400, expected));
    let answer = made.toolbox("POST /files/bulk-download", &json!({"paths": ["a", "none", "b/c"]})).await;
    let boundary = answer.headers["content-type"].strip_prefix("multipart/form-data; boundary=").unwrap();
    let text = String::from_utf8(answer.body).unwrap();
    let parts: Vec<&str> = text.split(&format!("--{boundary}")).collect();
    assert_eq!(parts.len(), 5, "{text}");
    assert!(
        parts[1].contains("name=\"file\"; filename=\"a\"") && parts[1].ends_with("\r\n\r\nA\r\n"),
        "{text}"
    );
    assert!(
        parts[2].contains("name=\"error\"; filename=\"none\"") && parts[2].contains("\"statusCode\":404"),
        "{text}"
    );
    assert!(parts[3].ends_with("\r\n\r\nBC\r\n"), "{text}");
    assert_eq!(parts[4], "--\r\n");
}

#[tokio::test]
async fn files_are_told_moved_marked_and_deleted() {
    let served = serve().await;
    let made = base(&served).await;
    made.upload("d/a.txt", b"123").await;
    let marked = made.toolbox("POST /files/permissions?path=d/a.txt&mode=640", &Value::Null).await;
    assert_eq!(marked.status, 200);
    let info = made.get("/info?path=d/a.txt").await.json();
    let told = (&info["name"], &info["size"], &info["mode"], &info["permissions"], &info["isDir"]);
    assert_eq!(told, (&json!("a.txt"), &json!(3), &json!("-rw-r-----"), &json!("0640"), &json!(false)));
    assert_eq!(made.toolbox("POST /files/folder?path=d/e&mode=700", &Value::Null).await.status, 201);
    let names = |answer: Answer| -> Vec<String> {
        let entries = answer.json();
        entries.as_array().unwrap().iter().map(|entry| entry["path"].as_str().unwrap().to_owned()).collect()
    };
    let moved = made.toolbox("POST /files/move?source=d/a.txt&destination=d/e", &Value::Null).await;
    assert_eq!(moved.status, 200);
    assert_eq!(names(made.get("?path=d").await), ["/home/user/d/e"]);
    assert_eq!(names(made.get("?path=d&depth=2").await), ["/home/user/d/e", "/home/user/d/e/a.txt"]);
    let kept = made.toolbox("DELETE /files?path=d", &Value::Null).await;
    is_fault(&kept, 400, "BAD_REQUEST", "/home/user/d is a directory; set `recursive` to delete it");
    assert_eq!(made.toolbox("DELETE /files?path=d&recursive=true", &Value::Null).await.status, 204);
    assert_eq!(made.get("/info?path=d").await.status, 404);
}

#[tokio::test]
async fn owners_and_modes_that_cannot_be_are_refused() {
    let served = serve().await;
    let made = base(&served).await;
    made.upload("a", b"").await;
    let answer = made.toolbox("POST /files/permissions?path=a&owner=root", &Value::Null).await;
    let message = "the owner of /home/user/a cannot become root: a sandbox has one user, user";
    is_fault(&answer, 403, "FILE_ACCESS_DENIED", message);
    let answer = made.toolbox("POST /files/permissions?path=a&mode=9", &Value::Null).await;
    is_fault(&answer, 400, "BAD_REQUEST", "`9` is no mode, expected octal such as 755");
    assert_eq!(made.toolbox("POST /files/permissions?path=a&owner=user", &Value::Null).await.status, 200);
}

#[tokio::test]
async fn text_is_replaced_in_each_file_or_said_why_not() {
    let served = serve().await;
    let made = base(&served).await;
    made.upload("a", b"old old").await;
    made.upload("b", b"none").await;
    let body = json!({"files": ["a", "b", "c"], "pattern": "old", "newValue": "new"});
    let answer = made.toolbox("POST /files/replace", &body).await.json();
    assert_eq!(
        (&answer[0], &answer[1]),
        (&json!({"file": "a", "success": true}), &json!({"file": "b", "success": true}))
    );
    assert_eq!((&answer[2]["file"], &answer[2]["success"]), (&json!("c"), &json!(false)));
    assert_eq!(made.get("/download?path=a").await.body, b"new new");
}

#[tokio::test]
async fn a_signed_address_needs_no_key_and_nothing_else_is_let_in_by_it() {
    let served = serve().await;
    let made = base(&served).await;
    made.upload("a", b"bytes").await;
    let key = call(&served, &made.line("api/sandbox", "GET /signing-key"), &Value::Null).await.json();
    let key = key.as_str().unwrap().to_owned();
    assert_eq!(key.len(), 32);
    let query = "path=a&expires=0&signature=v1_wrong";
    let answer =
        served.request(&made.line("toolbox", &format!("GET /files/download?{query}")), &[], b"").await;
    let message = "the signature of this address is not valid, or it has ended";
    is_fault(&answer, 401, "UNAUTHORIZED", message);
    let answer = served.request(&made.line("toolbox", &format!("GET /files/info?{query}")), &[], b"").await;
    let message = "no API key was given, expected the header `Authorization: Bearer KEY`";
    is_fault(&answer, 401, "UNAUTHORIZED", message);
    let rotated =
        call(&served, &made.line("api/sandbox", "POST /signing-key/rotate"), &Value::Null).await.json();
    assert_ne!(rotated.as_str().unwrap(), key);
}

#[tokio::test]
async fn a_wrong_query_is_said() {
    let served = serve().await;
    let made = base(&served).await;
    let answer = made.get("/info").await;
    let message = "the query is not valid: Failed to deserialize query string: missing field `path`";
    is_fault(&answer, 400, "BAD_REQUEST", message);
    let long = "a".repeat(5000);
    let answer = made.get(&format!("/info?path={long}")).await;
    is_fault(&answer, 400, "BAD_REQUEST", "a path has 5000 bytes, expected at most 4096");
}

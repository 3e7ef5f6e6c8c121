//! Whole files over HTTP.

use std::io::{Read, Write};

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use serde_json::json;
use sha2::{Digest, Sha256};

use crate::client::serve;

const OCTETS: (&str, &str) = ("Content-Type", "application/octet-stream");

#[tokio::test]
async fn bytes_are_written_and_read() {
    let served = serve().await;
    let place = served.base().await;
    let content: Vec<u8> = (0..=255).collect();
    let written = place.request("POST /files?path=d/blob&username=user", &[OCTETS], &content).await;
    assert_eq!(written.json(), json!([{ "path": "/home/user/d/blob", "name": "blob", "type": "file" }]));
    let read = place
        .request("GET /files?path=/home/user/d/blob", &[("Accept-Encoding", "gzip, deflate")], b"")
        .await;
    assert_eq!(read.body, content);
    assert_eq!(read.headers["content-disposition"], "inline; filename=\"blob\"");
    assert_eq!(read.headers.get("content-encoding"), None);
}

#[tokio::test]
async fn gzip_is_taken_and_given() {
    let served = serve().await;
    let place = served.base().await;
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(b"packed").unwrap();
    let packed = encoder.finish().unwrap();
    let headers = [OCTETS, ("Content-Encoding", "gzip")];
    assert_eq!(place.request("POST /files?path=p", &headers, &packed).await.status, 200);
    assert_eq!(place.request("GET /files?path=p", &[], b"").await.body, b"packed");
    let twice = [&packed[..], &packed].concat();
    assert_eq!(place.request("POST /files?path=twice", &headers, &twice).await.status, 200);
    assert_eq!(place.request("GET /files?path=twice", &[], b"").await.body, b"packedpacked");
    let read = place.request("GET /files?path=p", &[("Accept-Encoding", "gzip")], b"").await;
    assert_eq!(read.headers["content-encoding"], "gzip");
    let mut text = String::new();
    GzDecoder::new(&read.body[..]).read_to_string(&mut text).unwrap();
    assert_eq!(text, "packed");
    let broken = place.request("POST /files?path=p", &headers, b"no gzip").await;
    assert_eq!(broken.status, 400);
    let other = [OCTETS, ("Content-Encoding", "br")];
    let refused = place.request("POST /files?path=p", &other, b"").await;
    let message = "the content encoding is \"br\", expected gzip or none";
    assert_eq!((refused.status, refused.json()), (400, json!({ "code": 400, "message": message })));
}

#[tokio::test]
async fn a_form_brings_several_files() {
    let served = serve().await;
    let place = served.base().await;
    let part = |path: &str, content: &str| {
        format!(
            "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"{path}\"\r\n\
             Content-Type: application/octet-stream\r\n\r\n{content}\r\n"
        )
    };
    let headers = [("Content-Type", "multipart/form-data; boundary=b")];
    let body = format!("{}{}--b--\r\n", part("many/1", "one"), part("/tmp/2", "two"));
    let written = place.request("POST /files", &headers, body.as_bytes()).await.json();
    assert_eq!((&written[0]["path"], &written[1]["path"]), (&json!("/home/user/many/1"), &json!("/tmp/2")));
    assert_eq!(place.request("GET /files?path=/tmp/2", &[], b"").await.body, b"two");
    let body = format!("{}--b--\r\n", part("ignored", "one"));
    let written = place.request("POST /files?path=named", &headers, body.as_bytes()).await.json();
    assert_eq!(written[0]["path"], "/home/user/named");
    let body = format!("{}{}--b--\r\n", part("1", "one"), part("2", "two"));
    assert_eq!(place.request("POST /files?path=named", &headers, body.as_bytes()).await.status, 400);
    let body = part("1", "cut");
    assert_eq!(place.request("POST /files", &headers, body.as_bytes()).await.status, 400);
    assert_eq!(place.request("GET /files?path=1", &[], b"").await.status, 404);
}

#[tokio::test]
async fn what_is_wrong_with_a_file_is_told_with_its_status() {
    let served = serve().await;
    let place = served.base().await;
    place.request("POST /files?path=d/f", &[OCTETS], b"").await;
    for (line, status) in [
        ("GET /files?path=none", 404),
        ("GET /files?path=d", 400),
        ("GET /files?path=d/f&username=alice", 401),
        ("POST /files?path=d", 400),
        ("POST /files", 400),
        ("POST /files?path=/full/file", 507),
    ] {
        let answer = place.request(line, &[OCTETS], b"x").await;
        assert_eq!((answer.status, &answer.json()["code"]), (status, &json!(status)), "{line}");
    }
    let answer = place.request("POST /files?path=x", &[("Content-Type", "text/plain")], b"x").await;
    let message =
        "the content type is \"text/plain\", expected multipart/form-data or application/octet-stream";
    assert_eq!(answer.json()["message"], message);
}

#[tokio::test]
async fn a_signature_lets_in_for_its_path_operation_and_time() {
    let served = serve().await;
    let place = served.base().await;
    let other = served.base().await;
    place.request("POST /files?path=s", &[OCTETS], b"mine").await;
    other.request("POST /files?path=s", &[OCTETS], b"other's").await;
    let sign = |text: &str| {
        let digest = STANDARD_NO_PAD.encode(Sha256::digest(text));
        format!("v1_{}", digest.replace('+', "%2B").replace('/', "%2F"))
    };
    let get = async |query: String| served.request(&format!("GET /files?{query}"), &[], b"").await;
    let token = &place.token;
    let good = sign(&format!("s:read::{token}"));
    let answer = get(format!("path=s&signature={good}")).await;
    assert_eq!((answer.status, answer.body), (200, b"mine".to_vec()), "no header says which sandbox");
    for query in [
        format!("path=t&signature={good}"),
        format!("path=s&username=user&signature={good}"),
        format!("path=s&signature={good}&signature_expiration=9999999999"),
        format!("path=s&signature={}", sign(&format!("s:write::{token}"))),
        format!("path=s&signature={}", sign("s:read::")),
        format!("path=s&signature={}&signature_expiration=1", sign(&format!("s:read::{token}:1"))),
    ] {
        let answer = get(query.clone()).await;
        assert_eq!((answer.status, &answer.json()["code"]), (401, &json!(401)), "{query}");
    }
    let timed = sign(&format!("s:read:user:{token}:9999999999"));
    let query = format!("path=s&username=user&signature={timed}&signature_expiration=9999999999");
    assert_eq!(get(query).await.status, 200);
    let write = sign(&format!("up:write::{token}"));
    let posted = served.request(&format!("POST /files?path=up&signature={write}"), &[OCTETS], b"up").await;
    assert_eq!(posted.status, 200);
    assert_eq!(place.request("GET /files?path=up", &[], b"").await.body, b"up");
    assert_eq!(served.request("GET /files?path=s", &[], b"").await.status, 502);
}

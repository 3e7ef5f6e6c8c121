//! Git where a sandbox has none; what it prints is parsed in unit tests.

use serde_json::{Value, json};

use super::{base, is_fault};
use crate::client::serve;

#[tokio::test]
async fn an_image_without_git_says_so() {
    let served = serve().await;
    let made = base(&served).await;
    for (line, body) in [
        ("GET /git/status?path=a", Value::Null),
        ("GET /git/config?key=user.name", Value::Null),
        ("POST /git/clone", json!({"url": "https://example.org/a", "path": "a"})),
        ("POST /git/commit", json!({"path": "a", "message": "m", "author": "a", "email": "e"})),
    ] {
        let answer = made.toolbox(line, &body).await;
        is_fault(&answer, 501, "NOT_IMPLEMENTED", "there is no git in the image of this sandbox");
    }
}

#[tokio::test]
async fn what_git_would_take_for_an_option_is_refused() {
    let served = serve().await;
    let made = base(&served).await;
    let answer = made.toolbox("POST /git/checkout", &json!({"path": "a", "branch": "--orphan"})).await;
    is_fault(&answer, 400, "BAD_REQUEST", "the branch cannot be `--orphan`");
    let answer = made.toolbox("POST /git/pull", &json!({"path": "a", "remote": "--upload-pack=x"})).await;
    is_fault(&answer, 400, "BAD_REQUEST", "the remote cannot be `--upload-pack=x`");
    let answer = made.toolbox("POST /git/reset", &json!({"path": "a", "mode": "harder"})).await;
    is_fault(&answer, 400, "BAD_REQUEST", "`harder` is no mode, expected soft, mixed, hard, merge or keep");
}

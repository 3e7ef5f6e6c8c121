//! The process service of envd.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::client::{frame, serve, shell};

#[expect(clippy::needless_pass_by_value, reason = "they are written where they are passed")]
fn event(event: Value) -> (u8, Value) {
    (0, json!({ "event": event }))
}

fn data(stream: &str, text: &str) -> (u8, Value) {
    event(json!({ "data": { stream: STANDARD.encode(text) } }))
}

/// The stream and the text of a frame of output.
fn output(frame: &(u8, Value)) -> Option<(&'static str, String)> {
    ["stdout", "stderr"].into_iter().find_map(|stream| {
        let encoded = frame.1["event"]["data"][stream].as_str()?;
        Some((stream, String::from_utf8(STANDARD.decode(encoded).unwrap()).unwrap()))
    })
}

/// Frames, with what comes of one stream in several after one another as one.
fn joined(frames: Vec<(u8, Value)>) -> Vec<(u8, Value)> {
    let mut joined: Vec<(u8, Value)> = Vec::new();
    for frame in frames {
        match (joined.last().and_then(output), output(&frame)) {
            (Some((before, text)), Some((stream, more))) if before == stream => {
                joined.pop();
                joined.push(data(stream, &(text + &more)));
            }
            _ => joined.push(frame),
        }
    }
    joined
}

const LAST: u8 = 2;

fn stdin(pid: u32, text: &str) -> Value {
    json!({ "process": { "pid": pid }, "input": { "stdin": STANDARD.encode(text) } })
}

#[tokio::test]
async fn a_command_is_told_from_its_start_to_its_end() {
    let served = serve().await;
    let place = served.create(json!({ "templateID": "base", "envVars": { "A": "1" } })).await;
    let answer =
        place.start("echo hi; echo err >&2; printenv A; printenv HOME; pwd", &[]).await.answer().await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.headers["content-type"], "application/connect+json");
    let expected = [
        event(json!({ "start": { "pid": 1 } })),
        data("stdout", "hi\n"),
        data("stderr", "err\n"),
        data("stdout", "1\n/home/user\n/home/user\n"),
        event(json!({ "end": { "exited": true, "status": "exit status 0" } })),
        (LAST, json!({})),
    ];
    assert_eq!(joined(answer.frames()), expected);
}

#[tokio::test]
async fn ends_are_told_as_envd_tells_them() {
    let served = serve().await;
    let place = served.base().await;
    for (script, expected) in [
        (
            "exit 3",
            json!({ "exitCode": 3, "exited": true, "status": "exit status 3", "error": "exit status 3" }),
        ),
        (
            "crash",
            json!({
                "exitCode": 152, "exited": true, "status": "exit status 152",
                "error": "exit status 152: the sandbox's limit on fuel was reached"
            }),
        ),
    ] {
        let frames = place.start(script, &[]).await.answer().await.frames();
        assert_eq!(frames[frames.len() - 2], event(json!({ "end": expected })), "{script}");
    }
    let request = json!({ "process": { "cmd": "nothing", "args": [] } });
    let frames = place.stream("process.Process/Start", &[], &request).await.answer().await.frames();
    assert_eq!(frames[1].1["event"]["end"]["error"], "exit status 127: nothing: command not found");
}

#[tokio::test]
async fn a_command_that_is_over_time_is_ended() {
    let served = serve().await;
    let place = served.base().await;
    let frames = place.start("wait", &[("Connect-Timeout-Ms", "50")]).await.answer().await.frames();
    assert_eq!(frames.len(), 2);
    assert_eq!(frames[1].0, LAST);
    assert_eq!(frames[1].1["error"]["code"], "deadline_exceeded");
    assert_eq!(place.call("process.Process/List", json!({})).await.json(), json!({ "processes": [] }));
    let answer = place.start("echo a", &[("Connect-Timeout-Ms", "soon")]).await.answer().await;
    let message = "Connect-Timeout-Ms is \"soon\", expected at most ten digits";
    assert_eq!(
        answer.frames(),
        [(LAST, json!({ "error": { "code": "invalid_argument", "message": message } }))]
    );
}

#[tokio::test]
async fn a_command_goes_on_without_its_client() {
    let served = serve().await;
    let place = served.base().await;
    let mut first = place.start("echo one; cat; echo end", &[]).await;
    assert_eq!(first.frame().await, event(json!({ "start": { "pid": 1 } })));
    assert_eq!(first.frame().await, data("stdout", "one\n"));
    drop(first);
    let listed = place.call("process.Process/List", json!({})).await.json();
    let process = &listed["processes"][0];
    assert_eq!((&process["pid"], &process["config"]["cmd"]), (&json!(1), &json!("/bin/bash")));
    assert_eq!(process["config"]["args"], json!(["-l", "-c", "echo one; cat; echo end"]));
    assert_eq!(process["config"]["cwd"], "/home/user");

    let select = json!({ "process": { "pid": 1 } });
    let mut second = place.stream("process.Process/Connect", &[], &select).await;
    assert_eq!(second.frame().await, event(json!({ "start": { "pid": 1 } })));
    assert_eq!(place.call("process.Process/SendInput", stdin(1, "two")).await.json(), json!({}));
    assert_eq!(second.frame().await, data("stdout", "two"));
    assert_eq!(place.call("process.Process/CloseStdin", select.clone()).await.json(), json!({}));
    assert_eq!(second.frame().await, data("stdout", "end\n"));
    assert_eq!(second.frame().await.1["event"]["end"]["exited"], true);

    let answer = place.call("process.Process/SendInput", stdin(1, "late")).await;
    let expected = json!({ "code": "not_found", "message": "process with pid 1 not found" });
    assert_eq!((answer.status, answer.json()), (404, expected.clone()));
    let frames = place.stream("process.Process/Connect", &[], &select).await.answer().await.frames();
    assert_eq!(frames, [(LAST, json!({ "error": expected }))]);
}

#[tokio::test]
async fn input_is_streamed() {
    let served = serve().await;
    let place = served.base().await;
    let mut running = place.start("cat; echo end", &[]).await;
    running.frame().await;
    let data = |text: &str| json!({ "data": { "input": { "stdin": STANDARD.encode(text) } } });
    let body = [json!({ "start": { "process": { "pid": 1 } } }), data("a"), data("b")]
        .map(|message| frame(&message));
    let headers = [("Content-Type", "application/connect+json")];
    let answer = place.request("POST /process.Process/StreamInput", &headers, &body.concat()).await;
    assert_eq!(answer.frames(), [(0, json!({})), (LAST, json!({}))]);
    place.call("process.Process/CloseStdin", json!({ "process": { "pid": 1 } })).await;
    let rest = running.answer().await.frames();
    let text: Vec<u8> = rest
        .iter()
        .filter_map(|(_, message)| STANDARD.decode(message["event"]["data"]["stdout"].as_str()?).ok())
        .flatten()
        .collect();
    assert_eq!(String::from_utf8(text).unwrap(), "abend\n");
    let answer = place.request("POST /process.Process/StreamInput", &headers, &frame(&data("a"))).await;
    let message = "input came before the process was named";
    let expected = json!({ "error": { "code": "invalid_argument", "message": message } });
    assert_eq!(answer.frames(), [(LAST, expected)]);
}

#[tokio::test]
async fn signals_end_a_command() {
    let served = serve().await;
    let place = served.base().await;
    for (pid, signal, status) in [
        (1, json!("SIGNAL_SIGKILL"), "signal: killed"),
        (2, json!("SIGNAL_SIGTERM"), "signal: terminated"),
        (3, json!(1), "signal: hangup"),
        (4, json!(2), "signal: interrupt"),
    ] {
        let mut running = place.start("wait", &[]).await;
        running.frame().await;
        let request = json!({ "process": { "pid": pid }, "signal": signal });
        assert_eq!(place.call("process.Process/SendSignal", request).await.json(), json!({}));
        let expected = json!({ "exitCode": -1, "status": status, "error": status });
        assert_eq!(running.frame().await, event(json!({ "end": expected })));
    }
    let mut running = place.start("wait", &[]).await;
    running.frame().await;
    for signal in [json!("SIGNAL_SIGHUP"), json!(0), json!(65)] {
        let request = json!({ "process": { "pid": 5 }, "signal": signal });
        let answer = place.call("process.Process/SendSignal", request).await;
        assert_eq!(answer.json()["code"], "invalid_argument", "{signal}");
    }
    let request = json!({ "process": {}, "signal": "SIGNAL_SIGKILL" });
    let answer = place.call("process.Process/SendSignal", request).await;
    assert_eq!(answer.json()["message"], "a process is selected by pid or tag");
}

#[tokio::test]
async fn a_process_is_found_by_its_tag() {
    let served = serve().await;
    let place = served.base().await;
    let mut request = shell("cat");
    request["tag"] = json!("mine");
    let mut running = place.stream("process.Process/Start", &[], &request).await;
    running.frame().await;
    let listed = place.call("process.Process/List", json!({})).await.json();
    assert_eq!(listed["processes"][0]["tag"], "mine");
    let answer = place.call("process.Process/CloseStdin", json!({ "process": { "tag": "mine" } })).await;
    assert_eq!(answer.json(), json!({}));
    assert_eq!(running.frame().await.1["event"]["end"]["exited"], true);
}

#[tokio::test]
async fn a_terminal_is_refused_with_the_reason() {
    let served = serve().await;
    let place = served.base().await;
    let request = json!({ "process": { "cmd": "/bin/bash" }, "pty": { "size": { "cols": 80, "rows": 24 } } });
    let frames = place.stream("process.Process/Start", &[], &request).await.answer().await.frames();
    assert_eq!(frames[0].1["error"]["code"], "unimplemented");
    assert!(frames[0].1["error"]["message"].as_str().unwrap().starts_with("a terminal is not offered"));
    let answer = place.call("process.Process/Update", json!({ "process": { "pid": 1 } })).await;
    assert_eq!((answer.status, &answer.json()["code"]), (501, &json!("unimplemented")));
}

#[tokio::test]
async fn a_stream_says_that_it_is_alive() {
    let served = serve().await;
    let place = served.base().await;
    let mut running = place.start("wait", &[("Keepalive-Ping-Interval", "1")]).await;
    running.frame().await;
    assert_eq!(running.frame().await, event(json!({ "keepalive": {} })));
}

#[tokio::test]
async fn nobody_is_let_in_without_the_token_or_as_somebody_else() {
    let served = serve().await;
    let place = served.base().await;
    let other = served.base().await;
    let call = async |token: &str, user: Option<&str>| {
        let basic = user.map(|user| format!("Basic {}", STANDARD.encode(format!("{user}:"))));
        let mut headers = vec![("E2b-Sandbox-Id", &*place.id), ("X-Access-Token", token)];
        headers.extend(basic.as_deref().map(|basic| ("Authorization", basic)));
        served.request("POST /process.Process/List", &headers, b"{}").await
    };
    for token in ["", "wrong", &other.token] {
        let answer = call(token, None).await;
        assert_eq!((answer.status, &answer.json()["code"]), (401, &json!("unauthenticated")));
    }
    for user in [None, Some("user"), Some("root"), Some("")] {
        assert_eq!(call(&place.token, user).await.status, 200, "{user:?}");
    }
    let answer = call(&place.token, Some("alice")).await;
    let message = "invalid username: 'alice'; a sandbox has one user, who is `user` and `root`";
    assert_eq!((answer.status, answer.json()["message"].as_str()), (401, Some(message)));
    let frames = place
        .stream("process.Process/Start", &[("Authorization", "Basic YWxpY2U6")], &shell("echo a"))
        .await
        .answer()
        .await
        .frames();
    assert_eq!(frames, [(LAST, json!({ "error": { "code": "unauthenticated", "message": message } }))]);
}

#[tokio::test]
async fn much_output_waits_for_its_reader_and_is_whole() {
    let served = serve().await;
    let place = served.base().await;
    let frames = place.start("flood 5000", &[]).await.answer().await.frames();
    let bytes: usize = frames
        .iter()
        .filter_map(|(_, message)| message["event"]["data"]["stdout"].as_str())
        .map(|text| STANDARD.decode(text).unwrap().len())
        .sum();
    assert_eq!(bytes, 5_000_000);
}

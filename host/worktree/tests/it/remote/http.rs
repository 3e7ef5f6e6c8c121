//! Smart HTTP, with `git http-backend` and with servers that are not so kind.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use sandpiper_worktree::remote::{Clone, Fetch, Push, RemoteError, clone};

use super::harness::{Pair, check};
use super::server::{Reply, Server, line};

fn served(pair: &Pair, reply: impl Fn(&super::server::Request) -> Reply + Send + Sync + 'static) -> Server {
    let server = Server::start(pair.bare.parent().unwrap(), reply);
    pair.set_url(&server.url());
    server
}

#[test]
fn a_fetch_gets_what_git_serves_and_then_only_what_is_new() {
    let pair = Pair::new();
    let server = served(&pair, |_| Reply::Git);
    for number in 0..30 {
        pair.user.write("a.txt", number.to_string());
        pair.user.commit_all("mine");
    }
    let main = pair.commit_there("main", "new.txt", "new");
    pair.fetch().unwrap();
    assert_eq!(pair.here("origin/main"), Some(main));
    let posts: Vec<_> = server.requests().into_iter().filter(|request| request.method == "POST").collect();
    assert!(posts.iter().any(|post| post.header("content-encoding") == Some("gzip")), "{posts:?}");
    assert!(posts.iter().all(|post| post.path == "/repo.git/git-upload-pack"));
    let before = server.requests().len();
    assert!(pair.fetch().unwrap().updated.is_empty());
    assert_eq!(server.requests().len(), before + 1, "nothing is asked for where nothing is new");
    pair.check();
}

#[test]
fn a_clone_of_a_dripping_server_arrives() {
    let pair = Pair::new();
    let server = served(&pair, |_| Reply::Drip(97, Duration::from_millis(1)));
    let directory = pair.user.directory.path().join("cloned");
    let options = Clone { address: server.url(), directory: directory.clone(), branch: None };
    clone(&options, &pair.access(), &mut |_| {}).unwrap();
    check(&pair.user, &directory);
}

#[test]
fn a_pack_that_breaks_off_changes_nothing() {
    let pair = Pair::new();
    let big: String = (0..20_000).map(|number: u32| number.to_string()).collect::<Vec<_>>().join("\n");
    pair.commit_there("main", "big.txt", &big);
    let length = Arc::new(AtomicUsize::new(0));
    for cut in [0, 10, 200, 400, 1000, 20_000] {
        length.store(cut, Ordering::Relaxed);
        let cuts = Arc::clone(&length);
        let _server = served(&pair, move |request| {
            if request.is_discovery() { Reply::Git } else { Reply::Cut(cuts.load(Ordering::Relaxed)) }
        });
        let err = pair.fetch().unwrap_err();
        assert!(
            matches!(err, RemoteError::Unreachable { .. } | RemoteError::Content { .. }),
            "{cut}: {err:?}"
        );
        assert!(pair.here("origin/main").is_none());
        pair.check();
    }
    let _server = served(&pair, |_| Reply::Git);
    pair.fetch().unwrap();
    pair.check();
}

#[test]
fn references_that_break_off_change_nothing() {
    let pair = Pair::new();
    for cut in [0, 5, 30, 150, 250, 300] {
        let _server = served(&pair, move |_| Reply::Cut(cut));
        let err = pair.fetch().unwrap_err();
        assert!(
            matches!(err, RemoteError::Unreachable { .. } | RemoteError::Server { .. }),
            "{cut}: {err:?}"
        );
    }
    pair.check();
}

#[test]
fn silence_ends_it() {
    let pair = Pair::new();
    let _server = served(&pair, |request| if request.is_discovery() { Reply::Git } else { Reply::Silence });
    pair.commit_there("main", "new.txt", "new");
    let mut access = pair.access();
    access.silence_timeout = Duration::from_millis(300);
    let err = pair.worktrees().fetch(&Fetch::default(), &access, &mut |_| {}).unwrap_err();
    assert!(matches!(err, RemoteError::Silent { .. }), "{err:?}");
    pair.check();
}

#[test]
fn being_cancelled_ends_it() {
    let pair = Pair::new();
    let _server = served(&pair, |_| Reply::Silence);
    let start = Instant::now();
    let err = pair.fetch_until_cancelled(&pair.access()).unwrap_err();
    assert!(matches!(err, RemoteError::Cancelled), "{err:?}");
    assert!(start.elapsed() < Duration::from_secs(20));
    pair.check();
}

#[test]
fn a_redirect_of_the_first_request_holds_for_what_follows() {
    let pair = Pair::new();
    let main = pair.commit_there("main", "new.txt", "new");
    let server = served(&pair, |request| match request.path.strip_prefix("/old") {
        Some(rest) => {
            let location = format!("/moved{rest}?{}", request.query);
            Reply::Plain(301, vec![("Location", location)], Vec::new())
        }
        None => Reply::GitAt(request.path.trim_start_matches("/moved").to_owned()),
    });
    pair.set_url(&format!("http://127.0.0.1:{}/old/repo.git", server.port));
    pair.fetch().unwrap();
    assert_eq!(pair.here("origin/main"), Some(main));
    assert!(server.requests().iter().any(|request| request.path == "/moved/repo.git/git-upload-pack"));
    pair.push(&Push::default()).unwrap();
    pair.check();
    pair.set_for_user("http.followRedirects", "false");
    let err = pair.fetch().unwrap_err();
    assert!(matches!(&err, RemoteError::Server { text, .. } if text.contains("followRedirects")), "{err:?}");
}

#[test]
fn other_redirects_are_not_followed() {
    let elsewhere = Pair::new();
    let target = Server::git(elsewhere.bare.parent().unwrap());
    let url = target.url();
    for location in [
        format!("{url}/other"),
        format!("{url}/info/refs"),
        "file:///etc/info/refs?service=git-upload-pack".to_owned(),
        "ext::sh/info/refs?service=git-upload-pack".to_owned(),
        "ssh://-oProxyCommand=x/info/refs?service=git-upload-pack".to_owned(),
    ] {
        let pair = Pair::new();
        let to = location.clone();
        let _server = served(&pair, move |_| Reply::Plain(302, vec![("Location", to.clone())], Vec::new()));
        let err = pair.fetch().unwrap_err();
        assert!(
            matches!(err, RemoteError::Server { .. } | RemoteError::Refused { .. }),
            "{location}: {err:?}"
        );
    }
    let pair = Pair::new();
    pair.commit_there("main", "new.txt", "new");
    let to = url.clone();
    let _server = served(&pair, move |request| {
        if request.is_discovery() {
            Reply::Git
        } else {
            Reply::Plain(307, vec![("Location", format!("{to}/git-upload-pack"))], Vec::new())
        }
    });
    let err = pair.fetch().unwrap_err();
    assert!(matches!(&err, RemoteError::Server { text, .. } if text.contains("307")), "{err:?}");
    assert!(target.requests().is_empty());
}

#[test]
fn a_circle_of_redirects_ends() {
    let pair = Pair::new();
    let _server = served(&pair, |request| {
        Reply::Plain(302, vec![("Location", format!("{}?{}", request.path, request.query))], Vec::new())
    });
    let err = pair.fetch().unwrap_err();
    assert!(matches!(&err, RemoteError::Server { text, .. } if text.contains("without end")), "{err:?}");
}

#[test]
fn what_a_server_says_is_told_without_its_escapes() {
    let pair = Pair::new();
    let body = b"no such \x1b[31mthing\nsecond".to_vec();
    let _server = served(&pair, move |_| {
        Reply::Plain(404, vec![("Content-Type", "text/plain; charset=utf-8".to_owned())], body.clone())
    });
    let err = pair.fetch().unwrap_err();
    let RemoteError::Server { text, .. } = &err else { panic!("{err:?}") };
    assert!(text.contains("404") && text.contains("no such [31mthing; second"), "{text}");
}

#[test]
fn a_page_is_no_server_of_git() {
    let pair = Pair::new();
    let _server = served(&pair, |_| {
        Reply::Plain(200, vec![("Content-Type", "text/html".to_owned())], b"<html>".to_vec())
    });
    let err = pair.fetch().unwrap_err();
    assert!(matches!(&err, RemoteError::Server { text, .. } if text.contains("smart HTTP")), "{err:?}");
}

#[test]
fn an_error_within_the_protocol_is_told() {
    let pair = Pair::new();
    let _server = served(&pair, |_| {
        let kind = "application/x-git-upload-pack-advertisement".to_owned();
        let body =
            [line("# service=git-upload-pack\n"), b"0000".to_vec(), line("ERR go \x1b[1maway")].concat();
        Reply::Plain(200, vec![("Content-Type", kind)], body)
    });
    let err = pair.fetch().unwrap_err();
    assert!(matches!(&err, RemoteError::Server { text, .. } if text == "go [1maway"), "{err:?}");
}

#[test]
fn nobody_there_is_said() {
    let pair = Pair::new();
    let port = Server::git(&super::server::nowhere()).port;
    // The server has stopped listening once this connection is refused.
    while std::net::TcpStream::connect(("127.0.0.1", port)).is_ok() {}
    pair.set_url(&format!("http://127.0.0.1:{port}/repo.git"));
    let err = pair.fetch().unwrap_err();
    assert!(matches!(err, RemoteError::Unreachable { .. }), "{err:?}");
}

#[test]
fn the_proxy_of_the_configuration_is_used() {
    let pair = Pair::new();
    let main = pair.commit_there("main", "new.txt", "new");
    let server = Server::git(pair.bare.parent().unwrap());
    let proxy = connect_proxy(server.port);
    pair.set_url("http://git.example/repo.git");
    pair.set_for_user("http.proxy", &format!("http://127.0.0.1:{}", proxy.0));
    pair.fetch().unwrap();
    assert_eq!(pair.here("origin/main"), Some(main));
    assert!(proxy.1.lock().unwrap().iter().all(|line| line.starts_with("CONNECT git.example:80 ")));
    pair.set_for_user("http.proxy", "socks5://127.0.0.1:1");
    let err = pair.fetch().unwrap_err();
    assert!(matches!(&err, RemoteError::Refused { what, .. } if what.contains("http.proxy")), "{err:?}");
}

/// A proxy that leads to one port, whatever is asked for; and what was.
fn connect_proxy(to: u16) -> (u16, Arc<std::sync::Mutex<Vec<String>>>) {
    use std::io::{BufRead, BufReader, Write};
    use std::net::{TcpListener, TcpStream};

    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let asked: Arc<std::sync::Mutex<Vec<String>>> = Arc::default();
    let noted = Arc::clone(&asked);
    std::thread::spawn(move || {
        for client in listener.incoming() {
            let mut client = client.unwrap();
            let mut reader = BufReader::new(client.try_clone().unwrap());
            let mut first = String::new();
            reader.read_line(&mut first).unwrap();
            noted.lock().unwrap().push(first);
            let mut line = String::new();
            while reader.read_line(&mut line).unwrap() > 2 {
                line.clear();
            }
            let mut server = TcpStream::connect(("127.0.0.1", to)).unwrap();
            client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").unwrap();
            let mut back = (server.try_clone().unwrap(), client.try_clone().unwrap());
            std::thread::spawn(move || {
                let _ = std::io::copy(&mut back.0, &mut back.1);
                let _ = back.1.shutdown(std::net::Shutdown::Both);
            });
            std::thread::spawn(move || std::io::copy(&mut reader, &mut server));
        }
    });
    (port, asked)
}

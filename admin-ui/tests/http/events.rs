//! The topology as it changes, as a browser that looks on is told.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;

use pollux_domain::operations::Role;

use super::client;
use super::stage::{Browser, Stage};

/// A stream of events.
struct Watch(BufReader<TcpStream>);

impl Watch {
    fn open(stage: &Stage, browser: &Browser<'_>) -> Watch {
        let mut stream = client::connect(stage.address());
        let cookies = browser.cookie_header();
        let head = "GET /topology/events HTTP/1.1\r\nHost: x\r\n";
        let request = format!("{head}Cookie: {cookies}\r\n\r\n");
        stream.write_all(request.as_bytes()).unwrap();
        Watch(BufReader::new(stream))
    }

    /// Reads on until a line has this in it.
    #[track_caller]
    fn says(&mut self, words: &str) {
        let mut all = String::new();
        while !all.contains(words) {
            let read = self.0.read_line(&mut all).unwrap_or(0);
            assert!(0 < read, "it ended without {words}: {all}");
        }
    }

    /// Whether it ends now.
    fn ends(mut self) -> bool {
        let mut rest = String::new();
        while self.0.read_line(&mut rest).is_ok_and(|read| 0 < read) {
            if rest.ends_with("0\r\n") {
                return true;
            }
        }
        false
    }
}

#[test]
fn a_change_is_told_without_being_asked_for() {
    let stage = Stage::start();
    let browser = stage.browser(Role::Viewer);
    let mut watch = Watch::open(&stage, &browser);
    watch.says("text/event-stream");
    watch.says("event: page");
    watch.says("Serves");
    *stage.node.first_is_there.lock().unwrap() = false;
    stage.node.advance(std::time::Duration::from_secs(1));
    watch.says("event: page");
    watch.says("Not connected");
}

#[test]
fn whoever_is_out_is_told_so_and_no_more() {
    let stage = Stage::start();
    let mut stranger = Watch::open(&stage, &stage.stranger());
    stranger.says("event: end");
    assert!(stranger.ends());
    let browser = stage.browser(Role::Viewer);
    let mut watch = Watch::open(&stage, &browser);
    watch.says("event: page");
    stage.node.remove(Role::Viewer);
    watch.says("event: end");
    assert!(watch.ends());
}

#[test]
fn only_so_many_look_on_and_the_pages_go_on() {
    let stage = Stage::start();
    let mut browser = stage.browser(Role::Viewer);
    let mut watching: Vec<Watch> = (0..64).map(|_| Watch::open(&stage, &browser)).collect();
    for watch in &mut watching {
        watch.says("event: page");
    }
    assert_eq!(browser.get("/topology/events").status, 204);
    assert_eq!(browser.get("/topology").status, 200);
    // A place becomes free when somebody has gone.
    drop(watching);
    *stage.node.first_is_there.lock().unwrap() = false;
    stage.node.advance(std::time::Duration::from_secs(1));
    for _ in 0..150 {
        let mut again = Watch::open(&stage, &browser);
        let mut line = String::new();
        again.0.read_line(&mut line).unwrap();
        if line.contains(" 200 ") {
            return;
        }
        std::thread::park_timeout(std::time::Duration::from_millis(200));
    }
    panic!("no place became free");
}

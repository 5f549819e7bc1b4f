//! Pages as they change, as server-sent events: whole fragments of the page, each only if it is
//! another than the one before. Not for how they look.

use std::sync::Arc;
use std::time::Duration;

use actix_web::rt::time::sleep;
use actix_web::web::{Bytes, Data};
use futures_util::stream;
use tokio::sync::OwnedSemaphorePermit;

use super::Office;
use super::exchange::{Body, Events, Reply};
use super::live::Live;

/// Browsers that look on at one time; one more sees the page without changes.
pub(crate) const WATCHERS_MAX: usize = 64;
/// Something is said so often, so that both ends notice when the other is gone.
const SIGN_OF_LIFE: Duration = Duration::from_secs(10);
/// How soon a browser comes back that has lost the stream, in milliseconds.
const RETRY_MS: u64 = 1_000;

/// Said where there is no session any more: the page asks for the sign-in.
const END: &str = "event: end\ndata: end\n\n";

struct Watcher {
    office: Data<Office>,
    live: Live,
    cookie: String,
    /// What was said last, and how long ago.
    shown: String,
    quiet: Duration,
    is_over: bool,
    _place: OwnedSemaphorePermit,
}

/// The stream of one browser.
pub(crate) fn watch(office: &Data<Office>, live: Live, cookie: Option<&str>) -> Reply {
    let Ok(place) = Arc::clone(&office.watchers).try_acquire_owned() else {
        // The browser does not come back by itself (HTML, "Server-sent events").
        return Reply::text(204, "");
    };
    let watcher = Watcher {
        office: office.clone(),
        live,
        cookie: cookie.unwrap_or_default().to_owned(),
        shown: String::new(),
        quiet: Duration::ZERO,
        is_over: false,
        _place: place,
    };
    let events: Events = Box::pin(stream::unfold(watcher, |mut watcher| async move {
        let said = watcher.next().await?;
        Some((Ok(Bytes::from(said)), watcher))
    }));
    Reply {
        body: Body::Events(events),
        ..Reply::new(200, "text/event-stream", "")
    }
}

impl Watcher {
    /// What is to be said next; none: it is over.
    async fn next(&mut self) -> Option<String> {
        if self.is_over {
            return None;
        }
        loop {
            let Some(reader) = self.office.reader(&self.cookie) else {
                self.is_over = true;
                return Some(END.to_owned());
            };
            let live = self.live.render(&self.office, &reader).await;
            if live != self.shown {
                let first = match self.shown.is_empty() {
                    true => format!("retry: {RETRY_MS}\n"),
                    false => String::new(),
                };
                let event = format!("{first}{}", event("page", &live));
                self.shown = live;
                self.quiet = Duration::ZERO;
                return Some(event);
            }
            let pause = self.live.pause();
            sleep(pause).await;
            self.quiet += pause;
            if SIGN_OF_LIFE <= self.quiet {
                self.quiet = Duration::ZERO;
                return Some(":\n\n".to_owned());
            }
        }
    }
}

/// A line of data for each line. What a name has of other line ends does not end one.
fn event(name: &str, text: &str) -> String {
    let text = text.replace('\r', " ");
    let data: String = text.lines().map(|line| format!("data: {line}\n")).collect();
    format!("event: {name}\n{data}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_has_a_line_for_each_line() {
        assert_eq!(
            event("a", "b\n\n c"),
            "event: a\ndata: b\ndata: \ndata:  c\n\n"
        );
        assert_eq!(event("a", "b\rdata: c"), "event: a\ndata: b data: c\n\n");
    }
}

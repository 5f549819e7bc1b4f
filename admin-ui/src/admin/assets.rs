//! The style sheet and the script of the pages. They are part of the program.

use super::exchange::{Asked, Reply};

const STYLE: &str = include_str!("../../assets/pollux.css");
const SCRIPT: &str = include_str!("../../assets/pollux.js");

/// A browser asks again after so long: another release has others.
const CACHED: &str = "public, max-age=300";

/// None: it is neither of them.
pub(crate) fn answer(asked: &Asked) -> Option<Reply> {
    let (content_type, text) = match (asked.path.as_str(), asked.is_post) {
        ("/assets/pollux.css", false) => ("text/css; charset=utf-8", STYLE),
        ("/assets/pollux.js", false) => ("text/javascript; charset=utf-8", SCRIPT),
        _ => return None,
    };
    let reply = Reply::new(200, content_type, text);
    Some(reply.with("cache-control", CACHED))
}

//! The style sheet, the script and the icon of the pages. They are part of the program.

use super::exchange::{Asked, Reply};

const STYLE: &str = include_str!("../../assets/pollux.css");
const SCRIPT: &str = include_str!("../../assets/pollux.js");
const ICON: &str = include_str!("../../assets/pollux.svg");

/// A browser asks again after so long: another release has others.
const CACHED: &str = "public, max-age=300";

/// None: it is none of them.
pub(crate) fn answer(asked: &Asked) -> Option<Reply> {
    let (content_type, text) = match (asked.path.as_str(), asked.is_post) {
        ("/assets/pollux.css", false) => ("text/css; charset=utf-8", STYLE),
        ("/assets/pollux.js", false) => ("text/javascript; charset=utf-8", SCRIPT),
        ("/assets/pollux.svg", false) => ("image/svg+xml", ICON),
        _ => return None,
    };
    let reply = Reply::new(200, content_type, text);
    Some(reply.with("cache-control", CACHED))
}

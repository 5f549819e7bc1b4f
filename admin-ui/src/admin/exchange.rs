//! A request as it is looked at, and a reply as it is made. Not for sockets: see server.

use std::convert::Infallible;
use std::net::IpAddr;
use std::pin::Pin;

use actix_web::web::{Bytes, Query};
use futures_util::Stream;

/// What is looked at of a request.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) is_post: bool,
    pub(crate) path: String,
    pub(crate) query: Fields,
    pub(crate) cookies: Cookies,
    /// Behind `Authorization: Bearer`.
    pub(crate) token: Option<String>,
    pub(crate) content_type: String,
    pub(crate) body: Bytes,
    pub(crate) address: IpAddr,
}

/// What a form or the end of an address says, in its order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Fields(Vec<(String, String)>);

impl Fields {
    /// `a=1&b=2`; nothing where it is not of that form.
    pub(crate) fn parse(text: &str) -> Fields {
        let parsed = Query::<Vec<(String, String)>>::from_query(text);
        Fields(parsed.map(Query::into_inner).unwrap_or_default())
    }

    /// The first of this name.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        let named = self.0.iter().find(|(known, _)| known == name);
        named.map(|(_, value)| value.as_str())
    }
}

/// What `Cookie` says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Cookies(Vec<(String, String)>);

impl Cookies {
    pub(crate) fn parse<'a>(headers: impl Iterator<Item = &'a str>) -> Cookies {
        let pairs = headers.flat_map(|header| header.split(';'));
        let pairs = pairs.filter_map(|pair| pair.trim().split_once('='));
        Cookies(
            pairs
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .collect(),
        )
    }

    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        let named = self.0.iter().find(|(known, _)| known == name);
        named.map(|(_, value)| value.as_str())
    }
}

impl Asked {
    /// The fields of a form in the body; none where the body is something else.
    pub(crate) fn form(&self) -> Fields {
        match self.content_type.as_str() {
            "application/x-www-form-urlencoded" => {
                Fields::parse(std::str::from_utf8(&self.body).unwrap_or_default())
            }
            _ => Fields::default(),
        }
    }
}

/// A stream of server-sent events.
pub(crate) type Events = Pin<Box<dyn Stream<Item = Result<Bytes, Infallible>>>>;

pub(crate) enum Body {
    Whole(Bytes),
    Events(Events),
}

/// What is answered.
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Body,
}

impl Reply {
    pub(crate) fn new(status: u16, content_type: &str, body: impl Into<Bytes>) -> Reply {
        Reply {
            status,
            headers: vec![("content-type", content_type.to_owned())],
            body: Body::Whole(body.into()),
        }
    }

    pub(crate) fn html(status: u16, body: String) -> Reply {
        Reply::new(status, "text/html; charset=utf-8", body)
    }

    pub(crate) fn text(status: u16, body: &str) -> Reply {
        Reply::new(status, "text/plain; charset=utf-8", body.to_owned())
    }

    /// Look there, with GET.
    pub(crate) fn see_other(path: &str) -> Reply {
        let reply = Reply::text(303, "see there\n");
        reply.with("location", path)
    }

    pub(crate) fn with(mut self, name: &'static str, value: impl Into<String>) -> Reply {
        self.headers.push((name, value.into()));
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_is_taken_apart() {
        let fields = Fields::parse("name=a%26b&password=%C3%BC+%2B&name=c");
        assert_eq!(fields.get("name"), Some("a&b"));
        assert_eq!(fields.get("password"), Some("ü +"));
        assert_eq!(fields.get("other"), None);
        assert_eq!(Fields::parse("%zz&&=&=1").get("x"), None);
    }

    #[test]
    fn cookies_are_told_apart() {
        let headers = ["a=1; __Host-pollux=x=y", " b = 2 ;;c"];
        let cookies = Cookies::parse(headers.into_iter());
        assert_eq!(cookies.get("__Host-pollux"), Some("x=y"));
        assert_eq!(cookies.get("a"), Some("1"));
        assert_eq!(cookies.get("c"), None);
        assert_eq!(cookies.get("pollux"), None);
    }
}

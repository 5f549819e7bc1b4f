//! Which request gets which answer. Not for sockets: see server.

use crate::prometheus;
use crate::vitals::Vitals;

/// An answer, complete.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) content_type: &'static str,
    pub(crate) body: String,
}

/// What is looked at of a request. Its other headers and its body say nothing to us.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Question<'a> {
    pub(crate) method: &'a str,
    pub(crate) path: &'a str,
    pub(crate) has_body: bool,
}

pub(crate) fn respond(question: Question<'_>, vitals: &dyn Vitals) -> Answer {
    if !matches!(question.method, "GET" | "HEAD") {
        return plain(405, "only GET and HEAD\n");
    }
    if question.has_body {
        return plain(413, "no body is expected\n");
    }
    match question.path {
        "/metrics" => Answer {
            status: 200,
            content_type: prometheus::CONTENT_TYPE,
            body: prometheus::render(&vitals.samples()),
        },
        "/healthz" => state(vitals.healthy()),
        "/readyz" => state(vitals.ready()),
        _ => plain(404, "not found\n"),
    }
}

fn state(state: Result<(), String>) -> Answer {
    match state {
        Ok(()) => plain(200, "ok\n"),
        Err(reason) => plain(503, &format!("{reason}\n")),
    }
}

fn plain(status: u16, body: &str) -> Answer {
    Answer {
        status,
        content_type: "text/plain; charset=utf-8",
        body: body.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use pollux_domain::metrics::Sample;

    use super::*;

    struct Waiting;

    impl Vitals for Waiting {
        fn samples(&self) -> Vec<Sample> {
            vec![Sample::counter("a_total", "A.", 1)]
        }

        fn healthy(&self) -> Result<(), String> {
            Ok(())
        }

        fn ready(&self) -> Result<(), String> {
            Err("no lease".to_owned())
        }
    }

    fn check(method: &str, path: &str, has_body: bool, want: (u16, &str)) {
        let answer = respond(
            Question {
                method,
                path,
                has_body,
            },
            &Waiting,
        );
        assert_eq!(
            (answer.status, answer.body.as_str()),
            want,
            "{method} {path}"
        );
    }

    #[test]
    fn each_request_has_its_answer() {
        check("GET", "/healthz", false, (200, "ok\n"));
        check("HEAD", "/healthz", false, (200, "ok\n"));
        check("GET", "/readyz", false, (503, "no lease\n"));
        let metrics = "# HELP a_total A.\n# TYPE a_total counter\na_total 1\n";
        check("GET", "/metrics", false, (200, metrics));
        check("GET", "/", false, (404, "not found\n"));
        check("GET", "/metrics/", false, (404, "not found\n"));
        check("POST", "/metrics", false, (405, "only GET and HEAD\n"));
        check("TRACE", "/healthz", false, (405, "only GET and HEAD\n"));
        check("GET", "/healthz", true, (413, "no body is expected\n"));
    }
}

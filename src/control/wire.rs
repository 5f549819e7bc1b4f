//! Requests and responses as lines of JSON, under the size limit of the registry. No sockets.

use pollux_domain::operations::{
    ENVELOPE_BYTES_MAX, Errand, ErrorKind, OperationError, Outcome, Request, Response, VERSION,
};
use serde::Deserialize;

/// The line for a request, with its newline.
pub fn write_request(errand: Errand) -> Result<Vec<u8>, OperationError> {
    line(&Request::new(errand)).ok_or_else(|| {
        OperationError::new(
            ErrorKind::Invalid,
            format!("longer than {ENVELOPE_BYTES_MAX} bytes"),
        )
    })
}

/// What a line asks for. The version is looked at first, because a later one may name anything.
pub fn read_request(line: &[u8]) -> Result<Errand, OperationError> {
    #[derive(Deserialize)]
    struct Versioned {
        version: u16,
    }
    let invalid = |message: String| OperationError::new(ErrorKind::Invalid, message);
    let versioned: Versioned = serde_json::from_slice(line)
        .map_err(|error| invalid(format!("the request is not one: {error}")))?;
    if versioned.version != VERSION {
        let message = format!(
            "this node speaks version {VERSION} of requests, not {}",
            versioned.version
        );
        return Err(invalid(message));
    }
    let request: Request = serde_json::from_slice(line)
        .map_err(|error| invalid(format!("the request is not one: {error}")))?;
    Ok(request.into_errand())
}

/// The line for a response, with its newline. An outcome that does not fit becomes an error that
/// does.
pub fn write_response(result: Result<Outcome, OperationError>) -> Vec<u8> {
    line(&Response::new(result)).unwrap_or_else(|| {
        let message = format!("the response is longer than {ENVELOPE_BYTES_MAX} bytes");
        let error = OperationError::new(ErrorKind::Internal, message);
        line(&Response::new(Err(error))).unwrap_or_default()
    })
}

pub fn read_response(line: &[u8]) -> Result<Response, serde_json::Error> {
    serde_json::from_slice(line)
}

/// None when it is longer than the limit.
fn line(value: &impl serde::Serialize) -> Option<Vec<u8>> {
    let mut line = serde_json::to_vec(value).ok()?;
    line.push(b'\n');
    (line.len() <= ENVELOPE_BYTES_MAX).then_some(line)
}

#[cfg(test)]
mod tests {
    use pollux_domain::operations::{Figure, Operation, Secret, SessionRef, UserName};

    use super::*;

    /// The bytes are what other programs write, so they are golden.
    #[track_caller]
    fn golden(errand: impl Into<Errand>, json: &str) {
        let errand = errand.into();
        let line = write_request(errand.clone()).unwrap();
        assert_eq!(std::str::from_utf8(&line).unwrap(), format!("{json}\n"));
        assert_eq!(read_request(json.as_bytes()).unwrap(), errand);
    }

    #[test]
    fn requests() {
        let alice = UserName::new("alice").unwrap();
        golden(
            Operation::UserAdd {
                user: alice.clone(),
                password: Secret::new("sesame".to_owned()).unwrap(),
            },
            r#"{"version":1,"operation":{"name":"user.add","user":"alice","password":"sesame"}}"#,
        );
        golden(
            Operation::UserList { after: None },
            r#"{"version":1,"operation":{"name":"user.list"}}"#,
        );
        golden(
            Operation::UserList {
                after: Some(alice.clone()),
            },
            r#"{"version":1,"operation":{"name":"user.list","after":"alice"}}"#,
        );
        golden(
            Operation::UserRemove {
                user: alice.clone(),
            },
            r#"{"version":1,"operation":{"name":"user.remove","user":"alice"}}"#,
        );
        golden(
            Operation::SessionList {
                user: Some(alice),
                after: None,
            },
            r#"{"version":1,"operation":{"name":"session.list","user":"alice"}}"#,
        );
        golden(
            Operation::SessionEnd {
                session: SessionRef::new("s1").unwrap(),
            },
            r#"{"version":1,"operation":{"name":"session.end","session":"s1"}}"#,
        );
        golden(
            Operation::Statistics {},
            r#"{"version":1,"operation":{"name":"statistics"}}"#,
        );
        golden(
            Operation::NodeStatus {},
            r#"{"version":1,"operation":{"name":"node.status"}}"#,
        );
        golden(
            Errand::at(Operation::NodeStatus {}, 2),
            r#"{"version":1,"operation":{"name":"node.status"},"at":2}"#,
        );
    }

    #[test]
    fn what_is_not_a_request_is_answered_as_invalid() {
        for bad in [
            "",
            "{",
            "[]",
            "null",
            r#"{"version":1}"#,
            r#"{"version":1,"operation":{"name":"user.fly"}}"#,
            r#"{"version":1,"operation":{"name":"user.remove"}}"#,
            r#"{"version":1,"operation":{"name":"user.remove","user":"a/b"}}"#,
            r#"{"version":1,"operation":{"name":"user.remove","user":"a","force":true}}"#,
            r#"{"version":1,"operation":{"name":"statistics"},"more":1}"#,
        ] {
            assert_eq!(
                read_request(bad.as_bytes()).unwrap_err().kind,
                ErrorKind::Invalid,
                "{bad}"
            );
        }
    }

    #[test]
    fn another_version_is_named() {
        let line = br#"{"version":2,"operation":{"name":"from.the.future"}}"#;
        let error = read_request(line).unwrap_err();
        assert_eq!(
            error.message,
            "this node speaks version 1 of requests, not 2"
        );
    }

    #[test]
    fn responses() {
        let line = write_response(Ok(Outcome::Done));
        assert_eq!(line, b"{\"version\":1,\"outcome\":\"done\"}\n");
        assert_eq!(
            read_response(&line).unwrap().into_result(),
            Ok(Outcome::Done)
        );
        let error = OperationError::new(ErrorKind::NotFound, "there is no user alice");
        let line = write_response(Err(error.clone()));
        let expected = concat!(
            r#"{"version":1,"error":{"kind":"not-found","message":"there is no user alice"}}"#,
            "\n"
        );
        assert_eq!(std::str::from_utf8(&line).unwrap(), expected);
        assert_eq!(read_response(&line).unwrap().into_result(), Err(error));
    }

    #[test]
    fn a_response_that_does_not_fit_says_so() {
        let figures = vec![Figure {
            name: "x".repeat(ENVELOPE_BYTES_MAX),
            value: 1,
        }];
        let line = write_response(Ok(Outcome::Statistics(figures)));
        let error = read_response(&line).unwrap().into_result().unwrap_err();
        assert_eq!(error.kind, ErrorKind::Internal);
    }
}

//! REST: an operation of the registry is a path, its fields are JSON. What is in the registry is
//! here, and nothing else.

use pollux_domain::operations::{Denial, ErrorKind, OperationError, Outcome, Response};
use serde_json::{Map, Value};

use super::exchange::{Asked, Reply};
use super::{Office, openapi, requests};

/// Before the names of operations.
pub(crate) const OPERATIONS: &str = "/api/v1/operations/";

/// None: there is nothing there.
pub(crate) async fn answer(office: &Office, asked: &Asked) -> Option<Reply> {
    if asked.path == "/api/v1/openapi.json" {
        return Some(match asked.is_post {
            false => json(200, openapi::document()),
            true => Reply::text(405, "only GET\n").with("allow", "GET, HEAD"),
        });
    }
    let name = asked.path.strip_prefix(OPERATIONS)?;
    if !asked.is_post {
        return Some(Reply::text(405, "only POST\n").with("allow", "POST"));
    }
    Some(match operate(office, asked, name).await {
        Ok(outcome) => response(200, Ok(outcome)),
        Err(Stopped::Operation(error)) => response(status(error.kind), Err(error)),
        Err(Stopped::Denied(denial)) => denied(denial),
    })
}

enum Stopped {
    Denied(Denial),
    Operation(OperationError),
}

async fn operate(office: &Office, asked: &Asked, name: &str) -> Result<Outcome, Stopped> {
    // Who it is comes first: nobody else learns what would be wrong.
    let token = asked.token.clone().unwrap_or_default();
    let known = office.administration.of_token(token, asked.address).await;
    let caller = known.map_err(Stopped::Denied)?;
    let fields = fields(asked).map_err(Stopped::Operation)?;
    let errand = requests::from_json(name, fields).map_err(Stopped::Operation)?;
    let executed = office.administration.execute(caller, errand).await;
    executed.map_err(Stopped::Operation)
}

/// The fields in the body; none in an empty one.
fn fields(asked: &Asked) -> Result<Map<String, Value>, OperationError> {
    if asked.body.is_empty() {
        return Ok(Map::new());
    }
    let parsed = serde_json::from_slice(&asked.body);
    parsed.map_err(|error| {
        let message = format!("the body is not an object of JSON: {error}");
        OperationError::new(ErrorKind::Invalid, message)
    })
}

fn denied(denial: Denial) -> Reply {
    let (status, kind) = match denial {
        Denial::WrongPassword | Denial::WrongToken => (401, ErrorKind::Forbidden),
        Denial::LockedOut { .. } => (429, ErrorKind::ResourceConstraint),
        Denial::Unavailable => (503, ErrorKind::Unavailable),
    };
    let error = OperationError::new(kind, denial.to_string());
    let reply = response(status, Err(error));
    match denial {
        Denial::LockedOut { seconds } => reply.with("retry-after", seconds.to_string()),
        Denial::WrongPassword | Denial::WrongToken => reply.with("www-authenticate", "Bearer"),
        Denial::Unavailable => reply,
    }
}

pub(crate) fn status(kind: ErrorKind) -> u16 {
    match kind {
        ErrorKind::Invalid => 400,
        ErrorKind::Forbidden => 403,
        ErrorKind::NotFound => 404,
        ErrorKind::AlreadyExists => 409,
        ErrorKind::Unconfirmed => 428,
        ErrorKind::ResourceConstraint => 429,
        ErrorKind::Internal => 500,
        ErrorKind::Unavailable => 503,
    }
}

/// The same words and fields as on the local socket.
fn response(status: u16, result: Result<Outcome, OperationError>) -> Reply {
    match serde_json::to_value(Response::new(result)) {
        Ok(value) => json(status, value),
        Err(_) => Reply::text(500, "the answer cannot be written\n"),
    }
}

fn json(status: u16, value: Value) -> Reply {
    Reply::new(status, "application/json", format!("{value}\n"))
}

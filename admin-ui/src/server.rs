//! The HTTP server for monitors: a thread of its own with one worker, small limits, a loopback
//! address and no other.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::http::header;
use actix_web::rt::time::sleep;
use actix_web::web::Data;
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};

use crate::respond::{Question, respond};
use crate::running::{Running, launch};
use crate::vitals::Vitals;

/// Connections at one time; more wait to be accepted.
const CONNECTIONS_MAX: usize = 64;
/// From the first byte of a connection to the end of a request's head; then 408 and the end.
const REQUEST_SECONDS_MAX: u64 = 5;
/// For which a connection may stand without a request.
const IDLE_SECONDS_MAX: u64 = 15;
/// For which requests that have begun may go on when the server stops.
const STOP_SECONDS_MAX: u64 = 1;

/// Serves what `vitals` says on `address`, which must be a loopback address: nobody is asked for a
/// password.
pub fn start(address: SocketAddr, vitals: Arc<dyn Vitals>) -> io::Result<Running> {
    if !address.ip().to_canonical().is_loopback() {
        let reason = format!("{address} is not a loopback address");
        return Err(io::Error::new(io::ErrorKind::InvalidInput, reason));
    }
    launch("metrics", move || {
        let vitals: Data<dyn Vitals> = Data::from(vitals);
        let app = move || {
            App::new()
                .app_data(vitals.clone())
                .default_service(web::to(answer))
        };
        let server = HttpServer::new(app)
            .workers(1)
            .max_connections(CONNECTIONS_MAX)
            .client_request_timeout(Duration::from_secs(REQUEST_SECONDS_MAX))
            .client_disconnect_timeout(Duration::from_secs(STOP_SECONDS_MAX))
            .keep_alive(Duration::from_secs(IDLE_SECONDS_MAX))
            .shutdown_timeout(STOP_SECONDS_MAX)
            .disable_signals()
            .bind(address)?;
        let bound = server.addrs().first().copied().unwrap_or(address);
        Ok((bound, server.run()))
    })
}

async fn answer(
    request: HttpRequest,
    payload: web::Payload,
    vitals: Data<dyn Vitals>,
) -> HttpResponse {
    let question = Question {
        method: request.method().as_str(),
        path: request.path(),
        has_body: has_body(&request),
    };
    let answer = respond(question, vitals.as_ref());
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = HttpResponse::build(status);
    response
        .content_type(answer.content_type)
        .insert_header((header::CACHE_CONTROL, "no-store"));
    if status == StatusCode::METHOD_NOT_ALLOWED {
        response.insert_header((header::ALLOW, "GET, HEAD"));
    }
    if status == StatusCode::METHOD_NOT_ALLOWED || status == StatusCode::PAYLOAD_TOO_LARGE {
        // What else the client has to say is not waited for. A chunked body that nobody holds any
        // more would be, without end; one that is held unread closes the connection (actix-http,
        // `should_close_for_unread_payload`).
        response.force_close();
        actix_web::rt::spawn(async move {
            sleep(Duration::from_secs(STOP_SECONDS_MAX)).await;
            drop(payload);
        });
    }
    response.body(answer.body)
}

fn has_body(request: &HttpRequest) -> bool {
    let headers = request.headers();
    let length = headers.get(header::CONTENT_LENGTH);
    headers.contains_key(header::TRANSFER_ENCODING) || length.is_some_and(|length| length != "0")
}

//! The HTTP server for administrators: a thread of its own with one worker, small limits, TLS
//! wherever it can be reached from another machine. Not for what is answered.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};
use actix_web::http::{Method, StatusCode, header};
use actix_web::rt::time::{sleep, timeout};
use actix_web::web::{Bytes, Data};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use pollux_domain::operations::ENVELOPE_BYTES_MAX;
use rustls::ServerConfig;

use super::exchange::{Asked, Body, Cookies, Fields, Reply};
use super::{Office, route};
use crate::administration::Administration;
use crate::running::{Running, launch};

/// Connections at one time; more wait to be accepted. Those who look on have one each.
const CONNECTIONS_MAX: usize = 256;
/// From the first byte of a connection to the end of a request's head, and as long again for its
/// body; then 408 and the end.
const REQUEST_SECONDS_MAX: u64 = 5;
/// For a handshake of TLS.
const HANDSHAKE_SECONDS_MAX: u64 = 5;
/// Handshakes at one time; more wait.
const HANDSHAKES_MAX: usize = 16;
/// For which a connection may stand without a request.
const IDLE_SECONDS_MAX: u64 = 15;
/// For which requests that have begun may go on when the server stops.
const STOP_SECONDS_MAX: u64 = 1;
/// As on the local socket.
const BODY_BYTES_MAX: usize = ENVELOPE_BYTES_MAX;

/// With every reply. Nothing but our own files is loaded, nothing stands in the page itself, and
/// the pages stand in no frame.
const HEADERS: &[(&str, &str)] = &[
    (
        "content-security-policy",
        "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; \
         img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    ),
    ("x-content-type-options", "nosniff"),
    ("x-frame-options", "DENY"),
    ("referrer-policy", "no-referrer"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
];

/// What the server is made of.
pub struct AdminParts {
    pub address: SocketAddr,
    /// None is allowed on a loopback address only: passwords are sent here.
    pub tls: Option<ServerConfig>,
    pub administration: Arc<dyn Administration>,
}

/// Serves REST and pages.
pub fn start_admin(parts: AdminParts) -> io::Result<Running> {
    let AdminParts {
        address,
        tls,
        administration,
    } = parts;
    if tls.is_none() && !address.ip().to_canonical().is_loopback() {
        let reason = format!("{address} is not a loopback address and has no certificate");
        return Err(io::Error::new(io::ErrorKind::InvalidInput, reason));
    }
    launch("admin", move || {
        let office = Data::new(Office::new(administration));
        let app = move || {
            App::new()
                .app_data(office.clone())
                .default_service(web::to(answer))
        };
        let server = HttpServer::new(app)
            .workers(1)
            .max_connections(CONNECTIONS_MAX)
            .max_connection_rate(HANDSHAKES_MAX)
            .tls_handshake_timeout(Duration::from_secs(HANDSHAKE_SECONDS_MAX))
            .client_request_timeout(Duration::from_secs(REQUEST_SECONDS_MAX))
            .client_disconnect_timeout(Duration::from_secs(STOP_SECONDS_MAX))
            .keep_alive(Duration::from_secs(IDLE_SECONDS_MAX))
            .shutdown_timeout(STOP_SECONDS_MAX)
            .disable_signals();
        let server = match tls {
            Some(tls) => server.bind_rustls_0_23(address, tls)?,
            None => server.bind(address)?,
        };
        let bound = server.addrs().first().copied().unwrap_or(address);
        Ok((bound, server.run()))
    })
}

async fn answer(request: HttpRequest, payload: web::Payload, office: Data<Office>) -> HttpResponse {
    let is_post = request.method() == Method::POST;
    if !is_post && !matches!(*request.method(), Method::GET | Method::HEAD) {
        let reply = Reply::text(405, "only GET, HEAD and POST\n").with("allow", "GET, HEAD, POST");
        return ended(reply, payload);
    }
    let body = match (is_post, has_body(request.headers())) {
        (false, true) => return ended(Reply::text(413, "no body is expected\n"), payload),
        (false, false) => Bytes::new(),
        (true, _) if declared(request.headers()).is_some_and(|length| BODY_BYTES_MAX < length) => {
            return ended(too_long(), payload);
        }
        (true, _) => match read(payload).await {
            Ok(body) => body,
            Err(reply) => {
                let mut response = response(reply);
                response
                    .head_mut()
                    .set_connection_type(actix_web::http::ConnectionType::Close);
                return response;
            }
        },
    };
    let asked = asked(&request, is_post, body);
    response(route(&office, &asked).await)
}

async fn read(payload: web::Payload) -> Result<Bytes, Reply> {
    let seconds = Duration::from_secs(REQUEST_SECONDS_MAX);
    match timeout(seconds, payload.to_bytes_limited(BODY_BYTES_MAX)).await {
        Ok(Ok(Ok(body))) => Ok(body),
        Ok(Ok(Err(_))) => Err(Reply::text(400, "the body broke off\n")),
        Ok(Err(_)) => Err(too_long()),
        Err(_) => Err(Reply::text(408, "the body did not come in time\n")),
    }
}

fn too_long() -> Reply {
    Reply::text(413, &format!("a body has at most {BODY_BYTES_MAX} bytes\n"))
}

fn asked(request: &HttpRequest, is_post: bool, body: Bytes) -> Asked {
    let headers = request.headers();
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let token = text(header::AUTHORIZATION).and_then(|text| {
        let (scheme, token) = text.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
    });
    let content_type = text(header::CONTENT_TYPE).unwrap_or_default();
    let content_type = content_type.split(';').next().unwrap_or_default();
    let cookies = headers.get_all(header::COOKIE);
    let nobody = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
    Asked {
        is_post,
        path: request.path().to_owned(),
        query: Fields::parse(request.query_string()),
        cookies: Cookies::parse(cookies.filter_map(|value| value.to_str().ok())),
        token: token.map(str::to_owned),
        content_type: content_type.trim().to_ascii_lowercase(),
        body,
        address: request.peer_addr().map_or(nobody, |peer| peer.ip()),
    }
}

/// As it is written. A reply says itself how long it may be kept, or is not.
fn response(reply: Reply) -> HttpResponse {
    let status = StatusCode::from_u16(reply.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = HttpResponse::build(status);
    response.insert_header((header::CACHE_CONTROL, "no-store"));
    for (name, value) in HEADERS {
        response.insert_header((*name, *value));
    }
    for (name, value) in reply.headers {
        let name = HeaderName::try_from(name);
        // What has a sign that no header may have is left out with it.
        if let (Ok(name), Ok(value)) = (name, HeaderValue::try_from(value)) {
            // A cookie stands beside other cookies.
            match name == header::SET_COOKIE {
                true => response.append_header((name, value)),
                false => response.insert_header((name, value)),
            };
        }
    }
    match reply.body {
        Body::Whole(body) => response.body(body),
        Body::Events(events) => response.streaming(events),
    }
}

/// A reply to a request whose body is not waited for. A chunked body that nobody holds any more
/// would be read without end; one that is held unread closes the connection (actix-http,
/// `should_close_for_unread_payload`).
fn ended(reply: Reply, payload: web::Payload) -> HttpResponse {
    actix_web::rt::spawn(async move {
        sleep(Duration::from_secs(STOP_SECONDS_MAX)).await;
        drop(payload);
    });
    let mut response = response(reply);
    let head = response.head_mut();
    head.set_connection_type(actix_web::http::ConnectionType::Close);
    response
}

fn has_body(headers: &HeaderMap) -> bool {
    headers.contains_key(header::TRANSFER_ENCODING)
        || headers
            .get(header::CONTENT_LENGTH)
            .is_some_and(|length| length != "0")
}

fn declared(headers: &HeaderMap) -> Option<usize> {
    let length = headers.get(header::CONTENT_LENGTH)?.to_str().ok()?;
    length.parse().ok()
}

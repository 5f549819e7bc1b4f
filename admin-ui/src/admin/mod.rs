//! What administrators are shown and may ask for: REST for programs, pages for people. Which
//! request gets which reply; not for sockets: see server.

mod api;
mod assets;
mod charts;
mod events;
mod exchange;
mod history;
mod live;
mod node;
mod openapi;
mod pages;
mod registry;
mod requests;
mod server;
mod sessions;
mod topology;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use actix_web::web::Data;
use pollux_domain::operations::{Caller, Face, OperationError};
use tokio::sync::Semaphore;

use crate::administration::{Administration, Administrator};
use exchange::{Asked, Reply};
use sessions::{Session, Sessions};
use topology::{Board, Overview};

pub use server::{AdminParts, start_admin};

/// What the server keeps.
pub(crate) struct Office {
    pub(crate) administration: Arc<dyn Administration>,
    sessions: Mutex<Sessions>,
    board: Board,
    watchers: Arc<Semaphore>,
}

/// Somebody who is signed in, for one page.
#[derive(Debug, Clone)]
pub(crate) struct Reader {
    pub(crate) administrator: Administrator,
    pub(crate) form_token: String,
}

impl Reader {
    pub(crate) fn caller(&self) -> Caller {
        Caller::Administrator {
            name: self.administrator.name.clone(),
            role: self.administrator.role,
            face: Face::Pages,
        }
    }
}

impl Office {
    fn new(administration: Arc<dyn Administration>) -> Office {
        Office {
            administration,
            sessions: Mutex::default(),
            board: Board::default(),
            watchers: Arc::new(Semaphore::new(events::WATCHERS_MAX)),
        }
    }

    fn sessions(&self) -> MutexGuard<'_, Sessions> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How the cluster is, as whoever reads may see it.
    async fn overview(&self, reader: &Reader) -> Result<Arc<Overview>, OperationError> {
        let administration = self.administration.as_ref();
        self.board.overview(administration, &reader.caller()).await
    }

    /// Who asks for a page with this cookie; the session goes on for it.
    fn visitor(&self, cookie: &str) -> Option<Reader> {
        let now = self.administration.now();
        let session = self.sessions().touch(cookie, now).cloned()?;
        self.current(cookie, &session)
    }

    /// The same, of what asks by itself.
    fn reader(&self, cookie: &str) -> Option<Reader> {
        let now = self.administration.now();
        let session = self.sessions().look(cookie, now).cloned()?;
        self.current(cookie, &session)
    }

    /// With the role of this moment. The session of one who is gone, or has another password, ends.
    fn current(&self, cookie: &str, session: &Session) -> Option<Reader> {
        let known = self.administration.administrator(&session.name);
        let is_same = |known: &Administrator| known.password_version == session.password_version;
        let Some(administrator) = known.filter(is_same) else {
            self.sessions().close(cookie);
            return None;
        };
        Some(Reader {
            administrator,
            form_token: session.form_token.clone(),
        })
    }
}

/// The reply to a request.
async fn route(office: &Data<Office>, asked: &Asked) -> Reply {
    if asked.path.starts_with("/api/") {
        let reply = api::answer(office, asked).await;
        return reply.unwrap_or_else(|| Reply::text(404, "not found\n"));
    }
    if let Some(reply) = assets::answer(asked) {
        return reply;
    }
    pages::answer(office, asked).await
}

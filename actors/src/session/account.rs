//! What a user does about the own account (XEP-0077 sections 3.2 and 3.3). A new password stands in
//! no log of stanzas: it is done in the configuration, and what is committed of the stanza is its
//! answer. Not for whether it may be done: see `registration`.

use std::time::Duration;

use actix::fut::ActorFutureExt;
use actix::{AsyncContext, Context, WrapFuture};
use bytes::Bytes;
use pollux_domain::contract::Action;
use pollux_xmpp::registration::{self as wire_form, RegistrationRequest};
use pollux_xmpp::stanza::{IqType, Stanza, StanzaError, StanzaKind};

use super::Session;
use crate::registration::{self, Standing, Wanted};
use crate::users;

/// For so long a client waits; nothing else of it is read meanwhile.
const PATIENCE: Duration = Duration::from_secs(10);

impl Session {
    /// False where it is something else, or nothing of it is allowed to anybody.
    pub(super) fn take_registration(
        &mut self,
        stanza: &Stanza,
        size: usize,
        ctx: &mut Context<Session>,
    ) -> bool {
        if stanza.kind != StanzaKind::Iq(IqType::Set) || !self.is_own(stanza) {
            return false;
        }
        let Some(request) = RegistrationRequest::from_stanza(stanza) else {
            return false;
        };
        let settings = self.node.cluster_settings();
        if !registration::is_supported(&settings) {
            return false;
        }
        let request_of = Stanza {
            from: Some(self.jid.clone()),
            payload: Vec::new(),
            ..stanza.clone()
        };
        let user = self.jid.to_bare();
        let administrator = self.node.configuration.read(|state| {
            let account = state.account(&user);
            account.map(|account| account.administrator)
        });
        let standing = Standing {
            user: &user,
            encrypted: self.stream.encrypted,
            administrator,
        };
        let wanted = request.and_then(|request| registration::judge(request, standing, &settings));
        match wanted {
            Ok(Wanted::Password(password)) => self.change_password(request_of, password, size, ctx),
            Ok(Wanted::Cancellation) => self.cancel(request_of, size, ctx),
            Err(error) => self.answer_registration(&request_of, Err(error), size, ctx),
        }
        true
    }

    /// To the account, or to the server.
    fn is_own(&self, stanza: &Stanza) -> bool {
        let domain = self.node.settings.domain.as_str();
        stanza.to.as_ref().is_none_or(|to| {
            let to = to.as_str();
            to == domain || to == self.jid.bare_str()
        })
    }

    /// Open sessions stay; what was given to clients by the old password is worth nothing.
    fn change_password(
        &mut self,
        request: Stanza,
        password: String,
        size: usize,
        ctx: &mut Context<Session>,
    ) {
        self.changing = true;
        let (node, user) = (self.node.clone(), self.jid.to_bare());
        let changed = async move {
            let set = users::change_password(&node, &user, password);
            tokio::time::timeout(PATIENCE, set).await
        };
        let changed = changed.into_actor(self);
        ctx.spawn(changed.map(move |changed, session, ctx| {
            session.changing = false;
            let done = match changed {
                Ok(Ok(())) => Ok(()),
                Ok(Err(error)) => Err(registration::failed(&error)),
                Err(_late) => Err(registration::unknown()),
            };
            session.answer_registration(&request, done, size, ctx);
            session.wake();
        }));
    }

    /// The result is said when the session ends by it, which it does wherever it is: section 3.2
    /// has the server say it before the stream error.
    fn cancel(&mut self, request: Stanza, size: usize, ctx: &mut Context<Session>) {
        self.changing = true;
        self.parting = Some(answer(&request, Ok(())));
        let (node, user) = (self.node.clone(), self.jid.to_bare());
        let removed = async move {
            let removed = users::remove(&node, &user);
            tokio::time::timeout(PATIENCE, removed).await
        };
        let removed = removed.into_actor(self);
        ctx.spawn(removed.map(move |removed, session, ctx| {
            let error = match removed {
                Ok(Ok(())) => return,
                Ok(Err(error)) => registration::failed(&error),
                Err(_late) => registration::unknown(),
            };
            session.changing = false;
            session.parting = None;
            session.answer_registration(&request, Err(error), size, ctx);
            session.wake();
        }));
    }

    fn answer_registration(
        &mut self,
        request: &Stanza,
        done: Result<(), StanzaError>,
        size: usize,
        ctx: &mut Context<Session>,
    ) {
        self.act(Action::Answer(answer(request, done)), size, ctx);
    }
}

fn answer(request: &Stanza, done: Result<(), StanzaError>) -> Bytes {
    let reply = wire_form::reply(request, done.map(|()| None));
    reply.map(|reply| reply.to_bytes()).unwrap_or_default()
}

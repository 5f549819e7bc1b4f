//! What users keep with the server: vCards (XEP-0054) and private data (XEP-0049). The state knows
//! what there is and how large; the documents themselves are rows, which are written here and never
//! read (decisions 0014 and 0042).

use std::sync::Arc;

use bytes::Bytes;
use pollux_domain::contract::{Duty, Parcel, RowWrite, SlotBody};
use pollux_domain::document::DocumentName;
use pollux_domain::ids::{SessionId, StanzaId};
use pollux_domain::jid::BareJid;
use pollux_domain::limits;
use pollux_domain::stanza_error::{Condition, Holding};
use serde::{Deserialize, Serialize};

use super::{Outcome, State, User};

/// One document that is kept. It has a row of its own, and another one when it changes: a row is
/// put once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Kept {
    pub(super) row: StanzaId,
    bytes: u32,
}

/// Where a document is to be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Document {
    /// Here: its row may not be written yet.
    Fresh(Bytes),
    /// In the tables, unless another one has replaced it since.
    Row(StanzaId),
}

impl State {
    /// A session sets documents of its user: all, or none.
    pub(super) fn keep(
        &mut self,
        id: SessionId,
        iq: &Arc<Parcel>,
        result: Bytes,
        documents: &[(DocumentName, Bytes)],
        out: &mut Outcome,
    ) {
        let Some(user) = self.sessions.get(&id).map(|session| session.jid.to_bare()) else {
            return;
        };
        let record = self.users.get(&user);
        if let Some(Err(condition)) = record.map(|record| record.has_room_for(documents)) {
            let stanza = self.new_stanza();
            let body = SlotBody::Bounce(iq.clone(), condition);
            self.slot(id, stanza, body, Duty::Sole, out);
            return;
        }
        for (name, document) in documents {
            let row = self.new_stanza();
            let kept = Kept {
                row,
                bytes: u32::try_from(document.len()).unwrap_or(u32::MAX),
            };
            let before = self.user_mut(user.as_str(), |record| {
                record.documents.insert(name.clone(), kept)
            });
            let document = document.clone();
            self.fresh.push((row, document.clone()));
            out.rows.push(RowWrite::Keep { row, document });
            if let Some(before) = before.flatten() {
                out.rows.push(RowWrite::Delete { row: before.row });
            }
        }
        self.answer(id, result, out);
    }

    pub(super) fn forget_documents(&mut self, user: &BareJid, out: &mut Outcome) {
        let documents = self.user_mut(user.as_str(), |user| std::mem::take(&mut user.documents));
        for kept in documents.unwrap_or_default().into_values() {
            out.rows.push(RowWrite::Delete { row: kept.row });
        }
    }

    /// Where to read a document; None: there is none.
    pub fn document(&self, user: &BareJid, name: &DocumentName) -> Option<Document> {
        let kept = self.users.get(user)?.documents.get(name)?;
        let fresh = self.fresh.iter().find(|(row, _)| *row == kept.row);
        Some(match fresh {
            Some((_, bytes)) => Document::Fresh(bytes.clone()),
            None => Document::Row(kept.row),
        })
    }

    /// A new entry begins. Rows of the one before are in the tables by now.
    pub(crate) fn forget_fresh(&mut self) {
        self.fresh.clear();
    }
}

impl User {
    /// Private data with these in place of what there is under their names.
    fn has_room_for(&self, documents: &[(DocumentName, Bytes)]) -> Result<(), Condition> {
        let private = |name: &DocumentName| matches!(name, DocumentName::Private(_));
        let new = documents.iter().filter(|(name, _)| private(name));
        if new.clone().next().is_none() {
            return Ok(());
        }
        let others = self.documents.iter().filter(|(name, _)| {
            private(name) && documents.iter().all(|(replaced, _)| replaced != *name)
        });
        let entries = others.clone().count() + new.clone().count();
        if limits::PRIVATE_ENTRIES_MAX < entries {
            let most = limits::PRIVATE_ENTRIES_MAX;
            let count = self.documents.keys().filter(|name| private(name)).count();
            return Err(Condition::full(Holding::PrivateEntries, count, most));
        }
        let kept: usize = others.map(|(_, kept)| kept.bytes as usize).sum();
        let bytes = kept + new.map(|(_, document)| document.len()).sum::<usize>();
        if limits::PRIVATE_BYTES_MAX < bytes {
            let most = limits::PRIVATE_BYTES_MAX;
            return Err(Condition::full(Holding::PrivateBytes, bytes, most));
        }
        Ok(())
    }
}

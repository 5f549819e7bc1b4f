//! One node asks, another answers: how a question is written, sent, read, answered and sent back,
//! for everything that nodes ask each other in this crate. Not for what they ask, nor for how long
//! they wait; groups have desks of their own in `raft`, which read several formats.

use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::{Arc, Weak};

use bytes::Bytes;
use pollux_domain::ids::{GroupId, NodeId};
use pollux_links::peers::{Desk, Lane, LinkError, Subject, Topic};
use pollux_store::codec::{self, CodecError};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::node::Node;

/// Questions of one kind, and what is answered to them.
pub(crate) struct Questions<Q, A> {
    subject: Subject,
    /// Of the records of both.
    version: u16,
    kind: PhantomData<fn(Q) -> A>,
}

/// Why there is no answer, or none that can be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AskError {
    #[error(transparent)]
    Link(#[from] LinkError),
    #[error(transparent)]
    Record(#[from] CodecError),
}

impl<Q, A> Questions<Q, A>
where
    Q: Serialize + DeserializeOwned + 'static,
    A: Serialize + DeserializeOwned + Send + 'static,
{
    pub(crate) const fn new(subject: Subject, version: u16) -> Questions<Q, A> {
        Questions {
            subject,
            version,
            kind: PhantomData,
        }
    }

    /// Asks a node as one of that group. Waits as long as the connection lives: who asks sets a
    /// limit of time.
    pub(crate) async fn ask(
        &self,
        node: &Node,
        to: NodeId,
        group: GroupId,
        question: &Q,
    ) -> Result<A, AskError> {
        let body = codec::encode(self.version, question)?;
        let topic = self.topic(group);
        let answer = { node.peers.ask(to, Lane::Bulk, topic, body.into()) }.await?;
        Ok(codec::decode(self.version, &answer)?)
    }

    /// Answers other nodes from now on, for that group. `answer` sees who asks, and says itself
    /// whether it may; `Err`: the words for it.
    pub(crate) fn open<F, W>(&self, node: &Arc<Node>, group: GroupId, answer: F)
    where
        F: Fn(Arc<Node>, NodeId, Q) -> W + Send + Sync + 'static,
        W: Future<Output = Result<A, String>> + Send + 'static,
    {
        let desk = AnsweringDesk {
            subject: self.subject,
            version: self.version,
            node: Arc::downgrade(node),
            answer,
            kind: PhantomData::<fn(Q)>,
        };
        node.desks.open(self.topic(group), Arc::new(desk));
    }

    fn topic(&self, group: GroupId) -> Topic {
        Topic {
            subject: self.subject,
            group,
        }
    }
}

/// The node has its desks: they do not keep it.
struct AnsweringDesk<Q, F> {
    subject: Subject,
    version: u16,
    node: Weak<Node>,
    answer: F,
    kind: PhantomData<fn(Q)>,
}

impl<Q: DeserializeOwned, F> AnsweringDesk<Q, F> {
    fn begin<W>(&self, from: NodeId, body: &[u8]) -> Result<W, String>
    where
        F: Fn(Arc<Node>, NodeId, Q) -> W,
    {
        let node = self.node.upgrade().ok_or("the node stops")?;
        let question = codec::decode(self.version, body).map_err(|error| error.to_string())?;
        Ok((self.answer)(node, from, question))
    }
}

impl<Q, A, F, W> Desk for AnsweringDesk<Q, F>
where
    Q: DeserializeOwned + 'static,
    A: Serialize,
    F: Fn(Arc<Node>, NodeId, Q) -> W + Send + Sync + 'static,
    W: Future<Output = Result<A, String>> + Send + 'static,
{
    fn told(&self, from: NodeId, _body: Bytes) {
        tracing::debug!(%from, subject = ?self.subject, "this is asked for, not told");
    }

    fn asked(
        &self,
        from: NodeId,
        body: Bytes,
    ) -> Pin<Box<dyn Future<Output = Result<Bytes, String>> + Send>> {
        let (answering, version) = (self.begin(from, &body), self.version);
        Box::pin(async move {
            let answer = answering?.await?;
            let record = codec::encode(version, &answer).map_err(|error| error.to_string())?;
            Ok(record.into())
        })
    }
}

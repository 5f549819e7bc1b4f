//! How a node that has a token becomes a node of the cluster: both ends of one question on the port
//! between nodes. Not for who may join: the floors above implement `Admission`.

use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use pollux_domain::ids::{ClusterId, Incarnation, NodeId, SubclusterId};
use pollux_domain::limits;
use pollux_domain::seams::Ambient;
use pollux_domain::version::{Build, NotSpoken};
use pollux_store::codec;
use rustls::ClientConfig;
use rustls::client::Resumption;
use rustls::crypto::ring;
use rustls::pki_types::CertificateDer;
use rustls::version;
use serde::{Deserialize, Serialize};

use crate::authority;
use crate::frame::{Frame, Kind};
use crate::greeting::{self, Broken};
use crate::links::{Inner, Place};
use crate::net::{Net, Socket};
use crate::refusal::{Reason, Refusal};
use crate::security::{JOIN_PROTOCOL, Security, Signed, Trust, WallTime};
use crate::tls::TlsSocket;
use crate::token::Token;

/// What a node asks that wants to join. What it becomes, and where, is said by its token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JoinRequest {
    pub name: String,
    /// `host:port` of its port between nodes, as others reach it.
    pub node_address: String,
    /// `host:port` of its port for clients.
    pub client_address: String,
    /// What it runs.
    pub build: Build,
    /// Where it stands, where somebody has said.
    pub site: Option<String>,
    /// For its key: see `NodeKey::request`.
    pub certificate_request: Vec<u8>,
    /// What it brings of a backup, if anything.
    pub backup: Option<BackupBrought>,
    /// Its operator knows that there would be a file to bring, and has none.
    pub without_backup: bool,
}

/// A file of a backup, by whose database the newcomer begins its group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackupBrought {
    /// What the files of one backup have in common.
    pub set: [u8; 16],
    pub subcluster: SubclusterId,
}

/// What the admission gives to a node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grant {
    pub node: NodeId,
    pub incarnation: Incarnation,
    /// Signed by the cluster's authority (DER).
    pub certificate: Vec<u8>,
    /// What the floors above need to begin; opaque here.
    pub topology: Bytes,
}

/// What the joining node has in the end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JoinGrant {
    pub node: NodeId,
    pub incarnation: Incarnation,
    pub certificate: CertificateDer<'static>,
    pub authority: CertificateDer<'static>,
    pub cluster: ClusterId,
    pub topology: Bytes,
}

/// Why a node may not join. The words go to the one who tries.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum JoinRefusal {
    #[error("the token is not known: make a new one")]
    UnknownToken,
    #[error("the token was used already: make a new one")]
    UsedToken,
    #[error(
        "the cluster has had {} nodes, those that were removed included, and takes no more: join \
         in the place of one, with a token of `pollux ctl cluster invite --replaces`",
        limits::NODES_MAX
    )]
    ClusterFull,
    #[error(
        "subcluster {0} has its nodes and its witness already: make a token for another one, or \
         for the place of a node by `--replaces`"
    )]
    Complete(SubclusterId),
    #[error("the request for a certificate does not read")]
    BadRequest,
    #[error("others join at this moment: try again")]
    Busy,
    #[error("this node cannot decide now: try again, or at another node")]
    NotReady,
    #[error(
        "the file is not of the backup of which the cluster was restored: take the one that was \
         made together with that; the token stays good"
    )]
    OtherBackup,
    #[error(
        "the file is of subcluster {found}, and the token is for subcluster {wanted}: take the \
         other file; the token stays good"
    )]
    BackupOfAnother {
        found: SubclusterId,
        wanted: SubclusterId,
    },
    #[error(
        "subcluster {0} has a node already, whose database the newcomer gets: join without \
         `--restore`; the token stays good"
    )]
    NotTheFirst(SubclusterId),
    #[error(
        "the cluster was restored of a backup, and no node of subcluster {0} is back: bring its \
         file along with `--restore FILE`. Where that is lost, `--without-backup` begins the \
         subcluster with nothing of what its users had; the token stays good"
    )]
    NeedsBackup(SubclusterId),
    #[error("{0}")]
    Format(NotSpoken),
}

/// Why joining failed.
#[derive(Debug, thiserror::Error)]
pub enum JoinError {
    #[error("{0}")]
    Refused(#[from] JoinRefusal),
    #[error(
        "the node at that address is not of the cluster that made the token, or the cluster has \
         rotated its certificates since: look at the address, or make a new token"
    )]
    WrongAuthority,
    #[error("the answer of the node does not read: {0}")]
    NotUnderstood(String),
    #[error("the node cannot be reached: {0}")]
    Unreachable(#[from] io::Error),
}

/// A verdict on its way.
pub type Verdict = Pin<Box<dyn Future<Output = Result<Grant, JoinRefusal>> + Send>>;

/// Decides who may join. It compares secrets in constant time and lets each be used once, also when
/// two come at the same moment or the answer is lost: both are its matter, since only it knows what
/// was given out.
pub trait Admission: Send + Sync + 'static {
    fn admit(&self, secret: [u8; 16], request: JoinRequest) -> Verdict;
}

/// The version of both records.
const RECORD: u16 = 1;
const PATIENCE: Duration = Duration::from_secs(limits::JOIN_SECONDS_MAX);

/// What goes over the wire.
#[derive(Serialize, Deserialize)]
struct Application {
    secret: [u8; 16],
    request: JoinRequest,
}

#[derive(Serialize, Deserialize)]
struct Outcome(Result<(Grant, Vec<u8>), JoinRefusal>);

impl fmt::Debug for Application {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.request.fmt(f)
    }
}

// === the node that joins ===

/// Asks a node of the cluster. Nothing is sent before its certificate is found to be of the
/// authority that the token names.
pub async fn join(
    net: &dyn Net,
    ambient: &Ambient,
    address: &str,
    token: &Token,
    request: JoinRequest,
) -> Result<JoinGrant, JoinError> {
    let asked = Box::pin(ask(net, ambient, address, token, request));
    match tokio::time::timeout(PATIENCE, asked).await {
        Ok(result) => result,
        Err(_late) => Err(io::Error::from(io::ErrorKind::TimedOut).into()),
    }
}

async fn ask(
    net: &dyn Net,
    ambient: &Ambient,
    address: &str,
    token: &Token,
    request: JoinRequest,
) -> Result<JoinGrant, JoinError> {
    let secret = token.secret;
    let body = codec::encode(RECORD, &Application { secret, request }).map_err(io::Error::from)?;
    if limits::JOIN_REQUEST_BYTES_MAX < body.len() {
        let text = "the request to join is too long";
        return Err(io::Error::new(io::ErrorKind::InvalidInput, text).into());
    }
    let socket = net.connect(address).await?;
    // The node's id is not known, and is not what counts: the authority is.
    let name = authority::server_name(NodeId(0), token.cluster);
    let socket = TlsSocket::connect(socket, trusting(token, ambient)?, name).await;
    let socket = match socket.map_err(Broken::from_handshake) {
        Ok(socket) => socket,
        Err(Broken::Refused(_)) => return Err(JoinError::WrongAuthority),
        Err(broken) => return Err(io::Error::from(broken).into()),
    };
    let named = socket.peer_certificate().and_then(authority::name_of);
    if named.is_none_or(|(_, cluster)| cluster != token.cluster) {
        return Err(JoinError::WrongAuthority);
    }
    let mut socket: Box<dyn Socket> = Box::new(socket);
    greeting::send(&mut socket, &[Frame::plain(Kind::Join, 0, body.into())]).await?;
    let answer = greeting::receive(&mut socket, limits::JOIN_GRANT_BYTES_MAX).await;
    let answer = answer.map_err(io::Error::from)?;
    granted(token, answer)
}

fn trusting(token: &Token, ambient: &Ambient) -> Result<Arc<ClientConfig>, JoinError> {
    let provider = Arc::new(ring::default_provider());
    let time = Arc::new(WallTime(ambient.clock.clone()));
    let verifier = Signed {
        trust: Trust::Pinned(token.authority),
        provider: provider.clone(),
    };
    let mut config = ClientConfig::builder_with_details(provider, time)
        .with_protocol_versions(&[&version::TLS13])
        .map_err(io::Error::other)?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth();
    config.alpn_protocols = vec![JOIN_PROTOCOL.to_vec()];
    config.resumption = Resumption::disabled();
    Ok(Arc::new(config))
}

fn granted(token: &Token, answer: Frame) -> Result<JoinGrant, JoinError> {
    let wrong = |text: String| Err(JoinError::NotUnderstood(text));
    if answer.kind != Kind::Grant {
        return wrong(format!("{:?} instead of a grant", answer.kind));
    }
    let (grant, authority) = match codec::decode(RECORD, &answer.body) {
        Ok(Outcome(outcome)) => outcome?,
        Err(error) => return wrong(error.to_string()),
    };
    let (certificate, authority) = (
        CertificateDer::from(grant.certificate),
        CertificateDer::from(authority),
    );
    if authority::fingerprint(&authority) != token.authority {
        return Err(JoinError::WrongAuthority);
    }
    if authority::name_of(&certificate) != Some((grant.node, token.cluster)) {
        return wrong("the certificate does not name the node".to_owned());
    }
    Ok(JoinGrant {
        node: grant.node,
        incarnation: grant.incarnation,
        certificate,
        authority,
        cluster: token.cluster,
        topology: grant.topology,
    })
}

// === the node that is asked ===

/// One connection of a node that joins, after its handshake.
pub(crate) async fn serve(inner: &Inner, mut socket: Box<dyn Socket>) {
    let Security::Tls(tls) = &inner.security else {
        return;
    };
    let place = Place::take(&inner.joins, limits::JOINS_MAX);
    let answered = async {
        let outcome = match (&place, read(&mut socket).await) {
            (None, _) => Err(JoinRefusal::Busy),
            (Some(_), Ok(application)) => decide(inner, application).await,
            (Some(_), Err(broken)) => {
                let text = broken.to_string();
                inner.garbage(None, None, &text);
                let refusal = Refusal::new(Reason::NotUnderstood, text);
                return greeting::farewell(socket, &refusal).await;
            }
        };
        if let Err(refusal) = &outcome {
            tracing::warn!(%refusal, "a node was not allowed to join");
        }
        let outcome = outcome.map(|grant| (grant, tls.current().authority.to_vec()));
        let body = match codec::encode(RECORD, &Outcome(outcome)) {
            Ok(body) if body.len() <= limits::JOIN_GRANT_BYTES_MAX => body,
            _ => return tracing::error!("the answer to a node that joins is too long"),
        };
        let answer = Frame::plain(Kind::Grant, 0, body.into());
        let sent = greeting::send(&mut socket, &[answer]).await;
        if let Err(error) = sent {
            tracing::warn!(%error, "a node that joins did not hear the answer");
        }
        let _closed = tokio::io::AsyncWriteExt::shutdown(&mut socket).await;
    };
    if tokio::time::timeout(PATIENCE, answered).await.is_err() {
        tracing::debug!("a node that joins took too long");
    }
}

async fn read(socket: &mut Box<dyn Socket>) -> Result<Application, Broken> {
    let frame = greeting::receive(socket, limits::JOIN_REQUEST_BYTES_MAX).await?;
    if frame.kind != Kind::Join {
        let text = format!("{:?} instead of a request to join", frame.kind);
        return Err(Broken::Garbage(text));
    }
    codec::decode(RECORD, &frame.body).map_err(|error| Broken::Garbage(error.to_string()))
}

async fn decide(inner: &Inner, application: Application) -> Result<Grant, JoinRefusal> {
    let admission = inner.admission().ok_or(JoinRefusal::NotReady)?;
    admission
        .admit(application.secret, application.request)
        .await
}

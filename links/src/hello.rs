//! What two nodes say of themselves before they talk, and the judgement of it. By values only: the
//! topology is asked elsewhere.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use pollux_domain::ids::{ClusterId, Incarnation, NodeId};
use pollux_domain::version::{self, Build, Formats};

use crate::peers::Lane;
use crate::refusal::{Reason, Refusal};

/// Who a node is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Identity {
    pub cluster: ClusterId,
    pub node: NodeId,
    pub incarnation: Incarnation,
}

/// One run of one process: random, so that two processes with one node id are told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Life(pub [u8; 16]);

/// What a connection is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    Lane(Lane),
    Visit,
    /// To say where the caller is; see `moved`.
    Moved,
}

impl Purpose {
    const fn number(self) -> u8 {
        match self {
            Purpose::Lane(Lane::Control) => 1,
            Purpose::Lane(Lane::Bulk) => 2,
            Purpose::Visit => 3,
            Purpose::Moved => 4,
        }
    }

    const fn from_number(number: u8) -> Option<Purpose> {
        match number {
            1 => Some(Purpose::Lane(Lane::Control)),
            2 => Some(Purpose::Lane(Lane::Bulk)),
            3 => Some(Purpose::Visit),
            4 => Some(Purpose::Moved),
            _ => None,
        }
    }
}

/// The body of `Hello` and of `Welcome`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hello {
    pub identity: Identity,
    /// For whom it is: an address may lead to another node than meant.
    pub to: NodeId,
    pub life: Life,
    pub purpose: Purpose,
    pub build: Build,
    /// The format that the cluster uses, as far as it knows.
    pub in_use: u16,
}

/// Cluster, node, incarnation, whom it is for, life, purpose; formats and the one in use; how long
/// the name of the build is that follows.
const HELLO_BYTES: usize = 16 + 2 + 4 + 2 + 16 + 1 + 3 * 2 + 1;
/// No hello and no refusal is longer.
pub const HELLO_BYTES_MAX: usize = 1_024;

impl Hello {
    pub fn write(&self) -> Bytes {
        let mut out = BytesMut::with_capacity(HELLO_BYTES + self.build.name.len());
        out.put_slice(&self.identity.cluster.0);
        out.put_u16_le(self.identity.node.0);
        out.put_u32_le(self.identity.incarnation.0);
        out.put_u16_le(self.to.0);
        out.put_slice(&self.life.0);
        out.put_u8(self.purpose.number());
        out.put_u16_le(self.build.formats.oldest);
        out.put_u16_le(self.build.formats.newest);
        out.put_u16_le(self.in_use);
        // A name that is longer is none: see `Build::new`.
        let name = &self.build.name.as_bytes()[..self.build.name.len().min(255)];
        out.put_u8(name.len() as u8);
        out.put_slice(name);
        out.freeze()
    }

    /// What a later build says behind it is passed over: two builds that may not talk tell each
    /// other why.
    pub fn read(mut body: &[u8]) -> Option<Hello> {
        if body.len() < HELLO_BYTES {
            return None;
        }
        let mut cluster = [0; 16];
        body.copy_to_slice(&mut cluster);
        let node = NodeId(body.get_u16_le());
        let incarnation = Incarnation(body.get_u32_le());
        let to = NodeId(body.get_u16_le());
        let mut life = [0; 16];
        body.copy_to_slice(&mut life);
        let identity = Identity {
            cluster: ClusterId(cluster),
            node,
            incarnation,
        };
        let purpose = Purpose::from_number(body.get_u8())?;
        let formats = Formats {
            oldest: body.get_u16_le(),
            newest: body.get_u16_le(),
        };
        let in_use = body.get_u16_le();
        let length = usize::from(body.get_u8());
        let name = std::str::from_utf8(body.get(..length)?).ok()?;
        Some(Hello {
            identity,
            to,
            life: Life(life),
            purpose,
            build: Build::new(name, formats)?,
            in_use,
        })
    }
}

/// What is known about the other side besides what it says.
#[derive(Debug, Clone, Copy)]
pub struct Known {
    /// Whom its certificate names; none in plaintext.
    pub certified: Option<(NodeId, ClusterId)>,
    /// Its place in the topology: none, or its incarnation where that is fixed.
    pub place: Option<Option<Incarnation>>,
    /// Whom we dialled; none if it came to us.
    pub dialled: Option<NodeId>,
}

/// Is it the certificate of this node of our cluster?
pub fn judge_certificate(
    us: &Identity,
    node: NodeId,
    certified: (NodeId, ClusterId),
) -> Result<(), Refusal> {
    let (named, cluster) = certified;
    if cluster != us.cluster {
        return Err(other_cluster(us, named, cluster));
    }
    if named != node {
        let text = format!("node {node} has the certificate of node {named}");
        return Err(Refusal::new(Reason::WrongCertificateName, text));
    }
    Ok(())
}

fn other_cluster(us: &Identity, node: NodeId, cluster: ClusterId) -> Refusal {
    let (we, ours) = (us.node, us.cluster);
    let text = format!("node {node} is of cluster {cluster}, node {we} of {ours}");
    Refusal::new(Reason::WrongCluster, text)
}

/// May they talk to us?
pub fn judge(us: &Identity, them: &Hello, known: Known) -> Result<(), Refusal> {
    let Identity {
        cluster,
        node,
        incarnation,
    } = them.identity;
    let refuse = |reason, text| Err(Refusal::new(reason, text));
    if cluster != us.cluster {
        return Err(other_cluster(us, node, cluster));
    }
    if let Some(certified) = known.certified {
        judge_certificate(us, node, certified)?;
    }
    if node == us.node {
        return refuse(
            Reason::OwnId,
            format!("both sides say they are node {node}"),
        );
    }
    let dialled = known.dialled.unwrap_or(node);
    if dialled != node || them.to != us.node {
        let (meant, found) = if dialled == node {
            (them.to, us.node)
        } else {
            (dialled, node)
        };
        let text = format!("node {meant} was called, node {found} answers");
        return refuse(Reason::OtherNode, text);
    }
    let Some(place) = known.place else {
        let text = format!(
            "node {node} has no place in the topology of node {}",
            us.node
        );
        return refuse(Reason::UnknownNode, text);
    };
    if let Some(current) = place
        && incarnation < current
    {
        let text = format!("node {node} is in incarnation {current}, this is {incarnation}");
        return refuse(Reason::OldIncarnation, text);
    }
    let dials = known.dialled.map_or(node, |_| us.node);
    if matches!(them.purpose, Purpose::Lane(_)) && node.max(us.node) == dials {
        let text = format!("node {dials} dialled, which has the larger id");
        return refuse(Reason::WrongDirection, text);
    }
    Ok(())
}

/// Do both speak the format that the cluster uses? Whoever has heard more says which that is.
pub fn judge_formats(ours: &Build, in_use: u16, them: &Hello) -> Result<(), Refusal> {
    let in_use = in_use.max(them.in_use);
    let theirs = version::judge(&them.build, in_use, Some(&ours.name));
    let ours = theirs.and_then(|()| version::judge(ours, in_use, Some(&them.build.name)));
    ours.map_err(|error| Refusal::new(Reason::Format, error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn build(name: &str, oldest: u16, newest: u16) -> Build {
        Build::new(name, Formats { oldest, newest }).unwrap()
    }

    fn identity(cluster: u8, node: u16, incarnation: u32) -> Identity {
        Identity {
            cluster: ClusterId([cluster; 16]),
            node: NodeId(node),
            incarnation: Incarnation(incarnation),
        }
    }

    fn hello(identity: Identity) -> Hello {
        Hello {
            identity,
            to: NodeId(5),
            life: Life([7; 16]),
            purpose: Purpose::Lane(Lane::Control),
            build: build("1.2.3", 4, 5),
            in_use: 4,
        }
    }

    /// Node 5 of cluster 1 is called by a node that has a place with incarnation 2.
    #[track_caller]
    fn check(them: Identity, certified: Option<(u16, u8)>, expected: Option<Reason>) {
        let known = Known {
            certified: certified.map(|(node, cluster)| (NodeId(node), ClusterId([cluster; 16]))),
            place: (them.node.0 != 4).then_some(Some(Incarnation(2))),
            dialled: None,
        };
        let verdict = judge(&identity(1, 5, 1), &hello(them), known);
        assert_eq!(verdict.err().map(|refusal| refusal.reason), expected);
    }

    #[test]
    fn each_wrong_caller_has_its_reason() {
        check(identity(1, 3, 2), None, None);
        check(identity(1, 3, 3), Some((3, 1)), None);
        check(identity(2, 3, 2), None, Some(Reason::WrongCluster));
        check(identity(1, 3, 2), Some((3, 2)), Some(Reason::WrongCluster));
        check(
            identity(1, 3, 2),
            Some((4, 1)),
            Some(Reason::WrongCertificateName),
        );
        check(identity(1, 5, 2), None, Some(Reason::OwnId));
        check(identity(1, 4, 2), None, Some(Reason::UnknownNode));
        check(identity(1, 3, 1), None, Some(Reason::OldIncarnation));
        check(identity(1, 6, 2), None, Some(Reason::WrongDirection));
    }

    #[test]
    fn who_answers_is_who_was_dialled() {
        let known = |dialled| Known {
            certified: None,
            place: Some(None),
            dialled: Some(NodeId(dialled)),
        };
        let us = identity(1, 5, 1);
        assert_eq!(judge(&us, &hello(identity(1, 6, 1)), known(6)), Ok(()));
        let other = judge(&us, &hello(identity(1, 6, 1)), known(7)).unwrap_err();
        assert_eq!(other.reason, Reason::OtherNode);
        let us = identity(1, 4, 1);
        let for_another = judge(&us, &hello(identity(1, 6, 1)), known(6)).unwrap_err();
        assert_eq!(for_another.reason, Reason::OtherNode);
        let us = identity(1, 5, 1);
        let smaller = judge(&us, &hello(identity(1, 4, 1)), known(4)).unwrap_err();
        assert_eq!(smaller.reason, Reason::WrongDirection);
    }

    #[test]
    fn what_is_written_is_read() {
        for purpose in [
            Purpose::Lane(Lane::Control),
            Purpose::Lane(Lane::Bulk),
            Purpose::Visit,
            Purpose::Moved,
        ] {
            let one = Hello {
                purpose,
                ..hello(identity(9, 700, 8))
            };
            let bytes = one.write();
            assert_eq!(Hello::read(&bytes), Some(one.clone()));
            for length in 0..bytes.len() {
                assert_eq!(Hello::read(&bytes[..length]), None);
            }
            let later = [&bytes[..], b"what a later build says"].concat();
            assert_eq!(Hello::read(&later), Some(one));
        }
    }

    #[test]
    fn two_builds_talk_where_both_speak_what_is_in_use() {
        let them = |oldest, newest, in_use| Hello {
            build: build("2.0.0", oldest, newest),
            in_use,
            ..hello(identity(1, 3, 2))
        };
        let ours = build("1.0.0", 1, 2);
        for (hello, good) in [
            (them(2, 3, 2), true),
            (them(1, 3, 1), true),
            // It has heard of a change that we have not heard of, and the other way round.
            (them(2, 3, 3), false),
            (them(3, 4, 1), false),
        ] {
            let judged = judge_formats(&ours, 2, &hello);
            let reason = judged.as_ref().err().map(|refusal| refusal.reason);
            assert_eq!(reason, (!good).then_some(Reason::Format), "{judged:?}");
        }
        let refusal = judge_formats(&ours, 2, &them(2, 3, 3)).unwrap_err();
        assert!(refusal.text.contains("such as 2.0.0"), "{refusal}");
    }
}

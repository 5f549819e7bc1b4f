//! Asks a DNS server, as a client does who looks for the service (RFC 1035, RFC 2782): one question
//! at a time, within a bounded time. Bytes are read and written by simple-dns (decision 0040).

use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::time::Duration;

use pollux_domain::seams::Rand;
use simple_dns::rdata::RData;
use simple_dns::{CLASS, Name, Packet, PacketFlag, QTYPE, Question, RCODE, TYPE};

/// Servers that are asked, as the C library does (resolv.conf(5)).
const SERVERS_MAX: usize = 3;
/// Each server is asked so often, and has so long.
const ATTEMPTS: usize = 2;
const PATIENCE: Duration = Duration::from_secs(1);
const PORT: u16 = 53;
/// The bit TC, in the third octet of an answer.
const CUT_OFF: u8 = 0b10;

/// A record of a service (RFC 2782).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Service {
    /// Without the dot at its end; empty where the service is not offered.
    pub target: String,
    pub port: u16,
}

/// Why there is no answer, in words for a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unanswered(pub String);

/// Who is asked.
pub struct Resolver<'a> {
    pub servers: Vec<SocketAddr>,
    pub rand: &'a dyn Rand,
}

impl Resolver<'_> {
    /// None where the name or its records are not there.
    pub fn services(&self, name: &str) -> Result<Vec<Service>, Unanswered> {
        self.ask(name, TYPE::SRV, |data| match data {
            RData::SRV(record) => Some(Service {
                target: record.target.to_string().to_ascii_lowercase(),
                port: record.port,
            }),
            _ => None,
        })
    }

    pub fn addresses(&self, name: &str) -> Result<Vec<IpAddr>, Unanswered> {
        let mut found = self.ask(name, TYPE::A, |data| match data {
            RData::A(record) => Some(Ipv4Addr::from(record.address).into()),
            _ => None,
        })?;
        found.extend(self.ask(name, TYPE::AAAA, |data| match data {
            RData::AAAA(record) => Some(IpAddr::from(Ipv6Addr::from(record.address))),
            _ => None,
        })?);
        Ok(found)
    }

    /// The records of one type, of whatever name: the server has followed aliases.
    fn ask<T>(
        &self,
        name: &str,
        kind: TYPE,
        take: impl Fn(&RData<'_>) -> Option<T>,
    ) -> Result<Vec<T>, Unanswered> {
        let mut last = Unanswered("no DNS server is set in /etc/resolv.conf".to_owned());
        for server in self.servers.iter().take(SERVERS_MAX) {
            for _ in 0..ATTEMPTS {
                match self.exchange(*server, name, kind) {
                    Ok(octets) => match records(&octets, &take) {
                        Ok(found) => return Ok(found),
                        Err(reason) => {
                            last = Unanswered(format!("{server} {reason}"));
                            break;
                        }
                    },
                    Err(error) => last = Unanswered(format!("{server} does not answer: {error}")),
                }
            }
        }
        Err(last)
    }

    /// By UDP; by TCP where the answer is longer (RFC 7766 section 5).
    fn exchange(&self, server: SocketAddr, name: &str, kind: TYPE) -> io::Result<Vec<u8>> {
        let mut id = [0; 2];
        self.rand.fill(&mut id);
        let id = u16::from_be_bytes(id);
        let question = question(id, name, kind)?;
        let own: SocketAddr = match server {
            SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
            SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
        };
        let socket = UdpSocket::bind(own)?;
        socket.connect(server)?;
        socket.set_read_timeout(Some(PATIENCE))?;
        socket.send(&question)?;
        let mut answer = vec![0; 4_096];
        let count = socket.recv(&mut answer)?;
        answer.truncate(count);
        // A header (RFC 1035 section 4.1.1) stands before whatever was cut off.
        let [high, low, flags, ..] = answer[..] else {
            return Err(io::ErrorKind::UnexpectedEof.into());
        };
        if u16::from_be_bytes([high, low]) != id {
            let foreign = "an answer to another question came";
            return Err(io::Error::new(io::ErrorKind::InvalidData, foreign));
        }
        match flags & CUT_OFF {
            0 => Ok(answer),
            _ => by_tcp(server, &question),
        }
    }
}

fn question(id: u16, name: &str, kind: TYPE) -> io::Result<Vec<u8>> {
    let wrong = |error: simple_dns::SimpleDnsError| {
        io::Error::new(io::ErrorKind::InvalidInput, error.to_string())
    };
    let mut packet = Packet::new_query(id);
    packet.set_flags(PacketFlag::RECURSION_DESIRED);
    let name = Name::new(name).map_err(wrong)?;
    let (kind, class) = (QTYPE::TYPE(kind), CLASS::IN.into());
    packet
        .questions
        .push(Question::new(name, kind, class, false));
    packet.build_bytes_vec().map_err(wrong)
}

#[expect(
    clippy::disallowed_types,
    reason = "the command line is outside of any simulated node"
)]
fn by_tcp(server: SocketAddr, question: &[u8]) -> io::Result<Vec<u8>> {
    let mut stream = std::net::TcpStream::connect_timeout(&server, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let length = u16::try_from(question.len()).unwrap_or(u16::MAX);
    stream.write_all(&[&length.to_be_bytes(), question].concat())?;
    let mut length = [0; 2];
    stream.read_exact(&mut length)?;
    let mut answer = vec![0; usize::from(u16::from_be_bytes(length))];
    stream.read_exact(&mut answer)?;
    Ok(answer)
}

fn records<T>(octets: &[u8], take: impl Fn(&RData<'_>) -> Option<T>) -> Result<Vec<T>, String> {
    let packet = Packet::parse(octets).map_err(|error| format!("is not understood: {error}"))?;
    match packet.rcode() {
        RCODE::NoError => {}
        RCODE::NameError => return Ok(Vec::new()),
        other => return Err(format!("refuses: {other:?}")),
    }
    let data = packet.answers.iter().map(|record| &record.rdata);
    Ok(data.filter_map(take).collect())
}

/// The servers of this machine (resolv.conf(5)).
pub fn servers(text: &str) -> Vec<SocketAddr> {
    let servers = text.lines().filter_map(|line| {
        let mut words = line.split_whitespace();
        let address = (words.next() == Some("nameserver")).then(|| words.next())??;
        // A scope (fe80::1%eth0) is the C library's own.
        let address = address.split('%').next()?;
        Some(SocketAddr::new(address.parse().ok()?, PORT))
    });
    servers.take(SERVERS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machines_servers_are_read() {
        let text = "# by hand\nsearch example.org\nnameserver 192.0.2.1\n\
             nameserver 2001:db8::53\nnameserver fe80::1%eth0\nnameserver x\n\
             nameserver 192.0.2.4\n";
        let found: Vec<String> = servers(text).iter().map(ToString::to_string).collect();
        assert_eq!(found, ["192.0.2.1:53", "[2001:db8::53]:53", "[fe80::1]:53"]);
        assert_eq!(servers(""), []);
    }

    /// An answer with two services, as a server writes it.
    fn answer() -> Vec<u8> {
        let mut packet = Packet::new_reply(7);
        for (port, target) in [(5_222, "Castor.example.org"), (5_222, "pollux.example.org")] {
            let record = simple_dns::rdata::SRV {
                priority: 0,
                weight: 5,
                port,
                target: Name::new_unchecked(target),
            };
            let name = Name::new_unchecked("_xmpp-client._tcp.example.org");
            let data = RData::SRV(record);
            let record = simple_dns::ResourceRecord::new(name, CLASS::IN, 60, data);
            packet.answers.push(record);
        }
        packet.build_bytes_vec_compressed().unwrap()
    }

    fn targets(octets: &[u8]) -> Result<Vec<String>, String> {
        records(octets, |data| match data {
            RData::SRV(record) => Some(record.target.to_string()),
            _ => None,
        })
    }

    #[test]
    fn an_answer_is_read() {
        let found = targets(&answer()).unwrap();
        assert_eq!(found, ["Castor.example.org", "pollux.example.org"]);
        let mut none = answer();
        none[3] |= 3;
        assert_eq!(targets(&none), Ok(Vec::new()), "no such name");
        let mut refused = answer();
        refused[3] |= 5;
        assert_eq!(targets(&refused), Err("refuses: Refused".to_owned()));
    }

    /// Whatever a server says, it is an answer or none.
    #[test]
    fn damaged_answers_are_refused_and_nothing_breaks() {
        let answer = answer();
        for at in 0..answer.len() {
            let _ = targets(&answer[..at]);
            for value in 0..=u8::MAX {
                let mut damaged = answer.clone();
                damaged[at] = value;
                let _ = targets(&damaged);
            }
        }
    }
}

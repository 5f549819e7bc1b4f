//! The commands about the cluster, its subclusters, nodes and their services. No behaviour.

use clap::{Args, Subcommand};
use pollux_domain::services::Service;

#[derive(Debug, Subcommand)]
pub enum ClusterCommand {
    /// Print a token with which one node joins, once
    Invite {
        /// For a witness, which votes and serves nobody
        #[arg(long)]
        witness: bool,
        /// The subcluster that it joins, or founds; the asked node's by default
        #[arg(long, value_name = "NUMBER")]
        subcluster: Option<u16>,
        /// For a node that comes back without its memory
        #[arg(long, value_name = "NODE")]
        replaces: Option<u16>,
    },
    /// Write a backup beside the node's data, while all go on; prints where
    ///
    /// It holds accounts, contact lists, stored messages, what users keep, and settings: copy it to
    /// another machine, and guard it as you guard the node. `pollux cluster restore` makes a new
    /// cluster of it.
    Backup,
    /// List the backups that the node has made
    Backups,
    /// List the nodes of the cluster
    Nodes,
    /// Remove a node for ever; the others go on without it
    ///
    /// One that runs is drained first: `pollux ctl node drain NODE`. One that is dead is removed as
    /// it is.
    Remove { node: u16 },
    /// Show the certificates between nodes, their age, and how far a rotation of them is
    Certificates,
    /// Rotate the certificates between nodes, their authority, and the secret of TLS tickets
    ///
    /// While people chat: each node believes the next authority, then gets a certificate of it,
    /// then forgets the old one. It waits for nodes that are away, and for nobody who was removed;
    /// what was killed goes on where it was. Tokens of `invite` that were not used are void.
    RotateCertificates,
    /// Let the cluster use what the version that all its nodes run has more
    ///
    /// The last step of an upgrade, and the only one that cannot be taken back: until it, each node
    /// may go back to the version before. Refused while a node does not run the new version; one
    /// that does not come back is removed first. `cluster nodes` shows who runs what.
    FinishUpgrade,
}

#[derive(Debug, Subcommand)]
pub enum NodeCommand {
    /// Empty a node: its twin serves its users, and it takes no users and no duties
    ///
    /// Nobody is logged out. It stays so over restarts, until `node undrain` or `cluster remove`.
    Drain { node: u16 },
    /// End that; users come home by `subcluster fallback`, or by themselves where that is set
    Undrain { node: u16 },
}

#[derive(Debug, Subcommand)]
pub enum WitnessCommand {
    /// Make a node of another subcluster the witness, instead of who is it; people chat on
    ///
    /// It is given the database first, then it votes instead of the one before: at no moment is the
    /// pair without a witness.
    Move {
        /// The node; it stays the witness until it is moved again
        #[arg(
            long,
            value_name = "NODE",
            required_unless_present = "automatic",
            conflicts_with = "automatic"
        )]
        to: Option<u16>,
        /// Let the cluster choose, now and later
        #[arg(long)]
        automatic: bool,
        /// The pair; that of the asked node by default
        #[arg(long, value_name = "NUMBER")]
        subcluster: Option<u16>,
    },
}

#[derive(Debug, Subcommand)]
pub enum SubclusterCommand {
    /// Show who serves whom, who leads, who votes, and the state of each node with its reason
    Status,
    /// List the last takeovers and fallbacks: whose users, from where to where, when and why
    Takeovers,
    /// Let a node take over from its twin by itself, or not
    Ha {
        #[arg(value_parser = ["on", "off"])]
        state: String,
    },
    /// Move all users that a node serves to its twin; nobody is logged out
    Failover { node: u16 },
    /// Move all users back to their home nodes
    Fallback,
    /// Choose which node of another subcluster is the witness
    #[command(subcommand)]
    Witness(WitnessCommand),
    /// Compare the databases of all replicas at one index
    Verify,
}

#[derive(Debug, Subcommand)]
pub enum ServiceCommand {
    /// List the services: what each is to be, what it is, since when and why
    List,
    /// Start a service; it stays so when the node is started again
    ///
    /// Waits until it runs. Where it does not within ten seconds, the command says why, and the
    /// node goes on trying.
    Start(OneService),
    /// Stop a service; it stays so when the node is started again
    ///
    /// Streams that came by a port stay. While a critical service is down and high availability is
    /// on, the users of the node go to its twin after `services.down-seconds`.
    Stop(OneService),
    /// Stop a service and start it again; streams of clients stay
    Restart(OneService),
}

#[derive(Debug, Args)]
pub struct OneService {
    #[arg(value_parser = Service::NAMES)]
    pub name: String,
}

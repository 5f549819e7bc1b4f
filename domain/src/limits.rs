//! Every limit of the product, with its source. What happens at a limit is said beside it.

/// Bytes that an unauthenticated stream may send in all; then `policy-violation` (design, "The
/// path").
pub const PREAUTH_BYTES_MAX: usize = 8 * 1024;
/// Elements that an unauthenticated stream may send in all; then `policy-violation`.
pub const PREAUTH_ELEMENTS_MAX: u32 = 32;
/// Seconds from accept to a bound or resumed session; then `connection-timeout`.
pub const PREAUTH_SECONDS_MAX: u64 = 30;
/// Failed sign-ins on one connection (RFC 6120 section 6.4.5: between 2 and 5); then
/// `policy-violation`.
pub const SIGN_IN_ATTEMPTS_MAX: u32 = 3;
/// Bytes of one stanza after authentication; then `policy-violation`.
pub const STANZA_BYTES_MAX: usize = 256 * 1024;
/// Depth of elements within a stanza; then `policy-violation`.
pub const STANZA_DEPTH_MAX: usize = 32;
/// Attributes of one element; then `policy-violation`.
pub const ATTRIBUTES_MAX: usize = 64;
/// Namespace declarations of one element; then `policy-violation`.
pub const NAMESPACES_MAX: usize = 16;
/// Unauthenticated connections of one node. Newcomers wait in the backlog for a place; each 2 ms in
/// which none becomes free, one of them is closed with `resource-constraint`.
pub const PREAUTH_CONNECTIONS_MAX: usize = 2_000;

/// Clients who have proved who they are and wait until they are let in, of those who come back and
/// of those who are new each; the next is closed with `resource-constraint`, and told when to come
/// again. More come than a node has users only where somebody means ill.
pub const SIGN_INS_WAITING_MAX: usize = 8_192;
/// Sign-ins a second that a node is thought to manage until it has been measured: a fifth of what a
/// core of today does.
pub const SIGN_INS_A_SECOND_ASSUMED: f64 = 100.0;

/// Sessions of one user (ejabberd, MongooseIM: 10); the next sign-in gets `resource-constraint`.
pub const SESSIONS_PER_USER_MAX: usize = 10;
/// Nodes of one cluster, removed ones and witnesses included; one more is not admitted.
pub const NODES_MAX: usize = 64;
/// Invitations that wait for somebody to join; one more is refused.
pub const INVITATIONS_MAX: usize = 64;
/// Entries of the log by which a node may be behind and count as caught up: so many are applied
/// within a moment. One that is further behind does not take over.
pub const BEHIND_MAX: u64 = 4_096;
/// Takeovers that a subcluster remembers for its operator: some months of quiet work, and the whole
/// of a bad day; the oldest is forgotten.
pub const TAKEOVERS_KEPT: usize = 100;
/// Seconds for which a node is to have been well before its users go back to it by themselves: as
/// Cisco Unified Presence has it. A default.
pub const FALLBACK_STABLE_SECONDS: u64 = 1_800;
/// Milliseconds within which the failures of a node add up: each after the first doubles that time.
pub const FALLBACK_DAMPING_MS: u64 = 86_400_000;
/// Seconds that it becomes at most, so that a node that has mended is trusted again within a day.
pub const FALLBACK_SECONDS_MAX: u64 = 86_400;
/// Seconds for which a critical service may be down before the twin takes over: longer than one
/// that is started again takes, shorter than people wait. A default; Cisco Unified Presence has 90.
pub const SERVICE_DELAY_SECONDS: u64 = 5;
/// Users of one cluster, and so of one subcluster (reference: 25,000 a node for IM only, times two,
/// with room); one more is refused.
pub const USERS_MAX: usize = 75_000;
/// Contacts of one user, whatever is set; one more is refused with `resource-constraint`.
pub const CONTACTS_MAX: usize = 2_000;
/// Groups of one contact; more are refused with `not-acceptable`.
pub const CONTACT_GROUPS_MAX: usize = 32;
/// Bytes of a contact's name or of one group's name (RFC 6121 section 2.3.3 leaves it to the
/// server); then `not-acceptable`.
pub const CONTACT_TEXT_BYTES_MAX: usize = 1_023;
/// Changes of one contact list that are remembered for clients that know an older version (RFC 6121
/// section 2.6.3); a client that knows a still older one gets the whole list.
pub const LIST_CHANGES_MAX: usize = 32;
/// Bytes of one vCard (XEP-0054), of which a photo is the most: XEP-0153 section 4.6 asks for 8
/// KiB, and clients send more; then `policy-violation`.
pub const VCARD_BYTES_MAX: usize = 64 * 1024;
/// Bytes of all private data of one user (XEP-0049), and of each element of it, since a stanza has
/// no more; then `resource-constraint`.
pub const PRIVATE_BYTES_MAX: usize = STANZA_BYTES_MAX;
/// Elements of one user's private data; one more is refused with `resource-constraint`.
pub const PRIVATE_ENTRIES_MAX: usize = 128;
/// Bytes of the name and namespace of such an element; then `not-acceptable`.
pub const PRIVATE_NAME_BYTES_MAX: usize = 1_023;
/// Bytes of the presence in which a user has gone that are kept for its status (XEP-0012 section
/// 3); of a longer one nothing is kept.
pub const LAST_WORDS_BYTES_MAX: usize = 1_024;
/// Questions about users of this group from other groups that wait for their answer; one more is
/// refused with `resource-constraint`.
pub const INQUIRIES_MAX: usize = 1_024;
/// Bytes of a subscription request, which is kept whole until it is answered (RFC 6121 section
/// 3.1.3, the warning below rule 4); a longer one gets `policy-violation`.
pub const SUBSCRIPTION_BYTES_MAX: usize = 4 * 1024;
/// Subscription requests that wait for one user's answer; one more is refused with
/// `resource-constraint`.
pub const PENDING_REQUESTS_MAX: usize = 1_000;
/// Addresses that one user has blocked; one more is refused with `resource-constraint`.
pub const BLOCKED_MAX: usize = 1_000;
/// Addresses to which a session has sent directed presence; for one more the first of them is told
/// that the device is gone, as it could not be later.
pub const DIRECTED_MAX: usize = 200;

/// Slots of one session; what follows goes to the offline store and is drained in order.
pub const SLOTS_MAX: usize = 500;
/// Bytes held in the slots of one session; as above.
pub const SLOTS_BYTES_MAX: usize = 2 * 1024 * 1024;
/// Hard limit of slots, for stanzas that cannot be stored (answers, pushes, requests): then the
/// session ends.
pub const SLOTS_HARD_MAX: usize = 1_500;
/// Hard limit of the bytes in a session's slots; as above.
pub const SLOTS_HARD_BYTES_MAX: usize = 6 * 1024 * 1024;
/// Messages in one user's offline store; one more is bounced with `service-unavailable` (XEP-0160
/// section 3).
pub const OFFLINE_MAX: usize = 1_000;
/// Bytes of a get whose request a slot keeps, to be answered afresh; a longer one gets
/// `policy-violation`.
pub const ASK_BYTES_MAX: usize = 1_024;
/// Bytes of all messages that one message to several becomes; more gets `policy-violation`.
pub const BROADCAST_BYTES_MAX: usize = 1024 * 1024;
/// Contacts of one user of whom it is remembered from which device the user has replied; the oldest
/// is forgotten, and messages of that contact go to all devices again.
pub const TALKS_MAX: usize = 64;
/// Departures of one user that are remembered for those who resume; the oldest is forgotten.
pub const DEPARTURES_MAX: usize = 16;

/// Lines that wait for one other group; then a stanza that would add one is refused with
/// `resource-constraint`, and availability becomes a debt (decision 0021). At 1,000 lines a second:
/// 50 s without that group.
pub const OUTBOX_LINES_MAX: usize = 50_000;
/// Bytes in the lines that wait for one other group; as above.
pub const OUTBOX_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Lines for one other group, with the reserve that bounces and answers may use. From here on
/// parcels of that group are refused where they would be taken, and a session that answers one ends
/// before its answer is acknowledged.
pub const OUTBOX_HARD_LINES_MAX: usize = 75_000;
/// Bytes for one other group, with the reserve; as above.
pub const OUTBOX_HARD_BYTES_MAX: usize = 96 * 1024 * 1024;
/// For which a group takes nothing of others at most, in milliseconds of its time: a backup of
/// several groups needs a few commits and looks at what has changed meanwhile. Longer than that
/// nobody is to wait for a message of another subcluster.
pub const HOLD_MS_MAX: u64 = 5_000;
/// Bytes of a part of a backup that travel to the node that makes it at a time: what clients say
/// does not wait long behind them.
pub const BACKUP_PIECE_BYTES_MAX: usize = 256 * 1024;
/// Lines that travel in one `Take`.
pub const TAKE_LINES_MAX: usize = 512;
/// Bytes that travel in one `Take`, beyond its first line.
pub const TAKE_BYTES_MAX: usize = 1024 * 1024;
/// Users of other subclusters that a group knows: five times as many as a cluster has, so that no
/// haste of adding and removing reaches it. More are not taken over from the configuration, which
/// the log says, and what they send comes back to them with `resource-constraint`.
pub const FOREIGN_USERS_MAX: usize = 375_000;
/// Bytes of presence of foreign devices that a group keeps. Beyond it a device is remembered
/// without its presence, which is asked for when it is needed.
pub const FOREIGN_PRESENCE_BYTES_MAX: usize = 128 * 1024 * 1024;

/// How long a session may be resumed, and contacts see it as it was, in milliseconds (XEP-0198
/// `max`).
pub const RESUMPTION_MS: u64 = 300_000;
/// Stanzas of one session that wait for their commit; then its socket is not read.
pub const IN_FLIGHT_MAX: usize = 128;
/// Bytes of stanzas of one session that wait for their commit; then its socket is not read.
pub const IN_FLIGHT_BYTES_MAX: usize = 512 * 1024;
/// Bytes that a client may say in a second; then its socket is not read for a moment. A default.
pub const CLIENT_BYTES_A_SECOND: u64 = 1024 * 1024;
/// Elements that one client may say in a second; as above.
pub const CLIENT_STANZAS_A_SECOND: u64 = 2_000;
/// Bytes in a socket's write queue. From 64 KiB on slots and announcements wait where they are and
/// the client is not read; where this much waits, an error that ends the stream is left out.
pub const WRITE_QUEUE_BYTES_MAX: usize = 1024 * 1024;
/// Seconds for which a write queue may stand without a byte taken. Then the stream is cut, since
/// nothing can be said on it any more, and its session waits for resumption.
pub const WRITE_STALL_SECONDS_MAX: u64 = 60;
/// Seconds of silence after which a client is asked whether it is there (RFC 6120 section 4.6). A
/// default.
pub const CLIENT_SILENCE_SECONDS: u64 = 300;
/// Volatile stanzas (announcements) that wait for one session; of more none is kept, and all is
/// told afresh when the client can be told.
pub const ANNOUNCEMENTS_MAX: usize = 4_096;
/// Messages in a session's mailbox. A full one loses nothing: what it would say waits in the inbox.
pub const SESSION_MAILBOX: usize = 16;

/// Commands that wait for the batcher; then proposers wait, and with them the sockets that they
/// read.
pub const PROPOSALS_MAX: usize = 8_192;
/// Commands of other nodes that wait in the leader; then it answers that it is full, and they wait
/// where they came from.
pub const INTAKE_COMMANDS_MAX: usize = 16_384;
/// Commands in one Raft entry.
pub const BATCH_COMMANDS_MAX: usize = 512;
/// Bytes of one Raft entry, beyond its first command.
pub const BATCH_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Milliseconds for which a write of the log waits for others before the disk is asked, where
/// nobody waits for it (`durability = memory`): one sync for each of these.
pub const LOG_SYNC_PAUSE_MS: u64 = 20;
/// Milliseconds by which the disk may be behind there; then whoever writes waits for it.
pub const LOG_UNSYNCED_MS_MAX: u64 = 1_000;
/// Bytes of a segment of the log, after which the next one begins; a single entry may be larger.
pub const LOG_SEGMENT_BYTES: u64 = 16 * 1024 * 1024;
/// Bytes that sled keeps of the tables in memory (its own default: 1 GiB); as above. Rows are cold:
/// written once, read once.
pub const TABLES_CACHE_BYTES: u64 = 16 * 1024 * 1024;
/// Bytes of any record on disk.
pub const RECORD_BYTES_MAX: usize = 1024 * 1024 * 1024;
/// Raft entries after which a snapshot is taken.
pub const SNAPSHOT_ENTRIES: u64 = 10_000;
/// Raft entries kept behind a snapshot.
pub const LOG_KEEP_ENTRIES: u64 = 1_000;

/// Failed sign-ins of one account that lock it out. A default.
pub const LOCKOUT_ACCOUNT_FAILURES: u64 = 10;
/// Failed sign-ins from one address that lock it out: a company may be behind one. A default.
pub const LOCKOUT_ADDRESS_FAILURES: u64 = 100;
/// Seconds within which failures add up.
pub const LOCKOUT_WINDOW_SECONDS: u64 = 600;
/// Seconds for which nothing is tried then.
pub const LOCKOUT_SECONDS: u64 = 300;
/// Accounts, and addresses, whose failures a node remembers; then it forgets those that have not
/// locked anybody out, the oldest first.
pub const LOCKOUT_ENTRIES_MAX: usize = 65_536;

/// Clients of one user that have tokens to sign in by; one more takes the place of the one that was
/// not seen for longest.
pub const TOKEN_CLIENTS_MAX: usize = 32;
/// Bytes of the name that a client gives its installation (XEP-0388: a UUID has 36); then
/// `malformed-request`.
pub const USER_AGENT_ID_BYTES_MAX: usize = 64;
/// Seconds for which such a token is good. A default.
pub const TOKEN_SECONDS: u64 = 21 * 86_400;

/// Accounts that one address may ask for in an hour, where strangers may. A default.
pub const REGISTRATIONS_AN_HOUR: u64 = 5;
/// Seconds for which they are counted.
pub const REGISTRATION_WINDOW_SECONDS: u64 = 3_600;
/// Addresses whose requests a node counts; one more is refused until the hour of another is over.
pub const REGISTRATION_ADDRESSES_MAX: usize = 65_536;
/// Bytes of the name of an account that a stranger makes; a longer one gets `not-acceptable`.
pub const REGISTERED_NAME_BYTES_MAX: usize = 64;

/// Octets of the language of a stream (RFC 5646 section 4.4.1 means 35 to be enough); a longer one
/// is taken for none.
pub const LANGUAGE_BYTES_MAX: usize = 64;

/// Seconds for which credentials at a TURN server are good: as other servers have it. A default.
pub const EXTERNAL_CREDENTIALS_SECONDS: u64 = 86_400;

/// Iterations of PBKDF2 for new passwords (XEP-0438: at least 10,000; the field's clients hash at
/// each sign-in).
pub const SCRAM_ITERATIONS: u32 = 10_000;
/// Bytes of a new salt (XEP-0438: at least 16).
pub const SALT_BYTES: usize = 16;

/// Bytes of one message between nodes on the control lane; a longer one is not sent (`TooLong`),
/// and a peer that announces one is hung up.
pub const LINK_CONTROL_BYTES_MAX: usize = 64 * 1024;
/// Bytes of one message between nodes on the bulk lane; as above.
pub const LINK_BULK_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Messages that wait to be written to one lane of one node; one more is not sent (`Full`).
pub const LINK_QUEUE_MAX: usize = 4_096;
/// Bytes that wait for one control lane; what would exceed them is not sent (`Full`).
pub const LINK_CONTROL_QUEUE_BYTES_MAX: usize = 1024 * 1024;
/// Bytes that wait for one bulk lane; what would exceed them is not sent (`Full`).
pub const LINK_BULK_QUEUE_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Questions on one lane of one node that wait for their answer; one more is not sent (`Full`), and
/// a peer that asks more is refused.
pub const LINK_ASKS_MAX: usize = 4_096;
/// Connections on the port between nodes that have not said who they are; one more is closed, and
/// once a minute the log says so.
pub const LINK_STRANGERS_MAX: usize = 256;
/// Seconds from accept to a complete hello on that port; then it is closed.
pub const LINK_HELLO_SECONDS_MAX: u64 = 5;
/// Relayed clients that one node takes from all others; one more is refused by name.
pub const VISITS_MAX: usize = 100_000;
/// Bytes of the header of a visit; a longer one is not sent, and a peer that sends one is hung up.
pub const VISIT_HEADER_BYTES_MAX: usize = 64 * 1024;
/// Bytes of a request to join; a longer one is not sent, and who sends one is hung up.
pub const JOIN_REQUEST_BYTES_MAX: usize = 8 * 1024;
/// Bytes of the answer to a request to join; with more the joining node is refused.
pub const JOIN_GRANT_BYTES_MAX: usize = 256 * 1024;
/// Seconds for joining, from connection to answer; then it is closed.
pub const JOIN_SECONDS_MAX: u64 = 10;
/// Nodes that join at once through one node; one more is refused and may try again.
pub const JOINS_MAX: usize = 4;

/// Administrators of one cluster; one more is refused.
pub const ADMINISTRATORS_MAX: usize = 256;
/// Tokens for programs; one more is refused until one is removed.
pub const API_TOKENS_MAX: usize = 256;
/// Days for which such a token can be good: ten years; a longer time is refused.
pub const API_TOKEN_DAYS_MAX: u16 = 3_660;
/// Lines of the audit that are kept; the oldest goes for a new one. The numbers go on, so that one
/// sees that there were more.
pub const AUDIT_LINES_MAX: usize = 2_048;
/// Bytes of the fields in such a line, and of its result; what is longer is cut.
pub const AUDIT_TEXT_BYTES_MAX: usize = 512;
/// What hashing an administrator's password costs (OWASP, "Password Storage", Argon2id): KiB of
/// memory, passes over it, lanes. What is kept says by which it was made.
pub const ADMINISTRATOR_HASH_MEMORY_KIB: u32 = 19_456;
pub const ADMINISTRATOR_HASH_PASSES: u32 = 2;
pub const ADMINISTRATOR_HASH_LANES: u32 = 1;
/// Such passwords that are hashed at one time; more wait, so that memory has a bound.
pub const ADMINISTRATOR_HASHES_MAX: usize = 2;

//! Every bound of the system in one file, each with its unit and its source.
//!
//! A bound is a constant here, never a literal in code. Invariant: what is allowed
//! before login is far below what is allowed after it.

use std::time::Duration;

// --- Addresses and names -------------------------------------------------------------

/// Octets of a local part (RFC 5321 §4.5.3.1.1).
pub const LOCAL_PART_OCTETS: usize = 64;
/// Octets of a domain name (RFC 5321 §4.5.3.1.2, RFC 1035 §2.3.4).
pub const DOMAIN_OCTETS: usize = 255;
/// Characters of an address, or of a name that stands for one.
pub const ADDRESS_CHARACTERS: usize = LOCAL_PART_OCTETS + 1 + DOMAIN_OCTETS;
/// Octets of a folder's full name in UTF-8; 1000 is what clients are seen to survive.
pub const FOLDER_NAME_OCTETS: usize = 1000;
/// Levels of a folder name: bounds recursion in clients that build trees.
pub const FOLDER_DEPTH: usize = 32;
/// Folders in a mailbox: a LIST answer stays below a few hundred KiB.
pub const FOLDERS_PER_MAILBOX: usize = 2000;
/// Entries for others in the access control list of a folder: it stands in the folder's row.
pub const ACL_ENTRIES: usize = 100;
/// Annotations of a folder, and of a mailbox as a whole (RFC 5464 §4.1: at least 10).
pub const ANNOTATIONS: usize = 100;
/// Octets of one annotation's value (RFC 5464 §4.1: at least 1024): what one literal can hold, and a row should.
pub const ANNOTATION_OCTETS: usize = 64 * 1024;
/// Octets of all annotations of a mailbox, names too: room for ten of 1024 octets on each of its folders, and more.
pub const ANNOTATIONS_OCTETS: u64 = 32 * 1024 * 1024;
/// Octets of an annotation's name (RFC 5464 sets none; a path, not a document).
pub const ANNOTATION_NAME_OCTETS: usize = 256;
/// Octets of a keyword (RFC 9051 §2.3.2 sets none; a name, not a document).
pub const KEYWORD_OCTETS: usize = 128;

// --- Messages ------------------------------------------------------------------------

/// Octets of a message, announced by SIZE (RFC 1870) and APPENDLIMIT (RFC 7889).
pub const MESSAGE_OCTETS: u64 = 50 * 1024 * 1024;
/// Octets up to which a message is held in memory while it is received.
pub const MESSAGE_IN_MEMORY_OCTETS: usize = 256 * 1024;
/// Octets of a compressed body kept in a database row; larger ones are files.
pub const BODY_INLINE_OCTETS: usize = 64 * 1024;
/// MIME nesting; what lies deeper is one opaque leaf (Dovecot's default).
pub const MIME_DEPTH: usize = 100;
/// MIME parts of a message; further ones are part of the last leaf (Dovecot's default).
pub const MIME_PARTS: usize = 10_000;
/// Octets of one header field that is parsed; a longer one is kept but read as far as this.
pub const HEADER_FIELD_OCTETS: usize = 128 * 1024;
/// Octets of a whole header accepted over SMTP (552 5.3.4 beyond).
pub const HEADER_OCTETS: usize = 1024 * 1024;
/// Addresses of one header field that ENVELOPE shows (CVE-2024-23184 was about their number).
pub const ENVELOPE_ADDRESSES: usize = 1000;
/// Parameters of one MIME field that BODYSTRUCTURE shows (Dovecot's bound).
pub const MIME_PARAMETERS: usize = 128;
/// Octets of well-known header fields that are kept beside a message's ENVELOPE; of more, none are.
pub const KNOWN_FIELDS_OCTETS: usize = 64 * 1024;
/// Octets of a References field, from its end, that threading looks at (a few hundred ancestors).
pub const REFERENCES_OCTETS: usize = 32 * 1024;
/// `Received` fields at which a message is looping (RFC 5321 §6.3 asks for at least 100; Postfix uses 50).
pub const RECEIVED_HOPS: usize = 50;

// --- Connections ---------------------------------------------------------------------

/// Open connections from one network (an IPv4 address or an IPv6 /64) on all mail listeners.
pub const CONNECTIONS_PER_NETWORK: usize = 50;
/// Open connections in all; past it new ones get the protocol's busy answer.
pub const CONNECTIONS: usize = 15_000;
/// Sessions of one mailbox on one node.
pub const SESSIONS_PER_MAILBOX: usize = 100;
/// App passwords of one mailbox: each is compared at a login that fits none before it.
pub const APP_PASSWORDS: usize = 100;
/// Time from connect to login on IMAP and POP3.
pub const LOGIN_TIME: Duration = Duration::from_secs(60);
/// Time for a TLS handshake.
pub const TLS_HANDSHAKE_TIME: Duration = Duration::from_secs(20);
/// Time in which a peer must take what was written before it is dropped.
pub const WRITE_TIME: Duration = Duration::from_secs(60);
/// Idle time of IMAP after login (RFC 9051 §5.4: at least 30 minutes).
pub const IMAP_IDLE_TIME: Duration = Duration::from_secs(31 * 60);
/// Idle time of POP3 after login (RFC 1939 §3: at least 10 minutes).
pub const POP3_IDLE_TIME: Duration = Duration::from_secs(10 * 60);
/// Idle time of SMTP between commands (RFC 5321 §4.5.3.2.7: at least 5 minutes).
pub const SMTP_IDLE_TIME: Duration = Duration::from_secs(5 * 60);
/// Octets a second that a peer must send on average while a message or a command is coming
/// (Postfix' smtpd_min_data_rate); what it may fall behind is [`SMTP_DATA_TIME`].
pub const SENDER_RATE: u32 = 500;
/// Time for one block of DATA (RFC 5321 §4.5.3.2.5: 3 minutes).
pub const SMTP_DATA_TIME: Duration = Duration::from_secs(3 * 60);
/// From SIGTERM to exit.
pub const DRAIN_TIME: Duration = Duration::from_secs(28);
/// Octets queued for a peer before the session waits for it to read.
pub const OUTPUT_OCTETS: usize = 64 * 1024;

// --- SMTP ----------------------------------------------------------------------------

/// Octets of an SMTP command line with CRLF (RFC 5321 §4.5.3.1.4: 512, plus extensions).
pub const SMTP_LINE_OCTETS: usize = 4096;
/// Octets read of an overlong line before the connection is closed.
pub const OVERLONG_LINE_OCTETS: usize = 64 * 1024;
/// Octets of header text that the parts of a message below its own header may leave in its summary; what comes beyond
/// is shown without its parameters and descriptions.
pub const PARTS_TEXT_OCTETS: usize = 256 * 1024;
/// Octets of one header field that are shown of it (ENVELOPE, BODYSTRUCTURE); the message itself keeps them all.
pub const SHOWN_FIELD_OCTETS: usize = 256 * 1024;
/// A path without its brackets (RFC 5321 §4.5.3.1.3).
pub const PATH_OCTETS: usize = 254;
/// Recipients of one transaction (RFC 5321 §4.5.3.1.8: at least 100; 452 4.5.3 beyond).
pub const SMTP_RECIPIENTS: usize = 1000;
/// Mailboxes that the recipients of one transaction may come to (452 4.5.3 beyond): one commit holds them all.
pub const SMTP_MAILBOXES: usize = 2 * ALIAS_FAN_OUT;
/// How long an MX listens for early talkers before it greets (RFC 5321 §4.3.1).
pub const SMTP_EARLY_TALK_TIME: Duration = Duration::from_millis(10);
/// Transactions of one connection (announced by LIMITS, RFC 9422).
pub const SMTP_TRANSACTIONS: usize = 1000;
/// Errors of one connection before it is closed with 421 (Postfix' hard error limit).
pub const SMTP_ERRORS: usize = 20;
/// NOOP, VRFY, RSET and the like in one connection (Postfix' junk command limit).
pub const SMTP_JUNK_COMMANDS: usize = 100;
/// How deep aliases may point to aliases.
pub const ALIAS_DEPTH: usize = 10;
/// Addresses that one alias may come to, through other aliases too.
pub const ALIAS_FAN_OUT: usize = 1000;

// --- IMAP ----------------------------------------------------------------------------

/// Octets of a command line before login.
pub const IMAP_LINE_BEFORE_LOGIN_OCTETS: usize = 8 * 1024;
/// Octets of a command line after login.
pub const IMAP_LINE_OCTETS: usize = 64 * 1024;
/// Octets of all literals of a command before login.
pub const IMAP_LITERALS_BEFORE_LOGIN_OCTETS: usize = 4 * 1024;
/// Octets of one literal that is not a message.
pub const IMAP_LITERAL_OCTETS: usize = 100 * 1024;
/// Octets of all literals of a command, messages apart.
pub const IMAP_LITERALS_OCTETS: usize = 1024 * 1024;
/// Literals of a command, messages apart.
pub const IMAP_LITERALS: usize = 1000;
/// Nesting of parentheses before login.
pub const IMAP_NESTING_BEFORE_LOGIN: usize = 32;
/// Nesting of parentheses and of NOT/OR in SEARCH after login.
pub const IMAP_NESTING: usize = 64;
/// Time in which a client must go on while it sends a message.
pub const IMAP_LITERAL_TIME: Duration = Duration::from_secs(3 * 60);
/// Messages of one MULTIAPPEND (RFC 3502 leaves it to the server).
pub const IMAP_MULTIAPPEND: usize = 1000;
/// Octets of a message, from its beginning, that SEARCH looks at: a bound on memory for one search.
pub const SEARCH_OCTETS: usize = 8 * 1024 * 1024;
/// Message-IDs that one THREAD tells apart: ten for each message of a folder of 100,000.
pub const THREAD_NAMES: usize = 1_000_000;
/// Steps that one THREAD takes to find loops among references; only hostile mail needs that many.
pub const THREAD_LOOP_STEPS: usize = 20_000_000;
/// References of one message that threading keeps: the first one, and the nearest.
pub const THREAD_REFERENCES: usize = 100;
/// Octets of a text, from its beginning, by which SORT compares (as its key of `i;unicode-casemap`).
pub const SORT_KEY_OCTETS: usize = 255;
/// Octets of a header text that is kept for searches; a message with a longer one is read when it is searched.
pub const SEARCH_TEXT_OCTETS: usize = 1024;
/// Results that one session has kept up to date (RFC 5267), and messages in all of them.
pub const CONTEXTS: usize = 8;
/// See [`CONTEXTS`].
pub const CONTEXT_HITS: usize = 1_000_000;
/// A command that takes longer gives a sign of life so often (RFC 9585 §4 asks for 10 to 15 seconds at least).
pub const PROGRESS_TIME: Duration = Duration::from_secs(10);
/// Names of folders in one NOTIFY (RFC 5465 §5.8 lets the server refuse).
pub const NOTIFY_NAMES: usize = 1000;
/// Characters of all patterns of one LIST.
pub const LIST_PATTERNS_CHARACTERS: usize = 8 * 1024;
/// Octets of names times characters of patterns above which LIST is matched on a thread of its own: a millisecond.
pub const LIST_WORK: usize = 200_000;
/// Messages that a search looks at before it hands on what it found.
pub const SEARCH_BATCH: usize = 8192;
/// Octets of the texts of one kind in a folder's columns: five long ones for each message of a folder of 100,000.
pub const COLUMN_TEXTS_OCTETS: usize = 512 * 1024 * 1024;
/// Octets of what a node keeps of folders for SORT, THREAD and SEARCH; some 20 MiB are a folder of 100,000.
pub const COLUMNS_OCTETS: u64 = 128 * 1024 * 1024;
/// How long that is kept when nobody asks for it.
pub const COLUMNS_IDLE_TIME: Duration = Duration::from_secs(15 * 60);
/// Compressed sessions of one node (RFC 4978): each holds up to 256 KiB for its two windows.
pub const COMPRESSED_SESSIONS: usize = 1000;
/// Octets from a message's beginning that PREVIEW looks at.
pub const PREVIEW_SOURCE_OCTETS: u64 = 64 * 1024;
/// Characters of a PREVIEW (RFC 8970 §3.1: 200 recommended, 256 at most).
pub const PREVIEW_CHARACTERS: usize = 200;
/// BAD answers of one connection before it ends.
pub const IMAP_ERRORS: usize = 50;

// --- POP3 ----------------------------------------------------------------------------

/// Octets of a command line (RFC 2449 §4: 255; SASL lines are longer, RFC 5034 §4).
pub const POP3_LINE_OCTETS: usize = 4096;
/// Errors of one connection before it ends.
pub const POP3_ERRORS: usize = 20;

// --- Login ---------------------------------------------------------------------------

/// Characters of a password at least (NIST SP 800-63B §5.1.1.2).
pub const PASSWORD_CHARACTERS: usize = 8;
/// Octets of a password: bounds the work of hashing.
pub const PASSWORD_OCTETS: usize = 256;
/// Failed logins a minute from one network, over all protocols and the API.
pub const FAILED_LOGINS_PER_MINUTE: u32 = 10;
/// Failed logins a day from one network.
pub const FAILED_LOGINS_PER_DAY: u32 = 50;
/// Failed logins an hour on one mailbox from networks that never logged in to it.
pub const FAILED_LOGINS_PER_MAILBOX_HOUR: u32 = 20;
/// Password hashes computed at once, a core.
pub const HASHES_PER_CORE: usize = 2;
/// Logins that may wait for a hash; past it the answer is a temporary failure.
pub const HASH_QUEUE: usize = 64;
/// How long a verified password is remembered.
pub const VERIFIED_PASSWORD_TIME: Duration = Duration::from_secs(300);
/// How long a wrong password is remembered: tried again, it is no further guess.
pub const REFUTED_PASSWORD_TIME: Duration = Duration::from_secs(24 * 3600);
/// Before this time no login is refused: hashes of several schemes, remembered outcomes and unknown names take
/// different times, all of them less.
pub const REFUSED_LOGIN_TIME: Duration = Duration::from_secs(1);
/// Before this time no challenge of SCRAM is sent, so that looking up a name tells nothing.
pub const SCRAM_CHALLENGE_TIME: Duration = Duration::from_millis(50);
/// Verified passwords remembered at once, and as many wrong ones.
pub const VERIFIED_PASSWORDS: u64 = 50_000;

/// Entries of a mailbox's login history: so many admitted, and as many that were not.
pub const LOGIN_HISTORY: i64 = 100;
/// How long an entry of a login history is kept.
pub const LOGIN_HISTORY_TIME: Duration = Duration::from_secs(90 * 24 * 3600);
/// Failures on one mailbox, unlike each other, that are noted at once; of more the addresses are not.
pub const LOGIN_FAILURES_AT_ONCE: usize = 20;
/// Names of throttled logins that are looked up at once.
pub const LOGIN_NAMES_AT_ONCE: usize = 100;

/// Shares of a quota that mailboxes are warned of.
pub const QUOTA_SHARES: usize = 10;
/// Days without use that advice looks back at most: ten years.
pub const UNUSED_DAYS: u32 = 3650;
/// Days for which usage is kept.
pub const USAGE_DAYS: i64 = 2 * 366;
/// Days of usage that are read at once.
pub const USAGE_DAYS_AT_ONCE: i64 = 366;

// --- HTTP ----------------------------------------------------------------------------

/// Time for the header of a request.
pub const HTTP_HEADER_TIME: Duration = Duration::from_secs(10);
/// Time for a whole request and its answer.
pub const HTTP_REQUEST_TIME: Duration = Duration::from_secs(60);
/// A connection on which nothing is asked is closed after so long.
pub const HTTP_IDLE_TIME: Duration = Duration::from_secs(120);
/// Octets of a request's header.
pub const HTTP_HEADER_OCTETS: usize = 64 * 1024;
/// Octets of a request's body.
pub const HTTP_BODY_OCTETS: usize = 1024 * 1024;
/// Open HTTP connections.
pub const HTTP_CONNECTIONS: usize = 2000;
/// Sign-ins of one caller that stand at once; a further one ends the oldest.
pub const SIGN_INS: i64 = 1000;
/// Characters of a User-Agent that a sign-in keeps.
pub const USER_AGENT_CHARACTERS: usize = 200;
/// How long an invitation opens.
pub const INVITATION_TIME: Duration = Duration::from_secs(7 * 24 * 3600);
/// How long the link of a password reset opens.
pub const RESET_TIME: Duration = Duration::from_secs(3600);
/// Links of a kind that go to one owner in a day: nobody's mailbox is flooded by whoever knows a name.
pub const LINKS_PER_DAY: i64 = 10;
/// How long ended links, and what became of their mail, are shown.
pub const LINKS_KEPT_TIME: Duration = Duration::from_secs(30 * 24 * 3600);
/// Time for handing a letter to the smarthost.
pub const SMARTHOST_TIME: Duration = Duration::from_secs(30);
/// Letters that one look at the outbox takes.
pub const OUTBOX_BATCH: i64 = 20;
/// HTTP connections beyond those, from this machine alone: for whoever looks after it.
pub const HTTP_CONNECTIONS_RESERVE: usize = 16;
/// Networks of one `allow_from`: each login looks at all of them.
pub const NETWORKS: usize = 100;
/// Scopes, and domains, of one key: each request looks at all of them.
pub const KEY_SCOPES: usize = 100;
/// Items of a page.
pub const PAGE_ITEMS: usize = 1000;
/// Items of a page when the caller names no limit.
pub const PAGE_ITEMS_DEFAULT: usize = 100;
/// Octets of the items of a page, as JSON: it ends before the item that passes them, unless that is its first.
pub const PAGE_OCTETS: usize = 4 * 1024 * 1024;
/// Octets of the beginning of a name or address that a list is filtered by.
pub const PREFIX_OCTETS: usize = LOCAL_PART_OCTETS + 1 + DOMAIN_OCTETS;
/// Octets of a cursor.
pub const CURSOR_OCTETS: usize = 4096;
/// Callers, and networks, whose requests are counted at once.
pub const RATE_BUCKETS: u64 = 100_000;
/// How long an Idempotency-Key is remembered.
pub const IDEMPOTENCY_TIME: Duration = Duration::from_secs(24 * 3600);

/// Seconds that a write waits for all nodes at most (`Prefer: wait`, RFC 7240 §4.3).
pub const PREFER_WAIT_TIME: Duration = Duration::from_secs(30);
/// Streams of events that are open at once, long polls among them.
pub const EVENT_STREAMS: usize = 500;
/// Of one caller.
pub const EVENT_STREAMS_PER_CALLER: usize = 10;
/// Between two signs of life of a stream: below the minute in which proxies close what is silent.
pub const EVENT_HEARTBEAT_TIME: Duration = Duration::from_secs(15);
/// Life of a stream: its client goes on with Last-Event-ID.
pub const EVENT_STREAM_TIME: Duration = Duration::from_secs(3600);
/// Webhooks of a tenant.
pub const WEBHOOKS_PER_TENANT: i64 = 50;
/// Octets of the ETags that an item of a batch is conditional on.
pub const ETAGS_OCTETS: usize = 4000;
/// Octets of a webhook's address.
pub const URL_OCTETS: usize = 2000;
/// Patterns of a webhook's events.
pub const WEBHOOK_PATTERNS: usize = 50;
/// Webhooks that are sent to at once.
pub const WEBHOOK_SENDERS: usize = 32;
/// A webhook with a backlog is sent to so long before others have its place.
pub const WEBHOOK_TURN_TIME: Duration = Duration::from_secs(5);
/// How long attempts of webhooks are shown.
pub const WEBHOOK_LOG_TIME: Duration = Duration::from_secs(30 * 24 * 3600);
/// Time for a connection to an address that others name.
pub const OUTBOUND_CONNECT_TIME: Duration = Duration::from_secs(5);
/// Time for a whole request to one (Standard Webhooks: 15 to 30 seconds).
pub const OUTBOUND_TIME: Duration = Duration::from_secs(15);
/// Octets of a document that is imported: 100,000 rows of 640 octets.
pub const IMPORT_OCTETS: u64 = 64 * 1024 * 1024;
/// Rows of one import.
pub const IMPORT_ROWS: i64 = 200_000;
/// Octets of one row of an import.
pub const IMPORT_ROW_OCTETS: usize = 16 * 1024;
/// Rows and octets that an import holds in memory at once.
pub const IMPORT_CHUNK: (usize, usize) = (500, 256 * 1024);
/// Rows of a job that go into one commit, and the time for which it holds the database: half of what a change may
/// take to reach its sessions.
pub const JOB_BATCH: (usize, Duration) = (50, Duration::from_millis(40));
/// Jobs of one tenant that have not ended.
pub const JOBS_PER_TENANT: i64 = 10;
/// How long a job that has ended is shown.
pub const JOB_KEPT_TIME: Duration = Duration::from_secs(30 * 24 * 3600);
/// Scheduled changes of one mailbox or domain.
pub const SCHEDULED_CHANGES: usize = 50;
/// Writes of one `:batch`.
pub const BATCH_ITEMS: usize = 100;
/// A node that has not reported for so long is gone: three of its heartbeats.
pub const NODE_GONE_TIME: Duration = Duration::from_secs(15);

// --- Store ---------------------------------------------------------------------------

/// Writes that wait for one group commit.
pub const COMMIT_QUEUE: usize = 4096;
/// Writes of one group commit: bounds how long a commit holds the database.
pub const COMMIT_BATCH: usize = 512;
/// Octets of bodies of one group commit.
pub const COMMIT_BATCH_OCTETS: usize = 16 * 1024 * 1024;
/// Rows of one set-based read.
pub const READ_BATCH: usize = 500;
/// Octets of bodies of one set-based read.
pub const READ_BATCH_OCTETS: usize = 1024 * 1024;
/// Free octets of the data folder below which no mail is accepted (452 4.3.1), unless the settings want more.
pub const FREE_OCTETS: u64 = 256 * 1024 * 1024;
/// What the settings cannot go below: one and a half times the largest message, as Postfix asks for before MAIL.
pub const FREE_OCTETS_LEAST: u64 = MESSAGE_OCTETS / 2 * 3;

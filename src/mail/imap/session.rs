//! One IMAP conversation from greeting to end (RFC 9051 §3).
//!
//! ```text
//! connect ── greeting ──> NotAuthenticated ── LOGIN, AUTHENTICATE ──> Authenticated
//!                                                     Authenticated ── SELECT, EXAMINE ──> Selected
//!                                          Selected ── CLOSE, UNSELECT ──> Authenticated
//!                          any ── LOGOUT, BYE, end of the connection ──> over
//! ```
//!
//! The states carry their data; a command in the wrong one is a match arm. Invariant: a
//! command is answered by exactly one tagged line, or the conversation ends.

use super::command::{Command, Tagged, UrlCommand};
use super::notify::{self, Notify};
use super::peer::{Account, Enabled, Peer};
use super::progress::Progress;
use super::reply::{Answer, Reply, Status, Stop};
use super::sync::{Expunges, hold_back, sync};
use super::view::Selected;
use super::wire::{Append, Step, Wire};
use super::{
    acl, append, authenticate, capability, catenate, copy_move, expunge, fetch, folders, gate, idle, list, metadata,
    quota, search, select, status, store, urlauth,
};
use crate::mail::Services;
use crate::mail::conn::{Conn, Interrupt};
use crate::mail::end::SessionEnd;
use crate::model::bounds;
use crate::net::DeflatePlace;
use std::sync::Arc;
use std::time::Duration;

/// RFC 9051 §3.
enum State {
    NotAuthenticated,
    Authenticated(Arc<Account>),
    Selected(Arc<Account>, Box<Selected>),
}

impl State {
    fn account(&self) -> Option<Arc<Account>> {
        match self {
            Self::NotAuthenticated => None,
            Self::Authenticated(account) | Self::Selected(account, _) => Some(account.clone()),
        }
    }

    fn selected(&mut self) -> Option<&mut Selected> {
        match self {
            Self::Selected(_, selected) => Some(selected),
            _ => None,
        }
    }
}

/// Why the conversation is over.
enum End {
    Logout,
    /// We hang up with these words.
    Bye(&'static str),
    Interrupt(Interrupt),
}

impl From<Interrupt> for End {
    fn from(interrupt: Interrupt) -> Self {
        Self::Interrupt(interrupt)
    }
}

/// Speaks IMAP on a connection until it is over.
pub async fn serve(conn: Conn, services: Arc<Services>) {
    let peer = Peer { conn, services, enabled: Enabled::default(), progress: Progress::new("") };
    let mut session =
        Session { peer, wire: Wire::new(), state: State::NotAuthenticated, news: None, errors: 0, commands: 0 };
    let end = session.run().await;
    session.end(end).await;
}

struct Session {
    peer: Peer,
    wire: Wire,
    state: State,
    /// What the client wants to be told without asking.
    news: Option<Box<Notify>>,
    /// BAD answers so far.
    errors: usize,
    commands: u64,
}

impl Session {
    async fn run(&mut self) -> End {
        let greeting = Reply::ok("Facteur is ready").with(capability::text(&self.peer, false));
        greeting.write(b"*", self.peer.out());
        loop {
            if let Err(end) = self.turn().await {
                return end;
            }
        }
    }

    /// Takes one step of the wire: a command, a message, or the wait for more.
    async fn turn(&mut self) -> Result<(), End> {
        let (input, out) = self.peer.conn.buffers();
        match self.wire.next(input, out) {
            Step::More => {
                let within = self.patience();
                if self.wire.is_between_commands() && self.peer.conn.input().is_empty() {
                    self.wait(within).await?;
                } else {
                    self.peer.conn.read_rest(within).await?;
                }
                Ok(())
            }
            Step::Command(Tagged { tag, command }) => self.command(&tag, command).await,
            Step::Append(command) => self.append(command).await,
            Step::Bad { tag, text } => self.finish(tag.as_deref().unwrap_or("*"), Ok(Reply::bad(text))),
            Step::Close(text) => Err(End::Bye(text)),
        }
    }

    /// Waits for the next command; who asked for news hears it meanwhile.
    async fn wait(&mut self, within: Duration) -> Result<(), End> {
        let (Some(account), Some(_)) = (self.state.account(), &self.news) else {
            return Ok(self.peer.conn.read_more(within).await?);
        };
        let waited = notify::wait(&mut self.peer, &account, &mut self.news, self.state.selected(), within);
        // Boxed: sessions without news need no memory for it.
        match Box::pin(waited).await {
            Ok(()) | Err(Stop::Reply(_)) => Ok(()),
            Err(Stop::Bye(text)) => Err(End::Bye(text)),
            Err(Stop::Interrupt(interrupt)) => Err(End::Interrupt(interrupt)),
        }
    }

    /// RFC 9051 §5.4: how long the client may say nothing.
    fn patience(&self) -> Duration {
        match self.state {
            // Counted from the connect, whatever is said meanwhile.
            State::NotAuthenticated => bounds::LOGIN_TIME.saturating_sub(self.peer.conn.age()),
            State::Authenticated(_) | State::Selected(..) => bounds::IMAP_IDLE_TIME,
        }
    }

    async fn command(&mut self, tag: &str, command: Command) -> Result<(), End> {
        self.note(command.name());
        self.peer.progress = Progress::new(tag);
        match command {
            Command::Logout => {
                // RFC 9051 §6.1.3: BYE comes before the tagged OK.
                self.peer.out().extend_from_slice(b"* BYE Until next time\r\n");
                Reply::ok("LOGOUT completed").write(tag.as_bytes(), self.peer.out());
                Err(End::Logout)
            }
            Command::StartTls => self.start_tls(tag).await,
            Command::Compress(mechanism) => self.compress(tag, &mechanism).await,
            Command::Unauthenticate => self.unauthenticate(tag),
            // Waits for long, so its future is part of the session's and holds nothing else.
            Command::Idle if !matches!(self.state, State::NotAuthenticated) => {
                let Some(account) = self.state.account() else { return Ok(()) };
                let news = (&*account, &mut self.news);
                let answer = idle::idle(&mut self.peer, &mut self.wire, self.state.selected(), news).await;
                self.finish(tag, answer)
            }
            command => {
                // Boxed: while the session waits for its next command, this needs no memory.
                let mut answer = Box::pin(self.answer(tag, command)).await;
                if let (Ok(_), Some(_), Some(account)) = (&answer, &self.news, self.state.account()) {
                    let told = notify::tell(&mut self.peer, &account, &mut self.news, self.state.selected());
                    if let Err(interrupt) = Box::pin(told).await {
                        answer = Err(interrupt.into());
                    }
                }
                self.finish(tag, answer)
            }
        }
    }

    async fn append(&mut self, command: Append) -> Result<(), End> {
        self.note(if command.replaces.is_some() { "REPLACE" } else { "APPEND" });
        let tag = command.tag.clone();
        let Some(account) = self.state.account() else {
            self.wire.refuse_append();
            return self.finish(&tag, Ok(Reply::bad("Sign in first")));
        };
        if command.replaces.is_some() {
            let (peer, wire) = (&mut self.peer, &mut self.wire);
            let answer = match self.state.selected() {
                Some(selected) => Box::pin(append::replace(peer, wire, &account, selected, command)).await,
                None => {
                    wire.refuse_append();
                    Ok(Reply::bad("Select a folder first"))
                }
            };
            return self.finish(&tag, answer);
        }
        let mut answer = Box::pin(append::append(&mut self.peer, &mut self.wire, &account, command)).await;
        if answer.is_ok() {
            // RFC 9051 §6.3.12: an APPEND to the selected folder is told at once.
            if let Err(interrupt) = self.sync().await {
                answer = Err(interrupt.into());
            }
        }
        self.finish(&tag, answer)
    }

    /// Notes a command for the list of sessions and the log.
    fn note(&mut self, name: &'static str) {
        self.commands += 1;
        if let Some(guard) = self.peer.conn.guard() {
            guard.command(name);
        }
    }

    /// Writes the tagged line; counts what the client got wrong.
    fn finish(&mut self, tag: &str, answer: Answer) -> Result<(), End> {
        let reply = match answer {
            Ok(reply) | Err(Stop::Reply(reply)) => reply,
            Err(Stop::Bye(text)) => return Err(End::Bye(text)),
            Err(Stop::Interrupt(interrupt)) => return Err(End::Interrupt(interrupt)),
        };
        reply.write(tag.as_bytes(), self.peer.out());
        if reply.status == Status::Bad {
            self.errors += 1;
            if self.errors >= bounds::IMAP_ERRORS {
                return Err(End::Bye("Too many errors"));
            }
        }
        Ok(())
    }

    /// STARTTLS (RFC 9051 §6.2.1): what was said before it no longer counts.
    async fn start_tls(&mut self, tag: &str) -> Result<(), End> {
        let refusal = match self.state {
            State::NotAuthenticated if self.peer.conn.may_start_tls() => None,
            State::NotAuthenticated => Some("TLS cannot be started here"),
            _ => Some("STARTTLS comes before the login"),
        };
        if let Some(text) = refusal {
            return self.finish(tag, Ok(Reply::bad(text)));
        }
        Reply::ok("Begin TLS now").write(tag.as_bytes(), self.peer.out());
        self.peer.conn.start_tls().await?;
        self.wire = Wire::new();
        self.peer.enabled = Enabled::default();
        Ok(())
    }

    /// COMPRESS (RFC 4978 §3): the answer is the last thing that goes uncompressed.
    async fn compress(&mut self, tag: &str, mechanism: &str) -> Result<(), End> {
        let refusal = match &self.state {
            State::NotAuthenticated => Some(Reply::bad("Sign in first")),
            _ if mechanism != "DEFLATE" => Some(Reply::bad("Only DEFLATE is known")),
            _ if self.peer.conn.is_deflated() => {
                Some(Reply::no("The connection is compressed already").with("COMPRESSIONACTIVE"))
            }
            _ => None,
        };
        if let Some(refusal) = refusal {
            return self.finish(tag, Ok(refusal));
        }
        let Some(place) = DeflatePlace::take() else {
            return self.finish(tag, Ok(Reply::no("Too many connections are compressed now").with("LIMIT")));
        };
        Reply::ok("From now on compressed").write(tag.as_bytes(), self.peer.out());
        Ok(self.peer.conn.deflate(place).await?)
    }

    /// UNAUTHENTICATE (RFC 8437 §3): as after the greeting, TLS and compression apart.
    fn unauthenticate(&mut self, tag: &str) -> Result<(), End> {
        if self.state.account().is_none() {
            return self.finish(tag, Ok(Reply::bad("Nobody is signed in")));
        }
        self.state = State::NotAuthenticated;
        self.news = None;
        self.wire = Wire::new();
        self.peer.enabled = Enabled::default();
        self.peer.conn.sign_out();
        let reply = Reply::ok("Signed out").with(capability::text(&self.peer, false));
        self.finish(tag, Ok(reply))
    }

    /// Answers a command that any state may know.
    async fn answer(&mut self, tag: &str, command: Command) -> Answer {
        let signed_in = !matches!(self.state, State::NotAuthenticated);
        match command {
            Command::Capability => Ok(capability::capability(&mut self.peer, signed_in)),
            Command::Id(_) => Ok(capability::id(&mut self.peer)),
            Command::Noop => {
                self.sync().await?;
                Ok(Reply::ok("NOOP completed"))
            }
            command => match self.state.account() {
                None => self.not_authenticated(command).await,
                Some(account) => self.signed_in(tag, &account, command).await,
            },
        }
    }

    async fn sync(&mut self) -> Result<(), Interrupt> {
        match self.state.selected() {
            Some(selected) => sync(&mut self.peer, selected, Expunges::Tell, None).await,
            None => Ok(()),
        }
    }

    async fn not_authenticated(&mut self, command: Command) -> Answer {
        let (account, reply) = match command {
            Command::Login { user, password } => authenticate::login(&mut self.peer, &user, &password).await?,
            Command::Authenticate { mechanism, initial } => {
                authenticate::authenticate(&mut self.peer, &mut self.wire, &mechanism, initial.as_ref()).await?
            }
            _ => return Ok(Reply::bad("Sign in first")),
        };
        self.state = State::Authenticated(Arc::new(account));
        self.wire.signed_in();
        Ok(reply)
    }

    /// Answers a command that needs a login, and one that needs a folder when there is one.
    async fn signed_in(&mut self, tag: &str, account: &Arc<Account>, command: Command) -> Answer {
        let peer = &mut self.peer;
        let reply = match command {
            Command::Select(command) => {
                if let Some(refusal) = select::refusal(peer, &command) {
                    return Ok(refusal);
                }
                self.unselect(account);
                let (mut selected, reply) = select::select(&mut self.peer, account, &command).await?;
                selected.announced = self.news.as_ref().and_then(|news| news.items());
                self.state = State::Selected(account.clone(), selected);
                return Ok(reply);
            }
            Command::Login { .. } | Command::Authenticate { .. } => return Ok(Reply::bad("Already signed in")),
            Command::Enable(names) => capability::enable(peer, &names),
            Command::Namespace => capability::namespace(peer),
            Command::Create(name, uses) => folders::create(peer, account, &name, &uses).await?,
            Command::Delete(name) => folders::delete(peer, account, &name).await?,
            Command::Rename(from, to) => folders::rename(peer, account, &from, &to).await?,
            Command::Subscribe(name) => folders::subscribe(peer, account, &name, true).await?,
            Command::Unsubscribe(name) => folders::subscribe(peer, account, &name, false).await?,
            Command::List(command) => list::list(peer, account, &command).await?,
            Command::Lsub(reference, pattern) => list::lsub(peer, account, &reference, &pattern).await?,
            Command::Status(name, items) => status::status(peer, account, &name, &items).await?,
            Command::GetQuota(root) => quota::get(peer, account, &root).await?,
            Command::GetQuotaRoot(name) => quota::root_of(peer, account, &name).await?,
            Command::SetQuota(..) => quota::set(),
            Command::MultiSearch(command) => {
                search::multi_search(peer, account, self.state.selected(), tag, &command).await?
            }
            Command::Notify(command) => {
                let (news, reply) = notify::notify(peer, account, command, self.state.selected()).await?;
                self.news = news;
                reply
            }
            Command::Catenate(command) => {
                catenate::catenate(peer, account, self.state.selected().map(|selected| &*selected), &command).await?
            }
            Command::Urls(UrlCommand::Generate(asked)) => urlauth::generate(peer, account, &asked).await?,
            Command::Urls(UrlCommand::Reset(name, by)) => urlauth::reset(peer, account, name.as_ref(), &by).await?,
            Command::Urls(UrlCommand::Fetch(urls)) => urlauth::fetch(peer, account, &urls).await?,
            Command::GetMetadata(command) => metadata::get(peer, account, &command).await?,
            Command::SetMetadata(name, entries) => metadata::set(peer, account, name.as_ref(), entries).await?,
            Command::Acl(name, command) => acl::answer(peer, account, &name, command).await?,
            command => return self.in_folder(tag, account, command).await,
        };
        self.sync().await?;
        Ok(reply)
    }

    /// Leaves the selected folder, if there is one.
    fn unselect(&mut self, account: &Arc<Account>) {
        if self.state.selected().is_some() {
            // RFC 9051 §6.3.2, §7.1: CLOSED parts the answers of the old folder from those of the new one.
            self.peer.out().extend_from_slice(b"* OK [CLOSED] The folder is closed\r\n");
            self.state = State::Authenticated(account.clone());
        }
    }

    /// Answers a command that needs a selected folder.
    async fn in_folder(&mut self, tag: &str, account: &Arc<Account>, command: Command) -> Answer {
        // A refusal ends a command that may have told changes as well.
        let (reply, stopped) = match self.in_selected(tag, account, command).await {
            Ok(reply) => (reply, false),
            Err(Stop::Reply(reply)) => (reply, true),
            Err(stop) => return Err(stop),
        };
        let reply = match self.state.selected() {
            Some(selected) => hold_back(&mut self.peer, &selected.view, reply),
            None => reply,
        };
        if stopped { Err(Stop::Reply(reply)) } else { Ok(reply) }
    }

    async fn in_selected(&mut self, tag: &str, account: &Arc<Account>, command: Command) -> Answer {
        let peer = &mut self.peer;
        let Some(selected) = self.state.selected() else { return Ok(Reply::bad("Select a folder first")) };
        if peer.enabled.uid_only && command.speaks_of_numbers() {
            return Ok(Reply::bad("Only UIDs are used in this session").with("UIDREQUIRED"));
        }
        gate::check(selected.rights(), gate::needed_in_selected(&command))?;
        match command {
            Command::Fetch(command) => fetch::fetch(peer, account, selected, &command).await,
            Command::Store(command) => store::store(peer, account, selected, &command).await,
            Command::Search(command) => search::search(peer, selected, tag, &command).await,
            Command::Sort(command) => search::sort(peer, selected, tag, &command).await,
            Command::CancelUpdate(tags) => Ok(selected.contexts.cancel(&tags)),
            Command::Thread(command) => search::thread(peer, selected, &command).await,
            Command::Copy(command) => copy_move::copy(peer, account, selected, &command).await,
            Command::Move(command) => copy_move::move_messages(peer, account, selected, &command).await,
            Command::Expunge => expunge::expunge(peer, account, selected, None).await,
            Command::UidExpunge(set) => expunge::expunge(peer, account, selected, Some(&set)).await,
            Command::Check => {
                sync(peer, selected, Expunges::Tell, None).await?;
                Ok(Reply::ok("CHECK completed"))
            }
            Command::Close => {
                let answer = expunge::close(peer, account, selected).await;
                self.state = State::Authenticated(account.clone());
                answer
            }
            Command::Unselect => {
                self.state = State::Authenticated(account.clone());
                Ok(Reply::ok("UNSELECT completed"))
            }
            _ => Ok(Reply::bad("The command does not belong here")),
        }
    }

    /// Says farewell where one is owed, closes, and logs.
    async fn end(mut self, end: End) {
        let reason = match end {
            End::Logout => "logout",
            End::Bye(text) => {
                self.bye(None, text);
                text
            }
            End::Interrupt(Interrupt::Closed) => "closed by the client",
            End::Interrupt(Interrupt::TimedOut) => {
                // RFC 9051 §5.4: autologout.
                self.bye(None, "Nothing was said for too long");
                "timed out"
            }
            End::Interrupt(Interrupt::Ended(reason)) => {
                // RFC 9051 §7.1.5; RFC 5530 §3 has no code for an administrator's reasons but UNAVAILABLE.
                let code = (reason == crate::directory::EndReason::Shutdown).then_some("UNAVAILABLE");
                self.bye(code, reason.text());
                reason.text()
            }
        };
        let mailbox = self.state.account().map(|account| account.config.address.to_string());
        let end = SessionEnd {
            protocol: "imap",
            mailbox: mailbox.as_deref(),
            commands: Some(self.commands),
            errors: self.errors,
            reason,
        };
        end.close(self.peer.conn).await;
    }

    fn bye(&mut self, code: Option<&str>, text: &str) {
        let code = code.map(|code| format!("[{code}] ")).unwrap_or_default();
        self.peer.out().extend_from_slice(format!("* BYE {code}{text}\r\n").as_bytes());
    }
}

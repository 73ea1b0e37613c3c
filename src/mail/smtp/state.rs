//! What an SMTP conversation may do next (RFC 5321 §4.1.4, RFC 3030 §2), without I/O.
//!
//! Invariant: the command that ends a transaction takes it out of here as a value, so
//! whatever its outcome, nothing of it is left for the next message.

use super::reply::{Reply, bad_sequence};
use crate::delivery::Envelope;
use crate::model::bounds;

/// How the peer introduced itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Greeting {
    /// Its name for itself.
    pub name: String,
    /// EHLO rather than HELO.
    pub extended: bool,
}

/// A transaction from MAIL to the end of its message.
#[derive(Debug, Clone, Default)]
pub struct Transaction {
    /// Sender and accepted recipients.
    pub envelope: Envelope,
    /// Octets announced by SIZE.
    pub size: Option<u64>,
    /// SMTPUTF8 was asked for.
    pub utf8: bool,
    /// To how many recipients its sender may send now, where something limits that.
    pub sends_left: Option<u64>,
}

/// The state; `M` is a message of which chunks have come.
#[derive(Debug)]
pub struct State<M> {
    greeting: Option<Greeting>,
    phase: Phase<M>,
    opened: usize,
}

#[derive(Debug)]
enum Phase<M> {
    Idle,
    Open(Transaction),
    Chunks(Transaction, M),
}

impl<M> State<M> {
    /// A new conversation.
    pub fn new() -> Self {
        Self { greeting: None, phase: Phase::Idle, opened: 0 }
    }

    /// EHLO or HELO; also ends a transaction (RFC 5321 §4.1.4).
    pub fn greet(&mut self, greeting: Greeting) {
        self.greeting = Some(greeting);
        self.reset();
    }

    /// The greeting, once there was one.
    pub fn greeting(&self) -> Option<&Greeting> {
        self.greeting.as_ref()
    }

    /// RSET.
    pub fn reset(&mut self) {
        self.phase = Phase::Idle;
    }

    /// STARTTLS: all that was said before is void (RFC 3207 §4.2).
    pub fn forget(&mut self) {
        self.greeting = None;
        self.reset();
    }

    /// True between MAIL and the end of its message.
    pub fn is_open(&self) -> bool {
        !matches!(self.phase, Phase::Idle)
    }

    /// Whether MAIL is in order.
    ///
    /// # Errors
    /// The reply to it when not.
    pub fn may_open(&self) -> Result<(), Reply> {
        if self.greeting.is_none() {
            return Err(bad_sequence("Send EHLO or HELO first"));
        }
        if self.is_open() { Err(bad_sequence("A transaction is open already")) } else { Ok(()) }
    }

    /// How many transactions were opened (RFC 9422 §4.1 MAILMAX).
    pub fn opened(&self) -> usize {
        self.opened
    }

    /// MAIL was accepted.
    pub fn open(&mut self, transaction: Transaction) {
        self.opened += 1;
        self.phase = Phase::Open(transaction);
    }

    /// The transaction that may take one more recipient.
    ///
    /// # Errors
    /// The reply to RCPT when there is none.
    pub fn for_recipient(&mut self) -> Result<&mut Transaction, Reply> {
        match &mut self.phase {
            Phase::Idle => Err(bad_sequence("Send MAIL first")),
            Phase::Chunks(..) => Err(bad_sequence("The message has begun already")),
            Phase::Open(transaction) if transaction.envelope.recipients.len() >= bounds::SMTP_RECIPIENTS => {
                // RFC 5321 §4.5.3.1.10
                Err(Reply::new(452, "4.5.3", "Too many recipients, send to the rest in another transaction"))
            }
            Phase::Open(transaction) => Ok(transaction),
        }
    }

    /// DATA: the transaction leaves the state. Without recipients it stays, so that the peer can name some.
    ///
    /// # Errors
    /// The reply to DATA when it is out of order.
    pub fn take_for_data(&mut self) -> Result<Transaction, Reply> {
        match std::mem::replace(&mut self.phase, Phase::Idle) {
            Phase::Idle => Err(bad_sequence("Send MAIL and RCPT first")),
            // RFC 3030 §2: DATA and BDAT do not mix; the transaction is over.
            Phase::Chunks(..) => Err(bad_sequence("DATA cannot follow BDAT")),
            Phase::Open(transaction) if transaction.envelope.recipients.is_empty() => {
                self.phase = Phase::Open(transaction);
                Err(Reply::new(554, "5.5.1", "No valid recipients"))
            }
            Phase::Open(transaction) => Ok(transaction),
        }
    }

    /// BDAT: transaction and message leave the state; [`State::keep`] brings them back
    /// when more chunks are to come. After an error there is no transaction (RFC 3030 §2).
    ///
    /// # Errors
    /// The reply to BDAT when it is out of order.
    pub fn take_for_chunk(&mut self) -> Result<(Transaction, Option<M>), Reply> {
        match std::mem::replace(&mut self.phase, Phase::Idle) {
            Phase::Idle => Err(bad_sequence("Send MAIL and RCPT first")),
            Phase::Open(transaction) if transaction.envelope.recipients.is_empty() => {
                Err(Reply::new(554, "5.5.1", "No valid recipients"))
            }
            Phase::Open(transaction) => Ok((transaction, None)),
            Phase::Chunks(transaction, message) => Ok((transaction, Some(message))),
        }
    }

    /// More chunks of this message are to come.
    pub fn keep(&mut self, transaction: Transaction, message: M) {
        self.phase = Phase::Chunks(transaction, message);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::delivery::Recipient;
    use proptest::prelude::*;

    #[derive(Debug, Clone, Copy)]
    enum Step {
        Greet,
        Mail,
        Rcpt,
        Data,
        Chunk { last: bool, good: bool },
        Rset,
        Tls,
    }

    /// The reference: flags and a count, nothing shared with the real one.
    #[derive(Debug, Default)]
    struct Model {
        greeted: bool,
        mail: bool,
        chunks: bool,
        recipients: usize,
    }

    impl Model {
        fn clear(&mut self) {
            (self.mail, self.chunks, self.recipients) = (false, false, 0);
        }

        /// Code class of the reply, and with how many recipients a message was finished.
        fn step(&mut self, step: Step) -> (bool, Option<usize>) {
            let (greeted, mail, chunks, recipients) = (self.greeted, self.mail, self.chunks, self.recipients);
            match step {
                Step::Greet => (self.greeted, _) = (true, self.clear()),
                Step::Rset => self.clear(),
                Step::Tls => (self.greeted, _) = (false, self.clear()),
                Step::Mail if greeted && !mail => self.mail = true,
                Step::Rcpt if mail && !chunks => self.recipients += 1,
                Step::Data if mail && !chunks && recipients > 0 => {
                    self.clear();
                    return (true, Some(recipients));
                }
                Step::Data => {
                    if chunks {
                        self.clear();
                    }
                    return (false, None);
                }
                Step::Chunk { last, good } if mail && recipients > 0 => {
                    self.chunks = true;
                    if last || !good {
                        self.clear();
                    }
                    return (good, (last && good).then_some(recipients));
                }
                Step::Chunk { .. } => {
                    self.clear();
                    return (false, None);
                }
                Step::Mail | Step::Rcpt => return (false, None),
            }
            (true, None)
        }
    }

    fn recipient() -> Recipient {
        Recipient { address: "a@b.example".parse().unwrap(), mailboxes: vec![] }
    }

    fn real(state: &mut State<()>, step: Step) -> (bool, Option<usize>) {
        let count = |t: &Transaction| Some(t.envelope.recipients.len());
        match step {
            Step::Greet => state.greet(Greeting { name: "x".into(), extended: true }),
            Step::Rset => state.reset(),
            Step::Tls => state.forget(),
            Step::Mail => match state.may_open() {
                Ok(()) => state.open(Transaction::default()),
                Err(_) => return (false, None),
            },
            Step::Rcpt => match state.for_recipient() {
                Ok(transaction) => transaction.envelope.recipients.push(recipient()),
                Err(_) => return (false, None),
            },
            Step::Data => return state.take_for_data().map_or((false, None), |t| (true, count(&t))),
            Step::Chunk { last, good } => {
                let Ok((transaction, _)) = state.take_for_chunk() else { return (false, None) };
                if last || !good {
                    return (good, if last && good { count(&transaction) } else { None });
                }
                state.keep(transaction, ());
            }
        }
        (true, None)
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = prop_oneof![
            1 => Just(Step::Greet),
            3 => Just(Step::Mail),
            4 => Just(Step::Rcpt),
            2 => Just(Step::Data),
            3 => (any::<bool>(), any::<bool>()).prop_map(|(last, good)| Step::Chunk { last, good }),
            1 => Just(Step::Rset),
            1 => Just(Step::Tls),
        ];
        proptest::collection::vec(step, 0..40)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]
        #[test]
        fn the_state_agrees_with_the_model(steps in steps()) {
            let (mut state, mut model) = (State::new(), Model::default());
            for step in steps {
                prop_assert_eq!(real(&mut state, step), model.step(step), "{:?}", step);
                prop_assert_eq!(state.is_open(), model.mail);
            }
        }
    }

    #[test]
    fn recipients_are_bounded() {
        let mut state: State<()> = State::new();
        state.open(Transaction::default());
        for _ in 0..bounds::SMTP_RECIPIENTS {
            state.for_recipient().unwrap().envelope.recipients.push(recipient());
        }
        assert_eq!(state.for_recipient().unwrap_err().code, 452);
    }
}

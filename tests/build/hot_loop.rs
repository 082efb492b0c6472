//! A hot thread's whole loop on one thread: a worker with sockets of its own, whose node and relay are the other ends of them, behind
//! a market whose first pair a pending swap moves. From a frame in the socket to a request in the relay's: [`HotLoop::look`].
#![allow(dead_code, reason = "each test binary uses its own part")]

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use alloy::consensus::transaction::Recovered;
use alloy::consensus::{SignableTransaction, TxEip1559, TxEnvelope};
use alloy::rpc::types::eth::Transaction;
use alloy::sol_types::SolCall;
use alloy_primitives::{Address, B256, Bytes, Signature, TxKind, U256};
use peregrine::edge::submit::DialectName;
use peregrine::hot::bundle::config::{Bid, Limits};
use peregrine::hot::decode::PendingTx;
use peregrine::hot::engine::choice::Choice;
use peregrine::hot::engine::plan::{InitialState, Plan};
use peregrine::hot::event::{AccountUpdate, FetchedState, Head, Pending, StateKey};
use peregrine::hot::evm::fork::Rules;
use peregrine::hot::evm::machine::Machine;
use peregrine::hot::rt::inbox::{self, Feeder, Inbox, Supply};
use peregrine::hot::rt::port::Stream;
use peregrine::hot::rt::port::node_socket::NodeSocket;
use peregrine::hot::rt::sink::Sink;
use peregrine::hot::rt::worth::Worth;
use peregrine::hot::search;
use peregrine::hot::send::RequestEncoder;
use peregrine::hot::send::connection::{Manner, RelayConnection};
use peregrine::hot::worker::io::{self, Dialled, Patience, Port, WorkerIo};
use peregrine::hot::worker::message::{Handed, Look, Offer, Recorder, Report, StartingState, Work};
use peregrine::hot::worker::meter::Meter;
use peregrine::hot::worker::send_gate::SendGate;
use peregrine::hot::worker::{Parts, Worker};
use peregrine::metrics::count::Counter;
use peregrine::metrics::span::Clock;
use peregrine::protocols::AnyPool;
use peregrine::protocols::amm::Amm;
use peregrine::types::decision::Decision;
use peregrine::types::id::PoolId;
use revm::context::TxEnv;
use tungstenite::protocol::Role;
use tungstenite::{Message, WebSocket};

use super::market::{self, BLOCK, Market, ether, key};
use crate::common::chain::{USER, swapCall, transferCall};

/// Far beyond any test: neither clock nor silence ends a connection here.
const NEVER_NS: u64 = u64::MAX / 2;
/// Turns in which a frame that lies in the socket must have been looked at: far more than the rounds between two looks at the clock.
const TURNS: u64 = 1 << 20;
/// Looks at which something may be missed: a swap and a proof read some forty slots, one of them a look.
const MOST_MISSES: u32 = 200;

/// The journal, kept by nobody.
struct Forgetful;

impl Recorder for Forgetful {
    fn fed(&mut self, _: &Work) {}
    fn offered(&mut self, _: &Arc<Pending>) {}
    fn heard(&mut self, _: &PendingTx) {}
    fn decided(&mut self, _: &dyn Fn() -> Decision, _: Option<&Choice>) {}
}

/// What is known behind the block before the market's.
#[derive(Debug)]
struct Known {
    head: Head,
    accounts: Vec<AccountUpdate>,
    pools: Vec<AnyPool>,
}

impl StartingState for Known {
    fn initial_state(&self) -> InitialState<'_> {
        InitialState { head: &self.head, accounts: &self.accounts, hashes: &[], pools: &self.pools, markets: &[] }
    }
}

/// What came out of the worker.
#[derive(Debug, Default)]
pub struct Counts {
    /// Bundles that it has sent itself.
    pub sent: AtomicU64,
    /// Bundles, and verdicts on them, for others to send.
    pub handed: AtomicU64,
    /// Answers of the relay.
    pub replies: AtomicU64,
    /// What is broken, and connections lost: none is due.
    pub broken: AtomicU64,
    /// What it has missed, and was not told yet.
    missed: Mutex<Vec<StateKey>>,
}

/// A way out at whose end things are counted, and dropped.
fn counted<T: 'static>(counts: &Arc<Counts>, of: for<'a> fn(&'a Counts, &T) -> &'a AtomicU64) -> Sink<T> {
    let counts = counts.clone();
    Sink::new(move |item| {
        of(&counts, &item).fetch_add(1, Ordering::Relaxed);
    })
}

/// Where misses are kept until they are answered.
fn reports(counts: &Arc<Counts>) -> Sink<Report> {
    let counts = counts.clone();
    Sink::new(move |report| match report {
        Report::Missed { state_keys, .. } => counts.missed.lock().expect("one thread").extend(state_keys),
        Report::Broken(_) | Report::Placed(_) | Report::Desync { .. } | Report::Mined(_) => {
            counts.broken.fetch_add(1, Ordering::Relaxed);
        }
    })
}

/// The worker, and the other ends of its sockets.
pub struct HotLoop {
    mode: Mode,
    /// The chain, which a node would have.
    market: Market,
    at: B256,
    worker: Worker,
    inbox: Inbox<Work, Offer>,
    feeder: Feeder<Work, Offer>,
    node: WebSocket<TcpStream>,
    relay: TcpStream,
    meter: Arc<Meter>,
    counts: Arc<Counts>,
    /// A swap that moves the first pair.
    swap: TxEnv,
    /// Tells one from the other.
    told: u64,
    /// Requests that the relay has answered.
    answered: u64,
    heard: Vec<u8>,
}

/// Both ends of a connection within this process.
fn connected() -> [TcpStream; 2] {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let near = TcpStream::connect(listener.local_addr().expect("bound")).expect("listens");
    let far = listener.accept().expect("connected").0;
    for end in [&near, &far] {
        end.set_nodelay(true).expect("a socket");
    }
    near.set_nonblocking(true).expect("a socket");
    [near, far]
}

/// An account and some of its slots, as a node would tell them behind the market's last block.
fn told(market: &mut Market, address: Address, slots: &[U256]) -> AccountUpdate {
    let db = market.engine.machine_mut().db();
    let info = db.known_account(address).cloned().unwrap_or_default();
    let code = info.code.map_or_else(Bytes::new, |code| code.original_bytes());
    let slot = |slot: &U256| (*slot, db.known_slot(address, *slot).unwrap_or_default());
    let slots = slots.iter().map(slot).collect();
    let (balance, nonce, code) = (Some(info.balance), Some(info.nonce), Some(code));
    AccountUpdate { address, balance, nonce, code, slots, ..AccountUpdate::default() }
}

/// What a search is begun with: the pools. All else is missed first, and then told.
fn known(market: &mut Market) -> Known {
    let beneficiary = market.engine.machine_mut().block().beneficiary;
    let signer = key(market::OWNER_KEY).address();
    let rich = AccountUpdate {
        balance: Some(ether(1_000)),
        nonce: Some(1),
        code: Some(Bytes::new()),
        ..told(market, signer, &[])
    };
    let accounts = vec![rich];
    let pools = market.engine.pools().iter().cloned().collect();
    let head = Head {
        number: BLOCK - 1,
        hash: B256::repeat_byte(9),
        timestamp: 1_717_000_000,
        gas_limit: 30_000_000,
        base_fee: 7,
        beneficiary,
        ..Head::default()
    };
    Known { head, accounts, pools }
}

fn call(market: &mut Market, to: Address, data: Vec<u8>) -> TxEnv {
    let machine = market.engine.machine_mut();
    let nonce = machine.db().known_account(USER).expect("sends everything").nonce;
    let kind = TxKind::Call(to);
    TxEnv { caller: USER, gas_limit: 1_000_000, gas_price: 7, kind, data: data.into(), nonce, ..TxEnv::default() }
}

/// The market's first pair has taken 20 ether; a swap asks for 16,000 of the 16,600 tokens that it pays at most.
pub fn scene() -> (Market, TxEnv) {
    let mut market = Market::new(3, 1_000);
    let pool = market.engine.pools().pool(PoolId::new(0)).clone();
    let weth = market.own.weth;
    let paid = call(&mut market, weth, transferCall { to: pool.address(), amount: ether(20) }.abi_encode());
    let machine = market.engine.machine_mut();
    let paid = machine.execute(paid).expect("runs");
    assert!(paid.is_success());
    machine.commit(paid.diff);
    let out = if pool.tokens()[0] == weth { [U256::ZERO, ether(16_000)] } else { [ether(16_000), U256::ZERO] };
    let data = swapCall { amount0: out[0], amount1: out[1], to: USER, data: Bytes::new() }.abi_encode();
    let target = call(&mut market, pool.address(), data);
    (market, target)
}

fn plan(market: &Market) -> Plan {
    let chain = peregrine::chain::Config::default();
    let search = search::config::Config { base_tokens: vec![market.own.weth], ..search::config::Config::default() };
    Plan {
        chain_id: 1,
        rules: Rules::of(&chain),
        slot_seconds: chain.slot_seconds,
        search,
        base: false,
        bid: Bid::default(),
        own: market.own,
        forecast: true,
        contracts: chain.contracts(),
    }
}

fn socket_parts(
    ports: Supply<Dialled>,
    counts: &Arc<Counts>,
    send_gate: Arc<SendGate>,
    (worth, clock, spins): (Arc<Worth>, Clock, bool),
) -> io::Parts {
    io::Parts {
        ports,
        lost: counted(counts, |counts, _| &counts.broken),
        replies: counted(counts, |counts, _| &counts.replies),
        encoder: RequestEncoder::new(Some(key(market::OTHER_KEY)), None, [7; 32]),
        send_gate,
        patience: Patience { ping_ns: NEVER_NS, silence_ns: NEVER_NS, answer_ns: NEVER_NS },
        owner: market::key(market::OWNER_KEY).address(),
        worth,
        room: 16,
        share: (0, 1),
        clock,
        spins,
    }
}

/// How it works.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// It spins, hears a node and sends to a relay itself.
    Spin,
    /// It sleeps until the edge offers something, and sends to a relay itself.
    Share,
    /// It sleeps as well, and hands on what it makes.
    Dry,
}

impl HotLoop {
    /// One that has looked at its first state, and misses nothing any more.
    pub fn new(mode: Mode) -> Self {
        let spin = mode == Mode::Spin;
        let (mut market, swap) = scene();
        let known = Arc::new(known(&mut market));
        let head = known.head;
        let (clock, newest) = (Clock::start(), Arc::new(AtomicU64::new(head.number)));
        let worth = Arc::new(Worth::default());
        let (meter, counts) = (Arc::new(Meter::new(&worth)), Arc::new(Counts::default()));
        let send_gate = Arc::new(SendGate::new(newest.clone(), 0, u32::MAX));
        send_gate.grant(u64::MAX);
        let ([near_node, node], [near_relay, relay]) = (connected(), connected());
        let (put, ports) = inbox::supply(2);
        let socket = WebSocket::from_raw_socket(Stream::Plain(near_node), Role::Client, None);
        if spin {
            put.send(Port::NodeSocket(NodeSocket::new(0, socket))).expect("room");
        }
        let head_of_request = "POST / HTTP/1.1\r\nHost: relay\r\n".to_owned();
        let manner = Manner {
            relay: 0,
            head: head_of_request,
            body: |bundle, uuid, to| DialectName::Flashbots.dialect().bundle(bundle, uuid, to),
            signed: true,
        };
        put.send(Port::RelayConnection(RelayConnection::new(manner, Stream::Plain(near_relay)))).expect("room");
        let io = (mode != Mode::Dry)
            .then(|| Box::new(WorkerIo::new(socket_parts(ports, &counts, send_gate, (worth, clock, spin)))));
        let plan = plan(&market);
        let limits = Limits { max_assumed_slots: 9, max_bundles_per_block: u32::MAX, ..Limits::default() };
        let parts = Parts {
            plan,
            builder: market.signer(Bid::default(), limits),
            clock,
            newest,
            meter: meter.clone(),
            reports: reports(&counts),
            to_send: counted(&counts, |counts, handed: &Handed| match handed {
                Handed::Found(found) if found.sent.is_some() => &counts.sent,
                _ => &counts.handed,
            }),
            journal: Box::new(Forgetful),
            io,
        };
        let (feeder, inbox) = inbox::pair(16, spin);
        let node = WebSocket::from_raw_socket(node, Role::Server, None);
        let worker = Worker::new(parts, known);
        let mut hot = Self {
            mode,
            market,
            at: head.hash,
            worker,
            inbox,
            feeder,
            node,
            relay,
            meter,
            counts,
            swap,
            told: 0,
            answered: 0,
            heard: vec![0; 1 << 16],
        };
        hot.worker.begin_at_head();
        hot.warm_up();
        hot
    }

    /// Down the socket where it spins, else by the inbox.
    pub fn tell_of(&mut self, tx: Recovered<TxEnvelope>) {
        if self.mode == Mode::Spin { self.announce(tx) } else { self.offer(tx) }
    }

    /// Until of either nothing is missed any more.
    fn warm_up(&mut self) {
        let mut quiet = 0;
        for turn in 0..MOST_MISSES {
            let tx = if turn % 2 == 0 { self.swap() } else { self.transfer() };
            self.tell_of(tx);
            self.look();
            self.rest();
            let missed = self.missed();
            quiet = if missed.is_empty() { quiet + 1 } else { 0 };
            if quiet == 2 {
                return;
            }
            self.tell(&missed);
        }
        panic!("something is missed again and again");
    }

    /// What it has missed since it was last asked.
    pub fn missed(&self) -> Vec<StateKey> {
        std::mem::take(&mut *self.counts.missed.lock().expect("one thread"))
    }

    /// The EVM alone, on the same state.
    pub fn machine(&mut self) -> &mut Machine {
        self.market.engine.machine_mut()
    }

    /// Answers what was missed.
    fn tell(&mut self, missed: &[StateKey]) {
        let accounts = missed.iter().map(|key| match key {
            StateKey::Account(address) => told(&mut self.market, *address, &[]),
            StateKey::Slot(address, slot) => told(&mut self.market, *address, &[*slot]),
            StateKey::BlockHash(number) => panic!("the hash of block {number} is read by nothing here"),
        });
        let fetched = FetchedState { at: self.at, accounts: accounts.collect(), hashes: Vec::new() };
        assert!(self.feeder.chain(Work::FetchedState(Arc::new(fetched), false)), "the worker stands");
        self.worker.turn(&mut self.inbox).expect("the feeder stands");
    }

    /// Bundles that were sent, or handed on to be sent.
    pub fn made(&self) -> u64 {
        self.counts.sent.load(Ordering::Relaxed) + self.counts.handed.load(Ordering::Relaxed)
    }

    /// How often this has happened.
    pub fn count(&self, counter: Counter) -> u64 {
        self.meter.counters.read(counter)
    }

    /// The swap, pending, and not met before: with another gas limit each time.
    pub fn swap(&mut self) -> Recovered<TxEnvelope> {
        let (to, input) = (self.swap.kind, self.swap.data.clone());
        self.pending(to, input)
    }

    /// A transfer of tokens between two who are nobody's concern.
    pub fn transfer(&mut self) -> Recovered<TxEnvelope> {
        let data = transferCall { to: self.market.own.executor, amount: U256::from(1) }.abi_encode();
        self.pending(TxKind::Call(self.market.own.weth), data.into())
    }

    fn pending(&mut self, to: TxKind, input: Bytes) -> Recovered<TxEnvelope> {
        self.told += 1;
        let tx = TxEip1559 {
            chain_id: 1,
            nonce: self.swap.nonce,
            gas_limit: 500_000 + self.told,
            max_fee_per_gas: 1_000,
            max_priority_fee_per_gas: 1,
            to,
            input,
            ..TxEip1559::default()
        };
        Recovered::new_unchecked(tx.into_signed(Signature::test_signature()).into(), USER)
    }

    /// Makes one turn after another until a transaction was looked at. Whatever is due lies in a socket or in the inbox already.
    pub fn look(&mut self) {
        let looked = |hot: &Self| hot.meter.counters.read(Counter::Looked);
        let before = looked(self);
        for _ in 0..TURNS {
            self.worker.turn(&mut self.inbox).expect("the feeder stands");
            if looked(self) != before {
                return;
            }
        }
        panic!("nothing was looked at");
    }

    /// The node tells of a pending transaction, in whole.
    pub fn announce(&mut self, tx: Recovered<TxEnvelope>) {
        self.node.send(Message::text(notice(tx))).expect("heard");
    }

    /// The edge offers it.
    pub fn offer(&mut self, tx: Recovered<TxEnvelope>) {
        let pending = Arc::new(Pending { tx, at_ns: 0, decode_ns: 0, ready_ns: 0, source: 0 });
        assert!(self.feeder.pending(1, Offer { pending, look: Look::First }), "there is room");
    }

    /// The relay answers what was sent to it and is not answered yet.
    pub fn answer_all(&mut self) {
        while self.answered < self.counts.sent.load(Ordering::Relaxed) {
            self.answer();
        }
    }

    /// Turns in which nothing was heard but the relay's answers.
    pub fn rest(&mut self) {
        self.answer_all();
        for _ in 0..TURNS {
            if self.counts.replies.load(Ordering::Relaxed) >= self.answered {
                return;
            }
            self.worker.turn(&mut self.inbox).expect("the feeder stands");
        }
        panic!("an answer was not heard");
    }

    /// The relay reads the request that lies in its socket, whole, and answers it. Its body.
    pub fn answer(&mut self) -> Vec<u8> {
        self.answered += 1;
        let (mut read, mut due) = (0, usize::MAX);
        while read < due {
            read += self.relay.read(&mut self.heard[read..]).expect("the worker stands");
            due = length(&self.heard[..read]).unwrap_or(usize::MAX);
        }
        let said = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}";
        self.relay.write_all(said.as_bytes()).expect("the worker stands");
        self.heard[..read].to_vec()
    }
}

/// A pending transaction as a node announces it in full.
pub fn notice(inner: Recovered<TxEnvelope>) -> String {
    let tx = Transaction {
        inner,
        block_hash: None,
        block_number: None,
        transaction_index: None,
        effective_gas_price: None,
        block_timestamp: None,
    };
    let tx = serde_json::to_string(&tx).expect("json");
    format!(r#"{{"jsonrpc":"2.0","method":"eth_subscription","params":{{"subscription":"0x5176","result":{tx}}}}}"#)
}

/// How long a request is, once its head is there.
fn length(request: &[u8]) -> Option<usize> {
    let text = std::str::from_utf8(request).ok()?;
    let (head, _) = text.split_once("\r\n\r\n")?;
    let body = head.lines().find_map(|line| line.strip_prefix("Content-Length: "))?;
    Some(head.len() + 4 + body.parse::<usize>().ok()?)
}

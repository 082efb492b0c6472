//! The chain by whichever of its nodes is up and knows: what one does not answer, the next is asked.
//!
//! # Invariants
//! - A question is one node's from its first request to its last, so that an answer of many parts is of one chain.
//! - A node that fails, or that another one had to answer for, is out: it is asked after all others, until it is seen to answer
//!   again. A stranger is never asked.
//! - An error is that of the node that was asked first, unless that has no such method and another one has. One that the chain itself
//!   gave (a call that reverts) is final.
//! - No answer is waited for at a node that is out while another one has said that it has nothing yet.

use std::collections::VecDeque;
use std::future::Future;
use std::sync::Arc;
use std::sync::Weak;
use std::time::{Duration, Instant};

use alloy_primitives::B256;
use futures_util::StreamExt;
use futures_util::future::join_all;
use futures_util::stream::FuturesUnordered;

use crate::edge::chain::BlockId;
use crate::edge::chain::Bounds;
use crate::edge::chain::ChainError;
use crate::edge::chain::endpoint::{Endpoint, Out};
use crate::edge::chain::identity;
use crate::edge::chain::identity::Stranger;
use crate::edge::chain::identity::{Identity, Said};
use crate::edge::chain::logs::Blooms;

/// Without an answer for so long, the next node is asked as well.
const HEDGE: Duration = Duration::from_secs(1);
/// Between two looks at a node that is out: the first, and the longest.
const LOOK: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(30)];
/// JSON-RPC's code of a call that reverts.
const REVERTED: i64 = 3;

/// The chain, as its nodes tell of it. Clones share what is known of the nodes.
#[derive(Clone, Debug)]
pub struct Chain {
    nodes: Arc<Nodes>,
    /// The node that is asked first; alone, where it is `only`.
    first: usize,
    only: bool,
}

#[derive(Debug)]
struct Nodes {
    all: Vec<Endpoint>,
    identity: Arc<Identity>,
    blooms: Arc<Blooms>,
}

impl Chain {
    /// One node, of whatever chain; nothing is dialled yet. `None` when the URL is not one.
    #[must_use]
    pub fn new(url: &str, timeout: Duration) -> Option<Self> {
        Some(Self::of(vec![Endpoint::new("node", url, timeout)?], None))
    }

    /// These nodes, the first of them first; those of another chain than this are strangers.
    #[must_use]
    pub fn of(all: Vec<Endpoint>, chain_id: Option<u64>) -> Self {
        Self {
            nodes: Arc::new(Nodes { all, identity: Arc::new(Identity::new(chain_id)), blooms: Arc::default() }),
            first: 0,
            only: false,
        }
    }

    /// The same chain, this node asked first. `None`: no such node.
    #[must_use]
    pub fn by(&self, name: &str) -> Option<Self> {
        let first = self.nodes.all.iter().position(|node| node.name() == name)?;
        Some(Self { nodes: self.nodes.clone(), first, only: false })
    }

    /// The same chain, the node that is asked first asked alone: for what it says of itself.
    #[must_use]
    pub fn only(&self) -> Self {
        Self { only: true, ..self.clone() }
    }

    /// The same nodes, asked for so much at once.
    #[must_use]
    pub fn bounded(self, bounds: Bounds) -> Self {
        let all = self.nodes.all.iter().cloned().map(|node| node.bounded(bounds)).collect();
        let (identity, blooms) = (self.nodes.identity.clone(), self.nodes.blooms.clone());
        Self { nodes: Arc::new(Nodes { all, identity, blooms }), ..self }
    }

    /// Every node.
    #[must_use]
    pub fn nodes(&self) -> &[Endpoint] {
        &self.nodes.all
    }

    /// The node that is asked first is out.
    #[must_use]
    pub fn is_out(&self) -> bool {
        self.first().is_none_or(|node| node.out().is_some())
    }

    /// The node that is asked first.
    #[must_use]
    pub fn first(&self) -> Option<&Endpoint> {
        self.nodes.all.get(self.first)
    }

    /// Why the node that is asked first may not speak.
    #[must_use]
    pub fn stranger(&self) -> Option<Stranger> {
        match self.first()?.out()? {
            Out::Stranger(stranger) => Some(stranger),
            Out::Silent(_) => None,
        }
    }

    /// Requests sent so far, to all nodes.
    #[must_use]
    pub fn requests(&self) -> u64 {
        self.nodes.all.iter().map(Endpoint::requests).sum()
    }

    /// Accounts, slots and the like answered so far, by all nodes.
    #[must_use]
    pub fn answered(&self) -> u64 {
        self.nodes.all.iter().map(Endpoint::answered).sum()
    }

    /// Where the node leads that is asked first now, without anything secret.
    #[must_use]
    pub fn host(&self) -> &str {
        self.order().front().map_or("no node", |node| node.host())
    }

    /// Asks every node what it is, at the start: those that do not answer are out, strangers too. What each says that may not speak.
    pub async fn check(&self) -> Vec<(String, Out)> {
        let Nodes { all, identity, .. } = &*self.nodes;
        let told = join_all(all.iter().map(identity::said)).await;
        identity.learn(told.iter().flatten());
        for (index, (node, said)) in all.iter().zip(told).enumerate() {
            // Against those that may speak already alone: of the later ones nothing is known.
            let before = all.get(..index).unwrap_or_default();
            self.judge(node, said, before.iter().find(|node| node.out().is_none())).await;
        }
        all.iter().filter_map(|node| Some((node.name().to_owned(), node.out()?))).collect()
    }

    /// What every node of the chain says: block 0, and a block that all have which are asked. Of the node asked first nothing is
    /// believed.
    pub async fn agreed(&self) -> Vec<BlockId> {
        let agreed = identity::agreed(self.first().and_then(|node| self.beside(node))).await;
        self.nodes.identity.genesis().into_iter().chain(agreed).collect()
    }

    /// Its id, as far as it was said.
    #[must_use]
    pub fn id(&self) -> Option<u64> {
        self.nodes.identity.chain_id()
    }

    /// Whether `id` is this chain's.
    ///
    /// # Errors
    /// It is another's.
    pub fn is_due(&self, id: u64) -> Result<(), Stranger> {
        self.nodes.identity.is_due(id)
    }

    /// The error that an answer came and says nothing that can be used.
    #[must_use]
    pub fn unreadable(&self, method: &str, cause: &str) -> ChainError {
        ChainError::Shape { host: self.host().to_owned(), method: method.to_owned(), cause: cause.to_owned() }
    }

    /// The error that a block which must be there is not.
    #[must_use]
    pub fn missing(&self, hash: B256) -> ChainError {
        self.unreadable("eth_getBlockByHash", &format!("block {hash} is not known"))
    }

    pub(super) fn blooms(&self) -> &Blooms {
        &self.nodes.blooms
    }

    /// One that is up, and not this one.
    fn beside(&self, node: &Endpoint) -> Option<&Endpoint> {
        self.nodes.all.iter().find(|other| other.name() != node.name() && other.out().is_none())
    }

    /// Nodes in the order in which they are asked: those that are out come last.
    fn order(&self) -> VecDeque<&Endpoint> {
        if self.only {
            return self.first().into_iter().collect();
        }
        let (before, from_first) = self.nodes.all.split_at(self.first.min(self.nodes.all.len()));
        let all = from_first.iter().chain(before).map(|node| (node.out(), node));
        let mut order: Vec<_> = all.filter(|(out, _)| !matches!(out, Some(Out::Stranger(_)))).collect();
        order.sort_by_key(|(out, _)| out.is_some());
        order.into_iter().map(|(_, node)| node).collect()
    }

    /// Asks one node after the other, until one has it. `has`: what is no answer where it does not hold, if another node has a
    /// better one.
    pub(super) async fn ask<T, F>(&self, ask: impl Fn(Endpoint) -> F, has: impl Fn(&T) -> bool) -> Result<T, ChainError>
    where
        F: Future<Output = Result<T, ChainError>>,
    {
        let mut order = self.order();
        // A question, with the node that it is put to.
        let put = |node: &Endpoint| {
            let (asked, node) = (ask(node.clone()), node.clone());
            async move { (node, asked.await) }
        };
        let (mut asked, mut waiting) = (FuturesUnordered::new(), Vec::new());
        let (mut failed, mut lacking) = (None::<ChainError>, None);
        let is_hasty = self.is_hasty();
        loop {
            // The first, the next behind one that failed, and the next beside one that takes its time.
            let is_late = !asked.is_empty();
            let answered = tokio::select! {
                biased;
                answered = asked.next(), if is_late => answered,
                () = tokio::time::sleep(HEDGE), if is_late && (is_hasty || !order.is_empty()) => None,
                else => None,
            };
            let Some((node, outcome)) = answered else {
                let next = order.pop_front().filter(|next| lacking.is_none() || next.out().is_none());
                match next {
                    Some(next) => {
                        waiting.push((next.clone(), Instant::now()));
                        asked.push(put(next));
                    }
                    None if is_late && !is_hasty => (),
                    None => {
                        self.leave_late(&waiting);
                        failed = failed.or_else(|| is_late.then(|| self.unreadable("any", "no answer in time")));
                        break;
                    }
                }
                continue;
            };
            waiting.retain(|(waiting, _)| waiting.name() != node.name());
            match outcome {
                Ok(answer) if has(&answer) => {
                    self.leave_late(&waiting);
                    return Ok(answer);
                }
                Ok(answer) => lacking = lacking.or(Some(answer)),
                Err(error @ ChainError::Refused { code: REVERTED, .. }) => return Err(error),
                Err(error) => {
                    if let ChainError::Transport { .. } | ChainError::Busy { .. } = error {
                        self.leave(&node, &error.to_string());
                    }
                    failed = Some(first_of(failed, error));
                }
            }
        }
        match (lacking, failed) {
            (Some(answer), _) => Ok(answer),
            (None, Some(error)) => Err(error),
            (None, None) => Err(self.unreadable("any", "no node of this chain is left to ask")),
        }
    }

    pub(super) async fn any<T, F>(&self, ask: impl Fn(Endpoint) -> F) -> Result<T, ChainError>
    where
        F: Future<Output = Result<T, ChainError>>,
    {
        self.ask(ask, |_| true).await
    }

    pub(super) async fn some<T, F>(&self, ask: impl Fn(Endpoint) -> F) -> Result<Option<T>, ChainError>
    where
        F: Future<Output = Result<Option<T>, ChainError>>,
    {
        self.ask(ask, Option::is_some).await
    }

    /// What one node says of itself is not waited for while another one is up.
    fn is_hasty(&self) -> bool {
        self.only && self.first().is_some_and(|node| self.beside(node).is_some())
    }

    /// Leaves out those of them that have not answered for long.
    fn leave_late(&self, waiting: &[(Endpoint, Instant)]) {
        for (late, _) in waiting.iter().filter(|(_, since)| since.elapsed() >= HEDGE) {
            self.leave(late, &format!("no answer within {HEDGE:?}"));
        }
    }

    /// A node did not answer: while there are others they are asked, and it is looked at until it answers again.
    fn leave(&self, node: &Endpoint, why: &str) {
        if self.nodes.all.len() > 1 {
            self.put_out(node, Out::Silent(why.to_owned()));
        }
    }

    fn put_out(&self, node: &Endpoint, out: Out) {
        let stood = node.stand(Some(out.clone()));
        // In whatever words: it was said that it does not answer.
        let is_known = matches!((&stood, &out), (Some(Out::Silent(_)), Out::Silent(_))) || stood.as_ref() == Some(&out);
        if !is_known {
            tracing::warn!(node = node.name(), why = %out, "a node is left out; the others are asked");
        }
        if stood.is_none() {
            tokio::spawn(look_again(Arc::downgrade(&self.nodes.identity), self.nodes.all.clone(), node.clone()));
        }
    }

    /// Asks a node whether it answers, and what it is.
    async fn look(&self, node: &Endpoint) {
        self.judge(node, identity::said(node).await, self.beside(node)).await;
    }

    /// Whether it may speak, by what it says and by one that may.
    async fn judge(&self, node: &Endpoint, said: Result<Said, ChainError>, beside: Option<&Endpoint>) {
        let judged = match said {
            Ok(said) => self.nodes.identity.judge(node, said, beside).await,
            Err(error) => Err(error),
        };
        match judged {
            Ok(Ok(())) => {
                if let Some(out) = node.stand(None) {
                    tracing::info!(node = node.name(), was = %out, "a node answers again");
                }
            }
            Ok(Err(stranger)) => self.put_out(node, Out::Stranger(stranger)),
            Err(error) => self.put_out(node, Out::Silent(error.to_string())),
        }
    }
}

/// Which error is told: that a node has no such method says nothing while another one has it.
fn first_of(failed: Option<ChainError>, error: ChainError) -> ChainError {
    match failed {
        Some(first) if !first.is_no_such_method() || error.is_no_such_method() => first,
        _ => error,
    }
}

/// Until the node may speak again, or nobody asks for the chain any more.
async fn look_again(identity: Weak<Identity>, all: Vec<Endpoint>, node: Endpoint) {
    let mut pause = LOOK[0];
    while node.out().is_some() {
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LOOK[1]);
        let Some(identity) = identity.upgrade() else { return };
        let nodes = Arc::new(Nodes { all: all.clone(), identity, blooms: Arc::default() });
        Chain { nodes, first: 0, only: false }.look(&node).await;
    }
}

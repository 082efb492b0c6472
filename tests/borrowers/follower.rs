//! Markets followed as an engine follows them: rows and state from the load, then what each block changed, its logs, and what is
//! missing fetched. The node's own answers are the judge.

use std::collections::BTreeMap;

use alloy::sol_types::SolCall;
use alloy_primitives::{Address, U256};
use peregrine::edge::bootstrap::{self, Keep, Loaded, Rules};
use peregrine::edge::chain::Chain;
use peregrine::hot::event::{AccountUpdate, BlockUpdate, StateKey};
use peregrine::protocols::AnyLending;
use peregrine::protocols::lending::{Health, Lending};

alloy::sol! {
    function getUserAccountData(address user) external view returns (uint256 collateral, uint256 debt, uint256 available,
        uint256 threshold, uint256 ltv, uint256 health);
}

pub struct Follower {
    state: Loaded,
    rules: Rules,
    known: BTreeMap<Address, AccountUpdate>,
    markets: Vec<AnyLending>,
}

impl Follower {
    pub fn new(loaded: &Loaded, rules: Rules) -> Self {
        let (markets, missing) = bootstrap::markets(loaded, rules).unwrap();
        assert!(missing.is_empty(), "{missing:?} is not in what was loaded");
        let known = loaded.accounts.iter().map(|account| (account.address, account.clone())).collect();
        Self { state: loaded.clone(), rules, known, markets }
    }

    pub fn accounts(&self) -> Vec<Address> {
        self.markets.iter().flat_map(Lending::accounts).collect()
    }

    fn lay(&mut self, told: &[AccountUpdate]) {
        for news in told {
            let account = self.known.entry(news.address).or_default();
            account.address = news.address;
            account.balance = news.balance.or(account.balance);
            account.nonce = news.nonce.or(account.nonce);
            account.code = news.code.clone().or(account.code.take());
            let mut slots: BTreeMap<U256, U256> = account.slots.drain(..).collect();
            slots.extend(news.slots.iter().copied());
            account.slots = slots.into_iter().collect();
        }
        for market in &mut self.markets {
            for news in told {
                market.apply_slots(news.address, &news.slots).unwrap();
            }
        }
    }

    /// Takes a block, and fetches what the markets miss behind it: slots of who is new, or uses what he did not use.
    pub async fn block(&mut self, keep: &Keep, news: BlockUpdate) {
        self.lay(&news.accounts);
        self.state.head = news.head;
        for log in &news.logs {
            for (market, seed) in self.markets.iter_mut().zip(&mut self.state.markets) {
                market.apply_log(log.address, &log.topics, &log.data).unwrap();
                seed.accounts = market.accounts();
            }
        }
        loop {
            let missing = self.markets.iter().flat_map(Lending::missing);
            let wants: Vec<StateKey> = missing.map(|(at, slot)| StateKey::Slot(at, slot)).collect();
            if wants.is_empty() {
                break;
            }
            let told = keep.fetch(news.head.hash, &wants).await.unwrap();
            assert!(!told.accounts.is_empty(), "{wants:?} not told");
            self.lay(&told.accounts);
        }
    }

    /// Markets made anew of what was kept, and of nothing else.
    pub fn fresh(&mut self) -> Vec<AnyLending> {
        self.state.accounts = self.known.values().cloned().collect();
        let (fresh, missing) = bootstrap::markets(&self.state, self.rules).unwrap();
        assert!(missing.is_empty(), "{missing:?} is not told behind block {}", self.state.head.number);
        fresh
    }

    /// The health of everyone, held against the markets' own word; by what was kept, and by markets made of it anew.
    pub async fn hold(&mut self, chain: &Chain) -> Vec<Health> {
        let fresh = self.fresh();
        let (mut calls, mut healths) = (Vec::new(), Vec::new());
        for (market, fresh) in self.markets.iter_mut().zip(&fresh) {
            for feed in fresh.feeds() {
                market.set_price(feed, fresh.price(feed).unwrap());
            }
            for user in fresh.accounts() {
                let (at, health) = (self.state.head.timestamp, fresh.health(user, self.state.head.timestamp).unwrap());
                assert_eq!(market.health(user, at).unwrap(), health, "{user} kept otherwise than read");
                healths.push(health);
                if market.pair().is_none() {
                    let call = (market.address(), getUserAccountDataCall { user }.abi_encode().into());
                    calls.push((call, vec![(0, health.collateral), (1, health.debt), (5, health.factor)]));
                } else {
                    // No call of the contract's says a health: what ours follows from is the chain's.
                    let views = market.views(user, at).unwrap().into_iter();
                    calls.extend(views.map(|(to, view)| ((to, view.data.into()), view.due)));
                }
            }
        }
        let (calls, due): (Vec<_>, Vec<_>) = calls.into_iter().unzip();
        let answers = chain.views(self.state.head.hash, &calls).await.unwrap();
        for ((answer, due), call) in answers.iter().zip(&due).zip(&calls) {
            for (place, due) in due {
                assert_eq!(U256::from_be_slice(&answer[place * 32..place * 32 + 32]), *due, "word {place} of {call:?}");
            }
        }
        healths
    }
}

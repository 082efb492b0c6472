//! Where the state comes from: what is loaded for a configuration. Whose logs are due from then on is `watchlist`'s to say.

use std::sync::Arc;

use alloy_primitives::Address;

use crate::config::Config;
use crate::edge::bootstrap;
use crate::edge::bootstrap::BootstrapError;
use crate::edge::bootstrap::Hear;
use crate::edge::bootstrap::Keep;
use crate::edge::bootstrap::Loaded;
use crate::edge::bootstrap::Look;
use crate::edge::bootstrap::Rules;
use crate::edge::bootstrap::Wanted;
use crate::edge::chain::Chain;
use crate::hot::evm::own;
use crate::hot::evm::own::Own;
use crate::live::watchlist::Announcers;
use crate::live::watchlist::Watchlist;

/// Times that the state is read before the node is not believed any more.
const TRIES: usize = 3;

/// Loads the lending markets of a configuration and nothing else, for commands that look and do not act: nobody's accounts are
/// needed. What is learnt is kept in a file of its own beside the searcher's, which may be running.
///
/// # Errors
/// As [`StateLoader::load`].
pub async fn lending(chain: &Chain, config: &Config, hear: Hear<'_>) -> Result<(Loaded, Rules), BootstrapError> {
    let snapshot = config.bootstrap.snapshot.as_ref().map(|path| {
        let mut path = path.clone().into_os_string();
        path.push(".positions");
        path.into()
    });
    let settings = bootstrap::Config { snapshot, ..config.bootstrap.clone() };
    let wanted = Wanted { lending: config.lending.clone(), ..Wanted::default() };
    let rules = Rules::of(&config.chain);
    Ok((load(chain, &settings, rules, &wanted, hear).await?, rules))
}

async fn load(
    chain: &Chain,
    config: &bootstrap::Config,
    rules: Rules,
    wanted: &Wanted,
    hear: Hear<'_>,
) -> Result<Loaded, BootstrapError> {
    let mut tries = 1;
    let mut wanted = wanted.clone();
    loop {
        match bootstrap::load(chain, config, rules, &wanted, hear).await {
            Err(wrong @ BootstrapError::Wrong { .. }) if tries < TRIES => {
                tracing::warn!(%wrong, tries, "read again");
                tries += 1;
                wanted.anew = true;
            }
            loaded => return loaded,
        }
    }
}

/// One node, and what is wanted of it.
#[derive(Clone, Debug)]
pub struct StateLoader {
    chain: Chain,
    config: bootstrap::Config,
    rules: Rules,
    wanted: Wanted,
    own: Own,
}

impl StateLoader {
    /// What a searcher of this configuration wants, for our accounts.
    #[must_use]
    pub fn new(chain: Chain, config: &Config, own: Own) -> Self {
        // What every proof of ours reads: our balances of the tokens that profits are kept in.
        let balance = |token| Look { from: own.owner, to: token, data: own::balance_of(own.executor) };
        let tokens = || config.search.base_tokens.iter().copied();
        let wanted = Wanted {
            factories: config.factory.clone(),
            pools: config.pool.clone(),
            lending: config.lending.clone(),
            accounts: [own.owner, own.executor].into_iter().chain(tokens()).collect(),
            looks: tokens().map(balance).collect(),
            anew: false,
        };
        Self { chain, config: config.bootstrap.clone(), rules: Rules::of(&config.chain), wanted, own }
    }

    /// Who sends our transactions.
    #[must_use]
    pub const fn owner(&self) -> Address {
        self.own.owner
    }

    /// Our accounts.
    #[must_use]
    pub const fn own(&self) -> Own {
        self.own
    }

    /// The node.
    #[must_use]
    pub const fn chain(&self) -> &Chain {
        &self.chain
    }

    /// Loads all of it behind the node's latest block. What was not read right is read again: a node that is taking a block
    /// in may answer for the latest block with the next one's state (anvil does, for some milliseconds).
    ///
    /// # Errors
    /// The node does not answer as due, or what it answers is not right three times.
    pub async fn load(&self, hear: Hear<'_>) -> Result<Loaded, BootstrapError> {
        load(&self.chain, &self.config, self.rules, &self.wanted, hear).await
    }

    /// Loads all of it anew: what the chain told of blocks since the last load is in doubt, or was not had.
    ///
    /// # Errors
    /// As [`StateLoader::load`].
    pub async fn reload(&self, hear: Hear<'_>) -> Result<Loaded, BootstrapError> {
        let wanted = Wanted { anew: true, ..self.wanted.clone() };
        load(&self.chain, &self.config, self.rules, &wanted, hear).await
    }

    /// Brings what is kept for the next start up to date, at an orderly end.
    pub async fn save(&self, keep: Arc<Keep>) {
        let Some(path) = self.config.snapshot.clone() else { return };
        let saved = tokio::task::spawn_blocking(move || keep.save(&path)).await;
        if let Ok(Some(unsaved)) = saved {
            tracing::warn!("{unsaved}");
        }
    }

    /// Keeps what was loaded current.
    #[must_use]
    pub fn keep(&self, loaded: &Loaded) -> Keep {
        Keep::new(self.chain.clone(), self.rules, loaded).with_own(&[self.own.owner, self.own.executor])
    }

    /// Whose logs are due from then on.
    #[must_use]
    pub fn watchlist(&self, loaded: &Loaded) -> Watchlist {
        let (factories, lenders) = (self.wanted.factories.clone(), self.wanted.lending.clone());
        Watchlist::new(Announcers { factories, lenders }, loaded)
    }
}

//! Vaults from their first deposit on, by their real code and a real token: after everything that anybody does, one that follows storage,
//! one that is asked anew, and what the getters say are one; and what was foretold is what is left.

use alloy::sol_types::SolCall;
use alloy_primitives::{Address, U256, address};
use peregrine::hot::evm::machine::Executed;
use peregrine::hot::evm::probe::EvmProbe;
use peregrine::protocols::amm::{Amm, Exact};
use peregrine::protocols::discover::Probe;
use peregrine::protocols::erc4626::Pool;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use revm::state::AccountInfo;

use crate::common::chain::{USER, transferCall};
use crate::world::{World, approveCall, depositCall, earnCall, legs, redeemCall};

alloy::sol! {
    function mint(uint256 shares, address receiver) external returns (uint256 assets);
    function withdraw(uint256 assets, address receiver, address owner) external returns (uint256 shares);
}

const STRANGER: Address = address!("0x0000000000000000000000000000000000c0ffee");

/// What happens to a vault. The size of an amount is in bits, or a part of 65,536 of what there is.
#[derive(Clone, Copy, Debug)]
enum Op {
    Deposit {
        by: Address,
        bits: u8,
        low: u64,
    },
    Mint {
        by: Address,
        bits: u8,
        low: u64,
    },
    Redeem {
        by: Address,
        part: u16,
    },
    Withdraw {
        by: Address,
        part: u16,
    },
    Gift {
        bits: u8,
        low: u64,
    },
    Earn {
        bits: u8,
        low: u64,
    },
    /// Shares change hands.
    Pass {
        part: u16,
    },
}

fn ops() -> impl Strategy<Value = Op> {
    let by = prop_oneof![Just(USER), Just(STRANGER)];
    // Shares of twelve decimals more are still within 128 bits.
    let sized = (by.clone(), 1..80u8, any::<u64>());
    prop_oneof![
        5 => sized.clone().prop_map(|(by, bits, low)| Op::Deposit { by, bits, low }),
        // Behind a gift a share is dear.
        2 => sized.prop_map(|(by, bits, low)| Op::Mint { by, bits: bits / 2 + 1, low }),
        5 => (by.clone(), any::<u16>()).prop_map(|(by, part)| Op::Redeem { by, part }),
        2 => (by, any::<u16>()).prop_map(|(by, part)| Op::Withdraw { by, part }),
        2 => (1..80u8, any::<u64>()).prop_map(|(bits, low)| Op::Gift { bits, low }),
        1 => (1..80u8, any::<u64>()).prop_map(|(bits, low)| Op::Earn { bits, low }),
        1 => any::<u16>().prop_map(|part| Op::Pass { part }),
    ]
}

fn sized(bits: u8, low: u64) -> U256 {
    (U256::ONE << usize::from(bits)) + (U256::from(low) & ((U256::ONE << usize::from(bits)) - U256::ONE))
}

struct Story {
    world: World,
    pool: Pool,
    deeds: u32,
}

impl Story {
    fn new(name: &str) -> Self {
        let mut world = World::new();
        world.chain.machine.db_mut().tell_whole_account(STRANGER, AccountInfo::default());
        let (_, vault) = world.all().into_iter().find(|(other, _)| other == name).expect("a vault");
        let asset = world.asset;
        world.chain.call(asset, &transferCall { to: STRANGER, amount: U256::ONE << 190_usize });
        let pool = world.found(vault);
        let mut story = Self { world, pool, deeds: 0 };
        story.send(STRANGER, asset, approveCall { spender: vault, amount: U256::MAX }.abi_encode()).expect("approved");
        story
    }

    fn vault(&self) -> Address {
        self.pool.terms().tokens[1]
    }

    /// Sends it, has the pool follow, and holds it against the getters. `None`: it reverted.
    fn send(&mut self, from: Address, to: Address, data: Vec<u8>) -> Result<Option<U256>, String> {
        let done: Executed = self.world.chain.machine.call(from, to, data.into()).map_err(|error| error.to_string())?;
        if !done.is_success() {
            self.world.chain.machine.take_back(done.diff);
            return Ok(None);
        }
        self.world.chain.machine.commit(done.diff.clone());
        for (at, account) in &done.diff {
            let changed = account.changed_storage_slots().map(|(slot, value)| (*slot, value.present_value));
            let changed: Vec<_> = changed.collect();
            self.pool.apply_slots(*at, &changed).map_err(|error| format!("slots: {error}"))?;
        }
        for log in done.logs() {
            self.pool.apply_log(log.address, log.topics(), &log.data.data).map_err(|error| format!("log: {error}"))?;
        }
        self.says_the_same()?;
        let said = done.result.output().and_then(|said| said.get(..32)).map(U256::from_be_slice);
        Ok(Some(said.unwrap_or_default()))
    }

    fn says_the_same(&mut self) -> Result<(), String> {
        let vault = self.vault();
        for view in self.pool.views() {
            let answer = EvmProbe::new(&mut self.world.chain.machine).call(vault, &view.data);
            if answer.word(0) != Some(view.due[0].1) {
                return Err(format!("{:?} is not {:?}", answer.word(0), view.due[0].1));
            }
        }
        Ok(())
    }

    /// A deed that a vault is foretold by: what it says that it paid, what has arrived, and what is left.
    fn deed(&mut self, by: Address, deposits: bool, amount: U256) -> Result<(), String> {
        let [asset, vault] = self.pool.terms().tokens;
        let leg = legs(&self.pool)[usize::from(!deposits)];
        let mut foretold = self.pool.clone();
        let traded = foretold.trade(leg, Exact::In(amount), None);
        let (data, token_out) = if deposits {
            (depositCall { assets: amount, receiver: by }.abi_encode(), vault)
        } else {
            (redeemCall { shares: amount, receiver: by, owner: by }.abi_encode(), asset)
        };
        let before = self.world.balance(token_out, by);
        let said = self.send(by, vault, data)?;
        let arrived = self.world.balance(token_out, by) - before;
        match (traded, said) {
            (Ok(traded), Some(said)) => {
                self.deeds += 1;
                let agrees = said == traded.amount_out && arrived == said && foretold.agrees(&self.pool);
                if agrees { Ok(()) } else { Err(format!("{traded:?} foretold, {said} said, {arrived} came")) }
            }
            // Nothing comes out, which some vaults allow.
            (Err(_), Some(said)) if said.is_zero() && arrived.is_zero() => Ok(()),
            (Err(_), None) => Ok(()),
            (traded, said) => Err(format!("{traded:?} foretold, {said:?} done")),
        }
    }

    fn part(&mut self, token: Address, by: Address, part: u16) -> U256 {
        (self.world.balance(token, by) * (U256::from(part) + U256::ONE)) >> 16
    }

    fn play(&mut self, op: Op) -> Result<(), String> {
        let [asset, vault] = self.pool.terms().tokens;
        match op {
            Op::Deposit { by, bits, low } => return self.deed(by, true, sized(bits, low)),
            Op::Redeem { by, part } => {
                let shares = self.part(vault, by, part);
                return self.deed(by, false, shares);
            }
            Op::Mint { by, bits, low } => {
                self.send(by, vault, mintCall { shares: sized(bits, low), receiver: by }.abi_encode())
            }
            Op::Withdraw { by, part } => {
                let assets = self.part(asset, vault, part / 2);
                self.send(by, vault, withdrawCall { assets, receiver: by, owner: by }.abi_encode())
            }
            Op::Gift { bits, low } => {
                self.send(STRANGER, asset, transferCall { to: vault, amount: sized(bits, low) }.abi_encode())
            }
            Op::Earn { bits, low } => {
                let assets = sized(bits, low);
                self.send(USER, asset, transferCall { to: vault, amount: assets }.abi_encode())?;
                self.send(USER, vault, earnCall { assets }.abi_encode())
            }
            Op::Pass { part } => {
                let amount = self.part(vault, USER, part);
                self.send(USER, vault, transferCall { to: STRANGER, amount }.abi_encode())
            }
        }
        .map(drop)
    }
}

#[test]
fn storage_getters_and_what_was_foretold_tell_one_story() {
    for name in ["SolmateVault", "ERC4626Mock", "ManagedVault", "LimitedVault", "OffsetVault 0", "OffsetVault 12"] {
        let deeds = std::cell::Cell::new(0);
        let mut runner = TestRunner::new(Config { cases: 20, failure_persistence: None, ..Config::default() });
        let ran = runner.run(&prop::collection::vec(ops(), 1..24), |ops| {
            let mut story = Story::new(name);
            for op in ops {
                story.play(op).map_err(|error| TestCaseError::fail(format!("{op:?}: {error}")))?;
            }
            deeds.set(deeds.get() + story.deeds);
            let vault = story.vault();
            let anew = story.world.found(vault);
            prop_assert!(anew.agrees(&story.pool), "{:?}\n{:?}", anew, story.pool);
            Ok(())
        });
        println!("{name}: 20 stories, {} deeds foretold to the unit", deeds.get());
        ran.unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(deeds.get() > 30, "{name}: {} deeds", deeds.get());
    }
}

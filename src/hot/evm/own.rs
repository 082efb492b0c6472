//! Our own accounts on somebody else's state: the owner, the executor, and the balance slots that are theirs.
//!
//! In replay the chain has never seen them, so they are put there: the executor by running its real creation code under
//! the block's own rules. A record holds no slot of theirs; those that a token keeps for them are told apart by asking.

use alloy::sol_types::SolCall;
use alloy_primitives::{Address, Bytes, TxKind, U256, address};
use revm::context::TxEnv;
use revm::state::AccountInfo;

use crate::hot::evm::machine::ExecuteError;
use crate::hot::evm::machine::Machine;
use crate::hot::evm::machine::OWN_BALANCE;
use crate::hot::evm::probe::EvmProbe;
use crate::hot::evm::probe::PROBER;
use crate::protocols::discover::Probe;
use crate::protocols::executor;

alloy::sol! {
    /// The one question about a token.
    function balanceOf(address holder) external view returns (uint256);
}

/// The owner in replay. Nobody holds its key, so its transactions run in the EVM and nowhere else.
pub const REPLAY_OWNER: Address = address!("0x00000000000000000000706572656772696e6501");

/// Our accounts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Own {
    /// Sends the executor's transactions.
    pub owner: Address,
    /// Holds the code and the profits.
    pub executor: Address,
    /// Wrapped ether, out of which the executor can pay a builder.
    pub weth: Address,
}

/// Why the executor could not be put on the state.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InstallError {
    /// Its creation did not run.
    #[error("executor's creation: {0}")]
    Execute(#[from] ExecuteError),
    /// It ran and created nothing.
    #[error("executor's creation reverted")]
    Reverted,
    /// The artifact built into this program is damaged.
    #[error("executor's artifact: {0}")]
    Artifact(String),
}

impl Own {
    /// Creates the executor on the machine's base state. Changes nothing but our two accounts.
    pub fn install(machine: &mut Machine, cancun: bool, weth: Address) -> Result<Self, InstallError> {
        // A block without transactions leaves no record of its builder, who is only ever given something here.
        let builder = machine.block().beneficiary;
        if machine.db().known_account(builder).is_none() {
            machine.db_mut().tell_account(builder, AccountInfo::default());
        }
        let owner = REPLAY_OWNER;
        let info = AccountInfo { balance: OWN_BALANCE, ..AccountInfo::default() };
        machine.db_mut().tell_whole_account(owner, info);
        let executor = owner.create(0);
        machine.db_mut().tell_whole_account(executor, AccountInfo::default());
        let data = executor::creation(cancun, owner, weth).map_err(|e| InstallError::Artifact(e.to_string()))?;
        let block = machine.block();
        let tx = TxEnv {
            caller: owner,
            gas_limit: block.gas_limit.min(CREATION_GAS),
            gas_price: u128::from(block.basefee),
            kind: TxKind::Create,
            data,
            ..TxEnv::default()
        };
        let executed = machine.execute(tx)?;
        if !executed.is_success() {
            return Err(InstallError::Reverted);
        }
        // The block's builder and whatever else was loaded keep the state they had.
        let ours = executed.diff.into_iter().filter(|(address, _)| [owner, executor].contains(address)).collect();
        machine.commit(ours);
        Ok(Self { owner, executor, weth })
    }

    /// Marks the slots in which `token` keeps the executor's balance.
    pub fn mark_balance_slots(&self, machine: &mut Machine, token: Address) {
        for (address, slot) in self.balance_slots(machine, token) {
            machine.db_mut().tell_own_slot(address, slot);
        }
    }

    /// Has the executor hold so much of `token`. Whether it does: not where the token keeps a balance in several slots or in none.
    pub fn hold(&self, machine: &mut Machine, token: Address, amount: U256) -> bool {
        let [(address, slot)] = self.balance_slots(machine, token)[..] else { return false };
        machine.db_mut().tell_slot(address, slot, amount);
        let asked = EvmProbe::new(machine).call_with(PROBER, token, &balance_of(self.executor), &[]);
        number(asked.output.map(Bytes::from).as_ref()) == Some(amount)
    }

    /// Those that `balanceOf(executor)` reads and `balanceOf` of a stranger does not.
    fn balance_slots(&self, machine: &mut Machine, token: Address) -> Vec<(Address, U256)> {
        let mut reads = |holder| EvmProbe::new(machine).call_with(PROBER, token, &balance_of(holder), &[]).reads;
        let (ours, strangers) = (reads(self.executor), reads(PROBER));
        ours.into_iter().filter(|read| !strangers.contains(read)).collect()
    }
}

/// Calldata of `balanceOf(holder)`.
#[must_use]
pub fn balance_of(holder: Address) -> Bytes {
    balanceOfCall { holder }.abi_encode().into()
}

/// A look's answer as a number, if it is one.
#[must_use]
pub fn number(output: Option<&Bytes>) -> Option<U256> {
    output.filter(|bytes| bytes.len() == 32).map(|bytes| U256::from_be_slice(bytes))
}

/// Gas for the executor's creation: its measured cost is under 1.5 million.
const CREATION_GAS: u64 = 5_000_000;

//! Contracts around V3 pools, hand-assembled: what deploys a pool, what it takes for its factory, and what calls it and pays.

#![allow(dead_code, reason = "each test binary uses its own part")]

use alloy_primitives::Address;
use alloy_primitives::U256;

/// Where a factory that tells fees keeps the one.
pub const FEE_SLOT: U256 = U256::from_limbs([7, 0, 0, 0]);

/// An assembler with forward labels.
#[derive(Default)]
struct Assembly {
    code: Vec<u8>,
    holes: Vec<(usize, &'static str)>,
    labels: Vec<(&'static str, usize)>,
}

const CALLDATACOPY: u8 = 0x37;
const CALLDATALOAD: u8 = 0x35;
const CALLDATASIZE: u8 = 0x36;
const CALL: u8 = 0xf1;
const SENDER: u8 = 0x33;
const CODECOPY: u8 = 0x39;
const CREATE: u8 = 0xf0;
const DUP1: u8 = 0x80;
const DUP3: u8 = 0x82;
const EQ: u8 = 0x14;
const GAS: u8 = 0x5a;
const ISZERO: u8 = 0x15;
const JUMPDEST: u8 = 0x5b;
const JUMPI: u8 = 0x57;
const MSTORE: u8 = 0x52;
const POP: u8 = 0x50;
const RETURN: u8 = 0xf3;
const RETURNDATACOPY: u8 = 0x3e;
const RETURNDATASIZE: u8 = 0x3d;
const REVERT: u8 = 0xfd;
const SHL: u8 = 0x1b;
const SLT: u8 = 0x12;
const SLOAD: u8 = 0x54;
const SSTORE: u8 = 0x55;
const STOP: u8 = 0x00;
const SUB: u8 = 0x03;

impl Assembly {
    fn op(mut self, ops: &[u8]) -> Self {
        self.code.extend_from_slice(ops);
        self
    }

    fn push(mut self, bytes: &[u8]) -> Self {
        self.code.push(0x5f + bytes.len() as u8);
        self.op(bytes)
    }

    /// Single-byte numbers, the first deepest.
    fn push_all(self, numbers: &[u8]) -> Self {
        numbers.iter().fold(self, |this, number| this.push(&[*number]))
    }

    fn push_label(mut self, label: &'static str) -> Self {
        self.holes.push((self.code.len() + 1, label));
        self.push(&[0, 0])
    }

    fn label(mut self, label: &'static str) -> Self {
        self.labels.push((label, self.code.len()));
        self
    }

    fn finish(mut self) -> Vec<u8> {
        for (at, label) in &self.holes {
            let place = self.labels.iter().find(|(name, _)| name == label).expect("a label").1;
            self.code[*at..*at + 2].copy_from_slice(&(place as u16).to_be_bytes());
        }
        self.code
    }
}

/// From its owner: `word(target) ++ payload` is forwarded and the answer handed back. From anyone else it is a callback
/// `(int256 amount0, int256 amount1, bytes)`: pays the sender each positive amount.
pub fn caller_code(owner: Address, [token0, token1]: [Address; 2]) -> Vec<u8> {
    let asm = Assembly::default().op(&[SENDER]).push(owner.as_slice()).op(&[EQ]).push_label("forward").op(&[JUMPI]);
    let asm = pay(pay(asm, token0, 4, "paid0"), token1, 36, "paid1").op(&[STOP]);
    // size = calldatasize - 32; calldatacopy(0, 32, size)
    let asm = asm.label("forward").op(&[JUMPDEST]).push(&[32]).op(&[CALLDATASIZE, SUB, DUP1]).push_all(&[32, 0]);
    // call(gas, calldataload(0), 0, 0, size, 0, 0)
    let asm = asm.op(&[CALLDATACOPY]).push_all(&[0, 0]).op(&[DUP3]).push_all(&[0, 0, 0]).op(&[CALLDATALOAD, GAS, CALL]);
    let asm = asm.op(&[RETURNDATASIZE]).push_all(&[0, 0]).op(&[RETURNDATACOPY]).push_label("fine").op(&[JUMPI]);
    let asm = asm.op(&[RETURNDATASIZE]).push(&[0]).op(&[REVERT]);
    asm.label("fine").op(&[JUMPDEST, RETURNDATASIZE]).push(&[0]).op(&[RETURN]).finish()
}

/// `if (calldata[at] > 0) token.transfer(msg.sender, calldata[at])`
fn pay(asm: Assembly, token: Address, at: u8, paid: &'static str) -> Assembly {
    let asm = asm.push(&[at]).op(&[CALLDATALOAD, DUP1]).push(&[0]).op(&[SLT, ISZERO]).push_label(paid).op(&[JUMPI]);
    let asm = asm.push(&[0xa9, 0x05, 0x9c, 0xbb]).push(&[224]).op(&[SHL]).push(&[0]).op(&[MSTORE]);
    let asm = asm.op(&[SENDER]).push(&[4]).op(&[MSTORE, DUP1]).push(&[36]).op(&[MSTORE]);
    let asm = asm.push_all(&[0, 0, 68, 0, 0]).push(token.as_slice()).op(&[GAS, CALL, POP]);
    asm.label(paid).op(&[JUMPDEST, POP])
}

/// Answers every call with what is in [`FEE_SLOT`].
pub fn storing_factory_code() -> Vec<u8> {
    let asm = Assembly::default().push(&[FEE_SLOT.to::<u8>()]).op(&[SLOAD]).push(&[0]).op(&[MSTORE]);
    asm.push_all(&[32, 0]).op(&[RETURN]).finish()
}

/// Answers every call with its owner.
pub fn factory_code(owner: Address) -> Vec<u8> {
    Assembly::default().push(owner.as_slice()).push(&[0]).op(&[MSTORE]).push_all(&[32, 0]).op(&[RETURN]).finish()
}

/// A bare selector (`parameters()`, from the pool's constructor) is answered with the parameters; anything else is
/// creation code to run.
pub fn deployer_code(factory: Address, [token0, token1]: [Address; 2], fee_pips: u32, tick_spacing: i32) -> Vec<u8> {
    let asm = Assembly::default().op(&[CALLDATASIZE]).push(&[4]).op(&[EQ]).push_label("answer").op(&[JUMPI]);
    let asm =
        asm.op(&[CALLDATASIZE]).push_all(&[0, 0]).op(&[CALLDATACOPY, CALLDATASIZE]).push_all(&[0, 0]).op(&[CREATE]);
    let asm = asm.push(&[0]).op(&[MSTORE]).push_all(&[32, 0]).op(&[RETURN]);
    let asm = asm.label("answer").op(&[JUMPDEST]).push(&[160]).push_label("words").push(&[0]).op(&[CODECOPY]);
    let asm = asm.push_all(&[160, 0]).op(&[RETURN]).label("words");
    let asm =
        asm.op(factory.into_word().as_slice()).op(token0.into_word().as_slice()).op(token1.into_word().as_slice());
    let numbers = [U256::from(fee_pips), U256::from(tick_spacing)].map(|n| n.to_be_bytes::<32>());
    asm.op(&numbers[0]).op(&numbers[1]).finish()
}

/// As the deployer that Pancake's factory asks: `deploy(factory, token0, token1, fee, spacing)` stores the five and runs the
/// creation code, which stands behind this one; `parameters()` answers with them.
pub fn storing_deployer_code(creation: &[u8]) -> Vec<u8> {
    const WORDS: u8 = 5;
    let size = (creation.len() as u16).to_be_bytes();
    let mut asm = Assembly::default().op(&[CALLDATASIZE]).push(&[4]).op(&[EQ]).push_label("answer").op(&[JUMPI]);
    for word in 0..WORDS {
        asm = asm.push(&[4 + 32 * word]).op(&[CALLDATALOAD]).push(&[word]).op(&[SSTORE]);
    }
    let asm = asm.push(&size).push_label("creation").push(&[0]).op(&[CODECOPY]);
    let asm = asm.push(&size).push_all(&[0, 0]).op(&[CREATE]).push(&[0]).op(&[MSTORE]).push_all(&[32, 0]).op(&[RETURN]);
    let mut asm = asm.label("answer").op(&[JUMPDEST]);
    for word in 0..WORDS {
        asm = asm.push(&[word]).op(&[SLOAD]).push(&[32 * word]).op(&[MSTORE]);
    }
    asm.push_all(&[32 * WORDS, 0]).op(&[RETURN]).label("creation").op(creation).finish()
}

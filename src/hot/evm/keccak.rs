//! Hashes of 64 bytes, remembered: what Solidity and Vyper look a mapping's value up by, and most of what the EVM hashes. The
//! same few thousand (a pool's balance of a token, an allowance) come back in every run.
//!
//! # Invariants
//! - What is answered is the hash of all 64 bytes: an entry that holds others is written over.
//! - One table a machine. A table that threads share would have to be locked, entry by entry, by an atomic instruction.
//! - Gas and failures are those of revm's own instruction: whatever is not the usual case is left to that.
//!
//! # Cost
//! 400 kB a machine. Eight multiplications and a comparison, where the hash takes a thousand instructions and more.

use alloy_primitives::{B256, U256, keccak256};
use revm::bytecode::opcode::KECCAK256;
use revm::context_interface::Host;
use revm::handler::instructions::EthInstructions;
use revm::interpreter::instructions::system;
use revm::interpreter::interpreter::EthInterpreter;
use revm::interpreter::{Instruction, InstructionContext, InstructionExecResult, InstructionResult, Interpreter};

/// Two words: a key, and the slot of its mapping.
const INPUT: usize = 64;
/// A power of two, so that an index is a few bits of a product.
const ENTRIES: usize = 1 << ENTRY_BITS;
const ENTRY_BITS: u32 = 12;

#[derive(Clone, Copy, Debug)]
struct Entry {
    input: [u8; INPUT],
    hash: B256,
}

/// The hashes met last.
#[derive(Debug)]
pub struct Keccaks(Box<[Entry]>);

impl Default for Keccaks {
    fn default() -> Self {
        let input = [0; INPUT];
        // True from the start: there is no empty entry.
        Self(vec![Entry { input, hash: keccak256(input) }; ENTRIES].into())
    }
}

impl Keccaks {
    /// The hash of `input`.
    pub fn hash(&mut self, input: &[u8; INPUT]) -> B256 {
        let entry = &mut self.0[index(input)];
        if entry.input != *input {
            *entry = Entry { input: *input, hash: keccak256(input) };
        }
        entry.hash
    }
}

/// Where an input lies. Whoever picks inputs that collide gains nothing: they are hashed as they always were.
fn index(input: &[u8; INPUT]) -> usize {
    const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;
    let (words, _) = input.as_chunks::<8>();
    // A product's upper bits depend on all of its factor, its lower ones do not: turned, each word reaches both.
    let mixed =
        words.iter().fold(0u64, |mixed, word| (mixed ^ u64::from_le_bytes(*word)).wrapping_mul(FACTOR).rotate_left(29));
    ((mixed ^ (mixed >> 32)).wrapping_mul(FACTOR) >> (64 - ENTRY_BITS)) as usize
}

/// A host that remembers hashes.
pub trait Remembers {
    /// Those it remembers.
    fn keccaks(&mut self) -> &mut Keccaks;
}

/// Lets the EVM of these instructions remember.
pub fn install<H: Host + Remembers>(instructions: &mut EthInstructions<EthInterpreter, H>) {
    instructions.instruction_table_mut()[usize::from(KECCAK256)] = Instruction::new(remembered);
}

/// KECCAK256. Its static gas is charged by the table.
fn remembered<H: Host + Remembers>(context: InstructionContext<'_, H, EthInterpreter>) -> InstructionExecResult {
    let InstructionContext { interpreter, host } = context;
    let Some(input) = usual(interpreter) else {
        return system::keccak256(InstructionContext { interpreter, host });
    };
    if !interpreter.gas.record_regular_cost(host.gas_params().keccak256_cost(INPUT)) {
        return Err(InstructionResult::OutOfGas);
    }
    let hash = host.keccaks().hash(&input);
    interpreter.stack.pop()?;
    interpreter.stack.set(0, U256::from_be_bytes(hash.0))
}

/// The input, if it is of 64 bytes that lie in memory: nothing that would have to grow it first.
fn usual(interpreter: &Interpreter<EthInterpreter>) -> Option<[u8; INPUT]> {
    let [offset, length] = [0, 1].map(|place| interpreter.stack.peek(place).ok());
    if length? != U256::from(INPUT) {
        return None;
    }
    let from = usize::try_from(offset?).ok()?;
    if from.checked_add(INPUT)? > interpreter.memory.len() {
        return None;
    }
    interpreter.memory.slice_len(from, INPUT)[..].try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(number: u64, slot: u8) -> [u8; INPUT] {
        let mut input = [0; INPUT];
        input[24..32].copy_from_slice(&number.to_be_bytes());
        input[63] = slot;
        input
    }

    #[test]
    fn a_remembered_hash_is_the_hash_whatever_was_written_over() {
        let mut keccaks = Keccaks::default();
        let inputs = || (0..3 * ENTRIES as u64).map(|number| key(number, (number % 7) as u8));
        for input in inputs().chain(inputs().rev()).chain([[0; INPUT], [0xff; INPUT]]) {
            assert_eq!(keccaks.hash(&input), keccak256(input));
            assert_eq!(keccaks.hash(&input), keccak256(input));
        }
    }

    #[test]
    fn keys_that_differ_in_any_word_are_spread() {
        for word in 0..8 {
            let mut taken = std::collections::HashSet::new();
            for number in 0..1_000u64 {
                let mut input = [0x5a; INPUT];
                input[8 * word..][..8].copy_from_slice(&number.to_be_bytes());
                taken.insert(index(&input));
            }
            // A thousand dice of 4,096 sides show 886 different ones.
            assert!(taken.len() > 700, "{} for word {word}", taken.len());
        }
    }
}

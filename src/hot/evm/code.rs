//! Code as the EVM takes it.

use std::marker::PhantomData;

use alloy_primitives::Bytes;
use alloy_primitives::map::HashMap;
use revm::bytecode::eip7702::EIP7702_MAGIC_BYTES;
use revm::bytecode::opcode;
use revm::state::Bytecode;

/// Code that revm does not take (a damaged EIP-7702 designator) cannot be on the chain; it is run as it stands.
#[must_use]
pub fn bytecode(code: &Bytes) -> Bytecode {
    if code.is_empty() {
        return Bytecode::default();
    }
    Bytecode::new_raw_checked(code.clone()).unwrap_or_else(|_| Bytecode::new_legacy(code.clone()))
}

/// Whether what runs there may make contracts, which moves its account's nonce: it holds a CREATE or CREATE2 that can be reached, or runs
/// code of others as its own (CALLCODE, DELEGATECALL, EIP-7702), or is none. Behind what ends a run nothing is reached before the next
/// JUMPDEST, so that a compiler's metadata count for nothing.
#[must_use]
pub fn makes_contracts(code: &[u8]) -> bool {
    if code.is_empty() || code.starts_with(EIP7702_MAGIC_BYTES) {
        return true;
    }
    let (mut at, mut reached) = (0, true);
    while let Some(op) = code.get(at) {
        reached |= *op == opcode::JUMPDEST;
        match *op {
            opcode::CREATE | opcode::CREATE2 | opcode::CALLCODE | opcode::DELEGATECALL if reached => return true,
            opcode::STOP | opcode::JUMP | opcode::RETURN | opcode::REVERT | opcode::INVALID | opcode::SELFDESTRUCT => {
                reached = false;
            }
            opcode::PUSH1..=opcode::PUSH32 => at += usize::from(*op - opcode::PUSH1) + 1,
            _ => (),
        }
        at += 1;
    }
    false
}

/// Analysed and hashed once of all that is the same piece of memory, and shared: accounts by the hundred thousand have one code.
#[derive(Debug, Default)]
pub struct Codes<'a> {
    /// By where the bytes lie: they are borrowed for as long as this lives.
    made: HashMap<(usize, usize), Bytecode>,
    bytes: PhantomData<&'a Bytes>,
}

impl<'a> Codes<'a> {
    /// The code.
    pub fn of(&mut self, code: &'a Bytes) -> Bytecode {
        let place = (code.as_ptr() as usize, code.len());
        self.made.entry(place).or_insert_with(|| bytecode(code)).clone()
    }
}

#[cfg(test)]
mod tests {
    use super::{Codes, bytecode, makes_contracts};
    use alloy_primitives::{Bytes, hex};

    #[test]
    fn code_makes_contracts_where_a_create_can_be_reached_or_others_code_runs_as_its_own() {
        let makes = [
            &hex!("f0")[..],         // CREATE
            &hex!("5ff45b00"),       // DELEGATECALL
            &hex!("00005bf2"),       // CALLCODE behind a JUMPDEST
            &hex!("60f5f5"),         // CREATE2 behind a PUSH1 of the same byte
            &hex!("ef0100aabbccdd"), // a delegation
            &[],                     // whoever sends
        ];
        for code in makes {
            assert!(makes_contracts(code), "{}", hex::encode(code));
        }
        let none = [
            &hex!("60f0")[..],           // a number
            &hex!("fef0f2f4"),           // metadata behind INVALID
            &hex!("00615bf0"),           // 5b in a number is no JUMPDEST
            &hex!("56f05b00f4"),         // JUMP and STOP
            &hex!("7ff0f0f0f0f0"),       // cut off in a number
            &hex!("fdf05b5ff3f0ffff00"), // REVERT, RETURN, SELFDESTRUCT
        ];
        for code in none {
            assert!(!makes_contracts(code), "{}", hex::encode(code));
        }
    }

    #[test]
    fn the_same_bytes_are_one_code_and_others_are_not() {
        let (one, other) = (Bytes::from_static(&[0x60, 1, 0]), Bytes::from(vec![0x60, 1, 0]));
        let same = one.clone();
        let mut codes = Codes::default();
        let made = [&one, &same, &other].map(|code| codes.of(code));
        assert!(made.iter().all(|code| *code == bytecode(&one)));
        let at = |code: &revm::state::Bytecode| code.bytecode().as_ptr();
        assert_eq!(at(&made[0]), at(&made[1]));
        assert_ne!(at(&made[0]), at(&made[2]));
        assert!(codes.of(&Bytes::new()).is_empty());
    }
}

//! Whether an account's nonce can move, and so be of any use to whoever runs its code.

/// What a delegation's word begins with (EIP-7702).
const DELEGATION: [u8; 2] = [0xef, 0x01];

/// Opcodes, as the Yellow Paper numbers them.
mod opcode {
    pub(super) const STOP: u8 = 0x00;
    pub(super) const JUMP: u8 = 0x56;
    pub(super) const JUMPDEST: u8 = 0x5b;
    pub(super) const PUSH1: u8 = 0x60;
    pub(super) const PUSH32: u8 = 0x7f;
    pub(super) const CREATE: u8 = 0xf0;
    pub(super) const CALLCODE: u8 = 0xf2;
    pub(super) const RETURN: u8 = 0xf3;
    pub(super) const DELEGATECALL: u8 = 0xf4;
    pub(super) const CREATE2: u8 = 0xf5;
    pub(super) const REVERT: u8 = 0xfd;
    pub(super) const INVALID: u8 = 0xfe;
    pub(super) const SELFDESTRUCT: u8 = 0xff;
}

/// Whether what runs there may make contracts, which moves its account's nonce: it holds a CREATE or CREATE2 that can be reached, or runs
/// code of others as its own (CALLCODE, DELEGATECALL, EIP-7702), or is none. Behind what ends a run nothing is reached before the next
/// JUMPDEST, so that a compiler's metadata count for nothing.
pub(in crate::edge) fn moves_nonce(code: &[u8]) -> bool {
    if code.is_empty() || code.starts_with(&DELEGATION) {
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

#[cfg(test)]
mod tests {
    use super::moves_nonce;
    use alloy_primitives::hex;

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
            assert!(moves_nonce(code), "{}", hex::encode(code));
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
            assert!(!moves_nonce(code), "{}", hex::encode(code));
        }
    }
}

//! Code as the EVM takes it.

use std::marker::PhantomData;

use alloy_primitives::Bytes;
use alloy_primitives::map::HashMap;
use revm::state::Bytecode;

/// Code that revm does not take (a damaged EIP-7702 designator) cannot be on the chain; it is run as it stands.
#[must_use]
pub fn bytecode(code: &Bytes) -> Bytecode {
    if code.is_empty() {
        return Bytecode::default();
    }
    Bytecode::new_raw_checked(code.clone()).unwrap_or_else(|_| Bytecode::new_legacy(code.clone()))
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
    use super::{Codes, bytecode};
    use alloy_primitives::Bytes;

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

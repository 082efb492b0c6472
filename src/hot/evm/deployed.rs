//! What lies at the executor's address: our contract as this program has it, or something else.
//!
//! # How
//! The committed creation code runs here in an EVM of its own, with arguments that no chain has. Where they turn up in the code is
//! where a deployed one has its owner and its wrapped native token; all other bytes must be equal.

use alloy_primitives::{Address, Bytes, address};
use revm::context::BlockEnv;

use crate::hot::evm::db::Db;
use crate::hot::evm::fork::Fork;
use crate::hot::evm::machine::Machine;
use crate::hot::evm::own::InstallError;
use crate::hot::evm::own::Own;

/// Stands for the wrapped native token. No chain has it, and no code of ours holds it.
const MARK: Address = address!("0x6d61726b206f6620746865206e61746976652121");

/// What was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deployed {
    /// No code.
    Nothing,
    /// Other code than the committed contract's, in either build.
    Other,
    /// The contract.
    Ours {
        /// Who may run it.
        owner: Address,
        /// What it unwraps, to pay a builder.
        weth: Address,
    },
}

/// Reads what is deployed.
///
/// # Errors
/// The artifact built into this program is damaged.
pub fn read(code: &[u8]) -> Result<Deployed, InstallError> {
    if code.is_empty() {
        return Ok(Deployed::Nothing);
    }
    for cancun in [true, false] {
        let (marked, own) = marked(cancun)?;
        if let Some(ours) = compare(code, &marked, own) {
            return Ok(ours);
        }
    }
    Ok(Deployed::Other)
}

/// The code of a build, and the accounts that it is marked with.
fn marked(cancun: bool) -> Result<(Bytes, Own), InstallError> {
    let block = BlockEnv { gas_limit: 30_000_000, ..BlockEnv::default() };
    let mut machine = Machine::new(1, Fork::PRAGUE, block, Db::default());
    let own = Own::install(&mut machine, cancun, MARK)?;
    let code = machine.db().known_account(own.executor).and_then(|account| account.code.as_ref());
    Ok((code.ok_or(InstallError::Reverted)?.original_bytes(), own))
}

/// `None`: it is not that build.
fn compare(code: &[u8], marked: &[u8], own: Own) -> Option<Deployed> {
    if code.len() != marked.len() {
        return None;
    }
    let (mut owner, mut weth) = (None, None);
    let mut at = 0;
    while at < code.len() {
        let word = |bytes: &[u8]| bytes.get(at..at + 32).and_then(|word| <[u8; 32]>::try_from(word).ok());
        let found = match word(marked) {
            Some(mark) if mark == own.owner.into_word().0 => &mut owner,
            Some(mark) if mark == own.weth.into_word().0 => &mut weth,
            _ if code[at] != marked[at] => return None,
            _ => {
                at += 1;
                continue;
            }
        };
        // The same everywhere, and an address.
        let here = word(code).filter(|word| word.starts_with(&[0; 12]))?;
        if found.is_some_and(|before| before != here) {
            return None;
        }
        *found = Some(here);
        at += 32;
    }
    let [owner, weth] = [owner?, weth?].map(|word| Address::from_slice(&word[12..]));
    Some(Deployed::Ours { owner, weth })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of a build, with these immutables.
    fn code(cancun: bool, owner: Address, weth: Address) -> Vec<u8> {
        let (marked, own) = marked(cancun).expect("the artifact");
        let text = alloy_primitives::hex::encode(&marked);
        let put = |text: String, mark: Address, value: Address| {
            let [mark, value] = [mark, value].map(|address| alloy_primitives::hex::encode(address.into_word()));
            assert!(text.matches(&mark).count() >= 2, "an immutable that is read once at most");
            text.replace(&mark, &value)
        };
        let text = put(put(text, own.owner, owner), own.weth, weth);
        alloy_primitives::hex::decode(text).expect("hex")
    }

    #[test]
    fn either_build_is_ours_with_the_owner_and_the_token_that_it_was_deployed_with() {
        let [owner, weth] = [7, 9].map(Address::repeat_byte);
        for cancun in [true, false] {
            assert_eq!(read(&code(cancun, owner, weth)).unwrap(), Deployed::Ours { owner, weth });
            // One account may be both: that it is no use is for others to say.
            assert_eq!(read(&code(cancun, owner, owner)).unwrap(), Deployed::Ours { owner, weth: owner });
        }
    }

    #[test]
    fn whatever_else_there_is_is_told_from_it() {
        let [owner, weth] = [7, 9].map(Address::repeat_byte);
        assert_eq!(read(&[]).unwrap(), Deployed::Nothing);
        let good = code(true, owner, weth);
        let changed = |at: usize| {
            let mut code = good.clone();
            code[at] ^= 1;
            code
        };
        for code in [
            vec![0xfe],
            good[1..].to_vec(),
            [&good[..], &[0]].concat(),
            changed(0),
            changed(good.len() - 1),
            changed(good.len() / 2),
            // An account that runs another's code (EIP-7702), and a minimal proxy (EIP-1167).
            [&[0xef, 0x01, 0x00], owner.as_slice()].concat(),
            [&[0x36, 0x3d, 0x3d, 0x37][..], owner.as_slice()].concat(),
        ] {
            assert_eq!(read(&code).unwrap(), Deployed::Other, "{} bytes", code.len());
        }
        // Owners that differ from place to place are no immutable.
        let at = good.windows(32).position(|word| word == owner.into_word().0).expect("the owner");
        assert_eq!(read(&changed(at + 31)).unwrap(), Deployed::Other);
        assert_eq!(read(&changed(at)).unwrap(), Deployed::Other);
    }
}

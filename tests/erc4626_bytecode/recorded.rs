//! Vaults among the contracts of the recorded blocks: each is used or refused with its reason.

use std::collections::BTreeMap;

use peregrine::hot::evm::probe::EvmProbe;
use peregrine::protocols::discover::Venue;
use peregrine::protocols::erc4626::Pool;
use peregrine::replay::execute;
use peregrine::replay::record::{self, Codes, Record};

use crate::common;

/// Of either folder.
const SUMS: [u32; 2] = [1, 2];

#[test]
fn every_vault_of_the_records_is_used_or_refused_with_its_reason() {
    for (folder, due) in [common::mainnet("blocks"), common::newer_mainnet("blocks")].into_iter().zip(SUMS) {
        let Some(folder) = folder else { continue };
        let dirs = record::find(&[folder]).expect("records");
        let codes = Codes::of(dirs.first().expect("a record")).expect("codes");
        let mut refused: BTreeMap<String, u32> = BTreeMap::new();
        let mut used = 0;
        for dir in &dirs {
            let record = Record::read(dir, &codes).unwrap_or_else(|error| panic!("{error}"));
            let mut machine = execute::machine(&record);
            for contract in machine.db().contracts() {
                match Pool::discover(&mut EvmProbe::new(&mut machine), &mut (), contract.into(), true) {
                    Ok(Some(pool)) => {
                        println!("{}: {contract}: {:?}, {:?}", dir.display(), pool.terms().rate, pool.state());
                        used += 1;
                    }
                    Ok(None) => {}
                    Err(reason) => {
                        println!("{}: {contract}: {reason}", dir.display());
                        *refused.entry(reason).or_default() += 1;
                    }
                }
            }
        }
        println!("{used} vaults used; refused: {refused:#?}");
        // Staked USDe streams its rewards.
        let sums = refused.iter().filter(|(reason, _)| reason.starts_with("what it counts as assets is no slot's"));
        assert_eq!(sums.map(|(_, count)| count).sum::<u32>(), due, "{refused:#?}");
    }
}

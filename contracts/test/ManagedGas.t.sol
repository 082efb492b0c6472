// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.26;

import {ManagedWorld, Path} from "./support/Managed.sol";

/// What paths through the manager of Uniswap V4 cost, in the terms of GasTest. `eth`: a pool of ether in the place of WETH.
contract ManagedGasTest is ManagedWorld {
    function test_gas_of_managed_paths() public {
        _record("v2 v4", _at(2, 2 << 2, 0));
        _record("v4 v2", _at(2, 2, 0));
        _record("v3 v4", _at(2, 1 | 2 << 2, 0));
        _record("v4 v3", _at(2, 2 | 1 << 2, 0));
        _record("v4 v4", _at(2, 2 | 2 << 2, 0));
        _record("v4 v4 v4", _at(3, 2 | 2 << 2 | 2 << 4, 0));
        _record("v2 v4 v3", _at(3, 2 << 2 | 1 << 4, 0));
        _record("v4 v2 v4", _at(3, 2 | 2 << 4, 0));
    }

    function test_gas_of_managed_paths_of_ether() public {
        _record("v3 v4-eth", _at(2, 1 | 2 << 2, 2));
        _record("v4-eth v3", _at(2, 2 | 1 << 2, 1));
        _record("v4-eth v4-eth", _at(2, 2 | 2 << 2, 3));
    }

    /// As GasTest: 1 wei of the start token, none of the others, and no ether.
    function _at(uint256 hops, uint256 families, uint256 natives) private returns (Path memory path) {
        path = _path(_tokens(weth, hops), families, natives, 0);
        executor = payable(_executor());
        _fund(weth, executor, 1);
        vm.warp(block.timestamp + 12);
    }

    function _record(string memory name, Path memory path) private {
        _snapshot(name, _encode(path), 0);
    }
}

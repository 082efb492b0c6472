// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.26;

import {World} from "./World.sol";

/// Contracts of packages whose artifacts lie by their path, with libraries to be linked.
abstract contract Linked is World {
    function _made(string memory package, string memory path, bytes memory arguments) internal returns (address) {
        return _create(bytes.concat(vm.parseBytes(_hex(_file(package, path))), arguments));
    }

    function _logic(string memory package, string memory name) internal returns (address) {
        return _made(package, string.concat("protocol/libraries/logic/", name), "");
    }

    /// "a/b/Name" is in the artifact a/b/Name.sol/Name.json.
    function _file(string memory package, string memory path) internal pure returns (string memory) {
        string[] memory parts = vm.split(path, "/");
        return string.concat(package, path, ".sol/", parts[parts.length - 1], ".json");
    }

    /// Puts a library's address where solc left the first 34 digits of the hash of its qualified name.
    function _link(string memory code, string memory library_, address at) internal pure returns (string memory) {
        string memory name = string.concat("contracts/protocol/libraries/logic/", library_, ".sol:", library_);
        bytes memory hash = bytes(vm.toString(keccak256(bytes(name))));
        bytes memory mark = new bytes(40);
        for (uint256 i = 0; i < 40; i++) {
            mark[i] = hash[i];
        }
        (mark[0], mark[1], mark[2], mark[37], mark[38], mark[39]) = ("_", "_", "$", "$", "_", "_");
        for (uint256 i = 3; i < 37; i++) {
            mark[i] = hash[i - 1];
        }
        bytes memory digits = bytes(vm.toString(at));
        bytes memory bare = new bytes(40);
        for (uint256 i = 0; i < 40; i++) {
            bare[i] = digits[i + 2];
        }
        return vm.replace(code, string(mark), string(bare));
    }
}

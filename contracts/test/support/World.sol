// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.26;

import {Test} from "forge-std/Test.sol";
import {Vm} from "forge-std/Vm.sol";
import {MockERC20} from "solmate/test/utils/mocks/MockERC20.sol";
import {IFactoryV2, IFactoryV3, IToken, IWeth} from "./Interfaces.sol";
import {Liquidity} from "./Liquidity.sol";
import {Leg, Order, Payload} from "./Payload.sol";
import {Quoter} from "./Quoter.sol";

/// Real factories, pairs, pools and WETH, from the packages' published
/// bytecode; the executor from the committed artifact.
abstract contract World is Test {
    uint256 internal constant DEPTH = 1000 ether;
    uint256 internal constant AMOUNT_IN = 5 ether;

    address internal owner = makeAddr("owner");
    address internal builder = makeAddr("builder");
    address internal stranger = makeAddr("stranger");
    address internal weth;
    address payable internal executor;
    Liquidity internal liquidity;
    Quoter internal quoter;
    bytes private factoryV2;
    bytes private factoryV3;

    function setUp() public virtual {
        vm.roll(23_456_789);
        vm.coinbase(builder);
        liquidity = new Liquidity();
        quoter = new Quoter();
        factoryV2 = bytes.concat(_bytecode("@uniswap/v2-core/build/UniswapV2Factory.json"), abi.encode(address(0)));
        factoryV3 = _bytecode("@uniswap/v3-core/artifacts/contracts/UniswapV3Factory.sol/UniswapV3Factory.json");
        weth = _create(_bytecode("@uniswap/v2-periphery/build/WETH9.json"));
        executor = payable(_executor());
        vm.deal(address(this), 1e9 ether);
    }

    // ---- deployments

    /// What the tests of a contract run: the executor, unless one says otherwise.
    function _executor() internal virtual returns (address) {
        return _ours("artifacts/executor.json");
    }

    function _ours(string memory artifact) internal returns (address) {
        bool old = keccak256(bytes(vm.envOr("FOUNDRY_PROFILE", string("default")))) == keccak256("istanbul");
        bytes memory code = vm.parseJsonBytes(vm.readFile(artifact), old ? ".istanbul.creation" : ".cancun.creation");
        return _create(bytes.concat(code, abi.encode(owner, weth)));
    }

    function _bytecode(string memory path) internal view returns (bytes memory) {
        return vm.parseBytes(_hex(path));
    }

    /// Some packages write hex with 0x, some without.
    function _hex(string memory path) internal view returns (string memory) {
        string memory hexCode = vm.parseJsonString(vm.readFile(string.concat("node_modules/", path)), ".bytecode");
        bool prefixed = bytes(hexCode)[1] == "x";
        return prefixed ? hexCode : string.concat("0x", hexCode);
    }

    function _create(bytes memory code) internal returns (address made) {
        assembly ("memory-safe") {
            made := create(0, add(code, 32), mload(code))
        }
        require(made != address(0), "create");
    }

    function _token() internal returns (address) {
        return address(new MockERC20("Token", "T", 18));
    }

    /// A token above or below `than`, so that both directions of a pool are met.
    function _tokenBeside(address than, bool above) internal returns (address token) {
        do token = _token();
        while ((token > than) != above);
    }

    function _fund(address token, address to, uint256 amount) internal virtual {
        if (token == weth) {
            IWeth(weth).deposit{value: amount}();
            IToken(weth).transfer(to, amount);
        } else {
            MockERC20(token).mint(to, amount);
        }
    }

    // ---- pools. Each has a factory of its own, so two tokens can have many.

    function _pool(bool v3, address x, uint256 amountX, address y, uint256 amountY) internal returns (address pool) {
        _fund(x, address(liquidity), amountX * 2);
        _fund(y, address(liquidity), amountY * 2);
        if (v3) {
            pool = IFactoryV3(_create(factoryV3)).createPool(x, y, 3000);
            liquidity.fillV3(pool, x, amountX, y, amountY);
        } else {
            pool = IFactoryV2(_create(factoryV2)).createPair(x, y);
            liquidity.fillV2(pool, x, amountX, y, amountY);
        }
    }

    // ---- orders

    /// A cycle from `tokens[0]` through all tokens and back. Bit i of `kinds` makes hop i V3. The last pool pays 10% too much.
    function _cycle(address[] memory tokens, uint256 kinds) internal returns (Order memory order) {
        Leg[] memory legs = new Leg[](tokens.length);
        for (uint256 i = 0; i < legs.length; i++) {
            address to = tokens[(i + 1) % legs.length];
            bool v3 = kinds >> i & 1 == 1;
            uint256 depthOut = i + 1 == legs.length ? DEPTH * 11 / 10 : DEPTH;
            legs[i] = Leg(v3, _pool(v3, tokens[i], DEPTH, to, depthOut), tokens[i], to, 0);
        }
        order = Order(0, uint40(block.number), tokens[0], 0, 0, uint128(AMOUNT_IN), legs);
        _predict(order);
    }

    function _cycle(address start, uint256 hops, uint256 kinds) internal returns (Order memory) {
        address[] memory tokens = new address[](hops);
        tokens[0] = start;
        for (uint256 i = 1; i < hops; i++) {
            tokens[i] = _token();
        }
        return _cycle(tokens, kinds);
    }

    /// Fills in every hop's output. Returns the profit, negative for a loss.
    function _predict(Order memory order) internal returns (int256) {
        uint256 amount = order.amountIn;
        for (uint256 i = 0; i < order.legs.length; i++) {
            amount = quoter.quote(order.legs[i], amount);
            order.legs[i].out = uint128(amount);
        }
        return int256(amount) - int256(uint256(order.amountIn));
    }

    function _profit(Order memory order) internal pure returns (uint256) {
        return order.legs[order.legs.length - 1].out - order.amountIn;
    }

    // ---- runs

    function _run(Order memory order) internal {
        _run(order, 0);
    }

    function _run(Order memory order, uint256 value) internal {
        _succeeds(Payload.encode(order), value);
    }

    function _succeeds(bytes memory payload, uint256 value) internal {
        (bool ok, bytes memory reason) = _send(payload, value);
        if (!ok) {
            assembly ("memory-safe") {
                revert(add(reason, 32), mload(reason))
            }
        }
    }

    function _refuses(Order memory order, bytes4 why) internal {
        _refuses(Payload.encode(order), why);
    }

    function _refuses(bytes memory payload, bytes4 why) internal {
        (bool ok, bytes memory reason) = _send(payload, 0);
        assertFalse(ok, "should have been refused");
        assertEq(bytes4(reason), why, "refused for another reason");
    }

    /// Reverts, and the pool or the token is the one to say why.
    function _fails(Order memory order) internal {
        (bool ok,) = _send(Payload.encode(order), 0);
        assertFalse(ok, "should have failed");
    }

    function _send(bytes memory payload, uint256 value) internal returns (bool, bytes memory) {
        vm.deal(owner, value);
        vm.prank(owner);
        return executor.call{value: value}(payload);
    }

    function _held(address token) internal view returns (uint256) {
        return IToken(token).balanceOf(executor);
    }

    /// Runs it and writes down what it cost: the run itself, and what the transaction is billed.
    function _snapshot(string memory name, bytes memory payload, uint256 value) internal {
        _succeeds(payload, value);
        Vm.Gas memory gas = vm.lastCallGas();
        uint256 refunded = uint256(uint64(gas.gasRefunded));
        vm.snapshotValue("gas", string.concat(name, ": run"), gas.gasTotalUsed + refunded - _intrinsic(payload));
        vm.snapshotValue("gas", string.concat(name, ": paid"), gas.gasTotalUsed);
    }

    /// What a transaction with this payload costs before it runs.
    function _intrinsic(bytes memory payload) internal pure returns (uint256 gas) {
        gas = 21000;
        for (uint256 i = 0; i < payload.length; i++) {
            gas += payload[i] == 0 ? 4 : 16;
        }
    }
}

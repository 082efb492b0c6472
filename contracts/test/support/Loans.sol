// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.26;

import {ERC20} from "openzeppelin/token/ERC20/ERC20.sol";
import {ERC20FlashMint} from "openzeppelin/token/ERC20/extensions/ERC20FlashMint.sol";
import {Calls, Mix} from "./Calls.sol";
import {IToken} from "./Interfaces.sol";
import {IAave} from "./LenderInterfaces.sol";
import {Lenders} from "./Lenders.sol";
import {Called, Kind, Order, Payload} from "./Payload.sol";
import {Lend, Sale} from "./Sale.sol";

/// Who lends what a path begins with.
enum From {
    BALANCER_V2,
    MORPHO,
    AAVE_V3,
    UNISWAP_V3,
    ERC3156
}

/// A token that lends itself, as OpenZeppelin has it.
contract MintedToken is ERC20("Minted", "M"), ERC20FlashMint {
    function mint(address to, uint256 amount) external {
        _mint(to, amount);
    }

    function burn(address from, uint256 amount) external {
        _burn(from, amount);
    }
}

/// Paths that a lender begins: real ones, from the packages' bytecode, each called in its own words.
abstract contract Loans is Calls, Lenders {
    /// What every lender has of what it lends: of Aave, beside what is borrowed.
    uint256 internal constant LENDABLE = 60 ether;

    struct Loan {
        From from;
        address lender;
    }

    function _lender(From from, address token) internal returns (Loan memory loan) {
        loan.from = from;
        if (from == From.BALANCER_V2) loan.lender = _vault(token);
        else if (from == From.MORPHO) loan.lender = _morphoWith(token);
        else if (from == From.AAVE_V3) loan.lender = _aaveWith(token);
        else if (from == From.UNISWAP_V3) loan.lender = _pool(true, token, LENDABLE, _tokenBeside(token, true), LENDABLE);
        else loan.lender = token;
    }

    function _isMinted(From from) internal pure returns (bool) {
        return from == From.ERC3156;
    }

    function _vault(address token) private returns (address vault) {
        string memory file = vm.readFile("node_modules/@balancer-labs/v2-deployments/dist/tasks/20210418-vault/bytecode/Vault.json");
        bytes memory code = vm.parseBytes(string.concat("0x", vm.parseJsonString(file, ".creationCode")));
        vault = _create(bytes.concat(code, abi.encode(address(this), weth, 0, 0)));
        _fund(token, vault, LENDABLE);
    }

    function _morphoWith(address token) private returns (address morpho) {
        morpho = _create(bytes.concat(_bytecode(".peregrine/Morpho.json"), abi.encode(address(this))));
        _fund(token, morpho, LENDABLE);
    }

    function _aaveWith(address token) private returns (address pool) {
        Sale memory sale = _position(Lend.AAVE_V3, token, _token());
        pool = sale.lender;
        IAave configurator = IAave(IAave(IAave(pool).ADDRESSES_PROVIDER()).getPoolConfigurator());
        configurator.setReserveFlashLoaning(token, true);
        configurator.updateFlashloanPremiumTotal(9);
    }

    // ---- what is due, and as bytes

    /// In parts of 10,000, rounded as each does: Aave to the nearest, a V3 pool up.
    function _fee(Loan memory loan, uint256 amount) internal pure returns (uint256) {
        if (loan.from == From.AAVE_V3) return (amount * 9 + 5000) / 10000;
        return loan.from == From.UNISWAP_V3 ? (amount * 30 + 9999) / 10000 : 0;
    }

    function _mode(Loan memory loan) private pure returns (uint8) {
        if (loan.from == From.ERC3156) return Kind.LOAN | Kind.TAKEN | Kind.HASHED;
        return loan.from == From.BALANCER_V2 || loan.from == From.UNISWAP_V3 ? Kind.LOAN : Kind.LOAN | Kind.TAKEN;
    }

    /// The step that is put behind the path.
    function _loan(Loan memory loan, address token, uint128 amount) internal view returns (Called memory) {
        uint128 due = amount + uint128(_fee(loan, amount));
        return Called(_mode(loan), loan.lender, token, due, _head(loan, token, amount));
    }

    /// The lender's own words, up to the length of the bytes that it echoes: those are none here, and the length, a zero, is cut.
    function _head(Loan memory loan, address token, uint256 amount) private view returns (bytes memory head) {
        if (loan.from == From.BALANCER_V2) {
            (address[] memory tokens, uint256[] memory amounts) = (new address[](1), new uint256[](1));
            (tokens[0], amounts[0]) = (token, amount);
            head = abi.encodeWithSignature("flashLoan(address,address[],uint256[],bytes)", executor, tokens, amounts, "");
        } else if (loan.from == From.MORPHO) {
            head = abi.encodeWithSignature("flashLoan(address,uint256,bytes)", token, amount, "");
        } else if (loan.from == From.AAVE_V3) {
            string memory words = "flashLoanSimple(address,address,uint256,bytes,uint16)";
            head = abi.encodeWithSignature(words, executor, token, amount, "", 0);
        } else if (loan.from == From.UNISWAP_V3) {
            // The other token is above it.
            head = abi.encodeWithSignature("flash(address,uint256,uint256,bytes)", executor, amount, 0, "");
        } else {
            head = abi.encodeWithSignature("flashLoan(address,address,uint256,bytes)", executor, token, amount, "");
        }
        assembly ("memory-safe") {
            mstore(head, sub(mload(head), 32))
        }
    }

    // ---- paths

    /// A path whose last step pays here, and behind which a loan stands. Of what it begins with nothing is held.
    function _lentPath(From from, uint256 hops, uint256 kinds, Mix memory mix) internal returns (Order memory order, Loan memory loan) {
        executor = payable(_executor());
        address start = _isMinted(from) ? address(new MintedToken()) : _token();
        order = _cycle(start, hops, kinds & ~mix.calls);
        for (uint256 i = 0; i < hops; i++) {
            if (_isCall(mix, i)) order.legs[i].pool = _venue();
            if (i != 0) _fund(order.legs[i].tokenIn, executor, INVENTORY);
        }
        _foretell(order, mix);
        uint256 last = hops - 1;
        // What is called pays one for one: a tenth on top, to be earned.
        if (_isCall(mix, last)) order.legs[last].out = order.amountIn + order.amountIn / 10;
        loan = _lender(from, start);
    }

    function _venue() internal virtual returns (address);

    function _encodeLent(Order memory order, Mix memory mix, Called memory loan) internal view returns (bytes memory) {
        bytes memory steps = bytes.concat(_steps(order, mix, order.legs.length), Payload.called(loan));
        return Payload.long(order, address(0), steps);
    }

    function _heldOf(address token, address who) internal view returns (uint256) {
        return IToken(token).balanceOf(who);
    }
}

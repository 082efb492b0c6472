// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.26;

import {IToken} from "./Interfaces.sol";
import {IAave, IAaveConfigurator, IAaveOracle, IApprove, IMorpho, IPriced} from "./LenderInterfaces.sol";
import {Linked} from "./Linked.sol";
import {Lend, Sale} from "./Sale.sol";

/// A price source whose answer a test sets: what a lender's oracle reads, whoever is behind it.
contract Feed {
    int256 public latestAnswer;

    function answer(int256 price) external {
        latestAnswer = price;
    }
}

/// Real lenders from the packages' published bytecode (Morpho Blue: compiled by its authors' settings), each with one market of two
/// tokens at a price of 1, and one borrower of it: 100 of collateral against 70 of debt, sound above 0.85 on Aave, 0.814 on Morpho.
abstract contract Lenders is Linked {
    string private constant V3 = "@aave/core-v3/artifacts/contracts/";
    string private constant V2 = "@aave/protocol-v2/artifacts/contracts/";
    uint256 internal constant COLLATERAL = 100 ether;
    uint256 internal constant DEBT = 70 ether;
    uint256 internal constant LLTV = 0.86 ether;

    address internal borrower = makeAddr("borrower");
    address internal treasury = makeAddr("treasury");
    /// Of the collateral. The debt token stays at 1.
    Feed internal feed;
    address internal morphoOracle;
    address private aaveOracle;

    /// Opens a market, lends to it and borrows from it. The sale that comes back asks for nothing yet.
    function _position(Lend lend, address debt, address collateral) internal returns (Sale memory sale) {
        if (lend == Lend.MORPHO) sale = _morpho(debt, collateral);
        else sale = lend == Lend.AAVE_V3 ? _aaveV3(debt, collateral) : _aaveV2(debt, collateral);
        sale.borrower = borrower;
        sale.debt = debt;
        sale.collateral = collateral;
        vm.warp(block.timestamp + 1 days);
    }

    /// The same position once more in the same market, of somebody else. The price must be one at which it may borrow.
    function _another(Sale memory sale) internal returns (Sale memory other) {
        other = abi.decode(abi.encode(sale), (Sale));
        other.borrower = makeAddr("another borrower");
        _own(sale.debt, DEBT, sale.lender);
        _own(sale.collateral, COLLATERAL, sale.lender);
        if (sale.kind == 4) {
            IMorpho.Market memory market = _market(sale);
            IMorpho(sale.lender).supply(market, DEBT, 0, address(this), "");
            IMorpho(sale.lender).supplyCollateral(market, COLLATERAL, other.borrower, "");
            vm.prank(other.borrower);
            IMorpho(sale.lender).borrow(market, DEBT, 0, other.borrower, other.borrower);
        } else {
            IAave(sale.lender).deposit(sale.debt, DEBT, address(this), 0);
            IAave(sale.lender).deposit(sale.collateral, COLLATERAL, other.borrower, 0);
            vm.prank(other.borrower);
            IAave(sale.lender).borrow(sale.debt, DEBT, 2, 0, other.borrower);
        }
    }

    /// Sets what the collateral is worth, in percent of the debt token.
    function _price(uint256 percent) internal {
        if (address(feed) != address(0)) feed.answer(int256(percent * 1e6));
        if (morphoOracle != address(0)) IPriced(morphoOracle).setPrice(percent * 1e34);
    }

    /// What a liquidator with capital is paid for the same, by the lender itself. Everything is rolled back.
    function _byHand(Sale memory sale) internal returns (uint256 seized, uint256 repaid) {
        uint256 state = vm.snapshotState();
        address hand = _capital(sale);
        _sellByHand(sale, hand);
        address paidIn = sale.kind == 1 || sale.kind == 2 ? sale.also : sale.collateral;
        (seized, repaid) = (IToken(paidIn).balanceOf(hand), sale.repay - IToken(sale.debt).balanceOf(hand));
        vm.revertToState(state);
    }

    /// Somebody who has what the lender may take, and allows it to.
    function _capital(Sale memory sale) internal returns (address hand) {
        hand = makeAddr("hand");
        _fund(sale.debt, hand, sale.repay);
        vm.prank(hand);
        // By a bare call: some tokens return nothing.
        (bool ok,) = sale.debt.call(abi.encodeCall(IApprove.approve, (sale.lender, sale.repay)));
        require(ok, "approve");
    }

    function _sellByHand(Sale memory sale, address hand) internal returns (bytes memory call) {
        if (sale.kind < 3) {
            bool receipt = sale.kind != 0;
            call = abi.encodeCall(IAave.liquidationCall, (sale.collateral, sale.debt, sale.borrower, sale.repay, receipt));
        } else {
            (uint256 collateral, uint256 shares) = sale.kind == 3 ? (uint256(sale.asked), uint256(0)) : (0, sale.asked);
            call = abi.encodeCall(IMorpho.liquidate, (_market(sale), sale.borrower, collateral, shares, ""));
        }
        vm.prank(hand);
        (bool ok,) = sale.lender.call(call);
        require(ok, "the lender refuses");
    }

    function _health(Sale memory sale) internal view returns (uint256 health) {
        (,,,,, health) = IAave(sale.lender).getUserAccountData(sale.borrower);
    }

    function _market(Sale memory sale) internal pure returns (IMorpho.Market memory) {
        return IMorpho.Market(sale.debt, sale.collateral, sale.also, sale.irm, sale.lltv);
    }

    function _shares(Sale memory sale) internal view returns (uint256 shares) {
        (, shares,) = IMorpho(sale.lender).position(keccak256(abi.encode(_market(sale))), sale.borrower);
    }

    // ---- Morpho Blue

    function _morpho(address debt, address collateral) private returns (Sale memory sale) {
        IMorpho morpho = IMorpho(_create(bytes.concat(_bytecode(".peregrine/Morpho.json"), abi.encode(address(this)))));
        morphoOracle = _create(_bytecode(".peregrine/OracleMock.json"));
        address irm = _create(_bytecode(".peregrine/IrmMock.json"));
        _price(100);
        morpho.enableIrm(irm);
        morpho.enableLltv(LLTV);
        (sale.lender, sale.also, sale.irm, sale.lltv) = (address(morpho), morphoOracle, irm, uint128(LLTV));
        IMorpho.Market memory market = IMorpho.Market(debt, collateral, morphoOracle, irm, LLTV);
        morpho.createMarket(market);
        _own(debt, DEBT * 2, address(morpho));
        morpho.supply(market, DEBT * 2, 0, address(this), "");
        _own(collateral, COLLATERAL, address(morpho));
        morpho.supplyCollateral(market, COLLATERAL, borrower, "");
        vm.prank(borrower);
        morpho.borrow(market, DEBT, 0, borrower, borrower);
        (sale.kind, sale.asked, sale.repay) = (4, 0, 0);
    }

    // ---- Aave V3

    function _aaveV3(address debt, address collateral) private returns (Sale memory sale) {
        IAave provider = IAave(_made(V3, "protocol/configuration/PoolAddressesProvider", abi.encode("main", address(this))));
        provider.setPoolImpl(_create(bytes.concat(_linkedPoolV3(), abi.encode(provider))));
        provider.setACLAdmin(address(this));
        address acl = _made(V3, "protocol/configuration/ACLManager", abi.encode(provider));
        provider.setACLManager(acl);
        IAave(acl).addPoolAdmin(address(this));
        provider.setPoolConfiguratorImpl(_create(_linkedConfiguratorV3()));
        address[] memory none = new address[](0);
        _priceBoth(_made(V3, "misc/AaveOracle", abi.encode(provider, none, none, 0, 0, 1e8)), debt, collateral);
        provider.setPriceOracle(aaveOracle);
        address pool = provider.getPool();
        IAave configurator = IAave(provider.getPoolConfigurator());
        _reservesV3(provider, pool, debt, collateral);
        configurator.configureReserveAsCollateral(collateral, 8000, 8250, 10500);
        configurator.configureReserveAsCollateral(debt, 8000, 8250, 10500);
        configurator.setReserveBorrowing(debt, true);
        configurator.setReserveBorrowing(collateral, true);
        configurator.setLiquidationProtocolFee(collateral, 1000);
        _borrow(pool, debt, collateral, true);
        sale.lender = pool;
        sale.also = _receiptOf(pool, collateral, 8);
    }

    function _reservesV3(IAave provider, address pool, address debt, address collateral) private {
        address[3] memory tokens = [
            _made(V3, "protocol/tokenization/AToken", abi.encode(pool)),
            _made(V3, "protocol/tokenization/StableDebtToken", abi.encode(pool)),
            _made(V3, "protocol/tokenization/VariableDebtToken", abi.encode(pool))
        ];
        address strategy = _made(
            V3,
            "protocol/pool/DefaultReserveInterestRateStrategy",
            abi.encode(provider, 0.8e27, 0, 0.04e27, 0.6e27, 0.05e27, 0.6e27, 0.01e27, 0.08e27, 0.2e27)
        );
        IAaveConfigurator.Reserve[] memory reserves = new IAaveConfigurator.Reserve[](2);
        for (uint256 i = 0; i < 2; i++) {
            reserves[i] = IAaveConfigurator.Reserve(
                tokens[0], tokens[1], tokens[2], 18, strategy, i == 0 ? debt : collateral, treasury, address(0),
                "a", "a", "v", "v", "s", "s", ""
            );
        }
        IAaveConfigurator(provider.getPoolConfigurator()).initReserves(reserves);
    }

    function _linkedPoolV3() private returns (bytes memory) {
        string memory code = _hex(string.concat(V3, "protocol/pool/Pool.sol/Pool.json"));
        address borrowLogic = _logic(V3, "BorrowLogic");
        string memory flash = _hex(string.concat(V3, "protocol/libraries/logic/FlashLoanLogic.sol/FlashLoanLogic.json"));
        code = _link(code, "FlashLoanLogic", _create(vm.parseBytes(_link(flash, "BorrowLogic", borrowLogic))));
        code = _link(code, "BorrowLogic", borrowLogic);
        string[5] memory others = ["BridgeLogic", "EModeLogic", "LiquidationLogic", "PoolLogic", "SupplyLogic"];
        for (uint256 i = 0; i < 5; i++) {
            code = _link(code, others[i], _logic(V3, others[i]));
        }
        return vm.parseBytes(code);
    }

    function _linkedConfiguratorV3() private returns (bytes memory) {
        string memory code = _hex(string.concat(V3, "protocol/pool/PoolConfigurator.sol/PoolConfigurator.json"));
        return vm.parseBytes(_link(code, "ConfiguratorLogic", _logic(V3, "ConfiguratorLogic")));
    }

    // ---- Aave V2

    function _aaveV2(address debt, address collateral) private returns (Sale memory sale) {
        IAave provider = IAave(_made(V2, "protocol/configuration/LendingPoolAddressesProvider", abi.encode("main")));
        provider.setPoolAdmin(address(this));
        provider.setLendingPoolImpl(_create(_linkedPoolV2()));
        provider.setLendingPoolConfiguratorImpl(_made(V2, "protocol/lendingpool/LendingPoolConfigurator", ""));
        provider.setLendingPoolCollateralManager(_made(V2, "protocol/lendingpool/LendingPoolCollateralManager", ""));
        address[] memory none = new address[](0);
        _priceBoth(_made(V2, "misc/AaveOracle", abi.encode(none, none, 0, 0)), debt, collateral);
        provider.setPriceOracle(aaveOracle);
        provider.setLendingRateOracle(_made(V2, "mocks/oracle/LendingRateOracle", ""));
        address pool = provider.getLendingPool();
        IAave configurator = IAave(provider.getLendingPoolConfigurator());
        _reserveV2(provider, configurator, pool, debt);
        _reserveV2(provider, configurator, pool, collateral);
        configurator.configureReserveAsCollateral(collateral, 8000, 8250, 10500);
        configurator.configureReserveAsCollateral(debt, 8000, 8250, 10500);
        configurator.enableBorrowingOnReserve(debt, false);
        configurator.enableBorrowingOnReserve(collateral, false);
        _borrow(pool, debt, collateral, false);
        sale.lender = pool;
        sale.also = _receiptOf(pool, collateral, 7);
    }

    function _reserveV2(IAave provider, IAave configurator, address pool, address asset) private {
        configurator.initReserve(
            _made(V2, "protocol/tokenization/AToken", abi.encode(pool, asset, treasury, "a", "a", address(0))),
            _made(V2, "protocol/tokenization/StableDebtToken", abi.encode(pool, asset, "s", "s", address(0))),
            _made(V2, "protocol/tokenization/VariableDebtToken", abi.encode(pool, asset, "v", "v", address(0))),
            18,
            _made(
                V2,
                "protocol/lendingpool/DefaultReserveInterestRateStrategy",
                abi.encode(provider, 0.8e27, 0, 0.04e27, 0.6e27, 0.05e27, 0.6e27)
            )
        );
    }

    function _linkedPoolV2() private returns (bytes memory) {
        string memory code = _hex(string.concat(V2, "protocol/lendingpool/LendingPool.sol/LendingPool.json"));
        code = _link(code, "ReserveLogic", _logic(V2, "ReserveLogic"));
        string memory validation = _hex(string.concat(V2, "protocol/libraries/logic/ValidationLogic.sol/ValidationLogic.json"));
        validation = _link(validation, "GenericLogic", _logic(V2, "GenericLogic"));
        return vm.parseBytes(_link(code, "ValidationLogic", _create(vm.parseBytes(validation))));
    }

    // ---- both Aaves

    function _priceBoth(address made, address debt, address collateral) private {
        aaveOracle = made;
        feed = new Feed();
        feed.answer(1e8);
        Feed one = new Feed();
        one.answer(1e8);
        (address[] memory assets, address[] memory sources) = (new address[](2), new address[](2));
        (assets[0], assets[1], sources[0], sources[1]) = (debt, collateral, address(one), address(feed));
        IAaveOracle(aaveOracle).setAssetSources(assets, sources);
    }

    function _borrow(address pool, address debt, address collateral, bool v3) private {
        _own(debt, DEBT * 2, pool);
        _own(collateral, COLLATERAL * 2, pool);
        if (v3) {
            IAave(pool).supply(debt, DEBT * 2, address(this), 0);
            IAave(pool).supply(collateral, COLLATERAL, address(this), 0);
            IAave(pool).supply(collateral, COLLATERAL, borrower, 0);
        } else {
            IAave(pool).deposit(debt, DEBT * 2, address(this), 0);
            IAave(pool).deposit(collateral, COLLATERAL, address(this), 0);
            IAave(pool).deposit(collateral, COLLATERAL, borrower, 0);
        }
        vm.prank(borrower);
        IAave(pool).borrow(debt, DEBT, 2, 0, borrower);
        // Somebody else owes both: markets have many borrowers, and the collateral's receipt tokens grow, and round.
        IAave(pool).borrow(debt, DEBT / 10, 2, 0, address(this));
        IAave(pool).borrow(collateral, COLLATERAL / 10, 2, 0, address(this));
    }

    /// The word of `getReserveData` that names the receipt token.
    function _receiptOf(address pool, address asset, uint256 word) private view returns (address receipt) {
        (, bytes memory data) = pool.staticcall(abi.encodeWithSignature("getReserveData(address)", asset));
        assembly ("memory-safe") {
            receipt := mload(add(data, add(32, mul(32, word))))
        }
    }

    function _own(address token, uint256 amount, address spender) internal {
        _fund(token, address(this), amount);
        // By a bare call: some tokens return nothing.
        (bool ok,) = token.call(abi.encodeCall(IApprove.approve, (spender, amount)));
        require(ok, "approve");
    }
}

// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.24;

interface IBasePool {
    function get_virtual_price() external view returns (uint256);
    function fee() external view returns (uint256);
    function coins(uint256 place) external view returns (address);
    function get_dy(int128 i, int128 j, uint256 dx) external view returns (uint256);
    function calc_token_amount(uint256[3] calldata amounts, bool isDeposit) external view returns (uint256);
    function calc_withdraw_one_coin(uint256 shares, int128 place) external view returns (uint256);
    function exchange(int128 i, int128 j, uint256 dx, uint256 least) external;
    function add_liquidity(uint256[3] calldata amounts, uint256 least) external;
    function remove_liquidity_one_coin(uint256 shares, int128 place, uint256 least) external;
}

interface IToken {
    function approve(address spender, uint256 amount) external returns (bool);
    function balanceOf(address owner) external view returns (uint256);
    function transfer(address to, uint256 amount) external returns (bool);
    function transferFrom(address from, address to, uint256 amount) external returns (bool);
}

// A pool of one coin and the share of a pool of three, that does what Curve's do: no record holds the code of one of theirs. It begins
// with balances. Compiled by contracts/script/lenders.mjs.

/// Asks its base pool at each swap what a share is worth.
contract Metapool {
    uint256 private constant ONE = 1e18;
    uint256 private constant PARTS = 1e10;

    address[2] public coins;
    uint256[2] public balances;
    uint256 public fee;
    uint256 private amp;
    uint256 private rate;
    IBasePool internal base;

    constructor(address coin, address share, IBasePool base_, uint256 rate_, uint256 amp_) {
        coins = [coin, share];
        balances = [1_000_000 * 1e36 / rate_, 1_100_000 * ONE];
        (base, rate, amp, fee) = (base_, rate_, amp_ * 100, 4_000_000);
    }

    /// The base pool may have of a coin what it asks for: plain tokens need no such thing.
    function allow(address coin) external {
        IToken(coin).approve(address(base), type(uint256).max);
    }

    function A() external view returns (uint256) {
        return amp / 100;
    }

    function admin_fee() public pure returns (uint256) {
        return PARTS / 2;
    }

    /// What a share is worth in a swap.
    function inForce() internal virtual returns (uint256) {
        return quoted();
    }

    /// What it is worth for who asks.
    function quoted() internal view virtual returns (uint256) {
        return base.get_virtual_price();
    }

    function get_dy(int128 i, int128 j, uint256 dx) external view returns (uint256 dy) {
        (dy,) = paid(own(i, j), dx, quoted());
    }

    function exchange(int128 i, int128 j, uint256 dx, uint256 least) external returns (uint256 dy) {
        uint256 from = own(i, j);
        dy = swapped(from, dx, inForce());
        require(dy >= least, "too little");
        IToken(coins[from]).transferFrom(msg.sender, address(this), dx);
        IToken(coins[1 - from]).transfer(msg.sender, dy);
    }

    function get_dy_underlying(int128 i, int128 j, uint256 dx) external view returns (uint256 dy) {
        require(i != j, "one coin");
        if (i > 0 && j > 0) return base.get_dy(i - 1, j - 1, dx);
        uint256 price = quoted();
        if (i == 0) {
            (dy,) = paid(0, dx, price);
            return base.calc_withdraw_one_coin(dy, j - 1);
        }
        uint256 worth = base.calc_token_amount(only(i, dx), true) * price / ONE;
        worth -= worth * base.fee() / (2 * PARTS);
        uint256[2] memory xp = scaled(price);
        (dy,) = given(0, xp[0] - opposite(xp[1] + worth, invariant(xp)) - 1, price);
    }

    function exchange_underlying(int128 i, int128 j, uint256 dx, uint256 least) external returns (uint256 dy) {
        require(i != j, "one coin");
        uint256 price = inForce();
        IToken(underlying(i)).transferFrom(msg.sender, address(this), dx);
        uint256 before = IToken(underlying(j)).balanceOf(address(this));
        if (i > 0 && j > 0) {
            base.exchange(i - 1, j - 1, dx, 0);
            dy = IToken(underlying(j)).balanceOf(address(this)) - before;
        } else if (i == 0) {
            base.remove_liquidity_one_coin(swapped(0, dx, price), j - 1, 0);
            dy = IToken(underlying(j)).balanceOf(address(this)) - before;
        } else {
            uint256 shares = IToken(coins[1]).balanceOf(address(this));
            base.add_liquidity(only(i, dx), 0);
            dy = swapped(1, IToken(coins[1]).balanceOf(address(this)) - shares, price);
        }
        require(dy >= least, "too little");
        IToken(underlying(j)).transfer(msg.sender, dy);
    }

    function underlying(int128 place) private view returns (address) {
        return place == 0 ? coins[0] : base.coins(uint256(int256(place)) - 1);
    }

    function only(int128 place, uint256 amount) private pure returns (uint256[3] memory amounts) {
        amounts[uint256(int256(place)) - 1] = amount;
    }

    /// Which of the two goes in.
    function own(int128 i, int128 j) private pure returns (uint256) {
        require(i != j && i >= 0 && j >= 0 && i < 2 && j < 2, "no such coins");
        return uint256(int256(i));
    }

    function swapped(uint256 from, uint256 dx, uint256 price) private returns (uint256 dy) {
        uint256 admin;
        (dy, admin) = paid(from, dx, price);
        balances[from] += dx;
        balances[1 - from] -= dy + admin;
    }

    function paid(uint256 from, uint256 dx, uint256 price) private view returns (uint256 dy, uint256 admin) {
        uint256[2] memory xp = scaled(price);
        uint256 x = xp[from] + dx * (from == 0 ? rate : price) / ONE;
        return given(1 - from, xp[1 - from] - opposite(x, invariant(xp)) - 1, price);
    }

    /// What the curve gives, less the fee, and the administrator's part of that, in units.
    function given(uint256 to, uint256 whole, uint256 price) private view returns (uint256 dy, uint256 admin) {
        uint256 taken = whole * fee / PARTS;
        uint256 unit = to == 0 ? rate : price;
        dy = (whole - taken) * ONE / unit;
        admin = taken * admin_fee() / PARTS * ONE / unit;
    }

    function scaled(uint256 price) private view returns (uint256[2] memory) {
        return [balances[0] * rate / ONE, balances[1] * price / ONE];
    }

    function invariant(uint256[2] memory xp) private view returns (uint256 d) {
        uint256 sum = xp[0] + xp[1];
        uint256 ann = 2 * amp;
        d = sum;
        for (uint256 step = 0; step < 255; ++step) {
            uint256 product = d * d / (2 * xp[0]) * d / (2 * xp[1]);
            uint256 last = d;
            d = (ann * sum / 100 + 2 * product) * d / ((ann - 100) * d / 100 + 3 * product);
            if (near(d, last)) return d;
        }
        revert("no end");
    }

    /// What the other of the two stands at where one is at x.
    function opposite(uint256 x, uint256 d) private view returns (uint256 y) {
        uint256 ann = 2 * amp;
        uint256 c = d * d / (2 * x) * d * 100 / (2 * ann);
        uint256 b = x + d * 100 / ann;
        y = d;
        for (uint256 step = 0; step < 255; ++step) {
            uint256 last = y;
            y = (y * y + c) / (2 * y + b - d);
            if (near(y, last)) return y;
        }
        revert("no end");
    }

    function near(uint256 a, uint256 b) private pure returns (bool) {
        return a > b ? a - b <= 1 : b - a <= 1;
    }
}

/// Asks somebody else, too, what its share is worth: a part that is the whole, as yet.
contract FedMetapool is Metapool {
    IToken private constant FEED = IToken(address(uint160(0xfeed)));

    constructor(address coin, address share, IBasePool base_, uint256 rate_, uint256 amp_)
        Metapool(coin, share, base_, rate_, amp_)
    {}

    function quoted() internal view override returns (uint256) {
        return base.get_virtual_price() * FEED.balanceOf(address(0)) / 1e18;
    }
}

/// Remembers the price for ten minutes, as the first metapools do.
contract RememberingMetapool is Metapool {
    uint256 private price;
    uint256 private updated;

    constructor(address coin, address share, IBasePool base_, uint256 rate_, uint256 amp_)
        Metapool(coin, share, base_, rate_, amp_)
    {}

    function base_pool() external view returns (address) {
        return address(base);
    }

    function inForce() internal override returns (uint256) {
        if (block.timestamp > updated + 600) (price, updated) = (base.get_virtual_price(), block.timestamp);
        return price;
    }

    function quoted() internal view override returns (uint256) {
        return block.timestamp > updated + 600 ? base.get_virtual_price() : price;
    }
}

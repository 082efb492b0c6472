// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.26;

interface IToken {
    function transfer(address to, uint256 amount) external returns (bool);
    function transferFrom(address from, address to, uint256 amount) external returns (bool);
}

/// What the bank's pools hold: the second of the two contracts at which a pool's state lives.
contract ToyVault {
    /// Reserves of the pool with this id, in the order of its tokens. Slot 0.
    mapping(bytes32 => uint256[3]) internal held;

    address internal immutable BANK = msg.sender;

    event Reserves(bytes32 indexed id, uint256[3] reserves);

    function reserves(bytes32 id) external view returns (uint256[3] memory) {
        return held[id];
    }

    function set(bytes32 id, uint256[3] calldata to) external {
        require(msg.sender == BANK, "not the bank");
        held[id] = to;
        emit Reserves(id, to);
    }

    function pay(address token, address to, uint256 amount) external {
        require(msg.sender == BANK, "not the bank");
        require(IToken(token).transfer(to, amount), "not paid");
    }
}

/// A bank of pools of three tokens. Any two of a pool swap along the product of their reserves, less a fee on what goes in; the third
/// is not touched. Its caller pays by an allowance and is paid.
contract ToyBank {
    uint256 internal constant WHOLE = 1_000_000;
    uint256 internal constant MOST = type(uint112).max;

    struct Pool {
        address[3] tokens;
        uint256 fee;
    }

    /// Slot 0.
    mapping(bytes32 => Pool) internal pools;
    /// Slot 1.
    bytes32[] public ids;

    ToyVault public immutable VAULT = new ToyVault();
    address internal immutable OWNER = msg.sender;

    event PoolMade(bytes32 indexed id, address[3] tokens, uint256 fee);
    event Filled(bytes32 indexed id, uint256[3] amounts);
    event FeeSet(bytes32 indexed id, uint256 fee);

    function count() external view returns (uint256) {
        return ids.length;
    }

    /// Tokens, fee in millionths, reserves.
    function pool(bytes32 id) external view returns (address[3] memory, uint256, uint256[3] memory) {
        return (pools[id].tokens, pools[id].fee, VAULT.reserves(id));
    }

    function make(address[3] calldata tokens, uint256 fee) external returns (bytes32 id) {
        require(tokens[0] < tokens[1] && tokens[1] < tokens[2] && tokens[0] != address(0), "tokens out of order");
        require(fee < WHOLE, "fee too high");
        id = keccak256(abi.encode(tokens, fee, ids.length));
        pools[id] = Pool(tokens, fee);
        ids.push(id);
        emit PoolMade(id, tokens, fee);
    }

    function fill(bytes32 id, uint256[3] calldata amounts) external {
        uint256[3] memory held = VAULT.reserves(id);
        for (uint256 k; k < 3; ++k) {
            require(IToken(pools[id].tokens[k]).transferFrom(msg.sender, address(VAULT), amounts[k]), "not filled");
            held[k] += amounts[k];
            require(held[k] <= MOST, "too much");
        }
        VAULT.set(id, held);
        emit Filled(id, amounts);
    }

    function setFee(bytes32 id, uint256 fee) external {
        require(msg.sender == OWNER && fee < WHOLE, "not so");
        pools[id].fee = fee;
        emit FeeSet(id, fee);
    }

    /// What `dx` of token `i` pays of token `j`.
    function quote(bytes32 id, uint256 i, uint256 j, uint256 dx) public view returns (uint256) {
        uint256[3] memory held = VAULT.reserves(id);
        require(i != j && dx > 0 && held[i] + dx <= MOST, "no such swap");
        uint256 kept = dx * (WHOLE - pools[id].fee);
        uint256 dy = held[j] * kept / (held[i] * WHOLE + kept);
        require(dy > 0, "nothing out");
        return dy;
    }

    function exchange(bytes32 id, uint256 i, uint256 j, uint256 dx, uint256 least) external returns (uint256 dy) {
        dy = quote(id, i, j, dx);
        require(dy >= least, "too little out");
        uint256[3] memory held = VAULT.reserves(id);
        (held[i], held[j]) = (held[i] + dx, held[j] - dy);
        VAULT.set(id, held);
        require(IToken(pools[id].tokens[i]).transferFrom(msg.sender, address(VAULT), dx), "not paid in");
        VAULT.pay(pools[id].tokens[j], msg.sender, dy);
    }
}

//! What is said to a vault, and what it says: ERC-4626, and by what an asynchronous one (ERC-7540) is known.

alloy::sol! {
    /// What goes in and comes out.
    function asset() external view returns (address);
    /// How much of it the vault counts.
    function totalAssets() external view returns (uint256);
    /// Shares that there are.
    function totalSupply() external view returns (uint256);
    /// Shares, or allowed assets, of somebody.
    function balanceOf(address owner) external view returns (uint256);
    /// Shares for so many assets, all else apart.
    function convertToShares(uint256 assets) external view returns (uint256);
    /// Assets for so many shares, all else apart.
    function convertToAssets(uint256 shares) external view returns (uint256);
    /// Shares that a deposit would give.
    function previewDeposit(uint256 assets) external view returns (uint256);
    /// Assets that so many shares would give.
    function previewRedeem(uint256 shares) external view returns (uint256);
    /// The most that may be deposited for somebody.
    function maxDeposit(address receiver) external view returns (uint256);
    /// The most of his shares that somebody may redeem.
    function maxRedeem(address owner) external view returns (uint256);
    /// Takes assets of the caller, by his allowance.
    function deposit(uint256 assets, address receiver) external returns (uint256 shares);
    /// Burns shares of the owner; his own need no allowance.
    function redeem(uint256 shares, address receiver, address owner) external returns (uint256 assets);
    /// ERC-165.
    function supportsInterface(bytes4 id) external view returns (bool);

    /// Somebody has deposited.
    event Deposit(address indexed sender, address indexed owner, uint256 assets, uint256 shares);
}

/// What an asynchronous vault says that it supports: deposits that are asked for first, and the same of redemptions.
pub(super) const ASYNCHRONOUS: [[u8; 4]; 2] = [[0xce, 0x3b, 0xbe, 0x50], [0x62, 0x0e, 0xe8, 0xe4]];

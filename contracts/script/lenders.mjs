#!/usr/bin/env node
// Compiles what npm's packages hold as source only: Morpho Blue, Chainlink's FluxAggregator and its proxy, Aerodrome's pools of both
// kinds and their factories, solmate's and OpenZeppelin's vaults, vaults and a token of our tests' own on OpenZeppelin's code, and
// metapools of our tests' own. Each with the settings of its authors, and with their compiler or the oldest one that the package's
// source takes, as creation code, in node_modules/.peregrine/, where it goes when the packages go. Each source once, whatever is
// wanted of it.
// Nothing of it is committed: some of it is BUSL-1.1. Does nothing for what is there already.
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { posix } from "node:path";
import { fileURLToPath } from "node:url";

const require = createRequire(import.meta.url);
const modules = (path) => fileURLToPath(new URL(`../node_modules/${path}`, import.meta.url));
// What is ours begins with tests/.
const file = (path) => (path.startsWith("tests/") ? fileURLToPath(new URL(`../../${path}`, import.meta.url)) : modules(path));
const MORPHO = { solc: "solc-0.8.19", optimizer: { enabled: true, runs: 999_999 }, viaIR: true };
const CHAINLINK = { solc: "solc-0.6.6", optimizer: { enabled: true, runs: 1_000_000 } };
const AERODROME = "sphere-mezo-solidity-files/domains/aerodrome/contracts";
const SLIPSTREAM = "sphere-mezo-solidity-files/domains/aerodrome-slipstream/contracts/core";
// The package has Aerodrome's contracts on OpenZeppelin's fifth version, and the root of node_modules has the third.
const V5 = { "@openzeppelin/contracts/": "@openzeppelin/contracts-v5/" };
const SOLIDLY = { solc: "solc", optimizer: { enabled: true, runs: 200 }, moved: V5 };
const CONCENTRATED = { solc: "solc-0.7.6", optimizer: { enabled: true, runs: 200 } };
const VAULTS = "tests/erc4626_bytecode";
const V4_LIB = "@uniswap/v4-core/lib";
const VAULT = { solc: "solc", optimizer: { enabled: true, runs: 200 } };
const ours = (name) => ({ source: `${VAULTS}/Vaults.sol`, name, ...VAULT });
// They are put into a block of 2022, which does not know later opcodes.
const METAPOOL = { source: "tests/curve_stable_bytecode/Metapool.sol", solc: "solc", optimizer: { enabled: true, runs: 200 }, evmVersion: "london" };
const WANTED = [
  ...["Metapool", "FedMetapool", "RememberingMetapool"].map((name) => ({ name, ...METAPOOL })),
  { source: `${V4_LIB}/solmate/src/test/utils/mocks/MockERC4626.sol`, name: "MockERC4626", as: "SolmateVault", ...VAULT },
  { source: `${V4_LIB}/openzeppelin-contracts/contracts/mocks/token/ERC4626Mock.sol`, name: "ERC4626Mock", ...VAULT },
  { source: `${VAULTS}/FeeVault.sol`, name: "FeeVault", ...VAULT },
  { source: `${VAULTS}/MintedToken.sol`, name: "MintedToken", ...VAULT },
  ...["Offset", "Limited", "Managed", "Streaming", "Asynchronous", "Stingy", "Odd", "Hostile"].map((kind) => ours(`${kind}Vault`)),
  { source: `${AERODROME}/Pool.sol`, name: "Pool", as: "SolidlyPool", ...SOLIDLY },
  { source: `${AERODROME}/factories/PoolFactory.sol`, name: "PoolFactory", as: "SolidlyFactory", ...SOLIDLY },
  { source: `${SLIPSTREAM}/CLPool.sol`, name: "CLPool", ...CONCENTRATED },
  { source: `${SLIPSTREAM}/CLFactory.sol`, name: "CLFactory", ...CONCENTRATED },
  { source: `${SLIPSTREAM}/fees/CustomSwapFeeModule.sol`, name: "CustomSwapFeeModule", ...CONCENTRATED },
  { source: `${SLIPSTREAM}/fees/DynamicSwapFeeModule.sol`, name: "DynamicSwapFeeModule", ...CONCENTRATED },
  { source: "@chainlink/contracts/src/v0.6/FluxAggregator.sol", name: "FluxAggregator", ...CHAINLINK },
  { source: "@chainlink/contracts/src/v0.6/EACAggregatorProxy.sol", name: "EACAggregatorProxy", ...CHAINLINK },
  { source: "@morpho-org/morpho-blue/src/mocks/IrmMock.sol", name: "IrmMock", ...MORPHO },
  { source: "@morpho-org/morpho-blue/src/mocks/OracleMock.sol", name: "OracleMock", ...MORPHO },
  { source: "@morpho-org/morpho-blue/src/Morpho.sol", name: "Morpho", ...MORPHO },
];

/** Where a path is that a package has by another name. */
function placed(path, moved) {
  const prefix = Object.keys(moved).find((prefix) => path.startsWith(prefix));
  return prefix ? moved[prefix] + path.slice(prefix.length) : path;
}

/** Adds `path` and all that it imports to `sources`. */
function gather(path, sources, moved) {
  if (sources[path]) return sources;
  const content = readFileSync(file(path), "utf8");
  sources[path] = { content };
  for (const [, imported] of content.matchAll(/^\s*import\b[^;"']*["']([^"']+)["']/gm)) {
    const whole = imported.startsWith(".") ? posix.join(posix.dirname(path), imported) : placed(imported, moved);
    gather(whole, sources, moved);
  }
  return sources;
}

/** The creation code of each contract that is wanted of one source, by its name. Those of a source have its settings. */
function compile(wanted) {
  const { source, name: _name, as: _as, solc, moved = {}, ...settings } = wanted[0];
  const outputSelection = { [source]: Object.fromEntries(wanted.map(({ name }) => [name, ["evm.bytecode.object"]])) };
  const remappings = Object.entries(moved).map(([from, to]) => `${from}=${to}`);
  const sources = gather(source, {}, moved);
  const input = { language: "Solidity", sources, settings: { ...settings, remappings, outputSelection } };
  const output = JSON.parse(require(solc).compile(JSON.stringify(input)));
  const errors = (output.errors ?? []).filter((error) => error.severity === "error");
  if (errors.length) {
    console.error(errors.map((error) => error.formattedMessage).join("\n"));
    process.exit(1);
  }
  return (name) => output.contracts[source][name].evm.bytecode.object;
}

mkdirSync(modules(".peregrine"), { recursive: true });
const target = ({ as, name }) => modules(`.peregrine/${as ?? name}.json`);
const missing = WANTED.filter((wanted) => !existsSync(target(wanted)));
for (const source of new Set(missing.map((wanted) => wanted.source))) {
  console.log(`compiling ${source}`);
  const wanted = missing.filter((other) => other.source === source);
  const code = compile(wanted);
  for (const one of wanted) {
    // Whole or not at all: what is there is taken for good.
    writeFileSync(`${target(one)}.${process.pid}`, `${JSON.stringify({ bytecode: `0x${code(one.name)}` })}\n`);
    renameSync(`${target(one)}.${process.pid}`, target(one));
  }
}

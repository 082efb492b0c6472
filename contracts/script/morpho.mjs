#!/usr/bin/env node
// Compiles the published sources of Morpho Blue, of which there are no artifacts (solc 0.8.19, viaIR, 999999 runs), into
// target/morpho.json: creation code by name. Nothing is done when that file is there; the wasm compiler takes half a minute.
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";

const at = (path) => fileURLToPath(new URL(`../../${path}`, import.meta.url));
const TARGET = at("target/morpho.json");
const SOURCES = process.env.PEREGRINE_NODE_MODULES ?? at("contracts/node_modules");
const NAMES = ["src/Morpho.sol", "src/mocks/IrmMock.sol", "src/mocks/OracleMock.sol"];

if (!existsSync(TARGET)) {
  const { default: solc } = await import("solc-0.8.19");
  const read = (path) => readFileSync(`${SOURCES}/@morpho-org/morpho-blue/${path}`, "utf8");
  const input = {
    language: "Solidity",
    sources: Object.fromEntries(NAMES.map((name) => [name, { content: read(name) }])),
    settings: {
      optimizer: { enabled: true, runs: 999_999 },
      viaIR: true,
      metadata: { bytecodeHash: "none" },
      outputSelection: { "*": { "*": ["evm.bytecode.object"] } },
    },
  };
  const output = JSON.parse(solc.compile(JSON.stringify(input), { import: (path) => ({ contents: read(path) }) }));
  const errors = (output.errors ?? []).filter((error) => error.severity === "error");
  if (errors.length) {
    console.error(errors.map((error) => error.formattedMessage).join("\n"));
    process.exit(1);
  }
  const code = (name) => {
    const contract = name.split("/").pop().replace(".sol", "");
    return [contract, output.contracts[name][contract].evm.bytecode.object];
  };
  mkdirSync(dirname(TARGET), { recursive: true });
  // Another test may be compiling too: the file appears whole or not at all.
  writeFileSync(`${TARGET}.${process.pid}`, JSON.stringify(Object.fromEntries(NAMES.map(code))));
  renameSync(`${TARGET}.${process.pid}`, TARGET);
}

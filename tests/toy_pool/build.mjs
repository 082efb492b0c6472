#!/usr/bin/env node
// Compiles Toy.sol into toy.json, which the tests deploy. `--check` compares instead of writing, and exits 1 if the committed file is
// not what the source gives. The compiler is the contracts' own.
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";

const at = (path) => fileURLToPath(new URL(path, import.meta.url));
const solc = createRequire(at("../../contracts/package.json"))("solc");

const input = {
  language: "Solidity",
  sources: { "Toy.sol": { content: readFileSync(at("Toy.sol"), "utf8") } },
  settings: {
    optimizer: { enabled: true, runs: 1_000_000 },
    evmVersion: "istanbul",
    viaIR: true,
    metadata: { appendCBOR: false, bytecodeHash: "none" },
    outputSelection: { "*": { "*": ["evm.bytecode.object"] } },
  },
};
const output = JSON.parse(solc.compile(JSON.stringify(input)));
if (output.errors?.length) {
  console.error(output.errors.map((error) => error.formattedMessage).join("\n"));
  process.exit(1);
}
const bank = output.contracts["Toy.sol"].ToyBank.evm.bytecode.object;
const built = `${JSON.stringify({ solc: solc.version().split("+")[0], bank: `0x${bank}` }, null, 2)}\n`;
if (process.argv.includes("--check")) {
  const committed = existsSync(at("toy.json")) ? readFileSync(at("toy.json"), "utf8") : "";
  if (committed !== built) {
    console.error("tests/toy_pool/toy.json is not what Toy.sol compiles to: run node tests/toy_pool/build.mjs and commit it");
    process.exit(1);
  }
  console.log("tests/toy_pool/toy.json is what Toy.sol compiles to");
} else {
  writeFileSync(at("toy.json"), built);
  console.log("tests/toy_pool/toy.json written");
}

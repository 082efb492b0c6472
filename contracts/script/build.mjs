#!/usr/bin/env node
// Compiles src/Executor.sol into artifacts/executor.json, which the Rust side includes. `--check` compares instead of
// writing, and exits 1 if the committed file is not what the source gives. Both refuse code with opcodes it must not have.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import solc from "solc";
import { offences } from "./opcodes.mjs";

const at = (path) => fileURLToPath(new URL(`../${path}`, import.meta.url));
const SOURCE = "src/Executor.sol";
const TARGET = "artifacts/executor.json";
const EVMS = ["istanbul", "cancun"];

// Runs: a searcher pays for calls and never again for the deployment. No metadata: the same source is the same code, wherever it is.
const SETTINGS = {
  optimizer: { enabled: true, runs: 1_000_000 },
  viaIR: true,
  metadata: { appendCBOR: false, bytecodeHash: "none" },
  outputSelection: { "*": { "*": ["evm.bytecode.object", "evm.deployedBytecode.object"] } },
};

function compile(evmVersion) {
  const input = {
    language: "Solidity",
    sources: { [SOURCE]: { content: readFileSync(at(SOURCE), "utf8") } },
    settings: { ...SETTINGS, evmVersion },
  };
  const output = JSON.parse(solc.compile(JSON.stringify(input)));
  if (output.errors?.length) fail(output.errors.map((error) => error.formattedMessage).join("\n"));
  const { bytecode, deployedBytecode } = output.contracts[SOURCE].Executor.evm;
  return { creation: bytecode.object, runtime: deployedBytecode.object };
}

function build() {
  const artifact = { solc: solc.version().split("+")[0] };
  for (const evm of EVMS) {
    const { creation, runtime } = compile(evm);
    if (!creation.endsWith(runtime)) fail(`${evm}: the runtime code is not the end of the creation code`);
    const constructor = creation.slice(0, creation.length - runtime.length);
    const found = [...offences(constructor, evm), ...offences(runtime, evm)];
    if (found.length) fail(`${evm}: the code has opcodes it must not have: ${found.join(", ")}`);
    artifact[evm] = { creation: `0x${creation}`, runtime_size: runtime.length / 2 };
  }
  return `${JSON.stringify(artifact, null, 2)}\n`;
}

function fail(sentence) {
  console.error(sentence);
  process.exit(1);
}

const built = build();
if (process.argv.includes("--check")) {
  const committed = existsSync(at(TARGET)) ? readFileSync(at(TARGET), "utf8") : "";
  if (committed !== built) fail(`contracts/${TARGET} is not what contracts/${SOURCE} compiles to: run npm run build and commit it`);
  console.log(`${TARGET} is what ${SOURCE} compiles to`);
} else {
  mkdirSync(dirname(at(TARGET)), { recursive: true });
  writeFileSync(at(TARGET), built);
  console.log(`${TARGET} written`);
}

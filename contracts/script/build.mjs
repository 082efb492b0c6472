#!/usr/bin/env node
// Compiles each contract of src/ that is deployed into an artifact, which the Rust side includes. `--check` compares instead of
// writing, and exits 1 if a committed file is not what the source gives. Both refuse code with opcodes it must not have.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import solc from "solc";
import { offences } from "./opcodes.mjs";

const at = (path) => fileURLToPath(new URL(`../${path}`, import.meta.url));
const SOURCES = ["Executor", "FeedOracle", "Manager", "Nest", "Steps", "Tokens"].map((name) => `src/${name}.sol`);
const TARGETS = {
  Executor: "artifacts/executor.json",
  FeedOracle: "artifacts/feed_oracle.json",
};
const EVMS = ["istanbul", "cancun"];

// Runs: a searcher pays for calls and never again for the deployment. No metadata: the same source is the same code, wherever it is.
const SETTINGS = {
  optimizer: { enabled: true, runs: 1_000_000 },
  viaIR: true,
  metadata: { appendCBOR: false, bytecodeHash: "none" },
  outputSelection: { "*": { "*": ["evm.bytecode.object", "evm.deployedBytecode.object"] } },
};

/** Compiles every contract at once, into a map from its name to its creation and its runtime code. */
function compile(evmVersion) {
  const input = {
    language: "Solidity",
    sources: Object.fromEntries(SOURCES.map((path) => [path, { content: readFileSync(at(path), "utf8") }])),
    settings: { ...SETTINGS, evmVersion },
  };
  const output = JSON.parse(solc.compile(JSON.stringify(input)));
  if (output.errors?.length) fail(output.errors.map((error) => error.formattedMessage).join("\n"));
  const code = (name) => {
    const { bytecode, deployedBytecode } = output.contracts[`src/${name}.sol`][name].evm;
    return { creation: bytecode.object, runtime: deployedBytecode.object };
  };
  return Object.fromEntries(Object.keys(TARGETS).map((name) => [name, code(name)]));
}

/** Builds the artifact of contract `name` out of what `compile` made for each EVM. */
function artifact(name, compiled) {
  const made = { solc: solc.version().split("+")[0] };
  for (const evm of EVMS) {
    const { creation, runtime } = compiled[evm][name];
    if (!creation.endsWith(runtime)) fail(`${name}, ${evm}: the runtime code is not the end of the creation code`);
    const constructor = creation.slice(0, creation.length - runtime.length);
    const found = [...offences(constructor, evm), ...offences(runtime, evm)];
    if (found.length) fail(`${name}, ${evm}: the code has opcodes it must not have: ${found.join(", ")}`);
    made[evm] = { creation: `0x${creation}`, runtime_size: runtime.length / 2 };
  }
  return `${JSON.stringify(made, null, 2)}\n`;
}

function fail(sentence) {
  console.error(sentence);
  process.exit(1);
}

const compiled = Object.fromEntries(EVMS.map((evm) => [evm, compile(evm)]));
for (const [name, target] of Object.entries(TARGETS)) {
  const built = artifact(name, compiled);
  if (process.argv.includes("--check")) {
    const committed = existsSync(at(target)) ? readFileSync(at(target), "utf8") : "";
    if (committed !== built) fail(`contracts/${target} is not what contracts/src/${name}.sol compiles to: run npm run build and commit it`);
    console.log(`${target} is what src/${name}.sol compiles to`);
  } else {
    mkdirSync(dirname(at(target)), { recursive: true });
    writeFileSync(at(target), built);
    console.log(`${target} written`);
  }
}

#!/usr/bin/env node
// The solc that forge calls: npm's solc behind the two flags that forge uses. Nothing is downloaded.
import { readFileSync, writeSync } from "node:fs";
import solc from "solc";

const args = process.argv.slice(2);
if (args.includes("--version")) {
  // forge reads the version from the second line and wants a platform at its end.
  print(`solc, the solidity compiler commandline interface\nVersion: ${solc.version().replace(".Emscripten.clang", ".Linux.g++")}\n`);
} else if (args.includes("--standard-json")) {
  print(solc.compile(readFileSync(0, "utf8"), { import: (path) => ({ error: `${path} was not handed over` }) }));
} else {
  console.error(`script/solc.mjs knows --version and --standard-json, not ${args.join(" ") || "no flag"}`);
  process.exit(2);
}

// A pipe may take less than it is given.
function print(text) {
  const bytes = Buffer.from(text);
  for (let at = 0; at < bytes.length; ) {
    try {
      at += writeSync(1, bytes, at);
    } catch (error) {
      if (error.code !== "EAGAIN") throw error;
    }
  }
}
